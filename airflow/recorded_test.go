package airflow_test

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// recorded serves answers of a real server: the path's end, or its end and a query, → file.
func recorded(t *testing.T, version string, files map[string]string) *airflow.Client {
	t.Helper()
	api := "/api/v1/"
	if strings.HasPrefix(version, "3.") {
		api = "/api/v2/"
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := files[strings.TrimPrefix(r.URL.Path, api)]
		if cursor := r.URL.Query().Get("cursor"); cursor != "" {
			name = files[cursor]
		}
		if !strings.HasPrefix(r.URL.Path, api) || name == "" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(load(t, version, name))
	}))
	t.Cleanup(server.Close)
	return newClient(t, server.URL, nil)
}

func load(t *testing.T, version, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", version, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// plain decodes a recorded listing with the standard library, as another pair of eyes.
func plain(t *testing.T, version string, names ...string) []map[string]any {
	t.Helper()
	var rows []map[string]any
	for _, name := range names {
		var body struct {
			Rows []map[string]any `json:"task_instances"`
		}
		if err := json.Unmarshal(load(t, version, name), &body); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, body.Rows...)
	}
	return rows
}

// Every field of every recorded row, decoded twice: by the client and by the standard library.
func TestRecordedTaskInstances(t *testing.T) {
	const list = "dags/~/dagRuns/~/taskInstances"
	cursors := map[string]string{}
	for _, p := range []string{"ti-cursor-p1.json", "ti-cursor-p2.json"} {
		var body struct {
			Next string `json:"next_cursor"`
		}
		if err := json.Unmarshal(load(t, "3.3.2", p), &body); err != nil {
			t.Fatal(err)
		}
		cursors[p] = body.Next
	}
	for name, tc := range map[string]struct {
		version string
		files   map[string]string
		rows    []string
		byGet   bool
	}{
		"2.10.2": {"2.10.2", map[string]string{list + "/list": "all_post.json"}, []string{"all_post.json"}, false},
		"2.10.5": {"2.10.5", map[string]string{list + "/list": "all_post.json"}, []string{"all_post.json"}, false},
		"2.11.2": {"2.11.2", map[string]string{list + "/list": "list_restarting.json"}, []string{"list_restarting.json"}, false},
		"3.3.2":  {"3.3.2", map[string]string{list + "/list": "ti-active.json"}, []string{"ti-active.json"}, false},
		"3.3.2 by cursor": {"3.3.2", map[string]string{
			list: "ti-cursor-p1.json", cursors["ti-cursor-p1.json"]: "ti-cursor-p2.json", cursors["ti-cursor-p2.json"]: "ti-cursor-p3.json",
		}, []string{"ti-cursor-p1.json", "ti-cursor-p2.json", "ti-cursor-p3.json"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			tc.files["version"] = "version.json"
			client := recorded(t, tc.version, tc.files)
			want := plain(t, tc.version, tc.rows...)
			i := 0
			for ti, err := range client.TaskInstances(t.Context(), airflow.TaskInstanceQuery{States: everyState, Room: 1000, ByGet: tc.byGet}) {
				if err != nil {
					t.Fatal(err)
				}
				compare(t, ti, want[i])
				i++
			}
			if i != len(want) || i == 0 {
				t.Errorf("%d rows, want %d", i, len(want))
			}
		})
	}
}

// everyState are the states in which rows were recorded.
var everyState = []airflow.State{
	airflow.StateNone, airflow.StateScheduled, airflow.StateQueued, airflow.StateRunning, "restarting", airflow.StateDeferred, airflow.StateAwaitingInput,
	airflow.StateUpForRetry, airflow.StateUpForReschedule, airflow.StateSuccess, airflow.StateFailed, airflow.StateSkipped, airflow.StateUpstreamFailed, "removed",
}

// Airflow 3 names every row; Airflow 2 has no such name.
func TestRecordedIDs(t *testing.T) {
	for version, file := range map[string]string{"2.11.2": "list_restarting.json", "3.3.2": "ti-active.json"} {
		client := recorded(t, version, map[string]string{"version": "version.json", "dags/~/dagRuns/~/taskInstances/list": file})
		rows, err := list(t, client, airflow.TaskInstanceQuery{States: everyState, Room: 1000})
		if err != nil || len(rows) == 0 {
			t.Fatalf("%s: %d rows, %v", version, len(rows), err)
		}
		ids := map[airflow.RowID]bool{}
		for _, row := range rows {
			ids[row.ID] = true
		}
		if version[0] == '2' && (len(ids) != 1 || !ids[airflow.RowID{}]) || version[0] == '3' && (len(ids) != len(rows) || ids[airflow.RowID{}]) {
			t.Errorf("%s: %d ids in %d rows", version, len(ids), len(rows))
		}
	}
}

// A listing that was cut by its limit is never taken for whole.
func TestRecordedListingsThatWereCut(t *testing.T) {
	for version, file := range map[string]string{"2.11.2": "op_get_task_instances_batch.json", "3.3.2": "ti-limit1000.json"} {
		client := recorded(t, version, map[string]string{"version": "version.json", "dags/~/dagRuns/~/taskInstances/list": file})
		_, err := list(t, client, airflow.TaskInstanceQuery{States: everyState, Room: 1000})
		if err == nil || !strings.Contains(err.Error(), "of 50 rows") && !strings.Contains(err.Error(), "of 554 rows") {
			t.Errorf("%s: %v", version, err)
		}
	}
}

