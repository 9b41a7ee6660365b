package collector

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// blockedBy is the sample of a task of the DAG "dag" that waits for this reason.
func blockedBy(task, reason string) string {
	return fmt.Sprintf(`airflow_task_instances_blocked{dag_id="dag",reason=%q,task_id=%q} 1`, reason, task)
}

// Every check of both versions shows up under its reason.
func TestBlockedReasons(t *testing.T) {
	checks := map[string]airflowtest.Dependency{
		"dag_concurrency":     {Name: "Task Instance Slots Available"},
		"task_concurrency":    {Name: "Task Concurrency"},
		"trigger_rule":        {Name: "Trigger Rule"},
		"depends_on_past":     {Name: "Previous Dagrun State"},
		"mapped_dependency":   {Name: "Mapped dependencies have succeeded"},
		"not_yet_mapped":      {Name: "Task has been mapped"},
		"not_yet_rescheduled": {Name: "Ready To Reschedule"},
		"previously_skipped":  {Name: "Not Previously Skipped"},
		"backfill":            {Name: "DagRun is not backfill job"},
		"date":                {Name: "Logical Date"},
		"other":               {Name: "Moon Phase"},
	}
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, func(o *Options) { o.Config.Fanout = 20 }, func(w *world) {
				w.airflow.Update(func(db *airflowtest.Database) {
					for reason, check := range checks {
						db.Add(airflowtest.Task("dag", "run", reason), 0).Schedule().Dependencies = []airflowtest.Dependency{check}
					}
					db.Add(airflowtest.Task("dag", "run", "none_reported"), 0).Schedule()
					db.PutPool(airflowtest.Pool{Name: "full"})
					for pool, task := range map[string]string{"full": "pool_slots", "nowhere": "missing_pool"} {
						ti := db.Add(airflowtest.Task("dag", "run", task), 0)
						ti.Pool = pool
						ti.Schedule()
					}
				})
				w.scrape(0)
				w.lacks(w.scrape(0), "airflow_task_instances_blocked")
				if n := w.asked("/dependencies"); n != 0 {
					t.Errorf("%d calls before they waited for a minute", n)
				}
				time.Sleep(time.Minute)
				exposition := w.scrape(0)
				for reason := range checks {
					w.has(exposition, blockedBy(reason, reason))
				}
				w.has(exposition, blockedBy("none_reported", "none_reported"), blockedBy("pool_slots", "pool_slots"), blockedBy("missing_pool", "missing_pool"),
					`airflow_task_instances_waiting{examined="true"} 14`, `airflow_task_instances_waiting{examined="false"} 0`)
				w.airflow.ResetRequests()
				w.scrapeFor(90 * time.Second)
				if n := w.asked("/dependencies"); n != 0 {
					t.Errorf("%d calls while the answers were fresh", n)
				}
			})
		})
	}
}

// What is known without asking is not asked for, and a stalled run is only after five minutes.
func TestInstancesWithoutAStateAreAskedForInStalledRunsOnly(t *testing.T) {
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
				w.airflow.Update(func(db *airflowtest.Database) {
					put := func(dag, run, task, state string) {
						db.PutRun(airflowtest.DagRun{DagID: dag, RunID: run, State: state})
						db.Add(airflowtest.Task(dag, run, task), 0).AskingWrites = "skipped"
					}
					put("dag", "queued", "queued", "queued")
					put("dag", "over", "over", "success")
					put("dag", "moves", "null", "running")
					db.Add(airflowtest.Task("dag", "moves", "runs"), 0).Start()
					db.PutDag(airflowtest.Dag{DagID: "paused", Paused: true})
					put("paused", "run", "null", "running")
					db.Add(airflowtest.Task("paused", "run", "scheduled"), 0).Schedule()
					put("paused", "triggered", "new", "queued")
					stuck := db.Add(airflowtest.Task("dag", "stalled", "stuck"), 0)
					stuck.Dependencies = []airflowtest.Dependency{{Name: "Trigger Rule"}}
				})
				w.scrapeFor(StalledAfter)
				if n := w.asked("/dependencies"); n != 0 {
					t.Errorf("%d calls in five minutes", n)
				}
				w.scrapeFor(90 * time.Second) // to make sure that nothing ended unseen, and to list what there is
				exposition := w.scrape(0)
				w.has(exposition, blockedBy("queued", "dag_run_not_running"), blockedBy("stuck", "trigger_rule"),
					`airflow_task_instances_blocked{dag_id="paused",reason="dag_paused",task_id="null"} 1`,
					`airflow_task_instances_blocked{dag_id="paused",reason="dag_paused",task_id="scheduled"} 1`,
					`airflow_task_instances_blocked{dag_id="paused",reason="dag_paused",task_id="new"} 1`,
					`airflow_task_instances_blocked{dag_id="paused",reason="dag_run_not_running",task_id="new"} 1`,
					`airflow_task_instances_waiting{examined="true"} 5`, `airflow_task_instances_waiting{examined="false"} 0`,
					`airflow_dag_runs_stalled{dag_id="dag"} 1`)
				w.lacks(exposition, `airflow_dag_runs_stalled{dag_id="paused"}`)
				w.scrapeFor(time.Hour)
				for _, r := range w.airflow.Requests() {
					if strings.HasSuffix(r.Path, "/dependencies") && !strings.Contains(r.Path, "/stalled/") {
						t.Fatalf("asked: %s", r.Path)
					}
				}
				if n := w.asked("/dependencies"); n == 0 || n > 60/2+2 {
					t.Errorf("%d calls in an hour, want one every two minutes", n)
				}
			})
		})
	}
}

