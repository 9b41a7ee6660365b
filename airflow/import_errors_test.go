package airflow_test

import (
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// Every field of the recorded import errors; the stack trace stays behind.
func TestRecordedImportErrors(t *testing.T) {
	for version, tc := range map[string]struct {
		file string
		want airflow.ImportError
	}{
		"2.10.2": {"importErrors.json", airflow.ImportError{ID: 1, Filename: "/opt/airflow/dags/zoo_import_error.py", Timestamp: moment("2026-11-24T08:33:01.481174Z")}},
		"2.10.5": {"importErrors.json", airflow.ImportError{ID: 1, Filename: "/opt/airflow/dags/zoo_import_error.py", Timestamp: moment("2026-11-24T08:32:28.075626Z")}},
		"2.11.2": {"list_importErrors.json", airflow.ImportError{ID: 1, Filename: "/opt/airflow/dags/zoo_import_error.py", Timestamp: moment("2026-11-24T08:31:41.798586Z")}},
		"3.3.2":  {"importerrors.json", airflow.ImportError{ID: 3, Bundle: "dags-folder", Filename: "zoo_broken.py", Timestamp: moment("2026-11-24T08:23:29.974532Z")}},
	} {
		client := recorded(t, version, map[string]string{"version": "version.json", "importErrors": tc.file})
		got, err := client.ImportErrors(t.Context())
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: %v, %v", version, got, err)
		}
		got[0].Timestamp = got[0].Timestamp.UTC()
		if !reflect.DeepEqual(got[0], tc.want) {
			t.Errorf("%s: got %+v, want %+v", version, got[0], tc.want)
		}
		if bundles, err := client.HasBundles(t.Context()); err != nil || bundles != (version == "3.3.2") {
			t.Errorf("%s has bundles: %v, %v", version, bundles, err)
		}
	}
}

func TestImportErrorsAreListedCompletely(t *testing.T) {
	for _, version := range []string{"2.10.2", "2.11.2", "3.0.6", "3.3.2"} {
		for _, n := range []int{0, 1, 99, 100, 101, 250} {
			server := airflowtest.Start(t, airflowtest.Options{Version: version})
			server.Update(func(db *airflowtest.Database) {
				for i := range n {
					db.PutImportError(airflowtest.ImportError{Filename: fmt.Sprint(i)})
				}
			})
			got, err := connect(t, server, nil).ImportErrors(t.Context())
			if err != nil || len(got) != n || n > 0 && got[n-1].Filename != fmt.Sprint(n-1) {
				t.Errorf("%s: %d of %d, %v", version, len(got), n, err)
			}
		}
	}
}

// Early 3.x counts an import error once per DAG that was in the file, and
// applies limit and offset to that: pages are short, and totals never reached.
func TestImportErrorsCountedOncePerDag(t *testing.T) {
	for _, dagsInFile := range [][]int{{1}, {3}, {200}, {150, 1, 1}, {1, 150, 1}, {100, 100, 100}, {1, 1, 330, 1}} {
		var joined []int // the id of each row of the join
		for id, n := range dagsInFile {
			for range n {
				joined = append(joined, id)
			}
		}
		asked := 0
		client := newClient(t, answerAs(t, "3.2.2", func(w http.ResponseWriter, r *http.Request) {
			asked++
			offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
			var rows []string
			last := -1
			for _, id := range joined[min(offset, len(joined)):min(offset+100, len(joined))] {
				if id != last {
					rows = append(rows, fmt.Sprintf(`{"import_error_id":%d,"bundle_name":"b","filename":"f%d","timestamp":null}`, id, id))
				}
				last = id
			}
			send(200, "application/json", fmt.Sprintf(`{"import_errors":[%s],"total_entries":%d}`, strings.Join(rows, ","), len(joined)))(w, r)
		}), nil)
		got, err := client.ImportErrors(t.Context())
		if err != nil || len(got) != len(dagsInFile) || asked > 8 {
			t.Errorf("%v: %v, %v, by %d requests", dagsInFile, got, err, asked)
		}
	}
}

// A role without the right gets an error of its own class, on both APIs.
func TestImportErrorsNeedARight(t *testing.T) {
	users := []airflowtest.User{{Name: "u", Password: "p", Rights: airflowtest.Viewer &^ airflowtest.ReadImportErrors}}
	for _, version := range []string{"2.11.2", "3.3.2"} {
		client := connect(t, airflowtest.Start(t, airflowtest.Options{Version: version, Users: users}), func(c *airflow.Config) { c.Username, c.Password = "u", "p" })
		if _, err := client.ImportErrors(t.Context()); airflow.ClassOf(err) != airflow.ClassForbidden {
			t.Errorf("%s: %v", version, err)
		}
	}
}
