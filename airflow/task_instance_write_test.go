package airflow_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// Every recorded PATCH that this client can make: what is sent is what was sent then, and the answer is understood, field by field.
func TestRecordedWrites(t *testing.T) {
	written := 0
	for _, r := range recordings(t) {
		if r.method != http.MethodPatch {
			continue
		}
		var body map[string]any
		if err := json.Unmarshal([]byte(r.body), &body); err != nil {
			t.Fatal(err)
		}
		_, hasState := body["new_state"]
		note, hasNote := body["note"].(string)
		dry, hasDry := body["dry_run"].(bool)
		v2 := r.version[0] == '3'
		switch {
		case hasState == hasNote, len(r.params) > 0, strings.Contains(r.path, "/~/"), v2 && hasDry, strings.HasPrefix(r.file, "setnote-v1"):
			continue // this client does not ask so
		case !v2 && hasState && !hasDry, !v2 && r.file == "op_patch_task_instance_nobody_admin.json":
			dry = true // the default
		case v2:
			dry = strings.HasSuffix(r.path, "/dry_run")
		}
		written++
		t.Run(r.version+"/"+r.file, func(t *testing.T) {
			ref := r.written(t)
			var sent map[string]any
			api := r.client(t, nil, func(q *http.Request) {
				text, err := io.ReadAll(q.Body)
				if err != nil || json.Unmarshal(text, &sent) != nil {
					t.Errorf("sent %s, %v", text, err)
				}
				path, err := url.PathUnescape(r.api() + r.path)
				if v2 && ref.MapIndex < 0 { // where Airflow was asked for every index then
					if path = strings.TrimSuffix(path, "/dry_run") + "/-1"; dry {
						path += "/dry_run"
					}
				}
				if err != nil || q.URL.Path != path || q.URL.RawQuery != "" {
					t.Errorf("asked %s, want %s, %v", q.URL, path, err)
				}
				if q.Method != http.MethodPatch || q.Header.Get("Content-Type") != "application/json" {
					t.Errorf("%s of %s", q.Method, q.Header.Get("Content-Type"))
				}
			})
			var err error
			if hasNote {
				var got airflow.TaskInstanceDetails
				if got, err = api.SetNote(t.Context(), ref, note); err == nil {
					rows, _ := r.object(t)["task_instances"].([]any)
					row := r.object(t)
					if v2 {
						row, _ = rows[0].(map[string]any)
					}
					if len(rows) > 1 {
						t.Errorf("taken for one of %d", len(rows))
					}
					sameRow(t, got, row)
				} else if rows, _ := r.object(t)["task_instances"].([]any); len(rows) > 1 && airflow.ClassOf(err) == airflow.ClassDecode {
					return // an answer about all indexes, for which this client does not ask
				}
			} else {
				state, _ := body["new_state"].(string)
				var got []airflow.ChangedTaskInstance
				if got, err = api.SetState(t.Context(), ref, airflow.StateChange{State: airflow.State(state), Commit: !dry}); err == nil {
					r.compareChanged(t, got, ref, dry)
				}
				body["dry_run"] = dry
				if v2 {
					delete(body, "dry_run")
					delete(body, "include_downstream") // false is the default
				}
			}
			if len(sent) != len(body) {
				t.Errorf("sent %v, want %v", sent, body)
			}
			for key, want := range body {
				sameValue(t, key, sent[key], want)
			}
			if r.status == http.StatusOK && err != nil {
				t.Error(err)
			}
			if r.status != http.StatusOK {
				r.wantError(t, err)
			}
		})
	}
	if written < 20 {
		t.Errorf("%d writes were recorded", written)
	}
}

// written is the instance whose recorded answer to a PATCH this is.
func (r *recording) written(t *testing.T) airflow.TaskInstanceRef {
	path := r.path
	for _, suffix := range []string{"/setNote", "/dry_run"} {
		path = strings.TrimSuffix(path, suffix)
	}
	at := recording{file: r.file, path: path}
	ref, _, _ := at.parts(t)
	return ref
}

