package airflowtest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// pool is one pool as both APIs tell it.
type pool struct {
	Name      string `json:"name"`
	Slots     int    `json:"slots"`
	Occupied  int    `json:"occupied_slots"`
	Running   int    `json:"running_slots"`
	Queued    int    `json:"queued_slots"`
	Scheduled int    `json:"scheduled_slots"`
	Open      int    `json:"open_slots"`
	Deferred  int    `json:"deferred_slots"`
}

func (c *client) pools(path string) []pool {
	c.t.Helper()
	got := c.get(path)
	var body struct {
		Pools []pool `json:"pools"`
		Total int    `json:"total_entries"`
	}
	if err := json.Unmarshal([]byte(got.body), &body); err != nil || got.status != http.StatusOK {
		c.t.Fatalf("%s: %d %s", path, got.status, got.body)
	}
	return body.Pools
}

func fillPools(db *airflowtest.Database) {
	db.PutPool(airflowtest.Pool{Name: "p", Slots: 10})
	db.PutPool(airflowtest.Pool{Name: "with deferred", Slots: 10, IncludeDeferred: true})
	db.PutPool(airflowtest.Pool{Name: "as told", Slots: 5, Occupancy: &airflowtest.Occupancy{Running: 3, Queued: 1, Scheduled: 7, Deferred: 2}})
	for _, pool := range []string{"p", "with deferred", "as told", "no such pool"} {
		task := func(id string) *airflowtest.TaskInstance {
			x := db.Add(airflowtest.Task("d", pool, id), 0)
			x.Pool = pool
			return x
		}
		task("running").Start().PoolSlots = 3
		task("queued").Enqueue().PoolSlots = 2
		task("scheduled").Schedule()
		task("deferred").Defer().PoolSlots = 4
		task("none")
		task("done").Succeed().PoolSlots = 5
	}
}

func TestPools(t *testing.T) {
	want := []pool{
		{"default_pool", 128, 0, 0, 0, 0, 128, 0},
		{"p", 10, 5, 3, 2, 1, 5, 4},
		{"with deferred", 10, 9, 3, 2, 1, 1, 4},
		{"as told", 5, 4, 3, 1, 7, 1, 2},
	}
	for version, path := range map[string]string{"2.11.2": "/api/v1/pools", "3.0.6": "/api/v2/pools", "3.3.2": "/api/v2/pools"} {
		c := start(t, airflowtest.Options{Version: version}, fillPools)
		got := c.pools(path)
		if len(got) != len(want) {
			t.Fatalf("%s: %+v", version, got)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: %+v, want %+v", version, got[i], want[i])
			}
		}
		if page := c.pools(path + "?limit=2&offset=1"); len(page) != 2 || page[0].Name != "p" {
			t.Errorf("%s: page %+v", version, page)
		}
		body := c.get(path).body
		if hasTeam := strings.Contains(body, "team_name"); hasTeam != (version == "3.3.2") {
			t.Errorf("%s: team_name is there: %v", version, hasTeam)
		}
	}
}

// A pool without limit breaks the list of Airflow 2 and of early 3.
func TestUnlimitedPool(t *testing.T) {
	fill := func(db *airflowtest.Database) {
		for _, name := range []string{"b", "c", "d"} {
			db.PutPool(airflowtest.Pool{Name: name, Slots: 1})
		}
		db.PutPool(airflowtest.Pool{Name: "u", Slots: airflowtest.Unlimited})
	}
	c := start(t, airflowtest.Options{Version: "2.11.2"}, fill)
	if got := c.get("/api/v1/pools"); got.status != 500 || got.body != recorded(t, "2.11.2", "list_pools_with_unlimited.json") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := c.pools("/api/v1/pools?limit=4"); len(got) != 4 {
		t.Errorf("%d pools before it", len(got))
	}
	c = start(t, airflowtest.Options{Version: "3.0.6"}, fill)
	if got := c.get("/api/v2/pools"); got.status != 500 {
		t.Errorf("3.0.6: %d %s", got.status, got.body)
	}
	c = start(t, airflowtest.Options{Version: "3.3.2"}, fill)
	if got := c.pools("/api/v2/pools"); got[4].Open != -1 || got[4].Slots != -1 {
		t.Errorf("3.3.2: %+v", got[4])
	}
}

// health is the health of the server's API, as text without white space.
func (c *client) health() string {
	c.t.Helper()
	path := "/api/v2/monitor/health"
	if c.path() == listV1 {
		path = "/api/v1/health"
	}
	got := c.get(path)
	if got.status != http.StatusOK {
		c.t.Fatalf("%d %s", got.status, got.body)
	}
	return strings.Join(strings.Fields(got.body), "")
}

func TestHealth(t *testing.T) {
	now := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		version string
		change  func(h *airflowtest.Health)
		want    string
	}{
		{"2.11.2", func(*airflowtest.Health) {}, `{"dag_processor":{"latest_dag_processor_heartbeat":null,"status":null},"metadatabase":{"status":"healthy"},` +
			`"scheduler":{"latest_scheduler_heartbeat":"2026-11-24T08:00:00+00:00","status":"healthy"},` +
			`"triggerer":{"latest_triggerer_heartbeat":"2026-11-24T08:00:00+00:00","status":"healthy"}}`},
		{"3.3.2", func(*airflowtest.Health) {}, `{"metadatabase":{"status":"healthy"},"scheduler":{"status":"healthy","latest_scheduler_heartbeat":"2026-11-24T08:00:00+00:00"},` +
			`"triggerer":{"status":"healthy","latest_triggerer_heartbeat":"2026-11-24T08:00:00+00:00"},` +
			`"dag_processor":{"status":"healthy","latest_dag_processor_heartbeat":"2026-11-24T08:00:00+00:00"}}`},
		{"3.3.2", func(h *airflowtest.Health) {
			h.Metadatabase = airflowtest.Unhealthy
			h.Scheduler = &airflowtest.Component{Status: airflowtest.Unhealthy, Heartbeat: now.Add(-1500 * time.Millisecond)}
			h.Triggerer = nil
			h.DagProcessor = nil
		}, `{"metadatabase":{"status":"unhealthy"},"scheduler":{"status":"unhealthy","latest_scheduler_heartbeat":"2026-11-24T07:59:58.500000+00:00"},` +
			`"triggerer":{"status":null,"latest_triggerer_heartbeat":null},"dag_processor":{"status":null,"latest_dag_processor_heartbeat":null}}`},
	} {
		c := start(t, airflowtest.Options{Version: test.version, Clock: func() time.Time { return now }},
			func(db *airflowtest.Database) { test.change(&db.Health) })
		if got := c.health(); got != test.want {
			t.Errorf("%s: %s\nwant %s", test.version, got, test.want)
		}
	}
}
