package collector

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// dagsConfig selects DAGs.
func dagsConfig(include, exclude string) func(*Options) {
	return func(o *Options) { o.Dags = DagsConfig{Include: include, Exclude: exclude} }
}

// The expressions are about the whole dag_id; without them all DAGs are wanted.
func TestExpressionsMatchWholeDagIDs(t *testing.T) {
	for _, tc := range []struct {
		config DagsConfig
		dagID  string
		want   bool
	}{
		{DagsConfig{}, "etl", true},
		{DefaultDagsConfig(), "größe\nzwei", true},
		{DagsConfig{Include: "etl"}, "etl", true},
		{DagsConfig{Include: "etl"}, "etl_2", false},
		{DagsConfig{Include: "etl"}, "my_etl", false},
		{DagsConfig{Include: "a|b"}, "ab", false},
		{DagsConfig{Include: "a|b"}, "b", true},
		{DagsConfig{Include: "etl_.*", Exclude: "etl_test"}, "etl_test", false},
		{DagsConfig{Include: "etl_.*", Exclude: "etl_test"}, "etl_test2", true},
		{DagsConfig{Exclude: "test|.*_test"}, "a_test", false},
		{DagsConfig{Exclude: "test|.*_test"}, "testing", true},
		{DagsConfig{}, other, false},
		{DagsConfig{Include: "__.*"}, other, false},
	} {
		s, err := tc.config.selection()
		if err != nil {
			t.Fatal(err)
		}
		if got := s.has(tc.dagID); got != tc.want {
			t.Errorf("%+v selects %q: %t, want %t", tc.config, tc.dagID, got, tc.want)
		}
	}
}

// work gives two DAGs everything that there is to tell of: runs that end and
// stall, attempts unseen, instances that wait, one that is not listed any more.
func work(w *world) {
	dags := []string{"kept", "secret"}
	each := func(change func(db *airflowtest.Database, id string)) {
		w.airflow.Update(func(db *airflowtest.Database) {
			for _, id := range dags {
				change(db, id)
			}
		})
	}
	each(func(db *airflowtest.Database, id string) {
		db.PutDag(airflowtest.Dag{DagID: id, Every: time.Hour})
		long := db.Now().Add(-48 * time.Hour)
		db.PutRun(airflowtest.DagRun{DagID: id, RunID: "older", State: "success", RunAfter: long, StartDate: long, EndDate: long.Add(time.Hour)})
		db.Add(airflowtest.Task(id, "old", "done"), 0).Succeed()
		db.Run(id, "old").Settle()
		db.Add(airflowtest.Task(id, "run", "first"), 3).Start()
		db.Add(airflowtest.Task(id, "run", "waits"), 0).Schedule()
		db.Add(airflowtest.Task(id, "run", "queued"), 0).Enqueue()
		db.Add(airflowtest.Task(id, "stalled", "never"), 0)
		db.PutRun(airflowtest.DagRun{DagID: id, RunID: "later", State: "queued"})
		db.Add(airflowtest.Task(id, "later", "none"), 0)
	})
	w.scrapeFor(5 * time.Minute)
	each(func(db *airflowtest.Database, id string) {
		db.TaskInstance(airflowtest.Task(id, "run", "first")).Fail().Start().Fail().Start() // owes a call of tries
		db.Dag(id).Stale = id == "secret"                                                   // would be asked for by its id
	})
	w.scrapeFor(10 * time.Minute)
	each(func(db *airflowtest.Database, id string) {
		db.TaskInstance(airflowtest.Task(id, "run", "first")).Succeed()
		db.TaskInstance(airflowtest.Task(id, "run", "waits")).Start().Fail()
		db.TaskInstance(airflowtest.Task(id, "run", "queued")).Start().Succeed()
		db.Run(id, "run").Settle()
		db.Add(airflowtest.Task(id, "new", "extract"), 0).Start()
		db.Add(airflowtest.Task(id, "new", "again"), 1).Start().Fail()
	})
	w.scrapeFor(10 * time.Minute)
}

// noSecret fails the test if an exposition tells of the DAG that is not selected.
func (w *world) noSecret(exposition string) {
	for line := range strings.Lines(exposition) {
		if strings.Contains(line, "secret") {
			w.t.Fatal(line)
		}
	}
}

// That needs no list of DAGs.
func TestDagsThatAreNotSelectedAppearNowhereWhenNoneAreListed(t *testing.T) {
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, dagsConfig("kept", ""), func(w *world) {
				w.airflow.Inject(airflowtest.On("GET", "/dags"), airflowtest.Status(403, nil, ""))
				w.check = w.noSecret
				work(w)
				w.has(w.scrape(0), `airflow_dag_last_run_state{dag_id="kept",state="failed"} 1`)
			})
		})
	}
}