func (r *recording) compareChanged(t *testing.T, got []airflow.ChangedTaskInstance, ref airflow.TaskInstanceRef, dry bool) {
	t.Helper()
	object := r.object(t)
	if r.version[0] == '2' {
		if !dry {
			if len(got) != 0 {
				t.Errorf("got %v of an answer that tells nothing", got)
			}
			return
		}
		if len(got) != 1 || got[0].TaskInstanceRef != ref || got[0].Details != nil {
			t.Fatalf("got %v, want %v", got, ref)
		}
		sameValue(t, "execution_date", got[0].LogicalDate, object["execution_date"])
		return
	}
	var rows []airflow.TaskInstanceDetails
	for _, c := range got {
		rows = append(rows, *c.Details)
		if c.TaskInstanceRef != c.Details.Ref() || !c.LogicalDate.Equal(c.Details.LogicalDate) {
			t.Errorf("%v is not of the row", c)
		}
	}
	sameRows(t, rows, object)
}

// notes are the notes and states of all rows, by task and index.
func notes(server *airflowtest.Server) (all []string) {
	server.Update(func(db *airflowtest.Database) {
		for _, ti := range db.TaskInstances() {
			all = append(all, ti.State+" "+ti.Note)
		}
	})
	return all
}

// A change without Commit writes nothing, and one with it writes to one
// instance: map index −1 is not all indexes of a mapped task.
func TestWritesAreSafeByDefault(t *testing.T) {
	everyIndex := mappedTask
	everyIndex.MapIndex = -1
	for _, version := range []string{"2.10.2", "2.11.2", "3.0.6", "3.3.2"} {
		server, api := theirs(t, version)
		before := notes(server)
		for _, ref := range []airflow.TaskInstanceRef{plainTask, mappedTask} {
			got, err := api.SetState(t.Context(), ref, airflow.StateChange{State: airflow.StateSkipped})
			if err != nil || len(got) != 1 || got[0].TaskInstanceRef != ref {
				t.Errorf("%s: %v, %v", version, got, err)
			}
		}
		if _, err := api.SetState(t.Context(), everyIndex, airflow.StateChange{State: airflow.StateSkipped, Commit: true}); status(err) != 404 {
			t.Errorf("%s: %v", version, err)
		}
		if _, err := api.SetNote(t.Context(), everyIndex, "all of them?"); status(err) != 404 {
			t.Errorf("%s: %v", version, err)
		}
		if after := notes(server); !slices.Equal(before, after) {
			t.Errorf("%s: it was written: %v", version, after)
		}

		want := slices.Clone(before)
		want[3] = "skipped a note" // of index 2
		if _, err := api.SetState(t.Context(), mappedTask, airflow.StateChange{State: airflow.StateSkipped, Commit: true}); err != nil {
			t.Errorf("%s: %v", version, err)
		}
		if got, err := api.SetNote(t.Context(), mappedTask, "a note"); err != nil || got.Note == nil || *got.Note != "a note" || got.State != airflow.StateSkipped {
			t.Errorf("%s: %+v, %v", version, got, err)
		}
		if after := notes(server); !slices.Equal(want, after) {
			t.Errorf("%s: got %v, want %v", version, after, want)
		}
		_, err := api.SetState(t.Context(), mappedTask, airflow.StateChange{State: airflow.StateSkipped, Commit: true})
		if version[0] == '3' && status(err) != http.StatusConflict || version[0] == '2' && err != nil {
			t.Errorf("%s: the same once more: %v", version, err)
		}
	}
}

