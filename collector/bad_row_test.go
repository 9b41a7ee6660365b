package collector

import (
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// One row that Airflow cannot send hides its own state, which is counted all the same, and no other.
func TestABadRowHidesItsStateOnly(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.3.2"} {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
				populate(w.airflow, version)
				key := airflowtest.Task("etl", "tuesday", "extract")
				column := func(name string) {
					w.airflow.Update(func(db *airflowtest.Database) { db.TaskInstance(key).NullColumn = name })
				}
				column("max_tries") // of a queued one
				exposition := w.scrape(0)
				w.has(exposition, `airflow_unfinished_task_instances{state="queued"} 2`, `airflow_unfinished_task_instances{state="running"} 3`,
					`airflow_task_instances{dag_id="etl",state="running",task_id="map"} 2`, `airflow_queue_task_instances{queue="default",state="running"} 2`,
					`airflow_exporter_collector_success{collector="task_instances"} 1`, `airflow_exporter_collector_truncated{collector="task_instances"} 1`)
				w.lacks(exposition, `airflow_task_instances{dag_id="etl",state="queued"`, `airflow_queue_task_instances{queue="default",state="queued"`)

				time.Sleep(15 * time.Second)
				w.airflow.ResetRequests()
				w.scrape(0)
				if n := w.asked("/taskInstances/list"); n > 8 {
					t.Errorf("%d listings, want one for each state", n)
				}
				column("")
				time.Sleep(15 * time.Second)
				w.has(w.scrape(0), `airflow_exporter_collector_truncated{collector="task_instances"} 0`, `airflow_task_instances{dag_id="etl",state="queued",task_id="extract"} 1`)
				time.Sleep(15 * time.Second)
				w.airflow.ResetRequests()
				w.scrape(0)
				if n := w.listings(); n != 1 {
					t.Errorf("%d listings when all is well again, want 1", n)
				}
			})
		})
	}
}

// What was dated from its first sight is as old as before when its state can be listed again.
func TestABadRowMakesNothingYounger(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "2.11.2"}, nil, func(w *world) {
		const oldest = `airflow_task_instances_oldest_timestamp_seconds{dag_id="dag",state="scheduled"}`
		waits, bad := airflowtest.Task("dag", "run", "waits"), airflowtest.Task("dag", "run", "bad")
		w.airflow.Update(func(db *airflowtest.Database) {
			db.PutDag(airflowtest.Dag{DagID: "dag"})
			db.Add(waits, 0).Schedule()
			db.Add(bad, 0).Schedule()
		})
		first := w.value(w.scrape(0), oldest)
		for _, column := range []string{"max_tries", "max_tries", ""} {
			w.airflow.Update(func(db *airflowtest.Database) { db.TaskInstance(bad).NullColumn = column })
			time.Sleep(15 * time.Second)
			exposition := w.scrape(0)
			if column != "" {
				w.lacks(exposition, oldest)
				continue
			}
			if got := w.value(exposition, oldest); got != first {
				t.Errorf("it waits since %v, and since %v after its state could not be listed", first, got)
			}
		}
	})
}
