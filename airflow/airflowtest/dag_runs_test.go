package airflowtest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// runPage is a listing of DAG runs.
type runPage struct {
	Rows []struct {
		DagID string `json:"dag_id"`
		RunID string `json:"dag_run_id"`
		State string `json:"state"`
	} `json:"dag_runs"`
	Total    *int    `json:"total_entries"`
	Next     *string `json:"next_cursor"`
	Previous *string `json:"previous_cursor"`
}

func (p runPage) ids() string {
	var ids []string
	for _, r := range p.Rows {
		ids = append(ids, r.RunID)
	}
	return strings.Join(ids, " ")
}

// runs asks for DAG runs of v1 or v2: by GET, or by POST if there is a body.
func (c *client) runs(dag, query, body string) runPage {
	c.t.Helper()
	api := strings.TrimSuffix(c.path(), "/dags/~/dagRuns/~/taskInstances")
	r := reply{}
	if body == "" {
		r = c.get(api + "/dags/" + dag + "/dagRuns?" + query)
	} else {
		r = c.do(http.MethodPost, api+"/dags/~/dagRuns/list", body)
	}
	if r.status != http.StatusOK {
		c.t.Fatalf("%s%s: %d %s", query, body, r.status, r.body)
	}
	var p runPage
	if err := json.Unmarshal([]byte(r.body), &p); err != nil {
		c.t.Fatal(err)
	}
	return p
}

// fillRuns has one run of each state and type; hours count from zooDate.
func fillRuns(db *airflowtest.Database) {
	at := func(hours int) time.Time { return zooDate.Add(time.Duration(hours) * time.Hour) }
	db.PutRun(airflowtest.DagRun{DagID: "d", RunID: "ok", State: airflowtest.Success, Type: airflowtest.RunScheduled, LogicalDate: at(0), StartDate: at(1), EndDate: at(2)})
	db.PutRun(airflowtest.DagRun{DagID: "e", RunID: "bad", State: airflowtest.Failed, Type: airflowtest.RunBackfill, LogicalDate: at(-24), StartDate: at(3), EndDate: at(4)})
	db.PutRun(airflowtest.DagRun{DagID: "d", RunID: "runs", LogicalDate: at(5), RunAfter: at(5), StartDate: at(5)})
	db.PutRun(airflowtest.DagRun{DagID: "e", RunID: "waits", State: airflowtest.Queued, RunAfter: at(6)})
}

func TestRunFilters(t *testing.T) {
	at := func(hours int) string { return zooDate.Add(time.Duration(hours) * time.Hour).Format(time.RFC3339) }
	for _, test := range []struct{ version, query, body, want string }{
		{"2.11.2", "state=running,queued", `{"states": ["running", "queued"]}`, "runs waits"},
		{"2.11.2", "state=success&state=failed", `{"states": ["success", "failed"]}`, "ok bad"},
		{"2.11.2", "state=bogus", `{"states": ["bogus"]}`, ""},
		{"2.11.2", "", `{"dag_ids": ["e", "nope"]}`, "bad waits"},
		{"2.11.2", "end_date_gte=" + at(3), `{"end_date_gte": "` + at(3) + `"}`, "bad"},
		{"2.11.2", "execution_date_lte=" + at(0), `{"execution_date_lte": "` + at(0) + `"}`, "ok bad"},
		{"2.11.2", "start_date_gte=" + at(3), `{"start_date_gte": "` + at(3) + `"}`, "bad runs"},
		{"2.11.2", "order_by=-start_date", `{"order_by": "-start_date"}`, "waits runs bad ok"},
		{"2.11.2", "limit=0", `{"page_limit": 100000}`, "ok bad runs waits"},
		{"2.11.2", "limit=1&offset=2", `{"page_limit": 1, "page_offset": 2}`, "runs"},
		{"2.10.2", "limit=1&offset=2", `{"page_limit": 1, "page_offset": 2}`, "runs"}, // unlike task instances
		{"3.3.2", "state=running&state=queued", `{"states": ["running", "queued"], "order_by": "id"}`, "runs waits"},
		{"3.3.2", "", `{"states": [null]}`, ""},
		{"3.3.2", "", `{"dag_ids": ["e"], "states": null, "end_date_gte": null}`, "bad waits"},
		{"3.3.2", "run_type=backfill", "", "bad"},
		{"3.3.2", "end_date_gte=" + at(3) + "&state=failed&state=success", `{"end_date_gte": "` + at(3) + `"}`, "bad"},
		{"3.3.2", "end_date_gte=2099-01-01T00:00:00Z", "", "runs waits"}, // null passes
		{"3.0.2", "end_date_gte=2099-01-01T00:00:00Z", "", ""},
		{"3.3.2", "run_after_gte=" + at(5), `{"run_after_gte": "` + at(5) + `"}`, "runs waits"},
		{"3.3.2", "logical_date_lt=" + at(5), `{"logical_date_lt": "` + at(5) + `"}`, "ok bad"},
		{"3.3.2", "execution_date_gte=2099-01-01T00:00:00Z&dag_ids=d", "", "ok bad runs waits"}, // ignored
		{"3.3.2", "order_by=-run_after", `{"order_by": "-run_after"}`, "waits runs ok bad"},
		{"3.3.2", "limit=0", `{"page_limit": 0}`, ""},
		{"3.3.2", "limit=1&offset=2", `{"page_limit": 1, "page_offset": 2}`, "runs"},
	} {
		c := start(t, airflowtest.Options{Version: test.version}, fillRuns)
		if test.query != "" {
			if got := c.runs("~", strings.ReplaceAll(test.query, "+", "%2B"), "").ids(); got != test.want {
				t.Errorf("%s %s: %q, want %q", test.version, test.query, got, test.want)
			}
		}
		if test.body != "" {
			if got := c.runs("~", "", test.body).ids(); got != test.want {
				t.Errorf("%s %s: %q, want %q", test.version, test.body, got, test.want)
			}
		}
	}
}

