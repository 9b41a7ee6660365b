package airflow_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

var instance = airflow.TaskInstanceRef{DagID: "d", RunID: "r", TaskID: "t", MapIndex: -1}

// recordedFiles are the recorded answers of a version whose names contain part, but for errors.
func recordedFiles(t *testing.T, version, part string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", version, "*"+part+"*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, path := range paths {
		if b, err := os.ReadFile(path); err != nil {
			t.Fatal(err)
		} else if !strings.Contains(string(b), `"detail"`) {
			files = append(files, filepath.Base(path))
		}
	}
	return files
}

// Every recorded list of attempts: each attempt once, by number, each field as
// the standard library decodes it.
func TestRecordedTries(t *testing.T) {
	for version, want := range map[string]int{"2.10.2": 10, "2.10.5": 10, "2.11.2": 15, "3.3.2": 7} {
		files := recordedFiles(t, version, "tries")
		if len(files) != want {
			t.Errorf("%s: %d recorded answers, want %d", version, len(files), want)
		}
		for _, file := range files {
			t.Run(version+" "+file, func(t *testing.T) {
				client := recorded(t, version, map[string]string{"version": "version.json", "dags/d/dagRuns/r/taskInstances/t/tries": file})
				got, err := client.Tries(t.Context(), instance)
				if err != nil {
					t.Fatal(err)
				}
				rows := map[float64]map[string]any{} // the finished row of each attempt, if there is one
				for _, row := range plain(t, version, file) {
					try := row["try_number"].(float64)
					if state, _ := row["state"].(string); rows[try] == nil || airflow.State(state).Finished() {
						rows[try] = row
					}
				}
				if len(got) != len(rows) {
					t.Fatalf("%d attempts, want %d", len(got), len(rows))
				}
				for i, attempt := range got {
					compare(t, attempt, rows[float64(attempt.TryNumber)])
					if i > 0 && got[i-1].TryNumber >= attempt.TryNumber {
						t.Errorf("attempt %d comes behind %d", attempt.TryNumber, got[i-1].TryNumber)
					}
				}
			})
		}
	}
}

// attempts are the numbers and states of the attempts of the instance.
func attempts(t *testing.T, client *airflow.Client, ref airflow.TaskInstanceRef) (string, error) {
	t.Helper()
	rows, err := client.Tries(t.Context(), ref)
	var list []string
	for _, row := range rows {
		if row.Ref() != ref {
			t.Errorf("%+v is an attempt of %+v", row.Ref(), ref)
		}
		list = append(list, fmt.Sprint(row.TryNumber, " ", row.State))
	}
	return strings.Join(list, ", "), err
}

// Each attempt comes once, whatever the server makes of it, and in order.
func TestTries(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(ti *airflowtest.TaskInstance)
		want string
	}{
		{name: "not started", do: func(*airflowtest.TaskInstance) {}, want: "0 none"},
		{name: "waits for a retry", do: func(ti *airflowtest.TaskInstance) { ti.Fail() }, want: "1 failed"},
		{name: "runs again", do: func(ti *airflowtest.TaskInstance) { ti.Fail().Start() }, want: "1 failed, 2 running"},
		{name: "ten attempts", do: func(ti *airflowtest.TaskInstance) {
			for ti.State != airflowtest.Failed {
				ti.Fail()
			}
		}, want: "1 failed, 2 failed, 3 failed, 4 failed, 5 failed, 6 failed, 7 failed, 8 failed, 9 failed, 10 failed"},
		{name: "finished, cleared", do: func(ti *airflowtest.TaskInstance) { ti.Succeed().Clear() }, want: "1 success"},
		{name: "finished, cleared, scheduled", do: func(ti *airflowtest.TaskInstance) { ti.Succeed().Clear().Schedule() }, want: "1 success, 2 scheduled"},
		{name: "runs, cleared", do: func(ti *airflowtest.TaskInstance) { ti.Start().Clear() }, want: "1 failed"},
		{name: "runs, cleared through the API", do: func(ti *airflowtest.TaskInstance) { ti.Start().ClearByAPI() }, want: "1 failed"},
		{name: "skipped", do: func(ti *airflowtest.TaskInstance) { ti.Skip() }, want: "0 skipped"},
	} {
		for _, version := range []string{"2.10.0", "2.10.2", "2.10.5", "2.11.2", "3.0.6", "3.3.2"} {
			for seed := range uint64(4) {
				server := airflowtest.Start(t, airflowtest.Options{Version: version, ShuffleSeed: seed})
				server.Update(func(db *airflowtest.Database) { test.do(db.Add(airflowtest.Task("d", "r", "t"), 9)) })
				if got, err := attempts(t, connect(t, server, nil), instance); got != test.want || err != nil {
					t.Errorf("%s, seed %d, %s: %s, %v, want %s", version, seed, test.name, got, err, test.want)
				}
			}
		}
	}
}

