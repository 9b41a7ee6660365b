package airflow_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// A run is read as its row in the listing is; one that is not there is a 404, and so is one to which no path leads.
func TestOneDagRun(t *testing.T) {
	for _, version := range []string{"2.10.2", "2.11.2", "3.0.6", "3.3.2"} {
		server := airflowtest.Start(t, airflowtest.Options{Version: version})
		server.Update(func(db *airflowtest.Database) {
			db.PutRun(airflowtest.DagRun{DagID: "größe", RunID: "scheduled__2026-01-01T00:00:00+00:00 1", State: airflowtest.Failed})
			db.PutRun(airflowtest.DagRun{DagID: "größe", RunID: "a/b"})
		})
		client := connect(t, server, nil)
		ref := airflow.RunRef{DagID: "größe", RunID: "scheduled__2026-01-01T00:00:00+00:00 1"}
		got, err := client.DagRun(t.Context(), ref)
		listed, err2 := client.DagRuns(t.Context(), airflow.DagRunQuery{States: []airflow.RunState{airflow.RunFailed}, Room: 10})
		if err != nil || err2 != nil || got != listed[0] {
			t.Errorf("%s: got %+v, %v; listed %+v, %v", version, got, err, listed, err2)
		}
		for _, id := range []string{"nope", "a/b"} {
			_, err = client.DagRun(t.Context(), airflow.RunRef{DagID: "größe", RunID: id})
			if e, ok := errors.AsType[*airflow.Error](err); !ok || e.Status != http.StatusNotFound {
				t.Errorf("%s: %s: got %v", version, id, err)
			}
		}
	}
}

// All states of the run and no row of another one, as many as there is room for.
func TestTaskInstancesOfOneRun(t *testing.T) {
	for _, version := range []string{"2.10.2", "2.11.2", "3.0.6", "3.3.2"} {
		for _, list := range []string{airflow.ListBatch, airflow.ListGet} {
			t.Run(version+" "+list, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := airflowtest.Start(t, airflowtest.Options{Version: version})
					date := time.Now().Truncate(time.Microsecond)
					server.Update(func(db *airflowtest.Database) {
						for _, run := range []string{"this", "other"} {
							db.PutRun(airflowtest.DagRun{DagID: "etl", RunID: run, LogicalDate: date})
							for i := range 120 {
								db.Add(airflowtest.Task("etl", run, fmt.Sprintf("t%03d", i)), 1)
							}
						}
						task := func(i int) *airflowtest.TaskInstance {
							return db.TaskInstance(airflowtest.Task("etl", "this", fmt.Sprintf("t%03d", i)))
						}
						task(0).Succeed()
						task(1).Fail()
						task(2).Start()
						task(3).Schedule()
						task(4).FailUpstream()
						task(5).Skip()
						task(6).Remove()
						task(7).Defer()
					})
					client := connect(t, server, func(c *airflow.Config) { c.List = list })
					run := airflow.DagRun{RunRef: airflow.RunRef{DagID: "etl", RunID: "this"}, LogicalDate: date}
					rows, total, err := client.RunTaskInstances(t.Context(), run, 1000)
					states := map[airflow.State]int{}
					for _, row := range rows {
						states[row.State]++
						if row.Run() != run.RunRef {
							t.Errorf("a row of %v", row.Run())
						}
					}
					if err != nil || total != 120 || len(rows) != 120 || len(states) != 9 || states[airflow.StateNone] != 112 {
						t.Errorf("%d rows of %d, %v, %v", len(rows), total, states, err)
					}
					rows, total, err = client.RunTaskInstances(t.Context(), run, 10)
					if err != nil || len(rows) > 10 || total < 120 {
						t.Errorf("with little room: %d rows of %d, %v", len(rows), total, err)
					}
					run.RunID = "gone"
					if rows, total, err = client.RunTaskInstances(t.Context(), run, 10); len(rows) != 0 || version[0] == '3' && list == airflow.ListGet && (err != nil || total != 0) {
						t.Errorf("of a run that is gone: %d rows of %d, %v", len(rows), total, err)
					}
				})
			})
		}
	}
}
