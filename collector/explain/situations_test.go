package explain_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
	"github.com/seed-9c0ac15d/airflow_exporter/collector/explain"
)

// situation is an Airflow of which something is to be explained.
type situation struct {
	build  func(w *world)
	args   string
	change func(*explain.Options)
	status int
}

func task(name string) airflowtest.Key { return airflowtest.Task("etl", "monday", name) }

// waits is an instance that is scheduled and stays so for this reason.
func waits(name, reason string) func(w *world) {
	return func(w *world) {
		w.step(func(db *airflowtest.Database) {
			db.Add(task("extract"), 1).Start()
			t := db.Add(task("load"), 1)
			t.Dependencies = []airflowtest.Dependency{{Name: name, Reason: reason}}
			t.Schedule()
		})
		w.step(func(*airflowtest.Database) {})
	}
}

// stalled is a run in which an instance without a state waits for this reason, and nothing else moves.
func stalled(name, reason string) func(w *world) {
	return func(w *world) {
		w.step(func(db *airflowtest.Database) {
			db.Add(task("extract"), 0).Fail()
			t := db.Add(task("load"), 1)
			t.Dependencies = []airflowtest.Dependency{{Name: name, Reason: reason}}
		})
		for range 6 {
			w.step(func(*airflowtest.Database) {})
		}
	}
}

