package airflow_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

func byGet(c *airflow.Config) { c.List = airflow.ListGet }

// posts are the paths of the POSTs that the server got.
func posts(server *airflowtest.Server) map[string]int {
	got := map[string]int{}
	for _, r := range server.Requests() {
		if r.Method == http.MethodPost {
			got[r.Path]++
		}
	}
	return got
}

// finished collects the rows and the answered runs of questions.
func finished(t *testing.T, client *airflow.Client, questions []airflow.RunQuestion) (rows map[airflow.TaskInstanceRef]bool, answered map[airflow.RunRef]int, err error) {
	t.Helper()
	rows, answered = map[airflow.TaskInstanceRef]bool{}, map[airflow.RunRef]int{}
	for ti, err := range client.FinishedTaskInstances(t.Context(), questions, 1000, func(list []airflow.RunQuestion) {
		for _, q := range list {
			answered[q.Run.RunRef]++
		}
	}) {
		if err != nil {
			return rows, answered, err
		}
		if rows[ti.Ref()] {
			t.Errorf("%+v came twice", ti.Ref())
		}
		rows[ti.Ref()] = true
	}
	return rows, answered, nil
}

// On Airflow 3 list: get leaves nothing in the audit log: the login is the only POST.
func TestListGetPostsNothingButTheLogin(t *testing.T) {
	for _, version := range []string{"3.0.6", "3.1.7", "3.2.2", "3.3.2"} {
		t.Run(version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := airflowtest.Start(t, airflowtest.Options{Version: version, Users: viewer})
				runs := addWaiting(server, []waitingRun{{"a", "r", 0, 130}, {"b", "r", 0, 3}})
				server.Update(func(db *airflowtest.Database) {
					for i := range 130 {
						db.Add(airflowtest.Task("a", "r", fmt.Sprint("done ", i)), 0).Succeed()
						db.PutRun(airflowtest.DagRun{DagID: "many", RunID: fmt.Sprint(i), State: airflowtest.Queued})
					}
				})
				client := connect(t, server, func(c *airflow.Config) { byGet(c); asViewer("right")(c) })

				if got, err := client.DagRuns(t.Context(), airflow.DagRunQuery{States: activeRuns, Room: 1000}); err != nil || len(got) != 132 {
					t.Errorf("%d active runs, %v", len(got), err)
				}
				for _, since := range []time.Duration{0, time.Minute} {
					questions := []airflow.RunQuestion{question("a", "r", 0, since), question("b", "r", 0, since)}
					if rows, answered, err := finished(t, client, questions); err != nil || len(rows) != 130 || len(answered) != 2 {
						t.Errorf("%d finished instances of %d runs, %v", len(rows), len(answered), err)
					}
				}
				if rows, listed, err := client.StatelessTaskInstances(t.Context(), runs, 1000); err != nil || len(rows) != 130 || names(listed) != "a/r" {
					t.Errorf("%d stateless instances of %q, %v", len(rows), names(listed), err)
				}
				if rows, err := list(t, client, airflow.TaskInstanceQuery{ByGet: true, Room: 1000}); err != nil || len(rows) != 2 {
					t.Errorf("%d unfinished instances, %v", len(rows), err)
				}
				if got := posts(server); !maps.Equal(got, map[string]int{"/auth/token": 1}) {
					t.Errorf("POSTs: %v", got)
				}
			})
		})
	}
}

// By GET the answers are those by batch, whatever the runs and the questions.
func TestListGetAnswersAsBatchDoes(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.0.2", "3.0.6", "3.2.2", "3.3.2"} {
		for seed := range uint64(10) {
			t.Run(fmt.Sprint(version, " ", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := airflowtest.Start(t, airflowtest.Options{Version: version, ClampGet: 3})
					questions, want := finishedWorld(server, rand.New(rand.NewPCG(seed, 2)))
					rows, answered, err := finished(t, connect(t, server, byGet), questions)
					if err != nil || len(answered) != len(questions) {
						t.Fatalf("%d of %d questions are answered, %v", len(answered), len(questions), err)
					}
					for _, ref := range want {
						if !rows[ref] {
							t.Errorf("%+v is missing", ref)
						}
					}
					bounded := map[airflow.RunRef]bool{}
					for _, q := range questions {
						bounded[q.Run.RunRef] = !q.Since.IsZero()
					}
					server.Update(func(db *airflowtest.Database) {
						for ref := range rows {
							run := airflow.RunRef{DagID: ref.DagID, RunID: ref.RunID}
							if db.TaskInstance(airflowtest.Task(ref.DagID, ref.RunID, ref.TaskID)).EndDate.IsZero() && bounded[run] {
								t.Errorf("%+v has no end date and came nevertheless", ref)
							}
						}
					})
				})
			})
		}
	}
}

