package airflowtest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// dependencies asks why an instance does not run; the names, or the status.
func (c *client) dependencies(path string) string {
	c.t.Helper()
	api := strings.TrimSuffix(c.path(), "/dags/~/dagRuns/~/taskInstances")
	r := c.get(api + "/dags/d/dagRuns/" + path + "/dependencies")
	if r.status != http.StatusOK {
		return fmt.Sprint(r.status)
	}
	var body struct {
		List []airflowtest.Dependency `json:"dependencies"`
	}
	if err := json.Unmarshal([]byte(r.body), &body); err != nil {
		c.t.Fatal(err)
	}
	var names []string
	for _, d := range body.List {
		names = append(names, d.Name)
	}
	return strings.Join(names, ", ")
}

func TestDependencies(t *testing.T) {
	rule := airflowtest.Dependency{Name: "Trigger Rule", Reason: "…"}
	fill := func(db *airflowtest.Database) {
		db.Add(airflowtest.Task("d", "r", "null"), 0).Dependencies = []airflowtest.Dependency{rule}
		db.Add(airflowtest.Task("d", "r", "free"), 0).Schedule()
		full := db.Add(airflowtest.Task("d", "r", "full"), 0).Schedule()
		full.Pool = "full"
		db.PutPool(airflowtest.Pool{Name: "full", Slots: 0})
		unlimited := db.Add(airflowtest.Task("d", "r", "unlimited"), 0).Schedule()
		unlimited.Pool = "unlimited"
		db.PutPool(airflowtest.Pool{Name: "unlimited", Slots: airflowtest.Unlimited})
		db.Add(airflowtest.Task("d", "r", "missing"), 0).Schedule().Pool = "missing"
		db.Add(airflowtest.Task("d", "r", "runs"), 0).Start().Dependencies = []airflowtest.Dependency{rule}
		db.PutRun(airflowtest.DagRun{DagID: "d", RunID: "waits", State: airflowtest.Queued})
		db.Add(airflowtest.Task("d", "waits", "t"), 0)
		db.Add(airflowtest.MappedTask("d", "r", "mapped", 0), 0).Schedule()
	}
	for _, version := range []string{"2.10.2", "2.11.2", "3.0.6", "3.3.2"} {
		c := start(t, airflowtest.Options{Version: version}, fill)
		plain, minus := "404", "404"
		if version[0] == '3' {
			minus = ""
		}
		for path, want := range map[string]string{
			"r/taskInstances/null":       "Task Instance State, Trigger Rule",
			"r/taskInstances/free":       "",
			"r/taskInstances/full":       "Pool Slots Available",
			"r/taskInstances/unlimited":  "",
			"r/taskInstances/missing":    "Pool Slots Available",
			"r/taskInstances/runs":       "",
			"waits/taskInstances/t":      "Dagrun Running, Task Instance State",
			"r/taskInstances/mapped/0":   "",
			"r/taskInstances/mapped":     plain,
			"r/taskInstances/runs/-1":    minus,
			"r/taskInstances/nope":       "404",
			"nope/taskInstances/runs":    "404",
			"with%2Fslash/taskInstances": "404",
		} {
			if got := c.dependencies(path); got != want {
				t.Errorf("%s %s: %q, want %q", version, path, got, want)
			}
		}
		c.server.Update(func(db *airflowtest.Database) { db.Dag("d").Paused = true })
		if got := c.dependencies("r/taskInstances/free"); got != "Dag Not Paused" {
			t.Errorf("%s paused: %q", version, got)
		}
	}
}

// Airflow 3.0 answers 404 with a text, later ones with a list of one.
func TestMissingInstancesOfDependencies(t *testing.T) {
	for version, want := range map[string]string{
		"3.0.6": `{"detail":"The Task Instance with dag_id: `,
		"3.1.0": `{"detail":["The Task Instance with dag_id: `,
	} {
		got := start(t, airflowtest.Options{Version: version}, nil).get("/api/v2/dags/d/dagRuns/r/taskInstances/t/dependencies")
		if !strings.HasPrefix(got.body, want) {
			t.Errorf("%s: %s", version, got.body)
		}
	}
}

// A GET writes, once, and only where it says so: that is how a test finds out
// that something was asked that must not be.
func TestAskingForDependenciesWrites(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.3.2"} {
		key := airflowtest.Task("d", "r", "t")
		c := start(t, airflowtest.Options{Version: version}, func(db *airflowtest.Database) {
			db.Add(key, 0).AskingWrites = airflowtest.UpstreamFailed
		})
		c.list("")
		state := func() (state string) {
			c.server.Update(func(db *airflowtest.Database) { state = db.TaskInstance(key).State })
			return state
		}
		if got := state(); got != airflowtest.NoStatus {
			t.Errorf("%s: %q before it was asked", version, got)
		}
		c.dependencies("r/taskInstances/t")
		if got := state(); got != airflowtest.UpstreamFailed {
			t.Errorf("%s: %q", version, got)
		}
		if got := c.dependencies("r/taskInstances/t"); got != "" {
			t.Errorf("%s: %q once it has finished", version, got)
		}
	}
}
