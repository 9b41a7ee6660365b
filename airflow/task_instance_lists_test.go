package airflow_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// collect reads a list to its end.
func collect(list iter.Seq2[airflow.TaskInstanceDetails, error]) (rows []airflow.TaskInstanceDetails, err error) {
	for row, err := range list {
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func runOf(ref airflow.TaskInstanceRef) airflow.RunRef {
	return airflow.RunRef{DagID: ref.DagID, RunID: ref.RunID}
}

// Every recorded list is read row by row, field by field; one that was cut is never taken for whole; an error has its class.
func TestRecordedListsOfTaskInstances(t *testing.T) {
	whole := 0
	for _, r := range recordings(t) {
		ref, what, _ := r.parts(t)
		batch := strings.HasSuffix(r.path, "/list") && r.method == http.MethodPost
		if r.method == http.MethodPatch || !batch && what != "listMapped" && ref.TaskID != "" || strings.HasSuffix(r.contentType, "html") || r.params.Get("cursor") != "" {
			continue
		}
		t.Run(r.version+"/"+r.file, func(t *testing.T) {
			api := r.client(t, nil, nil)
			list := api.List(t.Context(), runOf(ref), airflow.TaskInstanceFilter{})
			switch {
			case batch:
				list = api.ListBatch(t.Context(), airflow.TaskInstanceFilter{})
			case what == "listMapped":
				list = api.ListMapped(t.Context(), ref, airflow.TaskInstanceFilter{})
			}
			got, err := collect(list)
			if r.status != http.StatusOK {
				r.wantError(t, err)
				return
			}
			var body struct {
				Rows  []json.RawMessage `json:"task_instances"`
				Total int               `json:"total_entries"`
			}
			if err := json.Unmarshal(load(t, r.version, r.file), &body); err != nil {
				t.Fatal(err)
			}
			cursor, _ := r.object(t)["next_cursor"].(string)
			switch {
			case cursor != "":
				return // there is more, by another request
			case len(body.Rows) < body.Total && r.version[0] == '3' && !batch && what == "":
				return // a server with cursors that gives none has ended
			case len(body.Rows) < body.Total:
				if _, ok := errors.AsType[*airflow.IncompleteError](err); !ok {
					t.Errorf("%d of %d rows: %v", len(body.Rows), body.Total, err)
				}
				return
			case err != nil:
				t.Fatal(err)
			}
			whole++
			sameRows(t, got, r.object(t))
		})
	}
	if whole < 13 {
		t.Errorf("%d whole lists were recorded", whole)
	}
}

// wideDag is an Airflow with 250 instances of a mapped task, and one of another DAG.
func wideDag(t *testing.T, version string) (*airflowtest.Server, *airflow.TaskInstanceAPI) {
	t.Helper()
	server := airflowtest.Start(t, airflowtest.Options{Version: version})
	server.Update(func(db *airflowtest.Database) {
		db.Add(airflowtest.Task("other", "r", "t"), 0).Succeed()
		part := db.Add(airflowtest.Task("etl", "r", "part"), 0)
		for i, ti := range db.Expand(part.Key, 250) {
			ti.Start()
			ti.StartDate = ti.StartDate.Add(time.Duration(-i) * time.Second)
			ti.Duration = new(float64(i))
		}
	})
	client := newClient(t, server.URL, func(c *airflow.Config) {
		c.DialContext = server.DialContext
		c.Burst, c.RequestsPerSecond = 1000, 1000
	})
	return server, client.TaskInstanceAPI()
}

var manyVersions = []string{"2.10.2", "2.11.2", "3.0.6", "3.1.8", "3.3.2"}

// All three lists bring each row once, whatever pages a version has.
func TestListsAreWhole(t *testing.T) {
	part := airflow.TaskInstanceRef{DagID: "etl", RunID: "r", TaskID: "part"}
	for _, version := range manyVersions {
		_, api := wideDag(t, version)
		for name, list := range map[string]iter.Seq2[airflow.TaskInstanceDetails, error]{
			"of a run":  api.List(t.Context(), runOf(part), airflow.TaskInstanceFilter{}),
			"of a DAG":  api.List(t.Context(), airflow.RunRef{DagID: "etl", RunID: "~"}, airflow.TaskInstanceFilter{}),
			"by batch":  api.ListBatch(t.Context(), airflow.TaskInstanceFilter{DagIDs: []string{"etl"}}),
			"of mapped": api.ListMapped(t.Context(), part, airflow.TaskInstanceFilter{}),
		} {
			rows, err := collect(list)
			indexes := map[int]bool{}
			for i, row := range rows {
				indexes[row.MapIndex] = true
				if name == "of mapped" && row.MapIndex != i {
					t.Fatalf("%s %s: index %d at %d", version, name, row.MapIndex, i)
				}
			}
			if err != nil || len(rows) != 250 || len(indexes) != 250 {
				t.Errorf("%s %s: %d rows, %d indexes, %v", version, name, len(rows), len(indexes), err)
			}
		}
		all, err := collect(api.List(t.Context(), airflow.RunRef{DagID: "~", RunID: "~"}, airflow.TaskInstanceFilter{}))
		if err != nil || len(all) != 251 {
			t.Errorf("%s: %d rows, %v", version, len(all), err)
		}
	}
}

// An order, an offset and a limit are Airflow's, and the list ends where it should.
func TestOrderOffsetAndLimit(t *testing.T) {
	part := airflow.TaskInstanceRef{DagID: "etl", RunID: "r", TaskID: "part"}
	indexes := func(list iter.Seq2[airflow.TaskInstanceDetails, error]) (got []int) {
		rows, err := collect(list)
		if err != nil {
			t.Error(err)
		}
		for _, row := range rows {
			got = append(got, row.MapIndex)
		}
		return got
	}
	span := func(from, to int) (want []int) {
		for i := from; i != to; {
			want = append(want, i)
			if i < to {
				i++
			} else {
				i--
			}
		}
		return want
	}
	for _, version := range manyVersions {
		server, api := wideDag(t, version)
		for _, tc := range []struct {
			name string
			f    airflow.TaskInstanceFilter
			want []int
		}{
			{"an order", airflow.TaskInstanceFilter{OrderBy: []string{"start_date"}}, span(249, -1)},
			{"the other way", airflow.TaskInstanceFilter{OrderBy: []string{"-start_date"}}, span(0, 250)},
			{"an offset", airflow.TaskInstanceFilter{Offset: 30}, span(30, 250)},
			{"a limit", airflow.TaskInstanceFilter{Limit: 7}, span(0, 7)},
			{"a limit of more than a page", airflow.TaskInstanceFilter{Limit: 120}, span(0, 120)},
			{"a page", airflow.TaskInstanceFilter{Offset: 200, Limit: 7}, span(200, 207)},
			{"the last page", airflow.TaskInstanceFilter{Offset: 245, Limit: 7}, span(245, 250)},
			{"a page beyond the end", airflow.TaskInstanceFilter{Offset: 300}, nil},
			{"more than there is", airflow.TaskInstanceFilter{Limit: 1000}, span(0, 250)},
		} {
			if got := indexes(api.ListMapped(t.Context(), part, tc.f)); !slices.Equal(got, tc.want) {
				t.Errorf("%s of %s: got %v, want %v", tc.name, version, got, tc.want)
			}
			if version[0] == '3' {
				if len(tc.f.OrderBy) == 0 {
					tc.f.OrderBy = []string{"map_index"}
				}
				if got := indexes(api.List(t.Context(), runOf(part), tc.f)); !slices.Equal(got, tc.want) {
					t.Errorf("%s of a run, %s: got %v, want %v", tc.name, version, got, tc.want)
				}
				tc.f.DagIDs = []string{"etl"}
				if got := indexes(api.ListBatch(t.Context(), tc.f)); !slices.Equal(got, tc.want) {
					t.Errorf("%s by batch, %s: got %v, want %v", tc.name, version, got, tc.want)
				}
			}
		}
		server.ResetRequests()
		for _, err := range api.List(t.Context(), runOf(part), airflow.TaskInstanceFilter{}) {
			if err != nil {
				t.Error(err)
			}
			break
		}
		if got := len(server.Requests()); got != 1 {
			t.Errorf("%s: %d requests for a loop that ended at once", version, got)
		}
	}
}

// A list that has more rows than there is room for where a list is one answer is not whole.
func TestListsThatDoNotFit(t *testing.T) {
	for _, version := range manyVersions {
		_, api := wideDag(t, version)
		f := airflow.TaskInstanceFilter{Room: 100}
		for name, list := range map[string]iter.Seq2[airflow.TaskInstanceDetails, error]{
			"List":      api.List(t.Context(), airflow.RunRef{DagID: "etl", RunID: "r"}, f),
			"ListBatch": api.ListBatch(t.Context(), f),
		} {
			rows, err := collect(list)
			fits := version[0] == '3' && name == "List" || version == "2.10.2" && name == "ListBatch" // pages, and no room
			if _, ok := errors.AsType[*airflow.IncompleteError](err); ok == fits {
				t.Errorf("%s of %s: %d rows, %v", name, version, len(rows), err)
			}
		}
	}
}

// A limit above the usual room makes room for itself, unless the caller gave a room.
func TestLimitsAboveTheUsualRoom(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.3.2"} {
		server, api := wideDag(t, version)
		server.Update(func(db *airflowtest.Database) {
			db.Expand(db.Add(airflowtest.Task("etl", "r", "many"), 0).Key, 11_000)
		})
		rows, err := collect(api.ListBatch(t.Context(), airflow.TaskInstanceFilter{TaskIDs: []string{"many"}, Limit: 10_500}))
		if err != nil || len(rows) != 10_500 {
			t.Errorf("%s: %d rows, %v", version, len(rows), err)
		}
		_, err = collect(api.ListBatch(t.Context(), airflow.TaskInstanceFilter{TaskIDs: []string{"many"}, Limit: 10_500, Room: 1000}))
		if _, ok := errors.AsType[*airflow.IncompleteError](err); !ok {
			t.Errorf("%s: %v", version, err)
		}
	}
}

// Filters reach Airflow, and what it does not know is told before it is asked.
func TestFilters(t *testing.T) {
	for _, version := range manyVersions {
		server, api := wideDag(t, version)
		run := airflow.RunRef{DagID: "etl", RunID: "r"}
		rows, err := collect(api.List(t.Context(), run, airflow.TaskInstanceFilter{
			States: []airflow.State{airflow.StateRunning, airflow.StateNone}, Duration: airflow.DurationRange{GTE: 10 * time.Second, LTE: 19 * time.Second},
		}))
		if err != nil || len(rows) != 10 {
			t.Errorf("%s: %d rows, %v", version, len(rows), err)
		}
		rows, err = collect(api.ListBatch(t.Context(), airflow.TaskInstanceFilter{TaskIDs: []string{"t"}, States: []airflow.State{airflow.StateSuccess}}))
		if err != nil || len(rows) != 1 || rows[0].DagID != "other" {
			t.Errorf("%s: %v, %v", version, rows, err)
		}
		server.ResetRequests()
		for _, list := range []iter.Seq2[airflow.TaskInstanceDetails, error]{
			api.ListBatch(t.Context(), airflow.TaskInstanceFilter{UpdatedAt: airflow.TimeRange{GTE: time.Unix(1, 0)}}),
			api.List(t.Context(), run, airflow.TaskInstanceFilter{DagIDs: []string{"etl"}}),
		} {
			if _, err := collect(list); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), version) {
				t.Errorf("%s: %v", version, err)
			}
		}
		for _, list := range []iter.Seq2[airflow.TaskInstanceDetails, error]{
			api.List(t.Context(), airflow.RunRef{DagID: "etl"}, airflow.TaskInstanceFilter{}),
			api.ListMapped(t.Context(), airflow.TaskInstanceRef{DagID: "etl", RunID: "r"}, airflow.TaskInstanceFilter{}),
			api.List(t.Context(), run, airflow.TaskInstanceFilter{Limit: -1}),
		} {
			if _, err := collect(list); airflow.ClassOf(err) != airflow.ClassInternal || err == nil {
				t.Errorf("%s: %v", version, err)
			}
		}
		if got := len(server.Requests()); got != 0 {
			t.Errorf("%s: %d requests", version, got)
		}
	}
}

