package collector

import (
	"fmt"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// few lets an answer hold few rows.
func few(rows int) func(*Options) {
	return func(o *Options) {
		o.Config.MaxRows = rows
		o.Airflow.RequestsPerSecond, o.Airflow.Burst = 1000, 1000
	}
}

// However many runs ended since the last look, spread out or all at once, each of their instances counts.
func TestMoreRunsEndedThanAnAnswerHolds(t *testing.T) {
	lengthy(t)
	const runs, rows = 500, 40
	for name, interval := range map[string]time.Duration{"one after the other": time.Second, "at once": 0} {
		for _, version := range dialects {
			t.Run(name+"/"+version, func(t *testing.T) {
				inWorld(t, airflowtest.Options{Version: version}, few(rows), func(w *world) {
					w.airflow.Update(func(db *airflowtest.Database) { db.Add(airflowtest.Task("dag", "other", "other"), 0).Start() })
					w.scrapeFor(time.Minute)
					for i := range runs {
						w.airflow.Update(func(db *airflowtest.Database) {
							db.Add(airflowtest.Task("dag", fmt.Sprint("run", i), "task"), 0).Succeed()
							db.Run("dag", fmt.Sprint("run", i)).Settle()
						})
						time.Sleep(interval)
					}
					w.airflow.ResetRequests()
					exposition := w.scrape(0)
					if n := w.asked("/dagRuns/list"); n > 2+2*endedListings {
						t.Errorf("%d listings of runs in a collection", n)
					}
					if interval > 0 {
						w.has(exposition, `airflow_exporter_collector_truncated{collector="dag_runs"} 1`)
					}
					w.scrapeFor(20 * time.Minute)
					w.has(w.scrape(0), finished("task", "success")+fmt.Sprint(" ", runs), `airflow_exporter_collector_truncated{collector="dag_runs"} 0`,
						`airflow_exporter_collector_success{collector="dag_runs"} 1`, `airflow_exporter_collector_success{collector="attempts"} 1`)
				})
			})
		}
	}
}

// Too many queued runs hide the running ones neither, nor what ends in those that begin.
func TestMoreRunsAreQueuedThanAnAnswerHolds(t *testing.T) {
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, few(40), func(w *world) {
				run := func(i int) string { return fmt.Sprint("run", i) }
				w.airflow.Update(func(db *airflowtest.Database) {
					for i := range 100 {
						db.PutRun(airflowtest.DagRun{DagID: "dag", RunID: run(i), State: "queued"})
						db.Add(airflowtest.Task("dag", run(i), "task"), 0)
					}
				})
				w.scrapeFor(time.Minute)
				w.has(w.scrape(0), `airflow_exporter_collector_truncated{collector="dag_runs"} 1`, `airflow_exporter_collector_success{collector="dag_runs"} 1`)
				for i := range 100 {
					w.airflow.Update(func(db *airflowtest.Database) {
						db.Run("dag", run(i)).Start()
						db.TaskInstance(airflowtest.Task("dag", run(i), "task")).Succeed()
						db.Run("dag", run(i)).Settle()
					})
					w.scrapeFor(15 * time.Second)
				}
				w.scrapeFor(3 * time.Minute)
				w.has(w.scrape(0), finished("task", "success")+" 100", `airflow_exporter_collector_truncated{collector="dag_runs"} 0`)
			})
		})
	}
}
