package airflowtest_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// zooDate is the execution date of the run "old"; "new" is a day later.
var zooDate = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// fillStates has one instance for each state, named after it, in the run "new"
// of the DAG "d", and two finished ones in the run "old" of the DAG "e".
func fillStates(db *airflowtest.Database) {
	db.PutRun(airflowtest.DagRun{DagID: "d", RunID: "new", LogicalDate: zooDate.Add(24 * time.Hour), RunAfter: zooDate.Add(24 * time.Hour)})
	db.PutRun(airflowtest.DagRun{DagID: "e", RunID: "old", LogicalDate: zooDate, RunAfter: zooDate})
	add := func(id string, retries int) *airflowtest.TaskInstance {
		return db.Add(airflowtest.Task("d", "new", id), retries)
	}
	add("none", 0)
	add("scheduled", 0).Schedule()
	add("queued", 0).Enqueue().Queue = "big"
	add("running", 0).Start().Pool = "small"
	add("restarting", 0).Start().Clear()
	add("deferred", 0).Defer()
	add("up_for_retry", 1).Fail()
	add("up_for_reschedule", 0).Reschedule()
	add("success", 0).Succeed()
	add("failed", 0).Fail()
	add("skipped", 0).Skip()
	add("upstream_failed", 0).FailUpstream()
	add("removed", 0).Succeed().Remove()
	for i, id := range []string{"early", "late"} {
		ti := db.Add(airflowtest.Task("e", "old", id), 0).Succeed()
		ti.EndDate = zooDate.Add(time.Duration(i+1) * time.Hour)
		ti.Duration = new(float64(i + 1))
	}
}

// sorted are the tasks of a page, sorted: pages of Airflow 2 have no order.
func sorted(p page) string {
	tasks := p.tasks()
	slices.Sort(tasks)
	return strings.Join(tasks, " ")
}

func TestFiltersOfAirflow2(t *testing.T) {
	c := start(t, airflowtest.Options{Version: "2.11.2"}, fillStates)
	cut := url.QueryEscape(zooDate.Add(90 * time.Minute).Format(time.RFC3339))
	for _, test := range []struct{ query, body, want string }{
		{"state=running", `{"state": ["running"]}`, "running"},
		{"state=running,queued", `{"state": ["running", "queued"]}`, "queued running"},
		{"state=running&state=none", `{"state": ["running", null]}`, "none running"},
		{"state=none", `{"state": ["none"]}`, "none"},
		{"state=shutdown", "", ""}, // the word is known, though no filter of the POST takes it
		{"pool=small", `{"pool": ["small"]}`, "running"},
		{"queue=big", `{"queue": ["big"]}`, "queued"},
		{"end_date_lte=" + cut, `{"end_date_lte": "2026-11-23T09:30:00Z"}`, "early"},
		{"end_date_gte=" + cut + "&state=success&execution_date_lte=2026-11-23T08:00:00Z",
			`{"end_date_gte": "2026-11-23T09:30:00+00:00", "state": ["success"], "execution_date_lte": "2026-11-23T08:00:00Z"}`, "late"},
		{"execution_date_lte=2026-11-23T09:00:00%2B01:00", `{"execution_date_lte": "2026-11-23T09:00:00+01:00"}`, "early late"},
		{"execution_date_gte=2026-11-24T00:00:00Z&state=success", `{"execution_date_gte": "2026-11-24T00:00:00Z", "state": ["success"]}`, "success"},
		{"duration_gte=1.5", `{"duration_gte": 1.5}`, "late"},
		{"updated_at_gte=2099-01-01T00:00:00Z", "", ""},
		{"", `{"dag_ids": ["e"]}`, "early late"},
		{"", `{"dag_ids": [], "task_ids": ["early"]}`, "early"},
		{"", `{"dag_run_ids": ["old"], "dag_ids": ["d", "e"]}`, "early late"},
		{"", `{"dag_run_ids": ["old"], "dag_ids": ["d"]}`, ""},
		{"", `{"dag_run_ids": ["old", "new"], "dag_ids": ["e"], "state": ["success"], "end_date_gte": "2026-11-23T09:30:00Z"}`, "late"},
	} {
		if test.query != "" {
			if got := c.list(test.query); sorted(got) != test.want || *got.Total != len(got.Rows) {
				t.Errorf("%s: %q of %d, want %q", test.query, sorted(got), *got.Total, test.want)
			}
		}
		if test.body != "" {
			if got := c.batch(test.body); sorted(got) != test.want || *got.Total != len(got.Rows) {
				t.Errorf("%s: %q of %d, want %q", test.body, sorted(got), *got.Total, test.want)
			}
		}
	}
}

