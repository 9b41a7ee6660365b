package airflowtest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// tries asks for the attempts of an instance, as "1 failed, 2 running".
func (c *client) tries(path string) string {
	c.t.Helper()
	api := strings.TrimSuffix(c.path(), "/dags/~/dagRuns/~/taskInstances")
	r := c.get(api + path + "/tries")
	if r.status != http.StatusOK {
		return fmt.Sprint(r.status)
	}
	p := c.decode(r)
	if *p.Total != len(p.Rows) {
		c.t.Errorf("%d rows of %d", len(p.Rows), *p.Total)
	}
	var attempts []string
	for _, row := range p.Rows {
		state := "null"
		if row.State != nil {
			state = *row.State
		}
		attempts = append(attempts, fmt.Sprint(row.Try, " ", state))
	}
	return strings.Join(attempts, ", ")
}

// TestTries moves an instance and tells its attempts, as measured.
func TestTries(t *testing.T) {
	all := []string{"2.10.0", "2.10.2", "2.10.4", "2.11.2", "3.0.6", "3.3.2"}
	for _, test := range []struct {
		name     string
		versions []string
		do       func(x *ti)
		want     string
	}{
		{"not started", all, func(*ti) {}, "0 null"},
		{"scheduled", all, func(x *ti) { x.Schedule() }, "1 scheduled"},
		{"second runs", all, func(x *ti) { x.Fail().Start() }, "1 failed, 2 running"},
		{"three failed", all, func(x *ti) { x.Fail().Fail().Fail() }, "1 failed, 2 failed, 3 failed"},
		{"skipped", all, func(x *ti) { x.Skip() }, "0 skipped"},
		{"poked twice", all, func(x *ti) { x.Reschedule().Start().Reschedule() }, "1 up_for_reschedule"},
		{"waits for a retry", all[:2], func(x *ti) { x.Fail() }, "1 failed, 1 up_for_retry"},
		{"waits for a retry", all[2:], func(x *ti) { x.Fail() }, "1 failed"},
		{"cleared before it ran", all, func(x *ti) { x.Clear().Start() }, "0 failed, 1 running"},
		{"cleared while it is queued", all, func(x *ti) { x.Enqueue().Clear().Start() }, "1 failed, 2 running"},
		{"finished and cleared", all, func(x *ti) { x.Succeed().Clear() }, "1 success, 1 null"},
		{"finished, cleared, queued", all, func(x *ti) { x.Succeed().Clear().Enqueue() }, "1 success, 2 queued"},
		{"cleared twice", all, func(x *ti) { x.Succeed().Clear().Clear() }, "1 success, 1 null"},
		{"waits for a retry, is cleared", all, func(x *ti) { x.Fail().Clear() }, "1 failed, 1 null"},
		{"runs, is cleared through the API", all[:4], func(x *ti) { x.Start().ClearByAPI() }, "1 failed, 1 running"},
		{"runs, is cleared through the API, is missed", all[2:4], func(x *ti) { x.Start().ClearByAPI().Fail() }, "1 failed"},
		{"runs, is cleared through the API", all[4:], func(x *ti) { x.Start().ClearByAPI() }, "1 failed, 1 restarting"},
		{"runs, is cleared", all, func(x *ti) { x.Start().Clear() }, "1 failed, 1 restarting"},
		{"runs, is cleared, runs again", all, func(x *ti) { x.Start().Clear().Clear().Start() }, "1 failed, 2 running"},
	} {
		for _, version := range test.versions {
			c := start(t, airflowtest.Options{Version: version}, func(db *airflowtest.Database) {
				test.do(db.Add(airflowtest.Task("d", "r", "t"), 2))
			})
			if got := c.tries("/dags/d/dagRuns/r/taskInstances/t"); got != test.want {
				t.Errorf("%s %s: %s, want %s", version, test.name, got, test.want)
			}
		}
	}
}

