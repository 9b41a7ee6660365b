package airflowtest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// shape is what JSON looks like without its values: for each path the types
// that stand there, and for each object its keys in their order.
type shape map[string]map[string]bool

var (
	isDate = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?(Z|\+00:00)$`)
	isUUID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
)

func shapeOf(t *testing.T, text string) shape {
	t.Helper()
	s := shape{}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	s.read(t, decoder, "")
	return s
}

func (s shape) add(path, what string) {
	if s[path] == nil {
		s[path] = map[string]bool{}
	}
	s[path][what] = true
}

// read takes one value; the elements of an array share a path. What is
// rendered is the task's own business.
func (s shape) read(t *testing.T, decoder *json.Decoder, path string) {
	t.Helper()
	if strings.HasSuffix(path, ".rendered_fields") {
		var value map[string]any
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
		s.add(path, "object")
		return
	}
	token, err := decoder.Token()
	if err != nil {
		t.Fatal(err)
	}
	switch v := token.(type) {
	case json.Delim:
		var keys []string
		for decoder.More() {
			below := path + "[]"
			if v == '{' {
				key, err := decoder.Token()
				if err != nil {
					t.Fatal(err)
				}
				keys = append(keys, key.(string))
				below = path + "." + key.(string)
			}
			s.read(t, decoder, below)
		}
		if _, err := decoder.Token(); err != nil {
			t.Fatal(err)
		}
		if v == '{' {
			s.add(path, "{"+strings.Join(keys, " ")+"}")
			return
		}
		s.add(path, "array")
	case json.Number:
		if strings.Contains(v.String(), ".") || strings.Contains(v.String(), "e") {
			s.add(path, "float")
			return
		}
		s.add(path, "integer")
	case string:
		switch {
		case isDate.MatchString(v):
			s.add(path, "date "+isDate.FindStringSubmatch(v)[2])
		case isUUID.MatchString(v):
			s.add(path, "uuid7")
		default:
			s.add(path, "string")
		}
	default:
		s.add(path, fmt.Sprintf("%T", v)) // bool, <nil>
	}
}

// merge adds the types of another answer of the same endpoint.
func (s shape) merge(other shape) {
	for path, types := range other {
		for what := range types {
			s.add(path, what)
		}
	}
}

func (s shape) types(path string) []string { return slices.Sorted(maps.Keys(s[path])) }

// fillOneOfEach has an instance in every state, and all that may be null both
// null and not.
func fillOneOfEach(db *airflowtest.Database) {
	task := func(id string) airflowtest.Key { return airflowtest.Task("zoo", "r", id) }
	db.PutRun(airflowtest.DagRun{DagID: "zoo", RunID: "dated", LogicalDate: db.Now(), LastDecision: db.Now()})
	db.Add(airflowtest.Task("zoo", "dated", "t"), 0).Succeed()
	db.Add(task("none"), 0)
	db.Add(task("scheduled"), 0).Schedule()
	db.Add(task("queued"), 0).Enqueue().Executor = "other"
	db.Add(task("running"), 0).Start()
	db.Add(task("second_try"), 1).Fail().Start()
	db.Add(task("up_for_retry"), 1).Fail()
	db.Add(task("up_for_reschedule"), 0).Reschedule()
	db.Add(task("deferred"), 0).Defer()
	db.Add(task("skipped"), 0).Skip()
	db.Add(task("skipped_empty"), 0).SkipEmpty()
	db.Add(task("upstream_failed"), 0).FailUpstream()
	db.Add(task("empty"), 0).PassThrough()
	db.Add(task("failed"), 0).Fail()
	for _, ti := range db.Expand(db.Add(task("mapped"), 0).Key, 2) {
		ti.Succeed()
		ti.RenderedIndex = "item"
	}
	db.PutRun(airflowtest.DagRun{DagID: "zoo", RunID: "waits", State: airflowtest.Queued})
	ended := db.PutRun(airflowtest.DagRun{DagID: "zoo", RunID: "ended", TriggeringUser: "admin"}).Succeed()
	ended.LastDecision, ended.EndDate = db.Now(), ended.EndDate.Add(time.Millisecond)
	now := db.Now()
	db.PutDag(airflowtest.Dag{DagID: "zoo_cron", Schedule: "@daily", ScheduleText: "At 00:00", Tags: []string{"zoo"}, HasTaskLimits: true,
		NextLogicalDate: now, NextIntervalStart: now, NextIntervalEnd: now, NextRunAfter: now})
	db.PutDag(airflowtest.Dag{DagID: "zoo_delta", Every: 2 * time.Minute})
	db.PutPool(airflowtest.Pool{Name: "zoo_one", Description: "zoo", Slots: 1, IncludeDeferred: true})
}

// TestShapes compares keys, their order and all types with recorded answers:
// the server sends what Airflow sends, no less and no more. A real zoo holds
// more than this database does; what may be missing here is listed.
func TestShapes(t *testing.T) {
	rows := func(path string) string { return ".task_instances[]" + path }
	for _, test := range []struct {
		version string
		path    string
		files   []string
		missing []string // paths with types that the server does not send
	}{
		{"2.10.5", listV1 + "?limit=1000", []string{"all_post.json", "post_page_limit_5.json", "get_limit_5.json", "post_state_null.json"},
			[]string{rows(".sla_miss"), rows(".sla_miss.*")}},
		{"2.10.5", "/api/v1/pools", []string{"pools.json"}, []string{".pools[].description"}},
		{"2.11.2", "/api/v1/pools", []string{"list_pools.json"}, []string{".pools[].description"}},
		{"2.11.2", "/api/v1/health", []string{"health.json", "health_frozen.json"}, nil},
		{"2.11.2", "/health", []string{"health_root.json"}, nil},
		{"2.10.2", "/api/v1/health", []string{"health.json"}, nil},
		{"3.3.2", listV2 + "?limit=100&order_by=id", []string{"ti-limit1000.json", "ti-post-state-null.json"}, []string{rows(".trigger.kwargs")}},
		{"3.3.2", listV2 + "?limit=20&order_by=id&cursor=", []string{"ti-cursor-p1.json", "ti-limit1000.json"},
			[]string{".total_entries_limit", ".next_cursor"}},
		{"3.3.2", listV2 + "?limit=0", []string{"ti-limit0.json"}, nil},
		{"2.11.2", "/api/v1/dags/~/dagRuns", []string{"list_dagRuns.json", "list_dagRuns_limit0.json"}, []string{".dag_runs[].note", ".dag_runs[].conf*"}},
		{"2.11.2", "/api/v1/dags?only_active=false", []string{"list_dags.json"}, nil},
		{"3.3.2", "/api/v2/dags/~/dagRuns?limit=100", []string{"dagruns.json"}, nil},
		{"3.3.2", "/api/v2/dags/~/dagRuns?limit=1&cursor=", []string{"dagruns-cursor.json"}, []string{".dag_runs[]*"}},
		{"3.3.2", "/api/v2/dags", []string{"dags.json"}, []string{".dags[].description"}},
		{"3.3.2", "/api/v2/dags/zoo/dagRuns/r/taskInstances/second_try/tries", []string{"tries-3.json", "tries-null.json", "tries-running.json"}, []string{rows(".*")}},
		{"3.3.2", "/api/v2/pools", []string{"pools.json"}, nil},
		{"3.3.2", "/api/v2/monitor/health", []string{"health.json"}, nil},
	} {
		t.Run(test.version+" "+test.path, func(t *testing.T) {
			c := start(t, airflowtest.Options{Version: test.version}, fillOneOfEach)
			answer := c.get(test.path)
			if answer.status != http.StatusOK {
				t.Fatalf("%d %s", answer.status, answer.body)
			}
			got, want := shapeOf(t, answer.body), shape{}
			for _, file := range test.files {
				want.merge(shapeOf(t, recorded(t, test.version, file)))
			}
			compareShapes(t, got, want, test.missing)
		})
	}
}

func compareShapes(t *testing.T, got, want shape, missing []string) {
	t.Helper()
	for path := range got {
		for _, what := range got.types(path) {
			if !want[path][what] {
				t.Errorf("%s is %s, which Airflow never sends there; it sends %q", path, what, want.types(path))
			}
		}
	}
	for path := range want {
		excused := slices.ContainsFunc(missing, func(m string) bool {
			prefix, all := strings.CutSuffix(m, "*")
			return path == m || (all && strings.HasPrefix(path, prefix))
		})
		for _, what := range want.types(path) {
			if !got[path][what] && !excused {
				t.Errorf("%s is never %s, which Airflow sends there", path, what)
			}
		}
	}
}

// TestTriggerShapes compares a deferred row with the recorded one.
func TestTriggerShapes(t *testing.T) {
	for _, version := range []string{"2.10.2", "2.10.5", "2.11.2", "3.3.2"} {
		c := start(t, airflowtest.Options{Version: version}, func(db *airflowtest.Database) {
			db.Add(airflowtest.Task("d", "r", "t"), 0).Defer()
		})
		var page struct {
			Rows []json.RawMessage `json:"task_instances"`
		}
		if err := json.Unmarshal([]byte(c.get(c.path()).body), &page); err != nil {
			t.Fatal(err)
		}
		file := "ti_deferred.json"
		if version[0] == '3' {
			file = "ti-deferred.json"
		}
		compareShapes(t, shapeOf(t, string(page.Rows[0])), shapeOf(t, recorded(t, version, file)), nil)
	}
}