// Only what ended since crosses the wire, one request for a run.
func TestListGetAsksSinceWhenAndOnceForARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2"})
		server.Update(func(db *airflowtest.Database) {
			for i := range 30 {
				db.Add(airflowtest.Task(fmt.Sprintf("d%02d", i), "r", "old"), 0).Succeed().EndDate = db.Now().Add(-time.Hour)
				db.Add(airflowtest.Task(fmt.Sprintf("d%02d", i), "r", "new"), 0).Succeed()
			}
		})
		if rows, answered, err := finished(t, connect(t, server, byGet), many(30, 0, time.Minute)); err != nil || len(rows) != 30 || len(answered) != 30 {
			t.Errorf("%d rows of %d runs, %v", len(rows), len(answered), err)
		}
		for _, r := range server.Requests()[1:] { // behind the version
			if r.Rows != 1 || !strings.HasSuffix(r.Path, "/dagRuns/r/taskInstances") {
				t.Errorf("%s %s: %d rows", r.Method, r.Path, r.Rows)
			}
		}
		if n := len(server.Requests()); n != 31 {
			t.Errorf("%d requests", n)
		}
	})
}

// All runs once, or an error with at least as many as there was no room for,
// on servers with and without cursors, that count with them or not.
func TestDagRunsByGet(t *testing.T) {
	const n = 175
	for _, version := range []string{"3.0.6", "3.2.0", "3.3.0", "3.3.2"} {
		for _, clamp := range []int{0, 7, 100, n} {
			for _, room := range []int{1, 50, n, 10 * n} {
				t.Run(fmt.Sprintf("%s clamp %d room %d", version, clamp, room), func(t *testing.T) {
					server := runsOf(t, n, airflowtest.Options{Version: version, ClampGet: clamp})
					runs, err := connect(t, server, byGet).DagRuns(t.Context(), airflow.DagRunQuery{States: activeRuns, Room: room})
					if len(runs) == n && err == nil {
						if room < n && clamp != n {
							t.Errorf("all runs, with room for %d", room)
						}
						return
					}
					incomplete, ok := errors.AsType[*airflow.IncompleteError](err)
					if !ok || room >= n || incomplete.Total <= room || incomplete.Total <= incomplete.Received || runs != nil {
						t.Errorf("%d runs, %v, %+v", len(runs), err, incomplete)
					}
				})
			}
		}
	}
}

// The bounds of end dates hold as they do by batch: a run that has not ended is in none.
func TestEndDatesOfDagRunsByGet(t *testing.T) {
	for _, version := range []string{"3.0.2", "3.0.6", "3.3.2"} {
		synctest.Test(t, func(t *testing.T) {
			server := airflowtest.Start(t, airflowtest.Options{Version: version})
			now := time.Now()
			server.Update(func(db *airflowtest.Database) {
				for hours := range 5 {
					db.PutRun(airflowtest.DagRun{DagID: "d", RunID: fmt.Sprint(hours), State: airflowtest.Success, EndDate: now.Add(-time.Duration(hours) * time.Hour)})
				}
				db.PutRun(airflowtest.DagRun{DagID: "d", RunID: "runs"})
			})
			client := connect(t, server, byGet)
			for _, test := range []struct {
				since, until time.Time
				want         string
			}{
				{want: "0 1 2 3 4 runs"},
				{since: now.Add(-2 * time.Hour), want: "0 1 2"},
				{until: now.Add(-3 * time.Hour), want: "3 4"},
				{until: now, want: "0 1 2 3 4"},
				{since: now.Add(-3 * time.Hour), until: now.Add(-time.Hour), want: "1 2 3"},
			} {
				runs, err := client.DagRuns(t.Context(), airflow.DagRunQuery{States: []airflow.RunState{airflow.RunRunning, airflow.RunSuccess}, EndedSince: test.since, EndedUntil: test.until, Room: 10})
				if got := runIDs(runs); err != nil || got != test.want {
					t.Errorf("%s: %q, %v, want %q", version, got, err, test.want)
				}
			}
		})
	}
}