// A null end date never matches; up_for_retry and up_for_reschedule have one.
func TestEndDateOfAirflow2(t *testing.T) {
	c := start(t, airflowtest.Options{Version: "2.11.2"}, fillStates)
	want := "failed removed skipped success up_for_reschedule up_for_retry upstream_failed"
	if got := c.list("end_date_gte=2026-11-23T20:00:00Z"); sorted(got) != want {
		t.Errorf("%q", sorted(got))
	}
	if got := c.batch(`{"end_date_gte": "2026-11-23T20:00:00Z"}`); sorted(got) != want {
		t.Errorf("%q", sorted(got))
	}
}

func TestPathsOfAirflow2(t *testing.T) {
	c := start(t, airflowtest.Options{Version: "2.11.2"}, func(db *airflowtest.Database) {
		db.Add(airflowtest.Task("d", "odd+chars:~%2F? #1", "odd"), 0)
		db.Add(airflowtest.Task("d", "with/slash", "slash"), 0)
	})
	for _, test := range []struct {
		dag, run     string // escaped
		status, rows int
	}{
		{"~", "~", 200, 2},
		{"%7E", "%7E", 200, 2},
		{"d", "~", 200, 2},
		{"d", "odd%2Bchars%3A~%252F%3F%20%231", 200, 1},
		{"~", "odd%2Bchars%3A~%252F%3F%20%231", 200, 1},
		{"d", "with%2Fslash", 404, 0}, // no path leads there
		{"nope", "~", 200, 0},
		{"d", "nope", 200, 0},
	} {
		got := c.get("/api/v1/dags/" + test.dag + "/dagRuns/" + test.run + "/taskInstances")
		if got.status != test.status {
			t.Errorf("%s %s: %d %s", test.dag, test.run, got.status, got.body)
			continue
		}
		if test.status == 200 && len(c.decode(got).Rows) != test.rows {
			t.Errorf("%s %s: %s", test.dag, test.run, got.body)
		}
	}
	if p := c.batch(`{"dag_run_ids": ["with/slash"]}`); sorted(p) != "slash" {
		t.Errorf("%q", sorted(p))
	}
	if got := c.do(http.MethodPost, "/api/v1/dags/d/dagRuns/~/taskInstances/list", "{}"); got.status != http.StatusMethodNotAllowed {
		t.Errorf("a batch list of one DAG: %d", got.status)
	}
}

