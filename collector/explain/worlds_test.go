package explain_test

import (
	"fmt"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// failedWithLog is a task that failed twice, and said why.
func failedWithLog(w *world) {
	w.step(func(db *airflowtest.Database) {
		db.Put(airflowtest.TaskInstance{Key: task("load"), MaxTries: 1, Retries: 1}).Start()
	})
	w.step(func(db *airflowtest.Database) { db.TaskInstance(task("load")).Fail() })
	w.step(func(db *airflowtest.Database) { db.TaskInstance(task("load")).Start() })
	w.step(func(db *airflowtest.Database) {
		t := db.TaskInstance(task("load"))
		var lines []airflowtest.LogLine
		for i := range 30 {
			lines = append(lines, airflowtest.LogLine{Time: db.Now().Add(time.Duration(i-60) * time.Second), Level: "INFO", Source: "load.py:12", Text: fmt.Sprintf("chunk %d is loaded", i)})
		}
		lines = append(lines,
			airflowtest.LogLine{Time: db.Now(), Level: "ERROR", Source: "load.py:40", Text: "the warehouse says: \x1b[31mdisk full\x1b[0m"},
			airflowtest.LogLine{Text: "Traceback (most recent call last):"},
			airflowtest.LogLine{Text: "  File \"load.py\", line 40, in load"},
			airflowtest.LogLine{Text: "WarehouseError: disk full"})
		t.Logs = map[int][]airflowtest.LogLine{1: {{Text: "the first attempt"}}, 2: lines}
		t.Links = map[string]string{"Warehouse job": "https://warehouse.example.org/jobs/7", "Not yet": ""}
		t.Fail()
		db.Run("etl", "monday").Settle()
	})
}

// secondAttempt is a task that failed, and is running again.
func secondAttempt(w *world) {
	w.step(func(db *airflowtest.Database) { db.Add(task("load"), 2).Start() })
	w.step(func(db *airflowtest.Database) {
		t := db.TaskInstance(task("load")).Fail()
		t.Logs = map[int][]airflowtest.LogLine{1: {
			{Time: db.Now(), Level: "ERROR", Source: "load.py:40", Text: "the warehouse is closed"},
			{Text: "*** these stars are of the task"},
		}}
	})
	w.step(func(db *airflowtest.Database) { db.TaskInstance(task("load")).Start() })
}

func mapped(w *world) {
	w.step(func(db *airflowtest.Database) {
		db.Add(task("load"), 1)
		for i, t := range db.Expand(task("load"), 12) {
			switch {
			case i < 5:
				t.Succeed()
			case i == 6:
				t.Fail().Start().Fail()
			default:
				t.RenderedIndex = "eu"
				t.Start()
			}
		}
		db.TaskInstance(airflowtest.MappedTask("etl", "monday", "load", 3)).Note = "checked by hand \x1b[2J"
	})
}

// overdue is a DAG whose last run succeeded, and whose next one was due 11 hours ago.
func overdue(dag airflowtest.Dag) func(w *world) {
	return func(w *world) {
		w.step(func(db *airflowtest.Database) {
			dag.DagID, dag.Schedule, dag.NextRunAfter = "etl", "@daily", db.Now()
			db.PutDag(dag)
			db.PutRun(airflowtest.DagRun{DagID: "etl", RunID: "monday", Type: airflowtest.RunScheduled, LogicalDate: db.Now().Add(-48 * time.Hour), RunAfter: db.Now().Add(-24 * time.Hour)})
			db.Add(task("load"), 0).Start().Succeed()
			db.Run("etl", "monday").Settle()
		})
		time.Sleep(11 * time.Hour)
	}
}

// busyRun is a run in which something is in most states.
func busyRun(w *world) {
	w.step(func(db *airflowtest.Database) {
		db.PutDag(airflowtest.Dag{DagID: "etl", Schedule: "@daily", Owners: []string{"data"}})
		db.PutRun(airflowtest.DagRun{DagID: "etl", RunID: "monday", Type: airflowtest.RunScheduled, LogicalDate: db.Now().Add(-24 * time.Hour), RunAfter: db.Now()})
		db.PutPool(airflowtest.Pool{Name: "warehouse", Slots: 1})
		db.Add(task("begin"), 0).PassThrough()
		db.Add(task("extract"), 0).Fail()
		db.Add(task("clean"), 0).FailUpstream()
		db.Add(task("copy"), 3).Fail()
		db.Put(airflowtest.TaskInstance{Key: task("holds"), Pool: "warehouse"}).Start()
		db.Put(airflowtest.TaskInstance{Key: task("load"), Pool: "warehouse"})
		for _, t := range db.Expand(task("load"), 30) {
			t.Schedule()
		}
		db.Add(task("wait"), 0).Defer()
		db.Add(task("poke"), 0).Reschedule()
		db.Put(airflowtest.TaskInstance{Key: task("train"), Queue: "gpu"}).Enqueue()
		for _, name := range []string{"report", "mail"} {
			db.Add(task(name), 0).AskingWrites = airflowtest.Skipped
		}
	})
	w.step(func(*airflowtest.Database) {})
}
