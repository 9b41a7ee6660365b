package airflow_test

import (
	"encoding/json"
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

var activeRuns = []airflow.RunState{airflow.RunQueued, airflow.RunRunning}

// Every field of every recorded run, decoded twice: by the client and by the standard library.
func TestRecordedDagRuns(t *testing.T) {
	for version, files := range map[string][]string{
		"2.11.2": {"list_dagRuns.json", "list_dagRuns_limit0.json"},
		"3.3.2":  {"dagruns.json", "dagruns-batch.json", "dagruns-active.json", "dagruns-asset.json"},
	} {
		for _, file := range files {
			t.Run(version+" "+file, func(t *testing.T) {
				client := recorded(t, version, map[string]string{"version": "version.json", "dags/~/dagRuns/list": file})
				got, err := client.DagRuns(t.Context(), airflow.DagRunQuery{States: activeRuns, Room: 1000})
				if err != nil {
					t.Fatal(err)
				}
				var body struct {
					Rows []map[string]any `json:"dag_runs"`
				}
				if err := json.Unmarshal(load(t, version, file), &body); err != nil {
					t.Fatal(err)
				}
				if len(got) != len(body.Rows) || len(got) == 0 {
					t.Fatalf("%d runs, want %d", len(got), len(body.Rows))
				}
				for i, run := range got {
					compareRun(t, run, body.Rows[i])
				}
			})
		}
	}
}

func compareRun(t *testing.T, got airflow.DagRun, row map[string]any) {
	t.Helper()
	text := func(key string) string {
		s, _ := row[key].(string)
		return s
	}
	at := func(key string) time.Time {
		if row[key] == nil {
			return time.Time{}
		}
		at, err := time.Parse(time.RFC3339Nano, text(key))
		if err != nil {
			t.Errorf("%s: %v", key, err)
		}
		return at
	}
	runAfter := "run_after"
	if row[runAfter] == nil {
		runAfter = "data_interval_end"
	}
	if date := row["execution_date"]; date != nil && date != row["logical_date"] {
		t.Errorf("%v: two dates", got.RunRef)
	}
	want := airflow.DagRun{
		RunRef:  airflow.RunRef{DagID: text("dag_id"), RunID: text("dag_run_id")},
		RunType: text("run_type"), State: airflow.RunState(text("state")),
		LogicalDate: at("logical_date"), RunAfter: at(runAfter), QueuedAt: at("queued_at"), StartDate: at("start_date"), EndDate: at("end_date"),
	}
	for _, p := range []struct{ got, want *time.Time }{
		{&got.LogicalDate, &want.LogicalDate}, {&got.RunAfter, &want.RunAfter}, {&got.QueuedAt, &want.QueuedAt},
		{&got.StartDate, &want.StartDate}, {&got.EndDate, &want.EndDate},
	} {
		if !p.got.Equal(*p.want) {
			t.Errorf("%v: got %v, want %v", got.RunRef, p.got, p.want)
		}
		*p.got, *p.want = time.Time{}, time.Time{} // equal moments may differ in location
	}
	if got != want || got.RunID == "" || got.State == "" || got.RunType == "" {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// A recorded listing that was cut by its limit is never taken for whole, nor
// when the server sends the same page again whatever the offset.
func TestRecordedDagRunsThatWereCut(t *testing.T) {
	for version, want := range map[string]airflow.IncompleteError{
		"2.11.2": {Received: 3, Total: 18}, "2.10.2": {Received: 2, Total: 15}, "3.3.2": {Received: 5, Total: 29},
	} {
		file := map[string]string{"2.11.2": "list_dagRuns_batch.json", "2.10.2": "dagRuns_batch.json", "3.3.2": "dagruns-cursor.json"}[version]
		client := recorded(t, version, map[string]string{"version": "version.json", "dags/~/dagRuns/list": file})
		_, err := client.DagRuns(t.Context(), airflow.DagRunQuery{States: activeRuns, Room: 100})
		if incomplete, ok := errors.AsType[*airflow.IncompleteError](err); !ok || *incomplete != want || airflow.ClassOf(err) != airflow.ClassTooLarge {
			t.Errorf("%s: %v, %+v, want %+v", version, err, incomplete, want)
		}
	}
}

// runIDs are the ids of a listing, in its order.
func runIDs(runs []airflow.DagRun) string {
	var ids []string
	for _, r := range runs {
		ids = append(ids, r.RunID)
	}
	return strings.Join(ids, " ")
}

func TestDagRuns(t *testing.T) {
	for _, version := range []string{"2.10.2", "2.11.2", "3.0.6", "3.3.2"} {
		t.Run(version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := time.Now()
				ago := func(hours int) time.Time { return now.Add(-time.Duration(hours) * time.Hour) }
				server := airflowtest.Start(t, airflowtest.Options{Version: version, ShuffleSeed: 3})
				server.Update(func(db *airflowtest.Database) {
					db.PutRun(airflowtest.DagRun{DagID: "a", RunID: "runs", RunAfter: ago(2), StartDate: ago(1)})
					db.PutRun(airflowtest.DagRun{DagID: "b", RunID: "waits", State: airflowtest.Queued, Type: airflowtest.RunScheduled, LogicalDate: ago(24), IntervalEnd: ago(3)})
					db.PutRun(airflowtest.DagRun{DagID: "a", RunID: "old", State: airflowtest.Success, StartDate: ago(9), EndDate: ago(8)})
					db.PutRun(airflowtest.DagRun{DagID: "c", RunID: "new", State: airflowtest.Failed, StartDate: ago(9), EndDate: ago(1)})
				})
				client := connect(t, server, nil)
				ended := []airflow.RunState{airflow.RunSuccess, airflow.RunFailed}
				for _, test := range []struct {
					query airflow.DagRunQuery
					want  string
				}{
					{airflow.DagRunQuery{States: activeRuns}, "runs waits"},
					{airflow.DagRunQuery{States: ended}, "old new"},
					{airflow.DagRunQuery{States: ended, EndedSince: ago(8)}, "old new"},
					{airflow.DagRunQuery{States: ended, EndedSince: ago(7)}, "new"},
					{airflow.DagRunQuery{States: ended, EndedSince: now}, ""},
					{airflow.DagRunQuery{States: ended, EndedUntil: ago(8)}, "old"},
					{airflow.DagRunQuery{States: ended, EndedUntil: ago(9)}, ""},
					{airflow.DagRunQuery{States: ended, EndedSince: ago(7), EndedUntil: ago(1)}, "new"},
					{airflow.DagRunQuery{States: ended, EndedSince: ago(7), EndedUntil: ago(2)}, ""},
					{airflow.DagRunQuery{States: []airflow.RunState{airflow.RunRunning, airflow.RunSuccess}, EndedUntil: now}, "old"},
				} {
					test.query.Room = 100
					runs, err := client.DagRuns(t.Context(), test.query)
					if got := runIDs(runs); err != nil || got != test.want {
						t.Errorf("%+v: %q, %v, want %q", test.query, got, err, test.want)
					}
				}
				runs, err := client.DagRuns(t.Context(), airflow.DagRunQuery{States: activeRuns, Room: 2})
				if err != nil {
					t.Fatal(err)
				}
				if r := runs[1]; !r.RunAfter.Equal(ago(3)) || !r.LogicalDate.Equal(ago(24)) || r.RunType != "scheduled" || !r.StartDate.IsZero() || r.QueuedAt.IsZero() != (version[0] == '2') {
					t.Errorf("%+v", r)
				}
				if r := runs[0]; !r.RunAfter.Equal(ago(2)) || !r.StartDate.Equal(ago(1)) || r.LogicalDate.IsZero() != (version[0] == '3') {
					t.Errorf("%+v", r)
				}
			})
		})
	}
}