var situations = map[string]situation{
	"pool_full": {args: "etl monday load", status: 1, build: func(w *world) {
		w.step(func(db *airflowtest.Database) {
			db.PutPool(airflowtest.Pool{Name: "warehouse", Slots: 1})
			db.Put(airflowtest.TaskInstance{Key: task("extract"), Pool: "warehouse"}).Start()
			db.Put(airflowtest.TaskInstance{Key: task("load"), Pool: "warehouse"}).Schedule()
		})
		w.step(func(*airflowtest.Database) {})
	}},
	"pool_slots": {args: "etl monday load", status: 1, build: func(w *world) {
		w.step(func(db *airflowtest.Database) {
			db.PutPool(airflowtest.Pool{Name: "warehouse", Slots: 2})
			db.Put(airflowtest.TaskInstance{Key: task("load"), Pool: "warehouse", PoolSlots: 3}).Schedule()
		})
		w.step(func(*airflowtest.Database) {})
	}},
	"pool_missing": {args: "etl monday load", status: 1, build: func(w *world) {
		w.step(func(db *airflowtest.Database) {
			db.Put(airflowtest.TaskInstance{Key: task("load"), Pool: "warehuose"}).Schedule()
		})
		w.step(func(*airflowtest.Database) {})
	}},
	"dag_concurrency": {args: "etl monday load", status: 1, build: waits("Task Instance Slots Available",
		"The maximum number of running tasks (1) for this task's DAG 'etl' has been reached.")},
	"task_concurrency": {args: "etl monday load", status: 1, build: waits("Task Concurrency", "The max task concurrency has been reached.")},
	"own_check":        {args: "etl monday load", status: 1, build: waits("Maintenance Window", "The warehouse is closed until 06:00.\x1b]0;pwned\a")},
	"none_reported": {args: "etl monday load", status: 1, build: func(w *world) {
		w.step(func(db *airflowtest.Database) { db.Add(task("load"), 1).Schedule() })
		w.step(func(*airflowtest.Database) {})
	}},
	"scheduled_just_now": {args: "etl monday load", status: 0, change: func(o *explain.Options) { o.Wait = false }, build: func(w *world) {
		w.server.Update(func(db *airflowtest.Database) { db.Add(task("load"), 1).Schedule() })
		time.Sleep(10 * time.Second)
	}},
	"trigger_rule": {args: "etl monday load", status: 1, build: stalled("Trigger Rule",
		"Task's trigger rule 'all_success' requires all upstream tasks to have succeeded, but found 1 non-success(es). upstream_task_ids={'extract'}")},
	"trigger_rule_scheduled": {args: "etl monday load", status: 1, build: waits("Trigger Rule",
		"Task's trigger rule 'all_success' requires all upstream tasks to have succeeded, but found 3 non-success(es). upstream_states=_UpstreamTIStates(success=0, done=0), upstream_task_ids={'extract', 'not_there'}")},
	"trigger_rule_in_run": {args: "etl monday", status: 1, build: func(w *world) {
		w.step(func(db *airflowtest.Database) {
			db.Add(task("part"), 0)
			for i, t := range db.Expand(task("part"), 3) {
				if i > 0 {
					t.Fail()
				} else {
					t.Succeed()
				}
			}
			db.Add(task("good"), 0).Succeed()
			for _, name := range []string{"load", "report"} {
				db.Add(task(name), 0).Dependencies = []airflowtest.Dependency{{Name: "Trigger Rule", Reason: "upstream_task_ids={'part', 'good'}"}}
			}
		})
		time.Sleep(6 * time.Minute)
	}},
	"depends_on_past": {args: "etl monday load", status: 1, build: stalled("Previous Dagrun State",
		"depends_on_past is true for this task, but 1 previous task instance(s) are not in a successful state.")},
	"mapped_not_expanded": {args: "etl monday load", status: 1, build: stalled("Task has been mapped", "The task has yet to be mapped!")},
	"turn_has_not_come": {args: "etl monday load", status: 0, build: func(w *world) {
		w.step(func(db *airflowtest.Database) {
			db.Add(task("extract"), 0).Start()
			db.Add(task("load"), 0).AskingWrites = airflowtest.Skipped
		})
		time.Sleep(time.Hour)
	}},
	"just_created": {args: "etl monday load", status: 0, build: func(w *world) {
		w.step(func(db *airflowtest.Database) { db.Add(task("load"), 0).AskingWrites = airflowtest.UpstreamFailed })
	}},
	"cleared": {args: "etl monday load", status: 0, build: func(w *world) {
		w.step(func(db *airflowtest.Database) { db.Add(task("load"), 1).Fail() })
		time.Sleep(time.Hour)
		w.step(func(db *airflowtest.Database) {
			t := db.TaskInstance(task("load")).Clear()
			t.AskingWrites = airflowtest.Skipped
		})
	}},
	"no_second_look": {args: "etl monday load", status: 0, change: func(o *explain.Options) { o.Wait = false }, build: stalled("Trigger Rule", "because")},
	"scheduler_unhealthy": {args: "etl monday load", status: 1, build: func(w *world) {
		waits("Task Concurrency", "The max task concurrency has been reached.")(w)
		w.step(func(db *airflowtest.Database) {
			db.Health.Scheduler = &airflowtest.Component{Status: airflowtest.Unhealthy, Heartbeat: db.Now().Add(-10 * time.Minute)}
		})
	}},
	"dag_paused": {args: "etl monday load", status: 1, build: func(w *world) {
		w.step(func(db *airflowtest.Database) {
			db.PutDag(airflowtest.Dag{DagID: "etl", Paused: true})
			db.PutRun(airflowtest.DagRun{DagID: "etl", RunID: "monday", State: airflowtest.Queued, Type: airflowtest.RunScheduled})
			db.Add(task("load"), 0).AskingWrites = airflowtest.Skipped
		})
	}},
	"dag_paused_run": {args: "etl", status: 1, build: func(w *world) {
		w.step(func(db *airflowtest.Database) {
			db.PutDag(airflowtest.Dag{DagID: "etl", Paused: true})
			db.PutRun(airflowtest.DagRun{DagID: "etl", RunID: "monday", State: airflowtest.Queued, Type: airflowtest.RunScheduled})
			db.Add(task("load"), 0).AskingWrites = airflowtest.Skipped
		})
	}},
	"stale": {args: "etl monday load", status: 1, build: func(w *world) {
		stalled("Trigger Rule", "because")(w)
		w.server.Update(func(db *airflowtest.Database) { db.Dag("etl").Stale = true })
	}},
	"unscheduled": {args: "etl monday load", status: 1, build: func(w *world) {
		stalled("Trigger Rule", "because")(w)
		w.server.Update(func(db *airflowtest.Database) { db.Run("etl", "monday").Fail().State = airflowtest.Failed })
		w.server.Update(func(db *airflowtest.Database) { db.TaskInstance(task("load")).State = airflowtest.NoStatus })
	}},
	"max_active_runs": {args: "etl tuesday", status: 1, build: func(w *world) {
		w.step(func(db *airflowtest.Database) {
			db.PutDag(airflowtest.Dag{DagID: "etl", MaxActiveRuns: 1, Schedule: "@daily"})
			db.Add(task("extract"), 0).Start()
			db.PutRun(airflowtest.DagRun{DagID: "etl", RunID: "tuesday", State: airflowtest.Queued})
		})
		w.step(func(*airflowtest.Database) {})
	}},
	"up_for_reschedule": {args: "etl monday load", status: 0, build: func(w *world) {
		w.step(func(db *airflowtest.Database) {
			db.Put(airflowtest.TaskInstance{Key: task("load"), Operator: "ExternalTaskSensor"}).Start().Reschedule()
		})
	}},
	"up_for_retry": {args: "etl monday load", status: 1, build: func(w *world) {
		w.step(func(db *airflowtest.Database) { db.Add(task("load"), 2).Start() })
		w.step(func(db *airflowtest.Database) { db.TaskInstance(task("load")).Fail() })
	}},
	"retry_overdue": {args: "etl monday load", status: 1, build: func(w *world) {
		w.step(func(db *airflowtest.Database) { db.Add(task("load"), 2).Fail() })
		time.Sleep(64 * time.Minute)
	}},
	"retry_backoff": {args: "etl monday load", status: 1, build: func(w *world) {
		w.step(func(db *airflowtest.Database) {
			db.Put(airflowtest.TaskInstance{Key: task("load"), MaxTries: 2, Retries: 2, RetryBackoff: true}).Fail()
		})
	}},
	"retry_not_told": {args: "etl monday load", status: 1, build: func(w *world) {
		w.step(func(db *airflowtest.Database) { db.Add(task("load"), 2).Fail() })
		w.server.Inject(airflowtest.On("GET", "/tasks/load"), airflowtest.Status(http.StatusNotFound, nil, "{}"))
	}},
	"failed_early": {args: "etl monday load", status: 1, build: func(w *world) {
		w.step(func(db *airflowtest.Database) { db.Add(task("load"), 2).FailWithoutRetry() })
	}},
	"never_begun": {args: "etl monday load", status: 1, build: func(w *world) {
		w.step(func(db *airflowtest.Database) {
			t := db.Add(task("load"), 0).Enqueue()
			t.State, t.EndDate, t.Duration = airflowtest.Failed, db.Now(), new(12.5)
		})
	}},
	"second_attempt_queued": {args: "etl monday load", status: 0, build: func(w *world) {
		w.step(func(db *airflowtest.Database) { db.Add(task("load"), 2).Start() })
		w.step(func(db *airflowtest.Database) { db.TaskInstance(task("load")).Fail() })
		w.step(func(db *airflowtest.Database) { db.TaskInstance(task("load")).Enqueue() })
	}},
	"second_attempt_running": {args: "etl monday load", status: 0, build: func(w *world) {
		secondAttempt(w)
		w.server.Update(func(db *airflowtest.Database) {
			db.TaskInstance(task("load")).Logs[2] = []airflowtest.LogLine{{Time: db.Now(), Level: "INFO", Source: "load.py:1", Text: "once more"}}
		})
	}},
	"second_attempt_no_log_yet": {args: "etl monday load", status: 0, build: secondAttempt},
	"first_attempt":             {args: "etl monday load", status: 0, build: secondAttempt, change: func(o *explain.Options) { o.Try = 1 }},
	"no_such_attempt":           {args: "etl monday load", status: 0, build: secondAttempt, change: func(o *explain.Options) { o.Try = 7 }},
	"queued_for_long": {args: "etl monday load", status: 1, build: func(w *world) {
		w.step(func(db *airflowtest.Database) {
			db.Put(airflowtest.TaskInstance{Key: task("load"), Queue: "gpu"}).Enqueue()
		})
		time.Sleep(20 * time.Minute)
	}},
	"deferred": {args: "etl monday load", status: 0, build: func(w *world) {
		w.step(func(db *airflowtest.Database) { db.Add(task("load"), 0).Start().Defer() })
	}},
	"deferred_no_triggerer": {args: "etl monday load", status: 1, build: func(w *world) {
		w.step(func(db *airflowtest.Database) {
			db.Add(task("load"), 0).Start().Defer()
			db.Health.Triggerer = &airflowtest.Component{Status: airflowtest.Unhealthy}
		})
	}},
	"running": {args: "etl monday load", status: 0, build: func(w *world) {
		w.step(func(db *airflowtest.Database) { db.Add(task("load"), 0).Start() })
		time.Sleep(75 * time.Minute)
	}},
	"success": {args: "etl - load", status: 0, build: func(w *world) {
		w.step(func(db *airflowtest.Database) { db.Add(task("load"), 0).Start() })
		w.step(func(db *airflowtest.Database) {
			db.TaskInstance(task("load")).Succeed()
			db.Run("etl", "monday").Settle()
		})
	}},
	"failed":           {args: "etl monday load", status: 1, build: failedWithLog},
	"failed_short_log": {args: "etl monday load", status: 1, build: failedWithLog, change: func(o *explain.Options) { o.LogLines = 3 }},
	"failed_no_log":    {args: "etl monday load", status: 1, build: failedWithLog, change: func(o *explain.Options) { o.LogLines = 0 }},
	"few_rights":       {args: "etl monday load", status: 1, build: failedWithLog, change: func(o *explain.Options) { o.Airflow.Username = "nopools" }},
	"few_rights_running": {args: "etl monday load", status: 0, change: func(o *explain.Options) { o.Airflow.Username = "nopools" }, build: func(w *world) {
		w.step(func(db *airflowtest.Database) { db.Add(task("load"), 0).Start() })
	}},
	"log_breaks_off": {args: "etl monday load", status: 1, build: func(w *world) {
		failedWithLog(w)
		w.server.Inject(airflowtest.On("GET", "/logs/2"), airflowtest.Truncate(900))
	}},
	"upstream_failed": {args: "etl monday load", status: 1, build: func(w *world) {
		w.step(func(db *airflowtest.Database) {
			db.Add(task("extract"), 0).Fail()
			db.Add(task("load"), 0).FailUpstream()
		})
		w.step(func(db *airflowtest.Database) {
			db.Add(task("elsewhere"), 0).Fail()
			db.Run("etl", "monday").Settle()
		})
	}},
	"mapped":               {args: "etl monday load", status: 1, build: mapped},
	"mapped_index":         {args: "etl monday load", status: 0, change: func(o *explain.Options) { o.MapIndex = new(3) }, build: mapped},
	"mapped_no_such_index": {args: "etl monday load", status: 2, change: func(o *explain.Options) { o.MapIndex = new(77) }, build: mapped},
	"run":                  {args: "etl", status: 1, build: busyRun},
	"run_succeeded": {args: "etl", status: 0, build: func(w *world) {
		w.step(func(db *airflowtest.Database) { db.Add(task("load"), 0).Start() })
		w.step(func(db *airflowtest.Database) {
			db.TaskInstance(task("load")).Succeed()
			db.Run("etl", "monday").Settle()
		})
	}},
	"run_succeeded_with_failures": {args: "etl", status: 1, build: func(w *world) {
		w.step(func(db *airflowtest.Database) {
			db.Add(task("extract"), 0).Start().Fail()
			db.Add(task("load"), 2).FailWithoutRetry()
			db.Add(task("report"), 0).Succeed()
			db.Run("etl", "monday").State = airflowtest.Success
		})
	}},
	"run_wide": {args: "etl monday", status: 1, build: func(w *world) {
		w.step(func(db *airflowtest.Database) {
			for i := range 13 {
				db.Add(task(fmt.Sprintf("task_%02d", i)), 0).Fail()
			}
			for i := range 6 {
				t := db.Add(task(fmt.Sprintf("waits_%d", i)), 0)
				t.Dependencies = []airflowtest.Dependency{{Name: "Task Concurrency", Reason: "The max task concurrency has been reached."}}
				t.Schedule()
				db.Add(task(fmt.Sprintf("queued_%d", i)), 0).Enqueue()
				db.Add(task(fmt.Sprintf("not_yet_%d", i)), 0)
			}
		})
		time.Sleep(time.Hour)
	}},
	"run_failed": {args: "etl monday", status: 1, build: func(w *world) {
		w.step(func(db *airflowtest.Database) {
			db.Add(task("extract"), 0).Fail()
			db.Add(task("load"), 0).FailUpstream()
			db.Run("etl", "monday").Settle()
		})
	}},
	"run_fine": {args: "etl monday", status: 0, build: func(w *world) {
		w.step(func(db *airflowtest.Database) {
			db.Add(task("extract"), 0).Start()
			db.Add(task("load"), 0).AskingWrites = airflowtest.Skipped
		})
	}},
	"no_runs": {args: "etl", status: 0, build: func(w *world) { w.step(func(db *airflowtest.Database) { db.PutDag(airflowtest.Dag{DagID: "etl"}) }) }},
	"no_runs_paused": {args: "etl", status: 1, build: func(w *world) {
		w.step(func(db *airflowtest.Database) { db.PutDag(airflowtest.Dag{DagID: "etl", Paused: true}) })
	}},
	"overdue": {args: "etl", status: 1, build: overdue(airflowtest.Dag{})},
	"overdue_no_runs": {args: "etl", status: 1, build: func(w *world) {
		w.step(func(db *airflowtest.Database) {
			db.PutDag(airflowtest.Dag{DagID: "etl", Schedule: "@daily", NextRunAfter: db.Now()})
		})
		time.Sleep(11 * time.Hour)
	}},
	"overdue_unhealthy": {args: "etl", status: 1, build: func(w *world) {
		overdue(airflowtest.Dag{})(w)
		w.server.Update(func(db *airflowtest.Database) {
			db.Health.Scheduler = &airflowtest.Component{Status: airflowtest.Unhealthy}
		})
	}},
	"overdue_stale":     {args: "etl", status: 1, build: overdue(airflowtest.Dag{Stale: true})},
	"overdue_paused":    {args: "etl", status: 0, build: overdue(airflowtest.Dag{Paused: true})},
	"overdue_named_run": {args: "etl monday", status: 0, build: overdue(airflowtest.Dag{})},
	"overdue_at_max_active_runs": {args: "etl", status: 0, build: func(w *world) {
		overdue(airflowtest.Dag{MaxActiveRuns: 1})(w)
		w.server.Update(func(db *airflowtest.Database) {
			db.PutRun(airflowtest.DagRun{DagID: "etl", RunID: "by hand 'now'", RunAfter: db.Now().Add(-time.Hour)})
			db.PutRun(airflowtest.DagRun{DagID: "etl", RunID: "newest", State: airflowtest.Success, RunAfter: db.Now()})
		})
	}},
	"overdue_created_meanwhile": {args: "etl", status: 0, build: func(w *world) {
		overdue(airflowtest.Dag{})(w)
		w.server.Update(func(db *airflowtest.Database) {
			due := db.Dag("etl").NextRunAfter
			db.PutRun(airflowtest.DagRun{DagID: "etl", RunID: "tuesday", Type: airflowtest.RunScheduled, LogicalDate: due.Add(-24 * time.Hour), RunAfter: due})
		})
	}},
	"held_back": {args: "etl", status: 0, build: func(w *world) {
		overdue(airflowtest.Dag{MaxActiveRuns: 1})(w)
		w.server.Update(func(db *airflowtest.Database) {
			dag := db.Dag("etl")
			dag.NextLogicalDate, dag.NextRunAfter = dag.NextRunAfter, time.Time{}
		})
	}},
	"next_run_in_time": {args: "etl", status: 0, build: func(w *world) {
		overdue(airflowtest.Dag{})(w)
		w.server.Update(func(db *airflowtest.Database) { db.Dag("etl").NextRunAfter = db.Now().Add(13 * time.Hour) })
	}},
	"other_active_runs": {args: "etl", status: 0, build: func(w *world) {
		w.step(func(db *airflowtest.Database) { db.Add(task("load"), 0).Start() })
		w.step(func(db *airflowtest.Database) { db.Add(airflowtest.Task("etl", "tuesday", "load"), 0).Start() })
		w.step(func(db *airflowtest.Database) { db.Add(airflowtest.Task("etl", "wednesday", "load"), 0).Start() })
	}},
	"no_such_dag":        {args: "elt", status: 2, build: busyRun},
	"no_such_dag_at_all": {args: "sales", status: 2, build: busyRun},
	"no_such_run":        {args: "etl sunday", status: 2, build: busyRun},
	"no_such_task":       {args: "etl monday lod", status: 2, build: busyRun},
	"forbidden":          {args: "etl", status: 2, change: func(o *explain.Options) { o.Airflow.Username = "nobody" }, build: busyRun},
	"not_my_dag":         {args: "etl", status: 2, change: func(o *explain.Options) { o.Airflow.Username = "limited" }, build: busyRun},
	"wrong_password":     {args: "etl", status: 2, change: func(o *explain.Options) { o.Airflow.Password = "not-this-one" }, build: busyRun},
	"unreachable":        {args: "etl", status: 2, build: func(w *world) { w.server.Stop() }},
	"login_page":         {args: "etl", status: 2, build: func(w *world) { w.server.Inject(nil, airflowtest.LoginPage()) }},
	"odd_names": {args: "größe a+b%/c tä/sk", status: 0, build: func(w *world) {
		w.step(func(db *airflowtest.Database) { db.Add(airflowtest.Task("größe", "a+b%/c", "tä/sk"), 0).Start() })
	}},
}