// Airflow 2 may end an attempt that it has recorded as failed when it was
// cleared: what it ended as counts, in whatever order the rows come.
func TestTheLaterEndOfAnAttemptCounts(t *testing.T) {
	for seed := range uint64(6) {
		server := airflowtest.Start(t, airflowtest.Options{Version: "2.11.2", ShuffleSeed: seed})
		server.Update(func(db *airflowtest.Database) {
			ti := db.Add(airflowtest.Task("d", "r", "t"), 0).Start().ClearByAPI().Succeed()
			ti.EndDate = ti.EndDate.Add(time.Minute)
		})
		if got, err := attempts(t, connect(t, server, nil), instance); got != "1 success" || err != nil {
			t.Errorf("seed %d: %s, %v", seed, got, err)
		}
	}
}

// An instance that was cleared and then did not run keeps the number of its
// last attempt; how that attempt ended is in the history, and counts.
func TestAnAttemptIsNotHiddenByWhatBecameOfTheInstance(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(ti *airflowtest.TaskInstance)
		want string
	}{
		{"succeeded, cleared, failed upstream", func(ti *airflowtest.TaskInstance) { ti.Succeed().Clear().FailUpstream() }, "1 success"},
		{"failed, cleared, failed upstream", func(ti *airflowtest.TaskInstance) { ti.FailWithoutRetry().Clear().FailUpstream() }, "1 failed"},
		{"succeeded, cleared, skipped", func(ti *airflowtest.TaskInstance) { ti.Succeed().Clear().Skip() }, "1 success"},
		{"succeeded, cleared, removed", func(ti *airflowtest.TaskInstance) { ti.Succeed().Clear().Remove() }, "1 success"},
		{"skipped, cleared, scheduled", func(ti *airflowtest.TaskInstance) { ti.Start().Skip().Clear().Schedule() }, "1 skipped, 2 scheduled"},
		{"skipped, cleared", func(ti *airflowtest.TaskInstance) { ti.Start().Skip().Clear() }, "1 skipped"},
	} {
		for _, version := range []string{"2.11.2", "3.3.2"} {
			for seed := range uint64(4) {
				server := airflowtest.Start(t, airflowtest.Options{Version: version, ShuffleSeed: seed})
				server.Update(func(db *airflowtest.Database) {
					ti := db.Add(airflowtest.Task("d", "r", "t"), 9)
					test.do(ti)
					if !ti.EndDate.IsZero() {
						ti.EndDate = ti.EndDate.Add(time.Minute) // the later end does not decide
					}
				})
				if got, err := attempts(t, connect(t, server, nil), instance); got != test.want || err != nil {
					t.Errorf("%s, seed %d, %s: %s, %v, want %s", version, seed, test.name, got, err, test.want)
				}
			}
		}
	}
}

