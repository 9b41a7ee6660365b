package airflow_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// waitingRun is a run with so many instances without a state, and one that runs.
type waitingRun struct {
	dag, run string
	age      time.Duration // of its logical date
	rows     int
}

// addWaiting adds the runs to the server and returns them as a caller knows them.
func addWaiting(server *airflowtest.Server, list []waitingRun) []airflow.DagRun {
	var runs []airflow.DagRun
	now := time.Now().Truncate(time.Microsecond)
	server.Update(func(db *airflowtest.Database) {
		for _, w := range list {
			date := now.Add(-w.age)
			db.PutRun(airflowtest.DagRun{DagID: w.dag, RunID: w.run, LogicalDate: date})
			for i := range w.rows {
				db.Add(airflowtest.Task(w.dag, w.run, fmt.Sprintf("t%03d", i)), 0)
			}
			db.Add(airflowtest.Task(w.dag, w.run, "runs"), 0).Start()
			runs = append(runs, airflow.DagRun{RunRef: airflow.RunRef{DagID: w.dag, RunID: w.run}, LogicalDate: date})
		}
	})
	return runs
}

// names are the runs as "dag/run dag/run".
func names(refs []airflow.RunRef) string {
	var list []string
	for _, r := range refs {
		list = append(list, r.DagID+"/"+r.RunID)
	}
	return strings.Join(list, " ")
}

// Which runs one call answers for: always the first one.
func TestStatelessTaskInstancesOfTheFirstRunAndItsNeighbours(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		name   string
		runs   []waitingRun
		v1, v2 string
	}{
		{"one", []waitingRun{{"a", "1", 0, 1}}, "a/1", "a/1"},
		{"first those that share the run id", []waitingRun{{"z", "9", 0, 1}, {"a", "1", 0, 1}, {"b", "9", 0, 1}, {"z", "1", 0, 1}},
			"z/9 a/1 b/9 z/1", "z/9 b/9 z/1 a/1"},
		{"then its DAG", []waitingRun{{"z", "9", 0, 1}, {"a", "1", 0, 1}, {"z", "1", 0, 1}},
			"z/9 a/1 z/1", "z/9 z/1 a/1"},
		{"then any", []waitingRun{{"z", "9", 0, 1}, {"a", "1", 0, 1}, {"b", "1", 0, 1}},
			"z/9 a/1 b/1", "z/9 a/1 b/1"},
		{"a day of them", []waitingRun{{"z", "9", 5 * day, 1}, {"z", "1", 6 * day, 1}, {"z", "2", 5*day - time.Hour, 1}, {"z", "3", 5*day + time.Hour, 1}},
			"z/9 z/1 z/3", "z/9 z/1 z/2 z/3"},
	} {
		for version, want := range map[string]string{"2.11.2": test.v1, "3.3.2": test.v2} {
			t.Run(version+" "+test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := airflowtest.Start(t, airflowtest.Options{Version: version})
					runs := addWaiting(server, test.runs)
					rows, listed, err := connect(t, server, nil).StatelessTaskInstances(t.Context(), runs, 100)
					if err != nil || names(listed) != want || len(rows) != len(listed) {
						t.Errorf("%q, %d rows, %v, want %q", names(listed), len(rows), err, want)
					}
				})
			})
		}
	}
}

// However many runs there are, and however they are called, no more are asked
// for at once than is good for Airflow.
func TestStatelessTaskInstancesAreBounded(t *testing.T) {
	for version, most := range map[string]int{"2.11.2": 25, "3.3.2": 20} {
		synctest.Test(t, func(t *testing.T) {
			server := airflowtest.Start(t, airflowtest.Options{Version: version})
			var list []waitingRun
			for i := range 30 {
				list = append(list, waitingRun{fmt.Sprintf("d%02d", i), "r", time.Hour, 1})
			}
			_, listed, err := connect(t, server, nil).StatelessTaskInstances(t.Context(), addWaiting(server, list), 100)
			if err != nil || len(listed) != most {
				t.Errorf("%s: %d runs, %v, want %d", version, len(listed), err, most)
			}
		})
	}
}