func TestErrorsOfAirflow2(t *testing.T) {
	const enum = "[None, 'success', 'running', 'failed', 'upstream_failed', 'skipped', 'up_for_retry', " +
		"'up_for_reschedule', 'queued', 'none', 'scheduled', 'deferred', 'removed', 'restarting']"
	for _, test := range []struct {
		version     string
		query, body string
		status      int
		detail      string // empty for an answer that is not JSON
	}{
		{"2.11.2", "", `{"page_limit": 0}`, 400, "0 is less than the minimum of 1 - 'page_limit'"},
		{"2.10.5", "", `{"page_limit": -1}`, 400, "-1 is less than the minimum of 1 - 'page_limit'"},
		{"2.10.2", "", `{"page_limit": 0}`, 400, "{'page_limit': ['Must be greater than or equal to 1.']}"},
		{"2.11.2", "", `{"page_offset": -1}`, 400, "-1 is less than the minimum of 0 - 'page_offset'"},
		{"2.11.2", "", `{"page_limit": 9223372036854775808}`, 500, ""},
		{"2.11.2", "", `{"page_limit": 2147483648}`, 200, ""},
		{"2.11.2", "", `{"state": ["bogus"]}`, 400, "'bogus' is not one of " + enum + " - 'state.0'"},
		{"2.11.2", "", `{"state": ["running", "awaiting_input"]}`, 400, "'awaiting_input' is not one of " + enum + " - 'state.1'"},
		{"2.11.2", "", `{"state": ["shutdown"]}`, 400, "'shutdown' is not one of " + enum + " - 'state.0'"},
		{"2.11.2", "", `{"state": [""]}`, 400, "'' is not one of " + enum + " - 'state.0'"},
		{"2.11.2", "", `{"state": "running"}`, 400, "'running' is not of type 'array' - 'state'"},
		{"2.11.2", "", `{"order_by": "id"}`, 400, "{'order_by': ['Unknown field.']}"},
		{"2.11.2", "", `{"updated_at_gte": "2026-01-01T00:00:00Z"}`, 400, "{'updated_at_gte': ['Unknown field.']}"},
		{"2.11.2", "", `null`, 400, "Request body is not valid JSON"},
		{"2.11.2", "limit=-1", "", 500, ""},
		{"2.10.2", "state=bogus", "", 500, ""},
		{"2.11.2", "state=", "", 500, ""},
		{"2.11.2", "state=no_status", "", 500, ""},
		{"2.11.2", "state=awaiting_input", "", 500, ""},
		{"2.11.2", "dag_ids=d", "", 400, "Extra query parameter(s) dag_ids not in spec"},
		{"2.11.2", "end_date_gte=2026-11-24T00:00:00", "", 400, "'2026-11-24T00:00:00' is not a 'date-time'"},
		{"2.11.2", "end_date_gte=1790000000", "", 400, "'1790000000' is not a 'date-time'"},
	} {
		c := start(t, airflowtest.Options{Version: test.version}, nil)
		var got reply
		if test.body != "" {
			got = c.do(http.MethodPost, listV1+"/list", test.body)
		} else {
			got = c.get(listV1 + "?" + test.query)
		}
		if got.status != test.status {
			t.Errorf("%s %s%s: %d %s", test.version, test.query, test.body, got.status, got.body)
		}
		if test.status == http.StatusInternalServerError && !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
			t.Errorf("%s%s: content type %q", test.query, test.body, got.header.Get("Content-Type"))
		}
		if test.detail == "" {
			continue
		}
		var problem struct{ Detail string }
		if err := json.Unmarshal([]byte(got.body), &problem); err != nil || !strings.HasPrefix(problem.Detail, test.detail) {
			t.Errorf("%s%s: %s, want %s", test.query, test.body, got.body, test.detail)
		}
	}
}

// fillMany has n instances of one mapped task.
func fillMany(n int) func(db *airflowtest.Database) {
	return func(db *airflowtest.Database) {
		for i := range n {
			db.Add(airflowtest.MappedTask("d", "r", "t", i), 0).Start()
		}
	}
}