func TestMissingInstances(t *testing.T) {
	for _, version := range []string{"2.10.2", "2.11.2", "3.0.6", "3.3.2"} {
		server := airflowtest.Start(t, airflowtest.Options{Version: version})
		server.Update(func(db *airflowtest.Database) { db.Add(airflowtest.MappedTask("d", "r", "mapped", 0), 0).Start() })
		client := connect(t, server, nil)
		for _, ref := range []airflow.TaskInstanceRef{instance, {DagID: "d", RunID: "r", TaskID: "mapped", MapIndex: -1}, {DagID: "d", RunID: "r", TaskID: "mapped", MapIndex: 1}} {
			got, err := attempts(t, client, ref)
			if v1 := version[0] == '2'; got != "" || (err == nil) != v1 || !v1 && status(err) != http.StatusNotFound {
				t.Errorf("%s: attempts of %+v: %s, %v", version, ref, got, err)
			}
			list, err := client.Dependencies(t.Context(), ref)
			if status(err) != http.StatusNotFound || list != nil || !strings.Contains(err.Error(), "ound") {
				t.Errorf("%s: dependencies of %+v: %v, %v", version, ref, list, err)
			}
		}
		mapped := airflow.TaskInstanceRef{DagID: "d", RunID: "r", TaskID: "mapped", MapIndex: 0}
		if got, err := attempts(t, client, mapped); got != "1 running" || err != nil {
			t.Errorf("%s: %s, %v", version, got, err)
		}
		if list, err := client.Dependencies(t.Context(), mapped); list != nil || err != nil {
			t.Errorf("%s: %v, %v", version, list, err)
		}
	}
}

// Every recorded answer about dependencies, decoded twice.
func TestRecordedDependencies(t *testing.T) {
	for version, want := range map[string]int{"2.10.2": 1, "2.10.5": 1, "2.11.2": 10, "3.3.2": 21} {
		files := slices.Concat(recordedFiles(t, version, "dependencies"), recordedFiles(t, version, "dep-"))
		if len(files) != want {
			t.Errorf("%s: %d recorded answers, want %d", version, len(files), want)
		}
		for _, file := range files {
			client := recorded(t, version, map[string]string{"version": "version.json", "dags/d/dagRuns/r/taskInstances/t/dependencies": file})
			got, err := client.Dependencies(t.Context(), instance)
			var body struct {
				List []map[string]string `json:"dependencies"`
			}
			if err := json.Unmarshal(load(t, version, file), &body); err != nil {
				t.Fatal(err)
			}
			if err != nil || len(got) != len(body.List) {
				t.Errorf("%s %s: %v, %v", version, file, got, err)
				continue
			}
			for i, d := range got {
				if d.Name == "" || d.Name != body.List[i]["name"] || d.Reason != body.List[i]["reason"] {
					t.Errorf("%s %s: %+v, want %v", version, file, d, body.List[i])
				}
			}
		}
	}
}

func TestAnswersAboutInstancesThatAreNotWhatTheySeem(t *testing.T) {
	for body, want := range map[string]string{
		`{"dependencies":[]}`:                             "",
		`{"dependencies":[{"name":"a","reason":null}]}`:   "",
		`{"dependencies":null}`:                           "without dependencies",
		`{}`:                                              "without dependencies",
		`{"dependencies":[{"reason":"b"}]}`:               "row 0: a dependency without name",
		`{"dependencies":[{"name":7}]}`:                   "not the expected JSON",
		`{"task_instances":[]}`:                           "without dependencies",
		`{"task_instances":[{"dag_id":"d"}]}`:             "without dependencies",
		`{"dependencies":[]}{}`:                           "not the expected JSON",
		`<html></html>`:                                   "not the expected JSON",
		`{"dependencies":[{"name":"a","reason":["b"]}]}`:  "not the expected JSON",
		`{"dependencies":[{"name":"a","other":{"x":1}}]}`: "",
	} {
		server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2"})
		server.Inject(airflowtest.On("GET", "/dependencies"), airflowtest.Rewrite(func([]byte) []byte { return []byte(body) }))
		server.Update(func(db *airflowtest.Database) { db.Add(airflowtest.Task("d", "r", "t"), 0) })
		list, err := connect(t, server, nil).Dependencies(t.Context(), instance)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || list != nil) {
			t.Errorf("%s: %v, %v, want %q", body, list, err, want)
		}
	}
	for body, want := range map[string]string{
		`{"task_instances":[],"total_entries":0}`: "",
		`{"task_instances":[{"dag_id":"d"}]}`:     "row 0: a task instance without dag_run_id",
		`{"total_entries":0}`:                     "without task_instances",
	} {
		server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2"})
		server.Inject(airflowtest.On("GET", "/tries"), airflowtest.Rewrite(func([]byte) []byte { return []byte(body) }))
		server.Update(func(db *airflowtest.Database) { db.Add(airflowtest.Task("d", "r", "t"), 0) })
		rows, err := connect(t, server, nil).Tries(t.Context(), instance)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || rows != nil) {
			t.Errorf("%s: %v, %v, want %q", body, rows, err, want)
		}
	}
}

