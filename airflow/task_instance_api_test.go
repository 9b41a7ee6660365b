package airflow_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// classes are those of the errors that were recorded, by status. What is 400 and above and not here is ClassClient.
var classes = map[int]airflow.Class{401: airflow.ClassAuth, 403: airflow.ClassForbidden, 500: airflow.ClassServer}

// wantError checks the error of a call whose recorded answer is one.
func (r *recording) wantError(t *testing.T, err error) {
	t.Helper()
	want, ok := classes[r.status]
	if !ok {
		want = airflow.ClassClient
	}
	if got := airflow.ClassOf(err); err == nil || got != want || status(err) != r.status {
		t.Errorf("got %v of class %s, want status %d and class %s", err, got, r.status, want)
	}
}

// Whatever a real Airflow answered about a task instance, or an attempt of it: every field is there, with the same value, and none
// that it did not send; and an error is one of the right class.
func TestEveryRecordedAnswerAboutATaskInstance(t *testing.T) {
	asked := map[string]int{}
	for _, r := range recordings(t) {
		if r.method != http.MethodGet {
			continue
		}
		ref, what, n := r.parts(t)
		if ref.TaskID == "" || ref.TaskID == "list" {
			continue
		}
		var check func(t *testing.T, api *airflow.TaskInstanceAPI) error
		ctx := context.Background()
		switch {
		case what == "" && ref.MapIndex == -1 && r.path[len(r.path)-3:] == "/-1":
			continue // an address that this client does not use
		case what == "":
			check = func(t *testing.T, api *airflow.TaskInstanceAPI) error {
				got, err := api.Get(ctx, ref)
				if err == nil {
					sameRow(t, got, r.object(t))
				}
				return err
			}
		case what == "tries" && n == 0 && !endsInNumber(r.path):
			check = func(t *testing.T, api *airflow.TaskInstanceAPI) error {
				got, err := api.Tries(ctx, ref)
				if err == nil {
					sameRows(t, got, r.object(t))
				}
				return err
			}
		case what == "tries":
			check = func(t *testing.T, api *airflow.TaskInstanceAPI) error {
				got, err := api.TryDetails(ctx, ref, n)
				if err == nil {
					sameRow(t, got, r.object(t))
				}
				return err
			}
		case what == "links":
			check = func(t *testing.T, api *airflow.TaskInstanceAPI) error {
				got, err := api.ExtraLinks(ctx, ref)
				if err == nil && (got == nil || len(got) > 0) {
					t.Errorf("got %v, want no links", got)
				}
				return err
			}
		case what == "dependencies":
			check = func(t *testing.T, api *airflow.TaskInstanceAPI) error {
				got, err := api.Dependencies(ctx, ref)
				if err == nil {
					have := []any{}
					for _, d := range got {
						have = append(have, map[string]any{"name": d.Name, "reason": d.Reason})
					}
					if want := r.object(t)["dependencies"]; !reflect.DeepEqual(have, want) {
						t.Errorf("got %v, want %v", have, want)
					}
				}
				return err
			}
		default:
			continue // logs and lists have tests of their own
		}
		asked[r.version[:1]+" "+what]++
		t.Run(r.version+"/"+r.file, func(t *testing.T) {
			err := check(t, r.client(t, nil, r.sameQuestion(t)))
			if r.status == http.StatusOK && err != nil {
				t.Error(err)
			}
			if r.status != http.StatusOK {
				r.wantError(t, err)
			}
		})
	}
	for _, what := range []string{"", "tries", "links", "dependencies"} {
		for _, version := range []string{"2 ", "3 "} {
			if asked[version+what] == 0 {
				t.Errorf("no recording of Airflow %s%q was looked at", version, what)
			}
		}
	}
}