// A caller that takes the answered runs off its list gets to all of them, in
// as few calls as there are neighbourhoods, and gets each row once.
func TestStatelessTaskInstancesOfAllRuns(t *testing.T) {
	for _, version := range []string{"2.10.2", "2.11.2", "3.0.6", "3.3.2"} {
		t.Run(version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := airflowtest.Start(t, airflowtest.Options{Version: version})
				var list []waitingRun
				for i := range 60 {
					list = append(list, waitingRun{fmt.Sprintf("d%02d", 59-i%30), fmt.Sprint("r", i/7), time.Duration(i) * time.Hour, i % 4})
				}
				due, want := addWaiting(server, list), 0
				for _, w := range list {
					want += w.rows
				}
				client := connect(t, server, nil)
				seen := map[airflow.TaskInstanceRef]bool{}
				for len(due) > 0 {
					first := due[0].RunRef
					rows, listed, err := client.StatelessTaskInstances(t.Context(), due, 100)
					if err != nil || !slices.Contains(listed, first) {
						t.Fatalf("%v: %v, %v", first, listed, err)
					}
					for _, row := range rows {
						if seen[row.Ref()] || row.State != airflow.StateNone || !slices.Contains(listed, row.Run()) {
							t.Errorf("%+v came again, or is none of those that were asked for", row.Ref())
						}
						seen[row.Ref()] = true
					}
					due = slices.DeleteFunc(due, func(r airflow.DagRun) bool { return slices.Contains(listed, r.RunRef) })
				}
				if len(seen) != want {
					t.Errorf("%d rows, want %d", len(seen), want)
				}
			})
		})
	}
}

// What does not fit is asked for in smaller parts, in at most three requests;
// a run that is too large by itself is named, so that the next call can go on without it.
func TestStatelessTaskInstancesThatDoNotFit(t *testing.T) {
	many := func(n, rows int) []waitingRun {
		var list []waitingRun
		for i := range n {
			list = append(list, waitingRun{fmt.Sprintf("d%02d", i), "r", time.Hour, rows})
		}
		return list
	}
	for _, test := range []struct {
		name     string
		runs     []waitingRun
		listed   int
		requests int
		fits     bool
	}{
		{"all fits", many(10, 10), 10, 1, true},
		{"a part fits", many(20, 10), 5, 2, true},
		{"the first run fits", append([]waitingRun{{"a", "r", time.Hour, 100}, {"b", "r", time.Hour, 100}}, many(18, 1)...), 1, 3, true},
		{"the first run does not", append([]waitingRun{{"a", "r", time.Hour, 101}}, many(19, 20)...), 1, 3, false},
		{"a single run does not", many(1, 101), 1, 1, false},
	} {
		for _, version := range []string{"2.11.2", "3.3.2"} {
			t.Run(version+" "+test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := airflowtest.Start(t, airflowtest.Options{Version: version})
					runs := addWaiting(server, test.runs)
					client := connect(t, server, nil)
					rows, listed, err := client.StatelessTaskInstances(t.Context(), runs, 100)
					requests := 0
					for _, r := range server.Requests() {
						if r.Method == "POST" {
							requests++
						}
					}
					if requests != test.requests || len(listed) != test.listed || listed[0] != runs[0].RunRef {
						t.Errorf("%d requests, %v, %v, want %d, %d", requests, names(listed), err, test.requests, test.listed)
					}
					if _, ok := errors.AsType[*airflow.IncompleteError](err); ok == test.fits || (err == nil) != test.fits || (rows != nil) != test.fits {
						t.Errorf("%d rows, %v", len(rows), err)
					}
				})
			})
		}
	}
}

// A failure names the runs that were asked for.
func TestStatelessTaskInstancesThatFail(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.3.2"} {
		server := airflowtest.Start(t, airflowtest.Options{Version: version})
		runs := addWaiting(server, []waitingRun{{"b", "r", 0, 1}, {"a", "r", 0, 1}})
		server.Inject(airflowtest.On("POST", "/list"), airflowtest.Status(500, nil, ""))
		rows, listed, err := connect(t, server, nil).StatelessTaskInstances(t.Context(), runs, 100)
		if airflow.ClassOf(err) != airflow.ClassServer || rows != nil || names(listed) != "b/r a/r" {
			t.Errorf("%s: %v, %q, %v", version, rows, names(listed), err)
		}
		if rows, listed, err := connect(t, server, nil).StatelessTaskInstances(t.Context(), nil, 100); rows != nil || listed != nil || err != nil {
			t.Errorf("%s: without a run: %v, %v, %v", version, rows, listed, err)
		}
	}
}
