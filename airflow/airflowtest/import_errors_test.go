package airflowtest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// importErrors asks for import errors; their ids and files, with their number unless it is the total.
func (c *client) importErrors(query string) string {
	c.t.Helper()
	r := c.get(strings.TrimSuffix(c.path(), "/dags/~/dagRuns/~/taskInstances") + "/importErrors?" + query)
	if r.status != http.StatusOK {
		return fmt.Sprint(r.status)
	}
	var body struct {
		Errors []struct {
			ID       int    `json:"import_error_id"`
			Filename string `json:"filename"`
		} `json:"import_errors"`
		Total int `json:"total_entries"`
	}
	if err := json.Unmarshal([]byte(r.body), &body); err != nil {
		c.t.Fatal(err)
	}
	var files []string
	for _, e := range body.Errors {
		files = append(files, fmt.Sprint(e.ID, " ", e.Filename))
	}
	text := strings.Join(files, ", ")
	if body.Total != len(files) {
		text += fmt.Sprint(" of ", body.Total)
	}
	return text
}

// A file that is parsed again gets a new id; one that is mended leaves the list.
func TestImportErrorsComeAndGo(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.3.2"} {
		c := start(t, airflowtest.Options{Version: version}, func(db *airflowtest.Database) {
			for _, file := range []string{"x", "y", "z"} {
				db.PutImportError(airflowtest.ImportError{Filename: file})
			}
			y := db.PutImportError(airflowtest.ImportError{Filename: "y"})
			db.FixImportError(y.Bundle, "x")
		})
		for query, want := range map[string]string{"": "3 z, 4 y", "limit=1": "3 z of 2", "limit=1&offset=1": "4 y of 2", "offset=2": " of 2"} {
			if got := c.importErrors(query); got != want {
				t.Errorf("%s %s: %q, want %q", version, query, got, want)
			}
		}
	}
}

// Who may not read all DAGs sees the errors of files of which he may read one
// and, on Airflow 3, of files that never had any.
func TestImportErrorsOfRestrictedUsers(t *testing.T) {
	users := []airflowtest.User{
		{Name: "a", Password: "p", Rights: airflowtest.Viewer, DagIDs: []string{"a"}},
		{Name: "none", Password: "p", Rights: airflowtest.Viewer &^ airflowtest.ReadImportErrors},
	}
	fill := func(folder string) func(db *airflowtest.Database) {
		return func(db *airflowtest.Database) {
			for _, dag := range []string{"a", "b", "c"} {
				db.PutDag(airflowtest.Dag{DagID: dag, File: "/dags/" + map[string]string{"a": "ab", "b": "ab", "c": "c"}[dag]})
			}
			for _, file := range []string{"ab", "c", "empty"} {
				db.PutImportError(airflowtest.ImportError{Filename: folder + file})
			}
		}
	}
	v1 := start(t, airflowtest.Options{Version: "2.11.2", Users: users}, fill("/dags/"))
	v2 := start(t, airflowtest.Options{Version: "3.3.2", Users: users}, fill(""))
	for _, test := range []struct{ got, want string }{
		{v1.as(basic("a", "p")).importErrors(""), "1 /dags/ab"},
		{v2.logIn("a", "p").importErrors(""), "1 ab, 3 empty"},
		{v1.as(basic("none", "p")).importErrors(""), "403"},
		{v2.logIn("none", "p").importErrors(""), "403"},
	} {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
}