// sameQuestion checks that what is asked is what was asked then: the same path, and the same query, but for what is the default.
func (r *recording) sameQuestion(t *testing.T) func(*http.Request) {
	return func(q *http.Request) {
		t.Helper()
		want := url.Values{}
		for key, values := range r.params {
			if key != "limit" && (key != "map_index" || values[0] != "-1") {
				want[key] = values
			}
		}
		path, err := url.PathUnescape(r.api() + strings.Replace(r.path, "/-1/", "/", 1))
		if err != nil || q.Method != r.method || q.URL.Path != path || !reflect.DeepEqual(q.URL.Query(), want) {
			t.Errorf("asked %s %s?%s, want %s %s?%s, %v", q.Method, q.URL.Path, q.URL.RawQuery, r.method, path, want.Encode(), err)
		}
	}
}

func endsInNumber(path string) bool { return path[len(path)-1] >= '0' && path[len(path)-1] <= '9' }

// An answer about something else than what was asked for is none.
func TestAnswersAboutOthers(t *testing.T) {
	answers := map[string]recording{}
	for _, r := range recordings(t) {
		answers[r.file] = r
	}
	for _, tc := range []struct {
		file string
		ask  func(api *airflow.TaskInstanceAPI, ref airflow.TaskInstanceRef) error
	}{
		{"op_get_task_instance.json", func(api *airflow.TaskInstanceAPI, ref airflow.TaskInstanceRef) error {
			_, err := api.Get(t.Context(), ref)
			return err
		}},
		{"try-detail.json", func(api *airflow.TaskInstanceAPI, ref airflow.TaskInstanceRef) error {
			_, err := api.TryDetails(t.Context(), ref, 1)
			return err
		}},
		{"op_get_mapped_task_instance_tries.json", func(api *airflow.TaskInstanceAPI, ref airflow.TaskInstanceRef) error {
			_, err := api.Tries(t.Context(), ref)
			return err
		}},
		{"patch-mapped-note.json", func(api *airflow.TaskInstanceAPI, ref airflow.TaskInstanceRef) error {
			_, err := api.SetNote(t.Context(), ref, "x")
			return err
		}},
		{"op_patch_task_instance_default_dry_admin.json", func(api *airflow.TaskInstanceAPI, ref airflow.TaskInstanceRef) error {
			_, err := api.SetState(t.Context(), ref, airflow.StateChange{State: airflow.StateSuccess})
			return err
		}},
		{"listmapped.json", func(api *airflow.TaskInstanceAPI, ref airflow.TaskInstanceRef) error {
			_, err := collect(api.ListMapped(t.Context(), ref, airflow.TaskInstanceFilter{}))
			return err
		}},
		{"listmapped.json", func(api *airflow.TaskInstanceAPI, ref airflow.TaskInstanceRef) error {
			if ref.TaskID == "other" {
				ref.RunID = "other" // a list of a run has all tasks
			}
			_, err := collect(api.List(t.Context(), runOf(ref), airflow.TaskInstanceFilter{}))
			return err
		}},
	} {
		r := answers[tc.file]
		ref, _, _ := r.parts(t)
		if tc.file == "op_patch_task_instance_default_dry_admin.json" {
			ref = r.written(t)
		}
		api := r.client(t, nil, nil)
		if err := tc.ask(api, ref); err != nil {
			t.Errorf("%s: %v", tc.file, err)
		}
		for _, change := range []func(*airflow.TaskInstanceRef){
			func(r *airflow.TaskInstanceRef) { r.DagID = "other" },
			func(r *airflow.TaskInstanceRef) { r.RunID = "other" },
			func(r *airflow.TaskInstanceRef) { r.TaskID = "other" },
			func(r *airflow.TaskInstanceRef) { r.MapIndex += 2 },
		} {
			other := ref
			change(&other)
			if other.MapIndex != ref.MapIndex && (tc.file == "listmapped.json" || tc.file == "op_patch_task_instance_default_dry_admin.json") {
				continue // all indexes are there, or none is told
			}
			if err := tc.ask(api, other); airflow.ClassOf(err) != airflow.ClassDecode || err == nil {
				t.Errorf("%s taken for an answer about %v: %v", tc.file, other, err)
			}
		}
	}
	r := answers["try-detail.json"]
	ref, _, _ := r.parts(t)
	if _, err := r.client(t, nil, nil).TryDetails(t.Context(), ref, 2); airflow.ClassOf(err) != airflow.ClassDecode {
		t.Errorf("another attempt: %v", err)
	}
	r = answers["listmapped.json"]
	ref, _, _ = r.parts(t)
	if _, err := collect(r.client(t, nil, nil).ListMapped(t.Context(), ref, airflow.TaskInstanceFilter{States: []airflow.State{airflow.StateQueued}})); airflow.ClassOf(err) != airflow.ClassDecode {
		t.Errorf("rows in other states: %v", err)
	}
}