// runsOf is an Airflow with so many runs.
func runsOf(t *testing.T, n int, o airflowtest.Options) *airflowtest.Server {
	server := airflowtest.Start(t, o)
	server.Update(func(db *airflowtest.Database) {
		for i := range n {
			db.PutRun(airflowtest.DagRun{DagID: "d", RunID: fmt.Sprint(i)})
		}
	})
	return server
}

// Every server, whether it bounds its answers or not: all runs exactly once,
// or an error that says how many there are.
func TestAllDagRunsOrAnError(t *testing.T) {
	const n = 175
	for _, version := range []string{"2.10.2", "2.11.2", "3.0.6", "3.2.0", "3.3.2"} {
		for _, clamp := range []int{0, 2, 7, 100, 174, 175} {
			for _, room := range []int{1, 100, n - 1, n, 10 * n} {
				t.Run(fmt.Sprintf("%s clamp %d room %d", version, clamp, room), func(t *testing.T) {
					server := runsOf(t, n, airflowtest.Options{Version: version, ClampPost: clamp, ClampGet: 10})
					runs, err := connect(t, server, nil).DagRuns(t.Context(), airflow.DagRunQuery{States: activeRuns, Room: room})
					if room < n {
						incomplete, ok := errors.AsType[*airflow.IncompleteError](err)
						if !ok || incomplete.Total != n || incomplete.Clamped || runs != nil {
							t.Errorf("%d runs, %v, %+v", len(runs), err, incomplete)
						}
						return
					}
					distinct := map[airflow.RunRef]bool{}
					for _, r := range runs {
						distinct[r.RunRef] = true
					}
					if err != nil || len(runs) != n || len(distinct) != n {
						t.Errorf("%d runs, %d distinct, %v, want %d", len(runs), len(distinct), err, n)
					}
				})
			}
		}
	}
}

