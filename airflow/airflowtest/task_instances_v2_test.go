package airflowtest_test

import (
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

// fillStates3 is fillStates with the state that Airflow 3.3 adds.
func fillStates3(db *airflowtest.Database) {
	fillStates(db)
	db.Add(airflowtest.Task("d", "new", "awaiting_input"), 0).AwaitInput()
}

func TestFiltersOfAirflow3(t *testing.T) {
	c := start(t, airflowtest.Options{Version: "3.3.2"}, fillStates3)
	for _, test := range []struct{ query, body, want string }{
		{"state=running", `{"state": ["running"]}`, "running"},
		{"state=running&state=none", `{"state": ["running", null]}`, "none running"},
		{"state=no_status", `{"state": [null]}`, "none"},
		{"state=awaiting_input", `{"state": ["awaiting_input"]}`, "awaiting_input"},
		{"pool=small", `{"pool": ["small"]}`, "running"},
		{"queue=big&queue=other", `{"queue": ["big"]}`, "queued"},
		{"end_date_lte=2026-11-23T09:30:00Z&state=success", `{"end_date_lte": "2026-11-23T09:30:00Z"}`, "early"},
		{"end_date_gte=1795512600&state=success", "", "late success"}, // 2026-11-24T09:30:00Z, in seconds
		{"run_after_lte=2026-11-23T08:00:00Z", `{"run_after_lte": "2026-11-23T08:00:00Z"}`, "early late"},
		{"logical_date_lt=2026-11-24T00:00:00%2B00:00", `{"logical_date_lt": "2026-11-24T00:00:00+00:00"}`, "early late"},
		{"duration_gt=1", `{"duration_gt": 1}`, "late"},
		{"", `{"dag_ids": ["e", "nope"]}`, "early late"},
		{"", `{"dag_ids": [], "task_ids": ["early"], "order_by": "id"}`, "early"},
		{"", `{"dag_run_ids": ["old"], "dag_ids": ["d", "e"]}`, "early late"},
		{"", `{"dag_run_ids": ["old", "new"], "dag_ids": ["e"], "state": ["success"], "end_date_gte": "2026-11-23T09:30:00Z"}`, "late"},
	} {
		if test.query != "" {
			query := strings.ReplaceAll(test.query, "1795512600", fmt.Sprint(zooDate.Add(90*time.Minute).Unix()))
			if got := c.list(query); sorted(got) != test.want || *got.Total != len(got.Rows) {
				t.Errorf("%s: %q of %d, want %q", query, sorted(got), *got.Total, test.want)
			}
		}
		if test.body != "" {
			if got := c.batch(test.body); sorted(got) != test.want || *got.Total != len(got.Rows) {
				t.Errorf("%s: %q of %d, want %q", test.body, sorted(got), *got.Total, test.want)
			}
		}
	}
}

// What GET does not know it ignores: the list is not filtered at all.
func TestUnknownKeysOfAirflow3(t *testing.T) {
	c := start(t, airflowtest.Options{Version: "3.3.2"}, fillStates3)
	all := *c.list("").Total
	for _, query := range []string{"dag_ids=e", "dag_id=e", "run_ids=old", "execution_date_gte=2099-01-01T00:00:00Z", "duration_gte=0", "duration_lte=0"} {
		if got := *c.list(query).Total; got != all {
			t.Errorf("%s: %d of %d rows", query, got, all)
		}
	}
	// A filter that Airflow has and this server has not must not look like one that Airflow ignores.
	for _, query := range []string{"dag_id_prefix_pattern=e", "task_id=early"} {
		if got := c.get(listV2 + "?" + query); got.status != http.StatusNotImplemented {
			t.Errorf("%s: %d", query, got.status)
		}
	}
}

// GET compares rows without an end date in a way of its own, POST never matches them.
func TestEndDateOfAirflow3(t *testing.T) {
	for _, test := range []struct {
		version, bound string
		unended        bool // rows without end date match end_date_gte
	}{
		{"3.0.2", "2026-11-23T00:00:00Z", false},
		{"3.0.6", "2026-11-23T00:00:00Z", true},
		{"3.0.6", "2099-01-01T00:00:00Z", false},
		{"3.2.0", "2099-01-01T00:00:00Z", false},
		{"3.3.2", "2026-11-23T00:00:00Z", true},
		{"3.3.2", "2099-01-01T00:00:00Z", true},
	} {
		c := start(t, airflowtest.Options{Version: test.version}, fillStates)
		bound := "end_date_gte=" + url.QueryEscape(test.bound)
		if got := slices.Contains(c.list(bound).tasks(), "running"); got != test.unended {
			t.Errorf("%s GET %s: the running one is there: %v", test.version, test.bound, got)
		}
		if slices.Contains(c.batch(`{"end_date_gte": "`+test.bound+`"}`).tasks(), "running") {
			t.Errorf("%s POST %s: the running one is there", test.version, test.bound)
		}
	}
	c := start(t, airflowtest.Options{Version: "3.3.2"}, fillStates)
	for bound, want := range map[string]bool{"2026-11-23T00:00:00Z": false, "2099-01-01T00:00:00Z": true} {
		if got := slices.Contains(c.list("end_date_lte="+bound).tasks(), "running"); got != want {
			t.Errorf("end_date_lte=%s: the running one is there: %v", bound, got)
		}
	}
}

func TestErrorsOfAirflow3(t *testing.T) {
	for _, test := range []struct {
		version, query, body string
		status               int
		text                 string
	}{
		{"3.3.2", "state=running,queued", "", 422, "Invalid value for state. Valid values are removed, scheduled"},
		{"3.3.2", "state=", "", 422, "Invalid value for state"},
		{"3.0.6", "state=awaiting_input", "", 422, "upstream_failed, skipped, deferred\""},
		{"3.2.0", "", `{"state": ["awaiting_input"]}`, 422, "'skipped' or 'deferred'\""},
		{"3.3.0", "", `{"state": ["awaiting_input"]}`, 200, ""},
		{"3.0.2", "state=no_status", "", 422, "Invalid value for state"},
		{"3.3.2", "", `{"state": "running"}`, 422, `"type":"list_type"`},
		{"3.3.2", "", `{"state": [null, ""]}`, 422, `"loc":["body","state",1]`},
		{"3.3.2", "", `{"page_limit": -1}`, 422, `"type":"greater_than_equal","loc":["body","page_limit"],"msg":"Input should be greater than or equal to 0","input":-1`},
		{"3.3.2", "", `{"page_limit": "many"}`, 422, `"type":"int_type"`},
		{"3.3.2", "", `{"updated_at_gte": "2026-01-01T00:00:00Z"}`, 422, `"type":"extra_forbidden"`},
		{"3.3.2", "", `{"end_date_gte": "2026-01-01T00:00:00"}`, 422, `"type":"timezone_aware"`},
		{"3.3.2", "", `{"order_by": "bogus"}`, 400, "Ordering with 'bogus' is disallowed"},
		{"3.3.2", "", `{`, 422, `"type":"json_invalid"`},
		{"3.3.2", "", `[]`, 422, "Input should be a valid dictionary"},
		{"3.3.2", "end_date_gte=2026-11-24T08:20:00+00:00", "", 422, "datetime_from_date_parsing"},
		{"3.3.2", "end_date_gte=2026-11-24", "", 500, "Database error"},
		{"3.0.6", "end_date_gte=2026-11-24T00:00:00", "", 500, "Internal Server Error"},
		{"3.3.2", "limit=x", "", 422, `"type":"int_parsing"`},
		{"3.3.2", "cursor=&order_by=-id", "", 400, "does not serve"},
	} {
		c := start(t, airflowtest.Options{Version: test.version}, nil)
		got := c.get(listV2 + "?" + test.query)
		if test.body != "" {
			got = c.do(http.MethodPost, listV2+"/list", test.body)
		}
		if got.status != test.status || !strings.Contains(got.body, test.text) {
			t.Errorf("%s %s%s: %d %s", test.version, test.query, test.body, got.status, got.body)
		}
	}
}

func TestPathsOfAirflow3(t *testing.T) {
	for _, test := range []struct {
		version, dag, run string // escaped
		status, rows      int
	}{
		{"3.3.2", "d", "~", 200, 2},
		{"3.3.2", "d", "with%2Fslash", 404, 0}, // no path leads there
		{"3.3.2", "d", "zoo%201", 200, 1},
		{"3.3.2", "~", "zoo%201", 400, 0},
		{"3.0.6", "~", "zoo%201", 200, 1},
		{"3.3.2", "nope", "~", 404, 0},
		{"3.3.2", "d", "nope", 404, 0},
	} {
		c := start(t, airflowtest.Options{Version: test.version}, func(db *airflowtest.Database) {
			db.Add(airflowtest.Task("d", "zoo 1", "a"), 0)
			db.Add(airflowtest.Task("d", "with/slash", "b"), 0)
		})
		got := c.get("/api/v2/dags/" + test.dag + "/dagRuns/" + test.run + "/taskInstances")
		if got.status != test.status || (test.status == 200 && len(c.decode(got).Rows) != test.rows) {
			t.Errorf("%s %s %s: %d %s", test.version, test.dag, test.run, got.status, got.body)
		}
	}
}

func TestPagingOfAirflow3(t *testing.T) {
	for _, test := range []struct {
		version, query string
		clamp          int
		rows           int
	}{
		{"3.0.6", "", 0, 50},
		{"3.0.6", "limit=1000", 0, 175},
		{"3.0.6", "limit=1000", 20, 20},
		{"3.1.6", "limit=1000", 0, 175},
		{"3.1.7", "limit=1000", 0, 100},
		{"3.2.0", "limit=1000", 0, 100},
		{"3.3.2", "", 0, 50},
		{"3.3.2", "limit=1000", 0, 100},
		{"3.3.2", "limit=1000", 1000, 175},
		{"3.3.2", "limit=1000&cursor=&order_by=id", 0, 100},
		{"3.3.2", "limit=0", 0, 0},
		{"3.3.2", "limit=0&cursor=&order_by=id", 0, 0},
		{"3.9.0", "limit=1000", 0, 100},
	} {
		c := start(t, airflowtest.Options{Version: test.version, ClampGet: test.clamp}, fillMany(175))
		if p := c.list(test.query); len(p.Rows) != test.rows || *p.Total != 175 {
			t.Errorf("%s %s: %d rows of %d", test.version, test.query, len(p.Rows), *p.Total)
		}
		if test.query != "" {
			continue
		}
		for body, want := range map[string]int{`{}`: 100, `{"page_limit": 0}`: 0, `{"page_limit": 100000}`: 175, `{"page_limit": 7, "page_offset": 170}`: 5} {
			if p := c.batch(body); len(p.Rows) != want || *p.Total != 175 {
				t.Errorf("%s %s: %d rows of %d", test.version, body, len(p.Rows), *p.Total)
			}
		}
	}
}

func TestOrderOfAirflow3(t *testing.T) {
	c := start(t, airflowtest.Options{Version: "3.3.2"}, func(db *airflowtest.Database) {
		for _, key := range []airflowtest.Key{
			airflowtest.MappedTask("d", "r", "a", 1), airflowtest.Task("d", "r", "b"),
			airflowtest.MappedTask("d", "r", "c", 0), airflowtest.Task("d", "r", "d"),
		} {
			db.Add(key, 0)
		}
		db.TaskInstance(airflowtest.MappedTask("d", "r", "c", 0)).Succeed().Duration = new(2.0)
		db.TaskInstance(airflowtest.Task("d", "r", "b")).Succeed().Duration = new(3.0)
	})
	for query, want := range map[string]string{
		"":                   "b d c a", // by map_index, then by id
		"order_by=id":        "a b c d",
		"order_by=-id":       "d c b a",
		"order_by=duration":  "c b a d", // null last
		"order_by=-duration": "a d b c", // null first
		"order_by=state":     "b c a d",
	} {
		if got := strings.Join(c.list(query).tasks(), " "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	if got := strings.Join(c.batch(`{}`).tasks(), " "); got != "a b c d" {
		t.Errorf("the batch list comes as %s", got)
	}
	if got := strings.Join(c.batch(`{"order_by": "-id", "page_limit": 2, "page_offset": 1}`).tasks(), " "); got != "c b" {
		t.Errorf("the batch list comes as %s", got)
	}
}

// envelopeKeys are the keys beside the rows.
func envelopeKeys(body string) string {
	var keys []string
	for _, key := range []string{"total_entries", "total_entries_limit", "next_cursor", "previous_cursor"} {
		if strings.Contains(body, `"`+key+`":`) {
			keys = append(keys, key)
		}
	}
	return strings.Join(keys, " ")
}

func TestCursorsByVersion(t *testing.T) {
	for _, test := range []struct {
		version, keys string
		total, limit  *int // of a page with a cursor
		offset        bool // a server without cursors goes by the offset
	}{
		{"3.0.6", "total_entries", new(7), nil, true},
		{"3.2.0", "total_entries", new(7), nil, true}, // cursors came with 3.2.2
		{"3.2.2", "total_entries next_cursor previous_cursor", nil, nil, false},
		{"3.3.1", "total_entries next_cursor previous_cursor", nil, nil, false},
		{"3.3.2", "total_entries total_entries_limit next_cursor previous_cursor", new(7), new(50_000), false},
		{"3.9.0", "total_entries total_entries_limit next_cursor previous_cursor", new(7), new(50_000), false},
	} {
		c := start(t, airflowtest.Options{Version: test.version}, fillMany(7))
		query := "?order_by=id&limit=3&offset=2&cursor="
		if keys := envelopeKeys(c.get(listV2 + query).body); keys != test.keys {
			t.Errorf("%s: %s", test.version, keys)
		}
		p := c.list(query[1:])
		if fmt.Sprint(deref(p.Total), deref(p.Limit)) != fmt.Sprint(deref(test.total), deref(test.limit)) {
			t.Errorf("%s: %v of %v", test.version, deref(p.Total), deref(p.Limit))
		}
		if first := p.Rows[0].MapIndex; (first == 2) != test.offset {
			t.Errorf("%s: the first row is %d", test.version, first)
		}
	}
}

func deref(n *int) any {
	if n == nil {
		return nil
	}
	return *n
}

func TestCursorWalk(t *testing.T) {
	for _, order := range []string{"order_by=id&", ""} {
		c := start(t, airflowtest.Options{Version: "3.3.2", ClampGet: 40}, fillMany(222))
		var rows []row
		cursor, pages := "", 0
		for {
			p := c.list(order + "limit=1000&cursor=" + url.QueryEscape(cursor))
			rows = append(rows, p.Rows...)
			pages++
			if (pages == 1) != (p.Previous == nil) {
				t.Errorf("page %d: previous_cursor %v", pages, p.Previous)
			}
			if p.Next == nil {
				break
			}
			cursor = *p.Next
		}
		if pages != 6 || len(rows) != 222 || distinct(rows) != 222 {
			t.Errorf("%q: %d rows, %d distinct, in %d pages", order, len(rows), distinct(rows), pages)
		}
		other := "order_by=map_index&"
		if order == "" {
			other = "order_by=id&"
		}
		if got := c.get(listV2 + "?" + other + "cursor=" + url.QueryEscape(cursor)); got.status != 400 || !strings.Contains(got.body, "does not match current query shape") {
			t.Errorf("a cursor of another order: %d %s", got.status, got.body)
		}
	}
}

// A walk by cursor over rows that move loses none that stays, where a walk by
// offset does.
func TestWalkOverMovingRows(t *testing.T) {
	for _, test := range []struct {
		byCursor bool
		missed   bool
	}{{true, false}, {false, true}} {
		c := start(t, airflowtest.Options{Version: "3.3.2"}, fillMany(300))
		seen := map[int]bool{}
		cursor := ""
		for offset := 0; ; {
			query := fmt.Sprintf("state=running&order_by=id&limit=100&offset=%d", offset)
			if test.byCursor {
				query += "&cursor=" + url.QueryEscape(cursor)
			}
			p := c.list(query)
			for _, r := range p.Rows {
				seen[r.MapIndex] = true
			}
			offset += len(p.Rows)
			if len(p.Rows) == 0 || (test.byCursor && p.Next == nil) {
				break
			}
			if test.byCursor {
				cursor = *p.Next
			}
			c.server.Update(func(db *airflowtest.Database) {
				for _, ti := range db.TaskInstances()[:50] {
					if ti.State == airflowtest.Running {
						ti.Succeed()
					}
				}
			})
		}
		if missed := len(seen) < 300; missed != test.missed {
			t.Errorf("by cursor %v: %d of 300 seen", test.byCursor, len(seen))
		}
	}
}

// A number that is not finite breaks the page that holds it.
func TestNaNOnAirflow3(t *testing.T) {
	c := start(t, airflowtest.Options{Version: "3.3.2"}, func(db *airflowtest.Database) {
		db.Add(airflowtest.Task("d", "r", "t"), 0).Succeed().Duration = new(math.NaN())
	})
	if got := c.get(listV2); got.status != http.StatusInternalServerError {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestTaskInstanceByPath(t *testing.T) {
	for _, test := range []struct{ version, api string }{{"2.11.2", "v1"}, {"3.3.2", "v2"}} {
		c := start(t, airflowtest.Options{Version: test.version}, func(db *airflowtest.Database) {
			db.Add(airflowtest.Task("d", "r", "plain"), 0)
			db.Add(airflowtest.Task("d", "r", "unexpanded"), 0)
			db.Expand(db.Add(airflowtest.Task("d", "r", "mapped"), 0).Key, 2)
		})
		for path, want := range map[string][2]int{ // status of v1, v2
			"plain": {200, 200}, "unexpanded": {200, 200}, "mapped": {404, 404}, "mapped/1": {200, 200}, "mapped/2": {404, 404},
			"unexpanded/-1": {404, 200}, "unexpanded/0": {404, 404}, "nope": {404, 404},
		} {
			status := want[0]
			if test.api == "v2" {
				status = want[1]
			}
			if got := c.get("/api/" + test.api + "/dags/d/dagRuns/r/taskInstances/" + path); got.status != status {
				t.Errorf("%s %s: %d %s", test.api, path, got.status, got.body)
			}
		}
	}
}
