package collector

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// A DAG with the name of other counts as one that is not selected, and is told of once; it evades no limit.
func TestADagWithTheNameOfOther(t *testing.T) {
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, limitedTo(minMaxSeries), func(w *world) {
				w.airflow.Update(func(db *airflowtest.Database) {
					lively(db, other)
					lively(db, "dag")
					for i := range minMaxSeries {
						db.Add(airflowtest.Task(other, "now", fmt.Sprint("task", i)), 0).Enqueue()
					}
				})
				w.scrapeFor(10 * time.Minute)
				w.airflow.Update(func(db *airflowtest.Database) { finishRun(db, other); finishRun(db, "dag") })
				exposition := w.lastScrape(2 * time.Minute)
				if families := naming(exposition, other); len(families) != 1 || !families["airflow_pool_used_slots"] {
					t.Errorf("it is named in %v", families)
				}
				w.has(exposition, fmt.Sprintf("airflow_unfinished_task_instances{state=\"queued\"} %d", minMaxSeries), "airflow_exporter_visible_dags 2",
					`airflow_dag_paused{dag_id="dag"} 0`, `airflow_dag_runs_finished_total{dag_id="dag",run_type="scheduled",state="success"} 1`)
				if n := strings.Count(w.log.String(), "it counts as not selected"); n != 1 {
					t.Errorf("the log tells it %d times:\n%s", n, w.log.String())
				}
			})
		})
	}
}

// A task with that name shares the series of those of its DAG that have none: sums stay right, the limit holds, and they go with their DAG.
func TestATaskWithTheNameOfOther(t *testing.T) {
	for name, tasks := range map[string]int{"room for all": 3, "none for most": minMaxSeries} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: "3.3.2"}, limitedTo(minMaxSeries), func(w *world) {
				w.airflow.Update(func(db *airflowtest.Database) {
					lively(db, "dag")
					for i := range tasks {
						db.Add(airflowtest.Task("dag", "now", fmt.Sprint("task", i)), 0).Enqueue()
						db.Add(airflowtest.MappedTask("dag", "now", other, i), 0).Enqueue()
					}
				})
				w.scrapeFor(2 * time.Minute)
				w.checkLimit(seriesOf(w.scrape(0)), minMaxSeries)
				w.airflow.Update(succeedAll)
				series := seriesOf(w.lastScrape(4 * time.Minute))
				w.checkLimit(series, minMaxSeries)
				if got, want := total(series, "airflow_task_instances_finished_total{"), float64(2*tasks+1); got != want {
					t.Errorf("%v instances finished, want %v", got, want)
				}
				if shared := series[`airflow_task_instances_finished_total{dag_id="dag",state="success",task_id="__other__"}`]; shared < float64(tasks) {
					t.Errorf("%v of them are of the task or have no series, want at least %d", shared, tasks)
				}
				w.airflow.Update(func(db *airflowtest.Database) { db.Dag("dag").Stale = true })
				w.scrapeFor(12 * time.Minute)
				if left := naming(w.scrape(0), "dag"); len(left) > 0 || series["airflow_exporter_panics_total"] > 0 {
					t.Errorf("after it is gone: %v; %v panics", left, series["airflow_exporter_panics_total"])
				}
			})
		})
	}
}