func TestDagRunsThatAreNotWhatTheySeem(t *testing.T) {
	const ok = `{"dag_id":"d","dag_run_id":"r","run_type":"manual","state":"running"}`
	for body, want := range map[string]string{
		`{"dag_runs":[` + ok + `],"total_entries":1}`:                                       "",
		`{"dag_runs":[` + ok + `,` + ok + `],"total_entries":1}`:                            "", // once
		`{"dag_runs":[` + ok + `]}`:                                                         "without total_entries",
		`{"total_entries":0}`:                                                               "without dag_runs",
		`{"dag_runs":[` + ok + `,{"dag_id":"d"}],"total_entries":2}`:                        "row 1: a DAG run without dag_run_id",
		`{"dag_runs":[` + strings.Replace(ok, `"running"`, "null", 1) + `]}`:                "without state",
		`{"dag_runs":[` + strings.Replace(ok, `"manual"`, "7", 1) + `]}`:                    "run_type",
		`{"dag_runs":[` + strings.Replace(ok, `}`, `,"end_date":"yesterday"}`, 1) + `]}`:    "end_date",
		`{"dag_runs":[` + ok:                                                                "before the answer was complete",
		`{"dag_runs":[` + strings.Replace(ok, `}`, `,"conf":{"x":[nul]}}`, 1) + `]}`:        "invalid",
		`{"dag_runs":[` + strings.Replace(ok, `}`, `,"conf":{"a":1},"note":"n"}`, 1) + `]}`: "without total_entries",
	} {
		server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2"})
		if strings.HasPrefix(want, "before") {
			server.Inject(airflowtest.On("POST", "/dagRuns/list"), airflowtest.Truncate(12))
		} else {
			server.Inject(airflowtest.On("POST", "/dagRuns/list"), airflowtest.Rewrite(func([]byte) []byte { return []byte(body) }))
		}
		runs, err := connect(t, server, nil).DagRuns(t.Context(), airflow.DagRunQuery{States: activeRuns, Room: 10})
		if want == "" {
			if err != nil || len(runs) != 1 {
				t.Errorf("%s: %d runs, %v", body, len(runs), err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || runs != nil {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
	server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2"})
	if _, err := connect(t, server, nil).DagRuns(t.Context(), airflow.DagRunQuery{Room: 10}); airflow.ClassOf(err) != airflow.ClassInternal {
		t.Errorf("without a state: %v", err)
	}
	if n := len(server.Requests()); n != 0 {
		t.Errorf("%d requests without a state", n)
	}
}

// An account that may not read runs is told so.
func TestDagRunsAreForbidden(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.3.2"} {
		users := slices.Clone(viewer)
		users[0].Rights = airflowtest.ReadDags
		server := airflowtest.Start(t, airflowtest.Options{Version: version, Users: users})
		_, err := connect(t, server, asViewer("right")).DagRuns(t.Context(), airflow.DagRunQuery{States: activeRuns, Room: 10})
		if airflow.ClassOf(err) != airflow.ClassForbidden {
			t.Errorf("%s: %v", version, err)
		}
	}
}