// A DAG that is not selected is in no series, and no question is about it; the
// totals of Airflow, its queues and pools have it all the same.
func TestDagsThatAreNotSelectedAppearNowhere(t *testing.T) {
	for name, config := range map[string]func(*Options){"include": dagsConfig("k.*", ""), "exclude": dagsConfig("", "secret")} {
		for _, version := range dialects {
			t.Run(name+"/"+version, func(t *testing.T) {
				inWorld(t, airflowtest.Options{Version: version}, config, func(w *world) {
					w.check = w.noSecret
					work(w)
					exposition := w.scrape(0)
					for _, r := range w.airflow.Requests() {
						if strings.Contains(r.Path+r.Query.Encode()+r.Body, "secret") {
							w.t.Errorf("%s %s was asked: %s", r.Method, r.Path, r.Body)
						}
					}
					w.has(exposition,
						`airflow_unfinished_task_instances{state="running"} 2`, `airflow_unfinished_task_instances{state="none"} 4`,
						`airflow_queue_task_instances{queue="default",state="running"} 2`,
						`airflow_pool_used_slots{dag_id="kept",pool="default_pool"} 1`, `airflow_pool_used_slots{dag_id="__other__",pool="default_pool"} 1`,
						`airflow_task_instances{dag_id="kept",state="running",task_id="extract"} 1`,
						`airflow_task_retries_total{dag_id="kept",task_id="first"} 2`,
						`airflow_task_instances_finished_total{dag_id="kept",state="success",task_id="first"} 1`,
						`airflow_dag_paused{dag_id="kept"} 0`, `airflow_dag_runs_stalled{dag_id="kept"} 1`,
						`airflow_dag_last_run_state{dag_id="kept",state="failed"} 1`,
						`airflow_exporter_visible_dags 1`, `airflow_exporter_dropped_series{family="airflow_pool_used_slots"} 0`)
				})
			})
		}
	}
}

// Without a selection the same work shows both: the test above could fail.
func TestDagsThatAreSelectedAppear(t *testing.T) {
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
				work(w)
				exposition := w.scrape(0)
				w.has(exposition, `airflow_task_retries_total{dag_id="secret",task_id="first"} 2`, `airflow_pool_used_slots{dag_id="secret",pool="default_pool"} 1`)
				if w.asked("/dags/secret") == 0 {
					w.t.Error("the DAG that is not listed was not asked for")
				}
			})
		})
	}
}

// reload is what a new configuration does: another collector with the same ledger.
func (w *world) reload(change func(*Options)) {
	w.t.Helper()
	old := w.collector
	w.startWith(old.ledger, change)
	old.Close()
}

// A reload that selects less drops the series of the others at once; one that
// selects them again begins to count them anew, without what came between.
func TestASelectionThatChanges(t *testing.T) {
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
				end := func(task string) {
					w.airflow.Update(func(db *airflowtest.Database) {
						for _, id := range []string{"kept", "secret"} {
							db.Add(airflowtest.Task(id, "run", task), 0).Start().Succeed()
						}
					})
					w.scrapeFor(7 * time.Minute)
				}
				w.airflow.Update(func(db *airflowtest.Database) {
					for _, id := range []string{"kept", "secret"} {
						db.PutDag(airflowtest.Dag{DagID: id})
						db.Add(airflowtest.Task(id, "run", "runs"), 0).Start()
					}
				})
				count := func(dag, task string) string {
					return `airflow_task_instances_finished_total{dag_id="` + dag + `",state="success",task_id="` + task + `"} 1`
				}
				w.scrapeFor(time.Minute)
				end("one")
				w.has(w.scrape(0), count("kept", "one"), count("secret", "one"))

				remove := w.airflow.Inject(airflowtest.On("GET", "/dags"), airflowtest.Status(500, nil, "")) // it needs no list of DAGs
				w.reload(dagsConfig("kept", ""))
				w.check = w.noSecret
				exposition := w.lastScrape(5 * time.Minute)
				w.has(exposition, count("kept", "one"), `airflow_exporter_collector_success{collector="dags"} 0`)
				remove()
				end("two")
				w.check = nil

				w.reload(nil)
				end("three")
				exposition = w.scrape(0)
				w.has(exposition, count("kept", "one"), count("kept", "two"), count("kept", "three"), count("secret", "three"))
				for _, task := range []string{"one", "two"} {
					if strings.Contains(exposition, count("secret", task)) {
						w.t.Errorf("what ended when the DAG was not selected counts: %s", task)
					}
				}
			})
		})
	}
}
