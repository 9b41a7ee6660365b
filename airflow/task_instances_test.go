package airflow_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// connect is a client of an in-process Airflow.
func connect(t *testing.T, server *airflowtest.Server, change func(*airflow.Config)) *airflow.Client {
	t.Helper()
	return newClient(t, server.URL, func(c *airflow.Config) {
		c.DialContext = server.DialContext
		c.AllowInsecureHTTP = true
		c.Burst = 10_000
		if change != nil {
			change(c)
		}
	})
}

// list collects a listing, and fails the test when a row comes twice.
func list(t *testing.T, client *airflow.Client, q airflow.TaskInstanceQuery) ([]airflow.TaskInstance, error) {
	t.Helper()
	if q.States == nil {
		states, err := client.UnfinishedStates(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		q.States = states
	}
	type key struct {
		dag, run, task string
		index          int
	}
	seen := map[key]bool{}
	var rows []airflow.TaskInstance
	for ti, err := range client.TaskInstances(t.Context(), q) {
		if err != nil {
			return rows, err
		}
		k := key{ti.DagID, ti.RunID, ti.TaskID, ti.MapIndex}
		if seen[k] {
			t.Errorf("%v came twice", k)
		}
		seen[k] = true
		rows = append(rows, ti)
	}
	return rows, nil
}

const instances = 175

// full is an Airflow with 175 unfinished task instances, and some finished ones.
func full(t *testing.T, o airflowtest.Options) *airflowtest.Server {
	server := airflowtest.Start(t, o)
	server.Update(func(db *airflowtest.Database) {
		for i := range instances {
			run := fmt.Sprintf("run %d", i%7)
			db.Add(airflowtest.Task("dag", run, fmt.Sprintf("task_%03d", i)), 0).Enqueue()
			db.Add(airflowtest.Task("dag", run, fmt.Sprintf("done_%03d", i)), 0).Succeed()
		}
	})
	return server
}

// Every server, every page size, both lists: all rows exactly once, or an error that says how many are missing.
func TestEveryRowOnceOrAnError(t *testing.T) {
	for _, version := range []string{"2.10.2", "2.10.5", "2.11.2", "3.0.6", "3.2.0", "3.3.2", "3.9.0"} {
		for _, clamp := range []int{0, 7, 100, 174, 175} {
			for _, room := range []int{1, 100, 175, 1000} {
				for _, byGet := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s clamp %d room %d get %v", version, clamp, room, byGet), func(t *testing.T) {
						server := full(t, airflowtest.Options{Version: version, ClampPost: clamp, ClampGet: clamp, ShuffleSeed: 7})
						rows, err := list(t, connect(t, server, nil), airflow.TaskInstanceQuery{Room: room, ByGet: byGet})

						v1 := strings.HasPrefix(version, "2.")
						complete := room >= instances && (clamp == 0 || clamp >= instances) // one answer holds all
						if version == "2.10.2" || byGet && !v1 {
							complete = true // it ignores the room; its pages have an order
						}
						if complete {
							if err != nil || len(rows) != instances {
								t.Fatalf("%d rows, %v, want all %d", len(rows), err, instances)
							}
							return
						}
						incomplete, ok := errors.AsType[*airflow.IncompleteError](err)
						if !ok || incomplete.Total != instances || incomplete.Received != len(rows) {
							t.Fatalf("%d rows, %v", len(rows), err)
						}
						if want := clamp != 0 && clamp < room; incomplete.Clamped != want {
							t.Errorf("clamped %v, want %v", incomplete.Clamped, want)
						}
					})
				}
			}
		}
	}
}

// A server without cursors is walked by offset; a row that leaves between two
// pages moves all others, and one would be passed over.
func TestOffsetsNoticeThatRowsMoved(t *testing.T) {
	for name, move := range map[string]func(db *airflowtest.Database){
		"one left": func(db *airflowtest.Database) {
			db.TaskInstance(airflowtest.Task("dag", "run 0", "task_000")).Succeed()
		},
		"one left, one came": func(db *airflowtest.Database) {
			db.TaskInstance(airflowtest.Task("dag", "run 0", "task_000")).Succeed()
			db.Add(airflowtest.Task("dag", "run 0", "new"), 0).Enqueue()
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := full(t, airflowtest.Options{Version: "3.0.6", ClampGet: 50})
			client := connect(t, server, nil)
			rows := 0
			var last error
			for _, err := range client.TaskInstances(t.Context(), airflow.TaskInstanceQuery{States: []airflow.State{airflow.StateQueued}, ByGet: true}) {
				if last = err; err != nil {
					break
				}
				if rows++; rows == 50 {
					server.Update(move)
				}
			}
			if _, ok := errors.AsType[*airflow.IncompleteError](last); !ok {
				t.Errorf("%d rows, %v, want an IncompleteError", rows, last)
			}
		})
	}
}

