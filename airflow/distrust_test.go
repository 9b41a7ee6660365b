package airflow_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// A total that is less than the rows that have come ends no listing. One that
// is just as many as have come cannot be told from the truth.
func TestTotalsThatRowsHaveOutgrown(t *testing.T) {
	const rows, page = 11, 4
	pageOf := func(r *http.Request, row func(i int) string) string {
		offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
		var list []string
		for i := offset; i < min(offset+page, rows); i++ {
			list = append(list, row(i))
		}
		return strings.Join(list, ",")
	}
	for _, total := range []int{0, 1, 3, 6, 9, 11} {
		client := newClient(t, answer(t, func(w http.ResponseWriter, r *http.Request) {
			body := `{"dags":[%s],"total_entries":%d}`
			row := func(i int) string { return fmt.Sprintf(`{"dag_id":"d%02d","is_paused":false}`, i) }
			switch {
			case strings.HasSuffix(r.URL.Path, "/pools"):
				body = `{"pools":[%s],"total_entries":%d}`
				row = func(i int) string {
					return fmt.Sprintf(`{"name":"p%d","slots":1,"open_slots":1,"running_slots":0,"queued_slots":0,"scheduled_slots":0,"deferred_slots":0}`, i)
				}
			case strings.HasSuffix(r.URL.Path, "/importErrors"):
				body = `{"import_errors":[%s],"total_entries":%d}`
				row = func(i int) string { return fmt.Sprintf(`{"import_error_id":%d}`, i) }
			}
			send(200, "application/json", fmt.Sprintf(body, pageOf(r, row), total))(w, r)
		}), nil)
		dags, err := client.Dags(t.Context(), airflow.DagQuery{})
		pools, poolsErr := client.Pools(t.Context())
		broken, brokenErr := client.ImportErrors(t.Context())
		if err := errors.Join(err, poolsErr, brokenErr); err != nil || len(dags) != rows || len(pools) != rows || len(broken) != rows {
			t.Errorf("total %d: %d DAGs, %d pools, %d import errors, %v", total, len(dags), len(pools), len(broken), err)
		}
	}
}

// A row in a state that was not asked for would be counted where it is not: the whole answer is refused.
func TestRowsInStatesThatWereNotAskedFor(t *testing.T) {
	for state, fine := range map[string]bool{`"running"`: true, `null`: false, `"success"`: false, `"novel"`: false} {
		for _, version := range []string{"2.11.2", "3.3.2"} {
			server := airflowtest.Start(t, airflowtest.Options{Version: version})
			server.Update(func(db *airflowtest.Database) { db.Add(airflowtest.Task("d", "r", "t"), 0).Start() })
			server.Inject(airflowtest.On("POST", "/list"), airflowtest.Rewrite(func(b []byte) []byte {
				return []byte(strings.NewReplacer(`"state": "running"`, `"state": `+state, `"state":"running"`, `"state":`+state).Replace(string(b)))
			}))
			rows, err := list(t, connect(t, server, nil), airflow.TaskInstanceQuery{States: []airflow.State{airflow.StateRunning}, Room: 10})
			if (err == nil) != fine || fine && len(rows) != 1 || !fine && airflow.ClassOf(err) != airflow.ClassDecode {
				t.Errorf("%s, %s: %d rows, %v", version, state, len(rows), err)
			}
		}
	}
}

// A list of attempts that lacks some of those that it counts is refused.
func TestTriesThatAreMissing(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.3.2"} {
		server := airflowtest.Start(t, airflowtest.Options{Version: version})
		ref := airflow.TaskInstanceRef{DagID: "d", RunID: "r", TaskID: "t", MapIndex: -1}
		server.Update(func(db *airflowtest.Database) {
			db.Add(airflowtest.Task("d", "r", "t"), 2).Start().Fail().Start()
		})
		client := connect(t, server, nil)
		if rows, err := client.Tries(t.Context(), ref); err != nil || len(rows) != 2 {
			t.Fatalf("%s: %d attempts, %v", version, len(rows), err)
		}
		server.Inject(airflowtest.On("GET", "/tries"), airflowtest.LoseRow(false))
		rows, err := client.Tries(t.Context(), ref)
		if short, ok := errors.AsType[*airflow.IncompleteError](err); !ok || rows != nil || *short != (airflow.IncompleteError{Received: 1, Total: 2}) {
			t.Errorf("%s: %d attempts, %v", version, len(rows), err)
		}
	}
}

// A server that sends fewer runs than were asked for has more of them.
func TestLatestRunsOfAServerThatBoundsItsLists(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.3.2"} {
		for n, all := range map[int]bool{3: true, 4: false} {
			server := airflowtest.Start(t, airflowtest.Options{Version: version, ClampGet: 3})
			server.Update(func(db *airflowtest.Database) {
				for i := range n {
					db.PutRun(airflowtest.DagRun{DagID: "d", RunID: strconv.Itoa(i), State: "failed"})
				}
			})
			runs, complete, err := connect(t, server, nil).LatestDagRuns(t.Context(), "d", []airflow.RunState{airflow.RunFailed}, 10)
			if err != nil || len(runs) != 3 || complete != all {
				t.Errorf("%s, %d runs: %d, all: %v, %v", version, n, len(runs), complete, err)
			}
		}
	}
}
