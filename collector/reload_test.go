package collector

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// What Airflow does not date is as old after a reload as before, and no series is missing for a moment.
func TestAReloadMakesNothingYoungerAndLosesNothing(t *testing.T) {
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
				w.airflow.Update(func(db *airflowtest.Database) {
					db.PutImportError(airflowtest.ImportError{Filename: "broken.py"})
					db.PutDag(airflowtest.Dag{DagID: "idle", Every: time.Hour, NextLogicalDate: db.Now(), NextRunAfter: db.Now().Add(time.Hour)})
					db.PutDag(airflowtest.Dag{DagID: "busy"})
					db.PutDag(airflowtest.Dag{DagID: "broken", Stale: true})
					db.Add(airflowtest.Task("broken", "now", "task"), 0).Start()
					db.PutRun(airflowtest.DagRun{DagID: "busy", RunID: "waits", State: "queued"})
					db.Add(airflowtest.Task("busy", "now", "waits"), 0).Schedule()
					sensor := db.Add(airflowtest.Task("busy", "now", "sensor"), 0)
					sensor.Start()
					sensor.Reschedule()
				})
				w.scrapeFor(30 * time.Minute)
				before := w.scrape(0)
				w.reload(nil)
				after := w.scrape(0)
				for line := range strings.Lines(before) {
					name, _, _ := strings.Cut(line, "{")
					dated := strings.HasSuffix(name, "_oldest_timestamp_seconds")
					if dated || strings.HasPrefix(name, "airflow_dag_") || strings.HasPrefix(name, "airflow_import_errors") {
						w.has(after, strings.TrimSpace(line))
					}
				}
				for _, sample := range []string{"airflow_import_errors_oldest_timestamp_seconds{", `airflow_dag_runs_oldest_timestamp_seconds{dag_id="busy",run_type="manual",state="queued"}`,
					`state="up_for_reschedule"}`, `airflow_dag_runs{dag_id="idle",state="running"} 0`} {
					if !strings.Contains(after, sample) {
						t.Errorf("there is no %s", sample)
					}
				}
			})
		})
	}
}

// A moment with too many queued runs makes no other one younger.
func TestQueuedRunsAreAsOldAsBeforeThereWereTooMany(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "2.11.2"}, few(40), func(w *world) {
		const oldest = `airflow_dag_runs_oldest_timestamp_seconds{dag_id="busy",run_type="manual",state="queued"}`
		w.airflow.Update(func(db *airflowtest.Database) {
			db.PutDag(airflowtest.Dag{DagID: "busy"})
			db.PutRun(airflowtest.DagRun{DagID: "busy", RunID: "one", State: "queued"})
		})
		first := w.value(w.lastScrape(10*time.Minute), oldest)
		many := func(change func(db *airflowtest.Database, run string)) {
			w.airflow.Update(func(db *airflowtest.Database) {
				for i := range 60 {
					change(db, strings.Repeat("x", i+1))
				}
			})
		}
		many(func(db *airflowtest.Database, run string) {
			db.PutRun(airflowtest.DagRun{DagID: "other", RunID: run, State: "queued"})
		})
		w.lacks(w.lastScrape(time.Minute), oldest)
		many(func(db *airflowtest.Database, run string) { db.DeleteRun("other", run) })
		if got := w.value(w.lastScrape(time.Minute), oldest); got != first {
			t.Errorf("it has been queued since %v, and before since %v", got, first)
		}
	})
}

// Of a DAG that is selected anew counts what ends from then on, and nothing twice.
func TestADagThatIsSelectedAgainCountsFromThenOn(t *testing.T) {
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, dagsConfig("", "late"), func(w *world) {
				counted := func(dag string) string {
					return `airflow_dag_runs_finished_total{dag_id="` + dag + `",run_type="scheduled",state="success"}`
				}
				finish := func(dag, run string) {
					w.airflow.Update(func(db *airflowtest.Database) {
						due := db.Now().Add(-time.Second)
						db.PutRun(airflowtest.DagRun{DagID: dag, RunID: run, Type: "scheduled", LogicalDate: due, RunAfter: due})
						db.Add(airflowtest.Task(dag, run, "task"), 0).Succeed()
						db.Run(dag, run).Settle()
					})
				}
				w.scrapeFor(time.Minute)
				finish("late", "one")
				finish("known", "one")
				w.has(w.lastScrape(2*time.Minute), counted("known")+" 1")
				w.reload(dagsConfig("", "known"))
				w.scrapeFor(time.Minute)
				w.reload(nil)
				w.has(w.lastScrape(2 * time.Minute))
				w.lacks(w.scrape(0), counted("late")+" 1", counted("known")+" 1")
				finish("late", "two")
				finish("known", "two")
				w.has(w.lastScrape(3*time.Minute), counted("late")+" 1", counted("known")+" 1")
			})
		})
	}
}

// The listing of runs that ended reaches back a little: what a DAG counted that is gone since does not count again.
func TestADagThatIsGoneDoesNotComeBack(t *testing.T) {
	for _, wait := range []time.Duration{15 * time.Second, time.Minute, 4 * time.Minute} {
		inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
			w.airflow.Update(func(db *airflowtest.Database) {
				lively(db, "goes")
				lively(db, "stays")
			})
			w.scrapeFor(6 * time.Minute)
			w.airflow.Update(func(db *airflowtest.Database) {
				finishRun(db, "goes")
				db.Dag("goes").Stale = true
			})
			w.scrapeFor(wait)
			w.reload(nil) // two listings of DAGs follow each other
			gone := false
			for range 60 {
				named := naming(w.scrape(0), "goes")["airflow_dag_runs_finished_total"]
				if gone && named {
					t.Fatalf("%v after its end and a reload, it is gone and comes back", wait)
				}
				gone = gone || !named
				time.Sleep(15 * time.Second)
			}
			if !gone {
				t.Error("it never went")
			}
		})
	}
}

// Close waits for what is done after a collection, too.
func TestCloseWaitsForWhatFollowsACollection(t *testing.T) {
	over := false
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, func(o *Options) {
		o.Collected = func() { time.Sleep(time.Minute); over = true }
	}, func(w *world) {
		w.scrape(0)
		w.collector.Close()
		if !over {
			t.Error("it did not")
		}
	})
}