// On a server that sends the rest in one page, rows that left before it make
// room in the total for those that were passed over.
func TestTheLastPageByOffsetNoticesThatRowsMoved(t *testing.T) {
	server := full(t, airflowtest.Options{Version: "3.0.6"})
	client := connect(t, server, nil)
	rows := 0
	var last error
	for _, err := range client.TaskInstances(t.Context(), airflow.TaskInstanceQuery{States: []airflow.State{airflow.StateQueued}, ByGet: true, Room: 2000}) {
		if last = err; err != nil {
			break
		}
		if rows++; rows == 100 {
			server.Update(func(db *airflowtest.Database) {
				for i := range 3 {
					db.TaskInstance(airflowtest.Task("dag", fmt.Sprintf("run %d", i), fmt.Sprintf("task_%03d", i))).Succeed()
				}
			})
		}
	}
	if _, ok := errors.AsType[*airflow.IncompleteError](last); !ok {
		t.Errorf("%d rows, %v, want an IncompleteError", rows, last)
	}
}

// A cursor that leads round in circles ends in an error, not in an endless walk.
func TestCursorsThatLeadInCircles(t *testing.T) {
	client := newClient(t, answer(t, send(200, "application/json", `{"task_instances":[],"total_entries":9,"next_cursor":"again"}`)), nil)
	_, err := list(t, client, airflow.TaskInstanceQuery{ByGet: true})
	if airflow.ClassOf(err) != airflow.ClassDecode || !strings.Contains(err.Error(), "round in circles") {
		t.Errorf("got %v", err)
	}
}

// With a cursor, what stays is listed once, whatever comes and goes meanwhile.
func TestCursorsLoseNoRowThatStays(t *testing.T) {
	server := full(t, airflowtest.Options{Version: "3.3.2", ClampGet: 10})
	client := connect(t, server, nil)
	got := map[string]int{}
	rows := 0
	for ti, err := range client.TaskInstances(t.Context(), airflow.TaskInstanceQuery{States: []airflow.State{airflow.StateQueued, airflow.StateUpForRetry}, ByGet: true}) {
		if err != nil {
			t.Fatal(err)
		}
		got[ti.TaskID]++
		if rows++; rows%10 == 0 {
			server.Update(func(db *airflowtest.Database) {
				gone := rows + 3 // leaves before its page
				if ti := db.TaskInstance(airflowtest.Task("dag", fmt.Sprintf("run %d", gone%7), fmt.Sprintf("task_%03d", gone))); ti != nil {
					ti.Succeed()
				}
				db.Add(airflowtest.Task("dag", "run 0", fmt.Sprintf("new_%03d", rows)), 0).Enqueue()
			})
		}
		if rows > 3*instances {
			break
		}
	}
	for i := range instances {
		task := fmt.Sprintf("task_%03d", i)
		left := i > 10 && i%10 == 3
		if got[task] != 1 && !left {
			t.Errorf("%s was listed %d times", task, got[task])
		}
	}
}

// A consumer that has enough ends the request, and its connection can be used again.
func TestListingsCanBeLeftEarly(t *testing.T) {
	server := full(t, airflowtest.Options{Version: "3.3.2"})
	client := connect(t, server, func(c *airflow.Config) { c.Concurrency = 1 })
	for range 3 {
		for _, err := range client.TaskInstances(t.Context(), airflow.TaskInstanceQuery{States: []airflow.State{airflow.StateQueued}, Room: 1000}) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	if n, err := client.CountTaskInstances(t.Context(), airflow.StateQueued); err != nil || n != instances {
		t.Errorf("%d, %v", n, err)
	}
}

func TestCountsAreExactForEveryState(t *testing.T) {
	for _, version := range []string{"2.10.2", "2.11.2", "3.0.6", "3.3.2"} {
		server := full(t, airflowtest.Options{Version: version})
		server.Update(func(db *airflowtest.Database) { db.Add(airflowtest.Task("dag", "run 0", "none"), 0) })
		client := connect(t, server, nil)
		for state, want := range map[airflow.State]int{airflow.StateNone: 1, airflow.StateQueued: instances, airflow.StateSuccess: instances, airflow.StateRunning: 0} {
			if n, err := client.CountTaskInstances(t.Context(), state); err != nil || n != want {
				t.Errorf("%s, %s: %d, %v, want %d", version, state, n, err, want)
			}
		}
		for _, r := range server.Requests() {
			if r.Rows > 0 {
				t.Errorf("%s: counting sent %d rows", version, r.Rows)
			}
		}
	}
}

// An upgrade in place is noticed by the next question for the version.
func TestUpgradeInPlace(t *testing.T) {
	old, upgraded := full(t, airflowtest.Options{Version: "2.11.2"}), full(t, airflowtest.Options{Version: "3.3.2"})
	current := old
	client := newClient(t, old.URL, func(c *airflow.Config) {
		c.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			return current.DialContext(ctx, network, addr)
		}
	})
	for _, want := range []string{"2.11.2", "3.3.2", "2.11.2"} {
		if v, err := client.Version(t.Context()); err != nil || v.Number != want {
			t.Fatalf("%v, %v, want %s", v, err, want)
		}
		if rows, err := list(t, client, airflow.TaskInstanceQuery{Room: 1000}); err != nil || len(rows) != instances {
			t.Fatalf("%s: %d rows, %v", want, len(rows), err)
		}
		client.Close()
		if current == old {
			current = upgraded
		} else {
			current = old
		}
	}
}