// Airflow 3.1.0 and 3.1.1 change every index, whichever is named: they are not asked to. What they can do is done.
func TestAirflowsThatWriteToEveryIndex(t *testing.T) {
	for version, can := range map[string]bool{"3.0.0": true, "3.0.2": true, "3.1.0": false, "3.1.1": false, "3.1.2": true} {
		server, api := theirs(t, version)
		before := notes(server)
		_, err := api.SetState(t.Context(), mappedTask, airflow.StateChange{State: airflow.StateSkipped, Commit: true})
		want := slices.Clone(before)
		if can {
			want[3] = "skipped "
		}
		if can && err != nil || !can && (!errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), version)) {
			t.Errorf("%s: %v", version, err)
		}
		if after := notes(server); !slices.Equal(after, want) {
			t.Errorf("%s: got %v, want %v", version, after, want)
		}
		for field, wider := range map[string]airflow.StateChange{
			"IncludeFuture": {State: airflow.StateFailed, Commit: true, IncludeFuture: true},
			"IncludePast":   {State: airflow.StateFailed, Commit: true, IncludePast: true},
		} {
			other, api := theirs(t, version)
			_, err := api.SetState(t.Context(), plainTask, wider)
			if can && err != nil || !can && (!errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), field) || changed(other)) {
				t.Errorf("%s: %v", version, err)
			}
			wider.Commit = false
			if _, err := api.SetState(t.Context(), plainTask, wider); err != nil {
				t.Errorf("%s: a dry run with %s: %v", version, field, err)
			}
		}
		if got, err := api.SetState(t.Context(), mappedTask, airflow.StateChange{State: airflow.StateFailed}); err != nil || len(got) != 1 {
			t.Errorf("%s: a dry run: %v, %v", version, got, err)
		}
		if got, err := api.SetState(t.Context(), plainTask, airflow.StateChange{State: airflow.StateSuccess, Commit: true}); err != nil || len(got) != 1 {
			t.Errorf("%s: one that is not mapped: %v, %v", version, got, err)
		}
		if got, err := api.SetNote(t.Context(), mappedTask, "a note"); err != nil || *got.Note != "a note" {
			t.Errorf("%s: a note: %v", version, err)
		}
		want[0], want[3] = "success ", want[3]+"a note"
		if after := notes(server); !slices.Equal(after, want) {
			t.Errorf("%s: got %v, want %v", version, after, want)
		}
	}
}

// What cannot be written is told before anything is asked.
func TestWritesThatAreNotTried(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.3.2"} {
		server, api := theirs(t, version)
		if _, err := api.Get(t.Context(), plainTask); err != nil {
			t.Fatal(err)
		}
		server.ResetRequests()
		for field, change := range map[string]airflow.StateChange{
			"IncludeUpstream":   {State: airflow.StateFailed, IncludeUpstream: true},
			"IncludeDownstream": {State: airflow.StateFailed, IncludeDownstream: true},
			"IncludeFuture":     {State: airflow.StateFailed, IncludeFuture: true},
			"IncludePast":       {State: airflow.StateFailed, IncludePast: true},
		} {
			_, err := api.SetState(t.Context(), plainTask, change)
			if version[0] == '2' && (!errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), field) || !strings.Contains(err.Error(), version)) {
				t.Errorf("%s: %v", version, err)
			}
			if version[0] == '3' {
				requests := server.Requests()
				word := "include_" + strings.ToLower(strings.TrimPrefix(field, "Include"))
				if got, want := requests[len(requests)-1].Body, `{"new_state":"failed","`+word+`":true}`; err != nil || got != want {
					t.Errorf("%s: sent %s, want %s, %v", version, got, want, err)
				}
			}
		}
		wider := len(server.Requests())
		for _, ref := range []airflow.TaskInstanceRef{
			{DagID: "~", RunID: "run+1", TaskID: "load", MapIndex: -1}, {DagID: "etl", RunID: "~", TaskID: "load", MapIndex: -1},
			{DagID: "etl", RunID: "run+1", TaskID: "..", MapIndex: -1}, {DagID: "etl", RunID: "a/b", TaskID: "load", MapIndex: -1},
			{DagID: "etl", RunID: "run+1", MapIndex: -1}, {DagID: "etl", RunID: "run+1", TaskID: "load", MapIndex: -2},
		} {
			if _, err := api.SetState(t.Context(), ref, airflow.StateChange{State: airflow.StateFailed}); airflow.ClassOf(err) != airflow.ClassInternal {
				t.Errorf("%s: %v: %v", version, ref, err)
			}
			if _, err := api.SetNote(t.Context(), ref, "x"); airflow.ClassOf(err) != airflow.ClassInternal {
				t.Errorf("%s: %v: %v", version, ref, err)
			}
		}
		if got := len(server.Requests()); got != wider || version[0] == '2' && got > 0 {
			t.Errorf("%s: %d requests were made", version, got)
		}
		if changed(server) {
			t.Errorf("%s: it was written", version)
		}
	}
}