// rowID reads a UUID as it is printed.
func rowID(t *testing.T, uuid string) (id airflow.RowID) {
	t.Helper()
	digits, err := hex.DecodeString(strings.ReplaceAll(uuid, "-", ""))
	if err != nil || len(digits) != len(id) && uuid != "" {
		t.Fatalf("%q is no UUID: %v", uuid, err)
	}
	copy(id[:], digits)
	return id
}

func compare(t *testing.T, got airflow.TaskInstance, row map[string]any) {
	t.Helper()
	text := func(key string) string {
		s, _ := row[key].(string)
		return s
	}
	number := func(key string) int {
		f, ok := row[key].(float64)
		if !ok {
			t.Errorf("%s is no number in the recorded row", key)
		}
		return int(f)
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
	state := airflow.StateNone
	if row["state"] != nil {
		state = airflow.State(text("state"))
	}
	want := airflow.TaskInstance{
		ID:    rowID(t, text("id")),
		DagID: text("dag_id"), RunID: text("dag_run_id"), TaskID: text("task_id"), MapIndex: number("map_index"),
		State: state, TryNumber: number("try_number"), MaxTries: number("max_tries"),
		QueuedWhen: at("queued_when"), ScheduledWhen: at("scheduled_when"), StartDate: at("start_date"), EndDate: at("end_date"),
		Pool: text("pool"), PoolSlots: number("pool_slots"), Queue: text("queue"),
	}
	if row["duration"] != nil {
		seconds, ok := row["duration"].(float64)
		if !ok {
			t.Errorf("%s: the recorded duration is %v", got.TaskID, row["duration"])
		}
		want.Duration, want.HasDuration = time.Duration(math.Round(seconds*1e6))*time.Microsecond, true
	}
	for _, p := range []struct{ got, want *time.Time }{
		{&got.QueuedWhen, &want.QueuedWhen}, {&got.ScheduledWhen, &want.ScheduledWhen}, {&got.StartDate, &want.StartDate}, {&got.EndDate, &want.EndDate},
	} {
		if !p.got.Equal(*p.want) {
			t.Errorf("%s: got %v, want %v", got.TaskID, p.got, p.want)
		}
		*p.got, *p.want = time.Time{}, time.Time{} // equal moments may differ in location
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestRecordedPoolsHealthAndVersion(t *testing.T) {
	for version, tc := range map[string]struct {
		files      map[string]string
		pools      map[string]airflow.Pool // some of them
		components int
		scheduler  bool
	}{
		"2.10.2": {map[string]string{"version": "version.json", "health": "health.json", "pools": "pools.json"}, nil, 3, true},
		"2.10.5": {map[string]string{"version": "version.json", "health": "health.json", "pools": "pools.json"}, nil, 3, false}, // its scheduler was stopped
		"2.11.2": {map[string]string{"version": "version.json", "health": "health.json", "pools": "list_pools.json"}, map[string]airflow.Pool{
			"default_pool": {Name: "default_pool", Slots: 128, Open: 107, Running: 19, Queued: 2, Scheduled: 7, Deferred: 2},
			"zoo_one":      {Name: "zoo_one", Slots: 1, Open: 0, Running: 1, Queued: 0, Scheduled: 4, Deferred: 0},
		}, 3, true},
		"3.3.2": {map[string]string{"version": "version.json", "monitor/health": "health.json", "pools": "pools.json"}, map[string]airflow.Pool{
			"default_pool":  {Name: "default_pool", Slots: 128, Open: 119, Running: 7, Queued: 2, Scheduled: 5, Deferred: 1},
			"zoo_unlimited": {Name: "zoo_unlimited", Slots: airflow.Unlimited, Open: -1},
		}, 4, false}, // its daemons were stopped
	} {
		t.Run(version, func(t *testing.T) {
			client := recorded(t, version, tc.files)
			if v, err := client.Version(t.Context()); err != nil || v.Number != version {
				t.Errorf("%+v, %v", v, err)
			}
			health, err := client.Health(t.Context())
			if err != nil || len(health) != tc.components || health["scheduler"].Healthy != tc.scheduler || health["scheduler"].Heartbeat.IsZero() || !health["metadatabase"].Healthy {
				t.Errorf("%+v, %v", health, err)
			}
			pools, err := client.Pools(t.Context())
			if err != nil || len(pools) < 4 {
				t.Errorf("%+v, %v", pools, err)
			}
			for _, p := range pools {
				if want, ok := tc.pools[p.Name]; ok && p != want {
					t.Errorf("got  %+v\nwant %+v", p, want)
				}
			}
		})
	}
}

// The states of an Airflow that is newer than this client are learnt from its own error text.
func TestRecordedAnswerToAnUnknownState(t *testing.T) {
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/version") {
			_, _ = io.WriteString(w, `{"version":"3.4.0rc1"}`)
			return
		}
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w, strings.Replace(string(load(t, "3.3.2", "ti-err-422-state.json")), "deferred,", "deferred, hibernating,", 1))
	}))
	defer server.Close()
	client := newClient(t, server.URL, nil)
	states, err := client.UnfinishedStates(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[airflow.State]bool{}
	for _, s := range states {
		got[s] = true
	}
	if !got["hibernating"] || !got[airflow.StateAwaitingInput] || len(states) != 9 || got[airflow.StateSuccess] || got[airflow.StateRemoved] {
		t.Errorf("got %v", states)
	}
	asked := requests.Load()
	if _, err := client.Version(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again, err := client.UnfinishedStates(t.Context()); err != nil || len(again) != len(states) || requests.Load() != asked+1 {
		t.Errorf("asked again for the same version: %v, %v", again, err)
	}
}
