package airflow_test

import (
	"bufio"
	"context"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// operation is one row of the table in README.md.
type operation struct {
	name, method string
	requests     map[string]string // by version
}

var tableRow = regexp.MustCompile("^\\| (\\w+) \\| `(\\w+)` \\| `([^`]+)` \\| `([^`]+)` \\|$")

func operations(t *testing.T) (list []operation) {
	t.Helper()
	f, err := os.Open("README.md")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if m := tableRow.FindStringSubmatch(lines.Text()); m != nil {
			list = append(list, operation{m[1], m[2], map[string]string{"2.11.2": m[3], "3.3.2": m[4]}})
		}
	}
	if len(list) != 17 {
		t.Fatalf("%d operations", len(list))
	}
	return list
}

var (
	plainTask  = airflow.RunRef{DagID: "etl", RunID: "run+1"}.Task("load")
	mappedTask = airflow.TaskInstanceRef{DagID: "etl", RunID: "run+1", TaskID: "part", MapIndex: 2}
)

// theirs is an Airflow with one task that is mapped and one that is not. The password of all users is x, whatever the client,
// which logs in as the first of them, says.
func theirs(t *testing.T, version string, users ...airflowtest.User) (*airflowtest.Server, *airflow.TaskInstanceAPI) {
	t.Helper()
	accounts := slices.Clone(users)
	for i := range accounts {
		accounts[i].Password = "x"
	}
	server := airflowtest.Start(t, airflowtest.Options{Version: version, Users: accounts})
	server.Update(func(db *airflowtest.Database) {
		ti := db.Add(airflowtest.Task("etl", "run+1", "load"), 1).Fail()
		ti.Logs = map[int][]airflowtest.LogLine{1: {{Time: db.Now(), Level: "INFO", Source: "load.py:7", Text: "it's loading"}, {Text: "more"}}}
		ti.Links = map[string]string{"Docs": "https://example.org/load", "Job": ""}
		part := db.Add(airflowtest.Task("etl", "run+1", "part"), 0)
		for _, ti := range db.Expand(part.Key, 4) {
			ti.Start()
			ti.Logs = map[int][]airflowtest.LogLine{1: {{Text: "at work"}}}
		}
	})
	client := newClient(t, server.URL, func(c *airflow.Config) {
		c.DialContext = server.DialContext
		c.Burst, c.RequestsPerSecond = 1000, 1000
		if len(users) > 0 {
			c.AllowInsecureHTTP = true
			c.Username, c.Password = users[0].Name, secret(users[0].Password)
		}
	})
	return server, client.TaskInstanceAPI()
}

// call makes the call of an operation.
func (o *operation) call(ctx context.Context, api *airflow.TaskInstanceAPI, ref airflow.TaskInstanceRef) (err error) {
	switch o.method {
	case "Get":
		_, err = api.Get(ctx, ref)
	case "ListMapped":
		for _, e := range api.ListMapped(ctx, ref, airflow.TaskInstanceFilter{}) {
			err = e
		}
	case "List":
		for _, e := range api.List(ctx, airflow.RunRef{DagID: ref.DagID, RunID: ref.RunID}, airflow.TaskInstanceFilter{}) {
			err = e
		}
	case "ListBatch":
		for _, e := range api.ListBatch(ctx, airflow.TaskInstanceFilter{DagIDs: []string{ref.DagID}}) {
			err = e
		}
	case "Dependencies":
		_, err = api.Dependencies(ctx, ref)
	case "Tries":
		_, err = api.Tries(ctx, ref)
	case "TryDetails":
		_, err = api.TryDetails(ctx, ref, 1)
	case "ExtraLinks":
		_, err = api.ExtraLinks(ctx, ref)
	case "Log":
		var log *airflow.LogStream
		if log, err = api.Log(ctx, ref, 1, airflow.LogQuery{}); err == nil {
			_, err = io.Copy(io.Discard, log)
			_ = log.Close()
		}
	case "SetState":
		_, err = api.SetState(ctx, ref, airflow.StateChange{State: airflow.StateSuccess, Commit: true})
	case "SetNote":
		_, err = api.SetNote(ctx, ref, "a note")
	}
	return err
}

