package airflowtest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// dags asks for DAGs; their ids, with their number unless it is the total.
func (c *client) dags(query string) string {
	c.t.Helper()
	r := c.get(strings.TrimSuffix(c.path(), "/~/dagRuns/~/taskInstances") + "?" + query)
	if r.status != http.StatusOK {
		return fmt.Sprint(r.status)
	}
	var body struct {
		Dags []struct {
			ID string `json:"dag_id"`
		} `json:"dags"`
		Total *int `json:"total_entries"`
	}
	if err := json.Unmarshal([]byte(r.body), &body); err != nil {
		c.t.Fatal(err)
	}
	var ids []string
	for _, d := range body.Dags {
		ids = append(ids, d.ID)
	}
	text := strings.Join(ids, " ")
	switch {
	case body.Total == nil:
		return text + " of ?"
	case *body.Total != len(ids):
		return fmt.Sprint(text, " of ", *body.Total)
	}
	return text
}

func TestDagLists(t *testing.T) {
	fill := func(db *airflowtest.Database) {
		db.PutDag(airflowtest.Dag{DagID: "c", Paused: true, Tags: []string{"x"}})
		db.PutDag(airflowtest.Dag{DagID: "b", Stale: true, Tags: []string{"x", "y"}})
		db.Add(airflowtest.Task("a", "r", "t"), 0)
	}
	for _, test := range []struct{ version, query, want string }{
		{"2.11.2", "", "a c"},
		{"2.11.2", "only_active=false", "a b c"},
		{"2.11.2", "only_active=true&paused=true", "c"},
		{"2.11.2", "paused=false", "a"},
		{"2.11.2", "tags=y,x&only_active=false", "b c"},
		{"2.11.2", "order_by=-dag_id&limit=1", "c of 2"},
		{"2.11.2", "limit=0", "a c"},
		{"2.11.2", "limit=1&offset=1&fields=dag_id,is_paused", "c of 2"},
		{"2.10.2", "fields=dag_id", "a c of ?"},
		{"2.11.2", "exclude_stale=false", "400"},
		{"2.11.2", "paused=perhaps", "400"},
		{"2.11.2", "order_by=owners", "400"},
		{"2.11.2", "dag_id_pattern=A", "a"},
		{"3.3.2", "dag_id_pattern=_", "a c"},
		{"3.3.2", "", "a c"},
		{"3.3.2", "exclude_stale=false&order_by=dag_id", "a b c"},
		{"3.3.2", "paused=true", "c"},
		{"3.3.2", "tags=x&exclude_stale=false", "b c"},
		{"3.3.2", "only_active=false&fields=dag_id", "a c"}, // ignored
		{"3.3.2", "limit=0", " of 2"},
		{"3.3.2", "limit=1&offset=1&order_by=-dag_id", "a of 2"},
		{"3.3.2", "paused=perhaps", "422"},
		{"3.3.2", "order_by=bogus", "400"},
		{"3.3.2", "owners=airflow", "501"},
	} {
		c := start(t, airflowtest.Options{Version: test.version}, fill)
		if got := c.dags(test.query); got != test.want {
			t.Errorf("%s %s: %q, want %q", test.version, test.query, got, test.want)
		}
	}
}

// One DAG is told whether it is stale or not; of none the answer is that of a real server.
func TestOneDag(t *testing.T) {
	some := []airflowtest.User{{Name: "u", Password: "u", Rights: airflowtest.Viewer, DagIDs: []string{"stale"}}}
	fill := func(db *airflowtest.Database) {
		db.PutDag(airflowtest.Dag{DagID: "stale", Stale: true})
		db.PutDag(airflowtest.Dag{DagID: "other"})
	}
	for _, test := range []struct{ version, missing string }{{"2.11.2", "e404_dag.json"}, {"3.3.2", "dag-404.json"}} {
		c, api := start(t, airflowtest.Options{Version: test.version}, fill), "/api/v"+map[byte]string{'2': "1", '3': "2"}[test.version[0]]
		if got := c.get(api + "/dags/nope"); got.status != http.StatusNotFound || got.body != recorded(t, test.version, test.missing) {
			t.Errorf("%s: %d %s", test.version, got.status, got.body)
		}
		if got := c.get(api + "/dags/stale"); got.status != http.StatusOK || !strings.Contains(got.body, `"stale"`) {
			t.Errorf("%s: %d %s", test.version, got.status, got.body)
		}
		c = start(t, airflowtest.Options{Version: test.version, Users: some}, fill)
		if test.version[0] == '2' {
			c = c.as(basic("u", "u"))
		} else {
			c = c.logIn("u", "u")
		}
		if stale, other := c.get(api+"/dags/stale").status, c.get(api+"/dags/other").status; stale != http.StatusOK || other != http.StatusForbidden {
			t.Errorf("%s: %d, %d", test.version, stale, other)
		}
	}
}

func TestDagsOfRestrictedUsers(t *testing.T) {
	some := []airflowtest.User{{Name: "u", Password: "u", Rights: airflowtest.Viewer, DagIDs: []string{"b"}}}
	fill := func(db *airflowtest.Database) {
		db.PutDag(airflowtest.Dag{DagID: "a"})
		db.PutDag(airflowtest.Dag{DagID: "b"})
	}
	v1 := start(t, airflowtest.Options{Version: "2.11.2", Users: some}, fill).as(basic("u", "u"))
	v2 := start(t, airflowtest.Options{Version: "3.3.2", Users: some}, fill).logIn("u", "u")
	if a, b := v1.dags(""), v2.dags(""); a != "b" || b != "b" {
		t.Errorf("%q, %q", a, b)
	}
}
