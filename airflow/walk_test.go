package airflow_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// between lets something happen behind the nth request whose path ends so.
func between(n int, path string, do func()) func(*airflow.Config) {
	return func(c *airflow.Config) {
		c.Observe = func(r airflow.Request) {
			if !strings.HasSuffix(r.Endpoint, path) {
				return
			}
			if n--; n == 0 {
				do()
			}
		}
	}
}

// A run that leaves between two pages moves all behind it, and one would be
// passed over: that is an error, also when the rest is one page or none.
func TestPagesOfDagRunsNoticeThatRowsMoved(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.0.6", "3.3.2"} {
		for name, move := range map[string]func(db *airflowtest.Database){
			"one left": func(db *airflowtest.Database) { db.DeleteRun("d", "3") },
			"one left, one came": func(db *airflowtest.Database) {
				db.DeleteRun("d", "3")
				db.PutRun(airflowtest.DagRun{DagID: "d", RunID: "new"})
			},
			"more left than were still to come": func(db *airflowtest.Database) {
				for i := range 76 {
					db.DeleteRun("d", fmt.Sprint(i))
				}
			},
		} {
			t.Run(version+" "+name, func(t *testing.T) {
				server := runsOf(t, 175, airflowtest.Options{Version: version, ClampPost: 100})
				client := connect(t, server, between(1, "/dagRuns/list", func() { server.Update(move) }))
				query := airflow.DagRunQuery{States: activeRuns, Room: 1000}
				runs, err := client.DagRuns(t.Context(), query)
				if incomplete, ok := errors.AsType[*airflow.IncompleteError](err); !ok || incomplete.Clamped || incomplete.Received >= incomplete.Total || runs != nil {
					t.Errorf("%d runs, %v", len(runs), err)
				}
				if runs, err := client.DagRuns(t.Context(), query); err != nil || len(runs) < 99 {
					t.Errorf("once more: %d runs, %v", len(runs), err)
				}
			})
		}
	}
}

// A server that bounds its answers is asked page by page where pages have an
// order; where they have none, there is an error that says so.
func TestFinishedTaskInstancesOfAServerThatBoundsItsAnswers(t *testing.T) {
	const n = 60
	for _, version := range []string{"2.10.2", "2.11.2", "3.0.6", "3.3.2"} {
		for _, clamp := range []int{2, 7, 19, 59, 60} {
			for _, room := range []int{20, 60, 1000} {
				t.Run(fmt.Sprintf("%s clamp %d room %d", version, clamp, room), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						server := airflowtest.Start(t, airflowtest.Options{Version: version, ClampPost: clamp, ShuffleSeed: 5})
						server.Update(func(db *airflowtest.Database) {
							for i := range n {
								db.Add(airflowtest.Task(fmt.Sprintf("d%02d", i%10), "r", fmt.Sprint(i)), 0).Succeed()
							}
						})
						got, answered := map[airflow.TaskInstanceRef]bool{}, 0
						var last error
						for ti, err := range connect(t, server, nil).FinishedTaskInstances(t.Context(), many(10, 0, time.Minute), room, func(q []airflow.RunQuestion) { answered += len(q) }) {
							if last = err; err != nil {
								break
							}
							if got[ti.Ref()] {
								t.Errorf("%v came twice", ti.Ref())
							}
							got[ti.Ref()] = true
						}
						if version == "2.10.2" || room >= n && (version[0] == '3' || clamp >= n) {
							if last != nil || len(got) != n || answered != 10 {
								t.Errorf("%d rows, %d answered, %v", len(got), answered, last)
							}
							return
						}
						incomplete, ok := errors.AsType[*airflow.IncompleteError](last)
						if !ok || incomplete.Total != n || answered != 0 {
							t.Fatalf("%d rows, %d answered, %v", len(got), answered, last)
						}
						unordered := version[0] == '2' && clamp < room
						if incomplete.Clamped != unordered || strings.Contains(last.Error(), "no order") != unordered {
							t.Errorf("clamped %v: %v", incomplete.Clamped, last)
						}
					})
				})
			}
		}
	}
}

// A server that bounds its answers is asked page by page where pages have an
// order; where they have none, for fewer runs, until an answer holds them.
func TestStatelessTaskInstancesOfAServerThatBoundsItsAnswers(t *testing.T) {
	for _, test := range []struct {
		version     string
		clamp, rows int // rows of each run
		listed      int
		fits        bool
	}{
		{"3.0.6", 7, 10, 10, true},
		{"3.3.2", 7, 10, 10, true},
		{"2.10.2", 7, 10, 10, true},
		{"2.11.2", 40, 10, 2, true},
		{"2.11.2", 10, 10, 1, true},
		{"2.11.2", 7, 10, 1, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			server := airflowtest.Start(t, airflowtest.Options{Version: test.version, ClampPost: test.clamp})
			var list []waitingRun
			for i := range 10 {
				list = append(list, waitingRun{fmt.Sprintf("d%02d", i), "r", time.Hour, test.rows})
			}
			rows, listed, err := connect(t, server, nil).StatelessTaskInstances(t.Context(), addWaiting(server, list), 1000)
			want := test.listed * test.rows
			if !test.fits {
				want = 0
			}
			if _, ok := errors.AsType[*airflow.IncompleteError](err); ok == test.fits || len(listed) != test.listed || len(rows) != want {
				t.Errorf("%+v: %d rows of %d runs, %v", test, len(rows), len(listed), err)
			}
		})
	}
}