// ref is the instance that an operation is called for.
func (o *operation) ref() airflow.TaskInstanceRef {
	if strings.Contains(o.name, "mapped") || strings.Contains(o.requests["3.3.2"], "?map_index") {
		return mappedTask
	}
	return plainTask
}

// The table of operations in README.md is what is really requested.
func TestOperationsAreThoseOfTheTable(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.3.2"} {
		server, api := theirs(t, version)
		for _, o := range operations(t) {
			if err := o.call(t.Context(), api, plainTask); err != nil && o.ref() == plainTask {
				t.Errorf("%s of %s: %v", o.name, version, err)
			}
			server.ResetRequests()
			if err := o.call(t.Context(), api, o.ref()); err != nil && status(err) != 409 {
				t.Errorf("%s of %s: %v", o.name, version, err)
			}
			requests := server.Requests()
			if len(requests) != 1 {
				t.Fatalf("%s: %d requests", o.name, len(requests))
			}
			got := requests[0].Method + " " + template(requests[0].Path)
			if len(requests[0].Query["map_index"]) > 0 {
				got += "?map_index"
			}
			want := strings.ReplaceAll(o.requests[version], "…", "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances")
			if got != want {
				t.Errorf("%s of %s: got %s, want %s", o.name, version, got, want)
			}
		}
	}
}

// template replaces what a path names by the names of the parts.
func template(path string) string {
	_, path, _ = strings.Cut(path, "/api/v")
	parts := strings.Split(path[1:], "/")
	for i, part := range parts {
		if name, ok := map[string]string{"etl": "{dag_id}", "run+1": "{dag_run_id}", "load": "{task_id}", "part": "{task_id}", "2": "{map_index}", "1": "{task_try_number}"}[part]; ok {
			parts[i] = name
		}
	}
	return strings.Join(parts, "/")
}

// Every operation with a wrong password, without the right, and about what does not exist, is an error with the right class.
func TestEveryOperationFailsWithTheRightClass(t *testing.T) {
	viewer := airflowtest.User{Name: "viewer", Password: "x", Rights: airflowtest.Viewer}
	op := airflowtest.User{Name: "op", Password: "x", Rights: airflowtest.Op}
	wrong := airflowtest.User{Name: "op", Password: "wrong", Rights: airflowtest.Op}
	norights := airflowtest.User{Name: "norights", Password: "x"}
	unknown := plainTask
	unknown.TaskID = "nope"
	for _, version := range []string{"2.10.5", "2.11.2", "3.3.2"} {
		for _, o := range operations(t) {
			writes := strings.HasPrefix(o.method, "Set")
			check := func(as airflowtest.User, ref airflow.TaskInstanceRef, wantStatus int, class airflow.Class) {
				t.Helper()
				server, api := theirs(t, version, as)
				err := o.call(t.Context(), api, ref)
				if airflow.ClassOf(err) != class || status(err) != wantStatus || err == nil {
					t.Errorf("%s of %s: got %v, want %d", o.name, version, err, wantStatus)
				}
				if writes && changed(server) {
					t.Errorf("%s of %s: it was written", o.name, version)
				}
			}
			if version == "2.11.2" { // which does not tell a wrong password from a missing right
				check(wrong, o.ref(), 403, airflow.ClassForbidden)
			} else {
				check(wrong, o.ref(), 401, airflow.ClassAuth)
			}
			check(norights, o.ref(), 403, airflow.ClassForbidden)
			if writes {
				check(viewer, o.ref(), 403, airflow.ClassForbidden)
			}
			if slices.Contains([]string{"List", "ListBatch"}, o.method) || version[0] == '2' && o.method == "Tries" {
				continue // of what does not exist there are none
			}
			check(op, unknown, 404, airflow.ClassClient)
		}
	}
}

// changed reports whether any row is not as theirs made it.
func changed(server *airflowtest.Server) (yes bool) {
	server.Update(func(db *airflowtest.Database) {
		for _, ti := range db.TaskInstances() {
			want := airflowtest.Running
			if ti.TaskID == "load" {
				want = airflowtest.UpForRetry
			}
			yes = yes || ti.State != want || ti.Note != ""
		}
	})
	return yes
}