// Asking for attempts, or for anything but dependencies, writes nothing; asking
// for dependencies does, which is why they are asked for sparingly.
func TestOnlyAskingForDependenciesWrites(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.3.2"} {
		key := airflowtest.Task("d", "r", "t")
		server := airflowtest.Start(t, airflowtest.Options{Version: version})
		server.Update(func(db *airflowtest.Database) { db.Add(key, 0).AskingWrites = airflowtest.Skipped })
		client := connect(t, server, nil)
		state := func() (state string) {
			server.Update(func(db *airflowtest.Database) { state = db.TaskInstance(key).State })
			return state
		}
		if _, err := attempts(t, client, instance); err != nil {
			t.Error(err)
		}
		if _, err := client.CountTaskInstances(t.Context(), airflow.StateNone); err != nil {
			t.Error(err)
		}
		if got := state(); got != airflowtest.NoStatus {
			t.Errorf("%s: %q", version, got)
		}
		if _, err := client.Dependencies(t.Context(), instance); err != nil || state() != airflowtest.Skipped {
			t.Errorf("%s: %v, %q", version, err, state())
		}
	}
}

// Ids may hold anything; they reach the server as they are. A slash does not:
// no path leads to it on any Airflow.
func TestPathsOfOddIDs(t *testing.T) {
	ids := []string{"plain", "with space", "100%", "%2F", "%25", "a+b", "odd+chars:~%2F? #1", "scheduled__2026-11-24T08:20:00+00:00",
		"zoo_ünïcode_数据", "🙂", "a&b=c;d", "~", "...", "a@b,c$d!e*f'(g)", `back\slash`, `"quoted"`, "<tag>", "[0]", "{x}", "|", "^", "`", "tab\tnewline\n", "\u200b"}
	for _, version := range []string{"2.11.2", "3.3.2"} {
		server := airflowtest.Start(t, airflowtest.Options{Version: version, BasePath: "/air"})
		server.Update(func(db *airflowtest.Database) {
			for i, id := range ids {
				db.Add(airflowtest.Task("dag "+id, id, "task "+id), 0).Start()
				db.Add(airflowtest.MappedTask("dag "+id, id, "mapped", i), 0).Schedule()
			}
			db.Add(airflowtest.Task("d", "with/slash", "t"), 0).Start()
		})
		endpoints := map[string]bool{}
		client := connect(t, server, func(c *airflow.Config) { c.Observe = func(r airflow.Request) { endpoints[r.Endpoint] = true } })
		for i, id := range ids {
			ref := airflow.TaskInstanceRef{DagID: "dag " + id, RunID: id, TaskID: "task " + id, MapIndex: -1}
			if got, err := attempts(t, client, ref); got != "1 running" || err != nil {
				t.Errorf("%s: %s: %s, %v", version, strconv.Quote(id), got, err)
			}
			mapped := airflow.TaskInstanceRef{DagID: "dag " + id, RunID: id, TaskID: "mapped", MapIndex: i}
			if list, err := client.Dependencies(t.Context(), mapped); len(list) != 0 || err != nil {
				t.Errorf("%s: %s: %v, %v", version, strconv.Quote(id), list, err)
			}
		}
		if _, err := attempts(t, client, airflow.TaskInstanceRef{DagID: "d", RunID: "with/slash", TaskID: "t", MapIndex: -1}); status(err) != http.StatusNotFound {
			t.Errorf("%s: with a slash: %v", version, err)
		}
		const path = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}"
		if len(endpoints) != 3 || !endpoints[path+"/tries"] || !endpoints[path+"/dependencies"] { // and the version
			t.Errorf("%s: endpoints %v", version, endpoints)
		}
	}
}

// status is the HTTP status of a failed request, 0 for none.
func status(err error) int {
	if e, ok := errors.AsType[*airflow.Error](err); ok {
		return e.Status
	}
	return 0
}