func TestRunErrors(t *testing.T) {
	const v1, v2 = "/api/v1/dags/~/dagRuns", "/api/v2/dags/~/dagRuns"
	for _, test := range []struct {
		version, path, body string
		status              int
		text                string
	}{
		{"2.11.2", v1 + "/list", `{"state": ["running"]}`, 400, `{'state': ['Unknown field.']}`},
		{"2.11.2", v1 + "/list", `{"run_after_gte": "2026-01-01T00:00:00Z"}`, 400, "Unknown field"},
		{"2.11.2", v1 + "/list", `{"states": "running"}`, 400, "is not of type 'array' - 'states'"},
		{"2.11.2", v1 + "/list", `{"page_limit": 0}`, 400, "0 is less than the minimum of 1"},
		{"2.11.2", v1 + "/list", `{"order_by": "run_after"}`, 400, "Ordering with 'run_after' is disallowed"},
		{"2.11.2", v1 + "/list", `{"end_date_gte": "yesterday"}`, 400, "is not a 'date-time' - 'end_date_gte'"},
		{"2.11.2", v1 + "?run_type=manual", "", 400, "Extra query parameter(s) run_type not in spec"},
		{"2.11.2", v1 + "?end_date_gte=yesterday", "", 400, "is not a 'date-time'"},
		{"2.11.2", v1 + "?updated_at_gte=2026-01-01T00:00:00Z", "", 501, "does not serve"},
		{"3.3.2", v2 + "/list", `{"state": ["running"]}`, 422, "Extra inputs are not permitted"},
		{"3.3.2", v2 + "/list", `{"states": ["bogus"]}`, 422, "Input should be 'queued', 'running', 'success' or 'failed'"},
		{"3.3.2", v2 + "/list", `{"states": ["running"], "page_limit": -1}`, 422, "greater than or equal to 0"},
		{"3.3.2", v2 + "/list", `{"order_by": "execution_date"}`, 400, "Ordering with 'execution_date' is disallowed"},
		{"3.3.2", v2 + "/list", `{"end_date_gte": "2026-01-01T00:00:00"}`, 422, "timezone"},
		{"3.0.6", v2 + "/list", `{"end_date_gt": "2026-01-01T00:00:00Z"}`, 422, "Extra inputs are not permitted"},
		{"3.3.2", v2 + "?state=bogus", "", 422, "Valid values are queued, running, success, failed"},
		{"3.3.2", v2 + "?cursor=zzz", "", 400, "Invalid cursor token"},
		{"3.3.2", v2 + "?dag_id_pattern=x", "", 501, "does not serve"},
		{"3.3.2", "/api/v2/dags/nope/dagRuns", "", 404, "The Dag with ID: `nope` was not found"},
	} {
		c := start(t, airflowtest.Options{Version: test.version}, fillRuns)
		method := http.MethodGet
		if test.body != "" {
			method = http.MethodPost
		}
		if got := c.do(method, test.path, test.body); got.status != test.status || !strings.Contains(got.body, test.text) {
			t.Errorf("%s %s %s: %d %s", test.version, test.path, test.body, got.status, got.body)
		}
	}
}