// A list that says that it holds more rows than came is not whole.
func TestAttemptsThatWereLeftOut(t *testing.T) {
	const row = `{"dag_id":"d","dag_run_id":"r","task_id":"t","map_index":-1,"try_number":1,"max_tries":0,"pool":"p","pool_slots":1}`
	for version, ask := range map[string]func(api *airflow.TaskInstanceAPI) (int, error){
		"2.11.2": func(api *airflow.TaskInstanceAPI) (int, error) {
			rows, err := api.Tries(t.Context(), anInstance)
			return len(rows), err
		},
		"3.3.2": func(api *airflow.TaskInstanceAPI) (int, error) {
			rows, err := api.SetState(t.Context(), anInstance, airflow.StateChange{State: airflow.StateFailed})
			return len(rows), err
		},
	} {
		for total, whole := range map[string]bool{"1": true, "2": false} {
			api := logServer(t, version, "application/json", body(`{"task_instances":[`+row+`],"total_entries":`+total+`}`)).TaskInstanceAPI()
			n, err := ask(api)
			short, _ := errors.AsType[*airflow.IncompleteError](err)
			if whole && (n != 1 || err != nil) || !whole && (short == nil || short.Received != 1 || short.Total != 2 || airflow.ClassOf(err) != airflow.ClassTooLarge) {
				t.Errorf("%s: %d rows of %s, %v", version, n, total, err)
			}
		}
	}
}

// What no path leads to is not asked for, and the error says how to find it.
func TestInstancesWithoutAPath(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.3.2"} {
		server, api := theirs(t, version)
		server.Update(func(db *airflowtest.Database) { db.Add(airflowtest.Task("etl", "a/b", "load"), 0).Succeed() })
		if _, err := api.Get(t.Context(), plainTask); err != nil {
			t.Fatal(err)
		}
		server.ResetRequests()
		for _, run := range []string{"a/b", "..", ".", "~"} {
			for _, o := range operations(t) {
				if o.method == "ListBatch" || o.method == "List" && run == "~" {
					continue
				}
				ref := o.ref()
				ref.RunID = run
				err := o.call(t.Context(), api, ref)
				if airflow.ClassOf(err) != airflow.ClassInternal || err == nil || !strings.Contains(err.Error(), "no path leads to") || !strings.Contains(err.Error(), "ListBatch with RunIDs") {
					t.Errorf("%s of %q, %s: %v", o.name, run, version, err)
				}
			}
		}
		if got := len(server.Requests()); got != 0 {
			t.Errorf("%s: %d requests", version, got)
		}
		rows, err := collect(api.ListBatch(t.Context(), airflow.TaskInstanceFilter{DagIDs: []string{"etl"}, TaskIDs: []string{"load"}, States: []airflow.State{airflow.StateSuccess}}))
		if version[0] == '3' {
			rows, err = collect(api.ListBatch(t.Context(), airflow.TaskInstanceFilter{RunIDs: []string{"a/b"}}))
		}
		if err != nil || len(rows) != 1 || rows[0].RunID != "a/b" {
			t.Errorf("%s: %v, %v", version, rows, err)
		}
	}
}