// Of a run that is gone there is nothing to tell; any other 404 is an error.
func TestRunsThatAreGoneHaveNoRowsByGet(t *testing.T) {
	server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2"})
	server.Update(func(db *airflowtest.Database) { db.Add(airflowtest.Task("d", "here", "t"), 0).Succeed() })
	client := connect(t, server, byGet)
	questions := []airflow.RunQuestion{question("d", "gone", 0, 0), question("no dag", "r", 0, 0), question("d", "here", 0, 0)}
	if rows, answered, err := finished(t, client, questions); err != nil || len(rows) != 1 || len(answered) != 3 {
		t.Errorf("%d rows of %d runs, %v", len(rows), len(answered), err)
	}
	if rows, listed, err := client.StatelessTaskInstances(t.Context(), []airflow.DagRun{questions[0].Run}, 10); err != nil || len(rows) != 0 || names(listed) != "d/gone" {
		t.Errorf("%d rows of %q, %v", len(rows), names(listed), err)
	}
	server.Inject(airflowtest.On("GET", "/taskInstances"), airflowtest.Status(404, http.Header{"Content-Type": {"application/json"}}, `{"detail":"Not Found"}`))
	if _, answered, err := finished(t, client, questions); status(err) != http.StatusNotFound || len(answered) != 0 {
		t.Errorf("%d runs, %v", len(answered), err)
	}
}

// Ids may hold anything. To some no path leads: those runs are asked for by batch.
func TestOddIDsByGet(t *testing.T) {
	for id, path := range map[string]bool{
		"with space": true, "100%": true, "%2F": true, "a+b": true, "odd+chars:~%2F? #1": true, "scheduled__2026-11-24T08:20:00+00:00": true, "🙂": true, "...": true,
		"with/slash": false, "/": false, "~": false, ".": false, "..": false,
	} {
		server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2", BasePath: "/air"})
		server.Update(func(db *airflowtest.Database) {
			for _, run := range []string{id, "another"} {
				db.Add(airflowtest.Task("d", run, "done"), 0).Succeed()
				db.Add(airflowtest.Task("d", run, "waits"), 0)
			}
		})
		endpoints := map[string]bool{}
		client := connect(t, server, func(c *airflow.Config) {
			byGet(c)
			c.Observe = func(r airflow.Request) { endpoints[r.Endpoint] = true }
		})
		q := question("d", id, 0, 0)
		if rows, answered, err := finished(t, client, []airflow.RunQuestion{q}); err != nil || len(rows) != 1 || answered[q.Run.RunRef] != 1 {
			t.Errorf("%s: %d finished, %v", id, len(rows), err)
		}
		if rows, listed, err := client.StatelessTaskInstances(t.Context(), []airflow.DagRun{q.Run}, 10); err != nil || len(rows) != 1 || len(listed) != 1 {
			t.Errorf("%s: %d without a state, %v", id, len(rows), err)
		}
		if got := len(posts(server)) == 0; got != path {
			t.Errorf("%s: POSTs %v", id, posts(server))
		}
		if path && (len(endpoints) != 2 || !endpoints["/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances"]) { // and the version
			t.Errorf("%s: endpoints %v", id, endpoints)
		}
	}
}

// A run with more rows than there is room for is named.
func TestStatelessTaskInstancesThatDoNotFitByGet(t *testing.T) {
	for _, version := range []string{"3.0.6", "3.3.0", "3.3.2"} {
		server := airflowtest.Start(t, airflowtest.Options{Version: version})
		runs := addWaiting(server, []waitingRun{{"a", "r", 0, 250}, {"b", "r", 0, 3}})
		rows, listed, err := connect(t, server, byGet).StatelessTaskInstances(t.Context(), runs, 150)
		if _, ok := errors.AsType[*airflow.IncompleteError](err); !ok || rows != nil || names(listed) != "a/r" {
			t.Errorf("%s: %d rows of %q, %v", version, len(rows), names(listed), err)
		}
	}
}

// Airflow 2 writes nothing down: it is asked by batch all the same.
func TestListGetChangesNothingOnAirflow2(t *testing.T) {
	server := airflowtest.Start(t, airflowtest.Options{Version: "2.11.2"})
	runs := addWaiting(server, []waitingRun{{"a", "r", 0, 2}, {"b", "r", 0, 3}})
	client := connect(t, server, byGet)
	if got, err := client.DagRuns(t.Context(), airflow.DagRunQuery{States: activeRuns, Room: 10}); err != nil || len(got) != 2 {
		t.Errorf("%d runs, %v", len(got), err)
	}
	if rows, listed, err := client.StatelessTaskInstances(t.Context(), runs, 10); err != nil || len(rows) != 5 || len(listed) != 2 {
		t.Errorf("%d rows of %d runs, %v", len(rows), len(listed), err)
	}
	if _, answered, err := finished(t, client, []airflow.RunQuestion{{Run: runs[0]}, {Run: runs[1]}}); err != nil || len(answered) != 2 {
		t.Errorf("%d runs, %v", len(answered), err)
	}
	for _, r := range server.Requests() {
		if r.Method == http.MethodGet && strings.Contains(r.Path, "agRuns") {
			t.Errorf("GET %s", r.Path)
		}
	}
}