func TestPathsOfTries(t *testing.T) {
	fill := func(db *airflowtest.Database) {
		db.Add(airflowtest.MappedTask("d", "r", "mapped", 1), 0).Succeed()
		db.Add(airflowtest.MappedTask("d", "r", "mapped", 0), 0).Start()
		db.Add(airflowtest.Task("d", "r", "t"), 0).Start()
		db.Add(airflowtest.Task("d", "with/slash", "t"), 0).Start()
		db.Add(airflowtest.Task("d", "100% ü?#", "t"), 0).Start()
	}
	v1 := start(t, airflowtest.Options{Version: "2.11.2"}, fill)
	v2 := start(t, airflowtest.Options{Version: "3.3.2"}, fill)
	for path, want := range map[string][2]string{
		"r/taskInstances/t":                     {"1 running", "1 running"},
		"100%25%20%C3%BC%3F%23/taskInstances/t": {"1 running", "1 running"},
		"with%2Fslash/taskInstances/t":          {"404", "404"},
		"r/taskInstances/mapped/1":              {"1 success", "1 success"},
		"r/taskInstances/mapped":                {"", "404"},
		"r/taskInstances/mapped/7":              {"", "404"},
		"r/taskInstances/t/-1":                  {"404", "1 running"},
		"r/taskInstances/nope":                  {"", "404"},
		"nope/taskInstances/t":                  {"", "404"},
		"r/taskInstances/t/x":                   {"404", "422"},
	} {
		if got := v1.tries("/dags/d/dagRuns/" + path); got != want[0] {
			t.Errorf("v1 %s: %q, want %q", path, got, want[0])
		}
		if got := v2.tries("/dags/d/dagRuns/" + path); got != want[1] {
			t.Errorf("v2 %s: %q, want %q", path, got, want[1])
		}
	}
}

// Airflow 3 takes the index as a parameter, too.
func TestIndexParameter(t *testing.T) {
	c := start(t, airflowtest.Options{Version: "3.3.2"}, func(db *airflowtest.Database) {
		db.Add(airflowtest.MappedTask("d", "r", "mapped", 1), 0).Schedule()
	})
	const path = "/api/v2/dags/d/dagRuns/r/taskInstances/mapped"
	for query, want := range map[string]int{"map_index=1": 200, "map_index=2": 404, "map_index=x": 422, "": 404} {
		for _, suffix := range []string{"/tries?", "/dependencies?"} {
			if got := c.get(path + suffix + query); got.status != want {
				t.Errorf("%s%s: %d %s", suffix, query, got.status, got.body)
			}
		}
	}
}

// Attempts have no order but for seed 0.
func TestTriesHaveNoOrder(t *testing.T) {
	c := start(t, airflowtest.Options{Version: "3.3.2", ShuffleSeed: 1}, func(db *airflowtest.Database) {
		x := db.Add(airflowtest.Task("d", "r", "t"), 9)
		for range 9 {
			x.Fail()
		}
		x.Start()
	})
	if got := c.tries("/dags/d/dagRuns/r/taskInstances/t"); strings.HasPrefix(got, "1 failed, 2 failed, 3 failed") || strings.Count(got, "failed") != 9 {
		t.Errorf("%s", got)
	}
}

// An instance that was cleared while it ran has the dates of that attempt in
// its history.
func TestHistoryOfAClearedAttempt(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.3.2"} {
		s := newStory(t, version, 0)
		s.after(func(x *ti) { x.Start() })
		s.after(func(x *ti) { x.ClearByAPI() })
		s.c.server.Update(func(db *airflowtest.Database) {
			h := db.TaskInstance(s.key).History
			if len(h) != 1 || h[0].State != airflowtest.Failed || h[0].Duration == nil || *h[0].Duration != 60 || !h[0].EndDate.Equal(s.now) || h[0].MaxTries != 0 {
				t.Errorf("%s: %+v", version, h)
			}
		})
	}
}