// Without a healthy scheduler nothing is asked, and it gets its five minutes when it is back.
func TestNothingIsAskedWithoutAHealthyScheduler(t *testing.T) {
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
				healthy := func(status string) {
					w.airflow.Update(func(db *airflowtest.Database) { db.Health.Scheduler.Status = status })
				}
				w.airflow.Update(func(db *airflowtest.Database) {
					db.Add(airflowtest.Task("dag", "run", "scheduled"), 0).Schedule()
					db.Add(airflowtest.Task("dag", "stalled", "stuck"), 0)
				})
				healthy(airflowtest.Unhealthy)
				w.scrapeFor(time.Hour)
				for _, r := range w.airflow.Requests() {
					if strings.HasSuffix(r.Path, "/dependencies") || r.Query.Has("paused") {
						t.Errorf("asked while the scheduler was not healthy: %s?%s", r.Path, r.Query.Encode())
					}
				}
				w.has(w.scrape(0), `airflow_task_instances_waiting{examined="false"} 1`, `airflow_exporter_collector_success{collector="blocked"} 1`)
				healthy(airflowtest.Healthy)
				w.airflow.ResetRequests()
				w.scrapeFor(4 * time.Minute)
				for _, r := range w.airflow.Requests() {
					if strings.HasSuffix(r.Path, "/dependencies") && strings.Contains(r.Path, "/stalled/") {
						t.Fatalf("asked at %s: %s", r.Time, r.Path)
					}
				}
				if n := w.asked("/dependencies"); n == 0 {
					t.Error("the scheduled one was not asked for")
				}
				w.scrapeFor(3 * time.Minute)
				w.has(w.scrape(0), blockedBy("stuck", "none_reported"))
			})
		})
	}
}

// The oldest come first, no more than the fan-out at once, and none if that is switched off.
func TestBlockedKeepsToItsFanOut(t *testing.T) {
	many := func(w *world) {
		w.airflow.Update(func(db *airflowtest.Database) {
			for i := range 25 {
				db.Add(airflowtest.MappedTask("dag", "run", "task", i), 0).Schedule()
			}
			for i := range 25 {
				db.Add(airflowtest.MappedTask("dag", "stalled", "stuck", i), 0)
			}
		})
	}
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		many(w)
		w.scrape(0)
		time.Sleep(time.Minute)
		w.has(w.scrape(0), `airflow_task_instances_waiting{examined="true"} 10`, `airflow_task_instances_waiting{examined="false"} 15`)
		w.scrapeFor(10 * time.Minute)
		for range 20 {
			w.airflow.ResetRequests()
			w.scrape(0)
			stalled := 0
			for _, r := range w.airflow.Requests() {
				if strings.HasSuffix(r.Path, "/dependencies") && strings.Contains(r.Path, "/stalled/") {
					stalled++
				}
			}
			if n := w.asked("/dependencies"); n > 10 || stalled > 5 {
				t.Errorf("%d calls, %d of a stalled run", n, stalled)
			}
			time.Sleep(15 * time.Second)
		}
	})
	for name, change := range map[string]func(*Config){
		"enabled": func(c *Config) { c.Blocked.Enabled = false },
		"stalled": func(c *Config) { c.Blocked.Stalled = false },
	} {
		inWorld(t, airflowtest.Options{Version: "3.3.2"}, func(o *Options) { change(&o.Config) }, func(w *world) {
			many(w)
			w.scrapeFor(10 * time.Minute)
			for _, r := range w.airflow.Requests() {
				if strings.HasSuffix(r.Path, "/dependencies") && (name == "enabled" || strings.Contains(r.Path, "/stalled/")) {
					t.Fatalf("%s is off, and yet asked: %s", name, r.Path)
				}
			}
		})
	}
}

// The clock of a stalled run does not run while no one looks.
func TestTheStalledClockNeedsSomeoneWhoLooks(t *testing.T) {
	for name, absence := range map[string]func(w *world){
		"no scrapes": func(*world) { time.Sleep(6 * time.Minute) },
		"an outage": func(w *world) {
			w.airflow.Stop()
			w.scrapeFor(6 * time.Minute)
			if err := w.airflow.Restart(); err != nil {
				w.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
				w.airflow.Update(func(db *airflowtest.Database) { db.Add(airflowtest.Task("dag", "run", "waits"), 0) })
				w.scrapeFor(time.Minute)
				absence(w)
				w.scrapeFor(4 * time.Minute)
				if n := w.asked("/dependencies"); n != 0 {
					t.Errorf("%d calls, though no one looked for the whole 5 minutes", n)
				}
			})
		})
	}
}

// One instance that Airflow cannot tell about takes nothing from the others, and is not asked for at each scrape.
func TestOneInstanceThatCannotBeAskedFor(t *testing.T) {
	for _, status := range []int{400, 403, 404, 500, 502} {
		inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
			w.airflow.Update(func(db *airflowtest.Database) {
				db.Add(airflowtest.Task("dag", "run", "good"), 0).Schedule()
				db.Add(airflowtest.Task("dag", "run", "bad"), 0).Schedule()
			})
			w.airflow.Inject(airflowtest.On("", "/bad/dependencies"), airflowtest.Status(status, nil, ""))
			w.scrapeFor(10 * time.Minute)
			w.has(w.scrape(0), blockedBy("good", "none_reported"), `airflow_exporter_collector_success{collector="blocked"} 1`,
				`airflow_task_instances_waiting{examined="false"} 1`)
			if n := w.asked("/bad/dependencies"); n > 6 {
				t.Errorf("%d: asked %d times in ten minutes", status, n)
			}
		})
	}
}