// GET holds at most 100 runs on Airflow 2 and as many as are clamped to on
// Airflow 3; POST holds what is asked for.
func TestRunPages(t *testing.T) {
	for _, test := range []struct {
		version, query, body string
		clampGet, clampPost  int
		rows                 int
	}{
		{"2.11.2", "", "{}", 0, 0, 100},
		{"2.11.2", "limit=1000", "", 0, 0, 100},
		{"2.11.2", "", `{"page_limit": 1000}`, 0, 0, 175},
		{"2.11.2", "", `{"page_limit": 1000}`, 0, 20, 20},
		{"3.0.6", "limit=1000", "", 0, 0, 175},
		{"3.3.2", "", "{}", 0, 0, 100},
		{"3.3.2", "limit=1000", "", 0, 0, 100},
		{"3.3.2", "limit=1000&cursor=", "", 0, 0, 100},
		{"3.3.2", "limit=1000", `{"page_limit": 1000}`, 30, 30, 30},
	} {
		c := start(t, airflowtest.Options{Version: test.version, ClampGet: test.clampGet, ClampPost: test.clampPost}, fillManyRuns)
		if test.query != "" {
			if p := c.runs("~", test.query, ""); len(p.Rows) != test.rows || *p.Total != 175 {
				t.Errorf("%s %s: %d of %d", test.version, test.query, len(p.Rows), *p.Total)
			}
		}
		if test.body != "" {
			if p := c.runs("~", "", test.body); len(p.Rows) != test.rows || *p.Total != 175 {
				t.Errorf("%s %s: %d of %d", test.version, test.body, len(p.Rows), *p.Total)
			}
		}
	}
}

func fillManyRuns(db *airflowtest.Database) {
	for i := range 175 {
		db.PutRun(airflowtest.DagRun{DagID: "d", RunID: fmt.Sprint(i)})
	}
}

func TestRunCursors(t *testing.T) {
	c := start(t, airflowtest.Options{Version: "3.3.2"}, fillManyRuns)
	seen, cursor, pages := map[string]bool{}, "", 0
	for {
		p := c.runs("~", "limit=20&order_by=id&cursor="+url.QueryEscape(cursor), "")
		if (p.Previous != nil) != (pages > 0) {
			t.Errorf("page %d: previous %v", pages, p.Previous)
		}
		for _, r := range p.Rows {
			seen[r.RunID] = true
		}
		c.server.Update(func(db *airflowtest.Database) { db.DeleteRun("d", fmt.Sprint(pages)) }) // from a page before
		pages++
		if p.Next == nil {
			break
		}
		cursor = *p.Next
	}
	if len(seen) != 175 || pages != 9 {
		t.Errorf("%d runs on %d pages", len(seen), pages)
	}
	old := start(t, airflowtest.Options{Version: "3.0.6"}, fillManyRuns)
	if p := old.runs("~", "limit=20&cursor=kRQ", ""); p.Next != nil || p.ids()[:2] != "0 " {
		t.Errorf("a server without cursors: %q, %v", p.ids(), p.Next)
	}
}

// One run with a state that Airflow does not know spoils the page that it is on.
func TestBadRuns(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.3.2"} {
		c := start(t, airflowtest.Options{Version: version}, func(db *airflowtest.Database) {
			fillRuns(db)
			db.PutRun(airflowtest.DagRun{DagID: "d", RunID: "odd", State: "bogus"})
		})
		path := strings.TrimSuffix(c.path(), "/~/taskInstances")
		for _, got := range []reply{c.get(path), c.do(http.MethodPost, path+"/list", "{}")} {
			if got.status != http.StatusInternalServerError {
				t.Errorf("%s: %d %s", version, got.status, got.body)
			}
		}
		if got := c.runs("~", "state=running", "").ids(); got != "runs" {
			t.Errorf("%s: %s", version, got)
		}
	}
}

// Runs of DAGs that a user may not read are left out, on both, and also when
// they are asked for by name.
func TestRunsOfRestrictedUsers(t *testing.T) {
	some := []airflowtest.User{{Name: "u", Password: "u", Rights: airflowtest.Viewer, DagIDs: []string{"e"}},
		{Name: "norights", Password: "norights", Rights: airflowtest.ReadDags}}
	v1 := start(t, airflowtest.Options{Version: "2.11.2", Users: some}, fillRuns)
	v2 := start(t, airflowtest.Options{Version: "3.3.2", Users: some}, fillRuns)
	v1.listPath, v2.listPath = listV1, listV2
	for name, c := range map[string]*client{"v1": v1.as(basic("u", "u")), "v2": v2.logIn("u", "u")} {
		for _, got := range []string{c.runs("~", "", "").ids(), c.runs("~", "", `{"dag_ids": ["d", "e"]}`).ids(), c.runs("e", "", "").ids()} {
			if got != "bad waits" {
				t.Errorf("%s: %q", name, got)
			}
		}
		if got := c.get(strings.TrimSuffix(c.path(), "~/dagRuns/~/taskInstances") + "d/dagRuns"); got.status != http.StatusForbidden {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if got := v1.as(basic("norights", "norights")).get("/api/v1/dags/~/dagRuns"); got.status != http.StatusForbidden {
		t.Errorf("%d", got.status)
	}
}