func TestPagingOfAirflow2(t *testing.T) {
	for _, test := range []struct {
		version string
		body    string
		rows    int
	}{
		{"2.10.2", `{}`, 175},
		{"2.10.2", `{"page_limit": 5}`, 175},
		{"2.10.2", `{"page_limit": 5, "page_offset": 100000}`, 175},
		{"2.10.3", `{"page_limit": 5}`, 5},
		{"2.10.5", `{}`, 100},
		{"2.10.5", `{"page_limit": 5}`, 5},
		{"2.11.2", `{"page_limit": 5, "page_offset": 100000}`, 0},
		{"2.11.2", `{"page_limit": 100000}`, 175},
	} {
		c := start(t, airflowtest.Options{Version: test.version}, fillMany(175))
		if p := c.batch(test.body); len(p.Rows) != test.rows || *p.Total != 175 {
			t.Errorf("%s %s: %d rows of %d", test.version, test.body, len(p.Rows), *p.Total)
		}
		if test.body != `{}` {
			continue
		}
		for query, want := range map[string]int{"": 100, "limit=0": 0, "limit=7": 7, "limit=100000": 175, "limit=7&offset=170": 5} {
			if p := c.list(query); len(p.Rows) != want || *p.Total != 175 {
				t.Errorf("%s %s: %d rows of %d", test.version, query, len(p.Rows), *p.Total)
			}
		}
	}
}

// distinct counts the different map indexes.
func distinct(rows []row) int {
	seen := map[int]bool{}
	for _, r := range rows {
		seen[r.MapIndex] = true
	}
	return len(seen)
}

// Pages of Airflow 2 have no order: on a table at rest they overlap and miss
// rows, though the same page asked twice is the same.
func TestPagesOfAirflow2Overlap(t *testing.T) {
	walks := map[uint64]string{}
	for _, seed := range []uint64{0, 1} {
		c := start(t, airflowtest.Options{Version: "2.11.2", ShuffleSeed: seed}, fillMany(175))
		var byGet, byPost []row
		for offset := 0; offset < 175; offset += 7 {
			query := fmt.Sprintf("limit=7&offset=%d", offset)
			first, again := c.decode(c.get(listV1+"?"+query)), c.decode(c.get(listV1+"?"+query))
			if fmt.Sprint(first.tasks()) != fmt.Sprint(again.tasks()) || first.Rows[0].MapIndex != again.Rows[0].MapIndex {
				t.Fatal("the same page is another one when asked again")
			}
			byGet = append(byGet, first.Rows...)
			body := fmt.Sprintf(`{"page_limit": 7, "page_offset": %d}`, offset)
			byPost = append(byPost, c.decode(c.do(http.MethodPost, listV1+"/list", body)).Rows...)
		}
		for name, rows := range map[string][]row{"GET": byGet, "POST": byPost} {
			if len(rows) != 175 || distinct(rows) == 175 {
				t.Errorf("%s: %d rows, %d distinct", name, len(rows), distinct(rows))
			}
		}
		if whole := c.batch(`{"page_limit": 1000}`); distinct(whole.Rows) != 175 {
			t.Errorf("one page holds %d distinct rows", distinct(whole.Rows))
		}
		for _, r := range byGet {
			walks[seed] += fmt.Sprint(r.MapIndex, " ")
		}
	}
	if walks[0] == walks[1] {
		t.Error("another seed gives the same order")
	}
}

func TestClampedPost(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.3.2"} {
		c := start(t, airflowtest.Options{Version: version, ClampPost: 100}, fillMany(175))
		if p := c.batch(`{"page_limit": 1000}`); len(p.Rows) != 100 || *p.Total != 175 {
			t.Errorf("%s: %d rows of %d", version, len(p.Rows), *p.Total)
		}
	}
}

// What is not a number in the database is not JSON on the wire.
func TestBareNumbersOfAirflow2(t *testing.T) {
	c := start(t, airflowtest.Options{Version: "2.11.2"}, func(db *airflowtest.Database) {
		for id, duration := range map[string]float64{"a": math.NaN(), "b": math.Inf(1), "c": math.Inf(-1)} {
			db.Add(airflowtest.Task("d", "r", id), 0).Succeed().Duration = &duration
		}
	})
	body := c.get(listV1).body
	for _, want := range []string{`"duration": NaN,`, `"duration": Infinity,`, `"duration": -Infinity,`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
}