// Numbers that are not finite come bare from Airflow 2: they are unknown.
func TestDetailsWithoutAFiniteDuration(t *testing.T) {
	server, api := wideDag(t, "2.11.2")
	server.Update(func(db *airflowtest.Database) {
		nan := 0.0
		db.TaskInstance(airflowtest.MappedTask("etl", "r", "part", 7)).Duration = new(nan / nan)
	})
	rows, err := collect(api.ListMapped(t.Context(), airflow.TaskInstanceRef{DagID: "etl", RunID: "r", TaskID: "part"}, airflow.TaskInstanceFilter{}))
	if err != nil || len(rows) != 250 || rows[7].HasDuration || !rows[8].HasDuration {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	one, err := api.Get(t.Context(), airflow.TaskInstanceRef{DagID: "etl", RunID: "r", TaskID: "part", MapIndex: 7})
	if err != nil || one.HasDuration {
		t.Errorf("%+v, %v", one, err)
	}
}

// A list of more pages than any Airflow should have ends, and says that it is not whole.
func TestListsOfTooManyPages(t *testing.T) {
	pages := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := `{"version":"3.3.2"}`
		if strings.HasSuffix(r.URL.Path, "/taskInstances") {
			pages++
			text = fmt.Sprintf(`{"task_instances":[{"dag_id":"d","dag_run_id":"r","task_id":"t","map_index":%d,"try_number":1,"max_tries":0,"pool":"p","pool_slots":1}],"next_cursor":"%d"}`, pages, pages)
		}
		send(http.StatusOK, "application/json", text)(w, r)
	}))
	defer server.Close()
	api := newClient(t, server.URL, func(c *airflow.Config) { c.RequestsPerSecond, c.Burst = 1e6, 1e6 }).TaskInstanceAPI()
	rows, err := collect(api.List(t.Context(), airflow.RunRef{DagID: "d", RunID: "r"}, airflow.TaskInstanceFilter{}))
	short, ok := errors.AsType[*airflow.IncompleteError](err)
	if !ok || short.Received != len(rows) || short.Total <= short.Received || pages != 10_000 {
		t.Errorf("%d rows of %d pages: %v", len(rows), pages, err)
	}
}
