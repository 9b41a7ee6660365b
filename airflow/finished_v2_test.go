package airflow_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// typed gives the runs of questions a type.
func typed(runType string, list []airflow.RunQuestion) []airflow.RunQuestion {
	for i := range list {
		list[i].Run.RunType = runType
	}
	return list
}

// diagonal are questions about run r00 of DAG d00, r01 of d01, …
func diagonal(n int, since time.Duration) []airflow.RunQuestion {
	var list []airflow.RunQuestion
	for i := range n {
		list = append(list, question(fmt.Sprintf("d%02d", i), fmt.Sprintf("r%02d", i), 0, since))
	}
	return list
}

// What crosses the wire for nothing, and how many requests there are, where
// every DAG has a run of every id. Whole runs are asked for only in batches
// that hold no others; with a bound, others are few.
func TestForeignRowsOfFinishedTaskInstancesOnAirflow3(t *testing.T) {
	const all, minute = 0, time.Minute
	sameDag := func() (list []airflow.RunQuestion) {
		for i := range 21 {
			list = append(list, question("d00", fmt.Sprintf("r%02d", i), 0, all))
		}
		return list
	}
	for _, test := range []struct {
		name              string
		questions         func() []airflow.RunQuestion
		requests, foreign int
	}{
		{"one id of 45 DAGs", func() []airflow.RunQuestion { return typed("scheduled", many(45, 0, all)) }, 3, 0},
		{"21 runs of a DAG", func() []airflow.RunQuestion { return typed("scheduled", sameDag()) }, 2, 0},
		{"an id of many DAGs, and more of one of them", func() []airflow.RunQuestion {
			return typed("scheduled", append(sameDag(), question("d01", "r00", 0, all), question("d02", "r00", 0, all)))
		}, 2, 0},
		{"scheduled runs with nothing in common", func() []airflow.RunQuestion { return typed("scheduled", diagonal(5, all)) }, 5, 0},
		{"backfill runs with nothing in common", func() []airflow.RunQuestion { return typed("backfill", diagonal(5, all)) }, 5, 0},
		{"with a bound, only what ended since", func() []airflow.RunQuestion { return typed("scheduled", diagonal(5, minute)) }, 1, 5*5 - 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2"})
				server.Update(func(db *airflowtest.Database) {
					for d := range 45 {
						for r := range 21 {
							key := airflowtest.Task(fmt.Sprintf("d%02d", d), fmt.Sprintf("r%02d", r), "old")
							db.Add(key, 0).Succeed().EndDate = db.Now().Add(-time.Hour)
							key.TaskID = "new"
							db.Add(key, 0).Succeed()
						}
						db.Add(airflowtest.Task(fmt.Sprintf("d%02d", d), "r", "new"), 0).Succeed()
					}
				})
				questions := test.questions()
				rows, sent, requests := 0, 0, 0
				for _, err := range connect(t, server, nil).FinishedTaskInstances(t.Context(), questions, 1000, func([]airflow.RunQuestion) {}) {
					if err != nil {
						t.Fatal(err)
					}
					rows++
				}
				for _, r := range server.Requests() {
					if r.Method == "POST" {
						requests, sent = requests+1, sent+r.Rows
					}
				}
				if requests != test.requests || sent-rows != test.foreign || rows < len(questions) {
					t.Errorf("%d requests, %d rows of %d for nothing, want %d, %d", requests, sent-rows, sent, test.requests, test.foreign)
				}
			})
		})
	}
}

// Runs whose ids no other DAG has go together, whatever their DAGs.
func TestManualRunsAreAskedForTogetherOnAirflow3(t *testing.T) {
	for _, runType := range []string{"manual", "asset_triggered", "dataset_triggered"} {
		synctest.Test(t, func(t *testing.T) {
			server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2"})
			questions := append(typed(runType, diagonal(21, 0)), typed("scheduled", []airflow.RunQuestion{question("e", "scheduled", 0, 0)})...)
			for _, err := range connect(t, server, oneByOne).FinishedTaskInstances(t.Context(), questions, 1000, func([]airflow.RunQuestion) {}) {
				t.Fatal(err)
			}
			if got, want := scopes(t, server), []string{"1 dags, 1 runs", "20 dags, 20 runs", "1 dags, 1 runs"}; !slices.Equal(got, want) {
				t.Errorf("%s: got  %q\nwant %q", runType, got, want)
			}
		})
	}
}
