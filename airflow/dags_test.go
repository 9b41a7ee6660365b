package airflow_test

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

func moment(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return at
}

// Every field of some recorded DAGs: a plain one, one with a cron expression,
// one with a time delta, one triggered by data, one held back by its active runs.
func TestRecordedDags(t *testing.T) {
	for version, tc := range map[string]struct {
		file string
		rows int
		want []airflow.Dag
	}{
		"2.11.2": {"list_dags.json", 21, []airflow.Dag{
			{DagID: "zoo.dotted-id", Owners: []string{"alice", "bob"}, Tags: []string{"日本", "Etikett mit Leerzeichen", "zoo"}, MaxActiveRuns: 16},
			{DagID: "zoo_cron", Owners: []string{"alice", "bob"}, Tags: []string{"日本", "Etikett mit Leerzeichen", "zoo"}, MaxActiveRuns: 16,
				Schedule: "*/5 * * * *", HasTimeSchedule: true, NextLogicalDate: moment("2026-11-24T08:20:00Z"),
				NextIntervalStart: moment("2026-11-24T08:20:00Z"), NextIntervalEnd: moment("2026-11-24T08:25:00Z"), NextRunAfter: moment("2026-11-24T08:25:00Z")},
			{DagID: "zoo_sla", Owners: []string{"ops"}, Tags: []string{"zoo"}, MaxActiveRuns: 2,
				Schedule: "0:02:00", HasTimeSchedule: true, NextLogicalDate: moment("2026-11-24T08:20:00Z"),
				NextIntervalStart: moment("2026-11-24T08:20:00Z"), NextIntervalEnd: moment("2026-11-24T08:22:00Z"), NextRunAfter: moment("2026-11-24T08:22:00Z")},
			{DagID: "zoo_consumer", Owners: []string{"alice", "bob"}, Tags: []string{"日本", "Etikett mit Leerzeichen", "zoo"}, MaxActiveRuns: 16, Schedule: "Dataset"},
			{DagID: "zoo_depends_on_past", Owners: []string{"ops"}, Tags: []string{"blocked", "zoo"}, MaxActiveRuns: 3,
				Schedule: "@daily", HasTimeSchedule: true, NextLogicalDate: moment("2026-11-23T00:00:00Z"),
				NextIntervalStart: moment("2026-11-23T00:00:00Z"), NextIntervalEnd: moment("2026-11-24T00:00:00Z")},
			{DagID: "zoo_paused", Paused: true, Owners: []string{"ops"}, Tags: []string{"blocked", "zoo"}, MaxActiveRuns: 16},
		}},
		"3.3.2": {"dags.json", 18, []airflow.Dag{
			{DagID: "zoo_states", Owners: []string{"bob", "alice"}, Tags: []string{"team:data", "zoo", "ümläut"}, MaxActiveRuns: 16},
			{DagID: "zoo_daily", Owners: []string{"zoo-keeper"}, Tags: []string{"zoo"}, MaxActiveRuns: 16,
				Schedule: "0 0 * * *", HasTimeSchedule: true, NextLogicalDate: moment("2026-11-25T00:00:00Z"),
				NextIntervalStart: moment("2026-11-25T00:00:00Z"), NextIntervalEnd: moment("2026-11-25T00:00:00Z"), NextRunAfter: moment("2026-11-25T00:00:00Z")},
			{DagID: "zoo_asset_consumer", Owners: []string{"zoo-keeper"}, Tags: []string{"zoo"}, MaxActiveRuns: 16, Schedule: "Asset"},
			{DagID: "zoo_writes", Paused: true, Owners: []string{"zoo-keeper"}, Tags: []string{"blocked", "zoo"}, MaxActiveRuns: 16},
		}},
	} {
		t.Run(version, func(t *testing.T) {
			client := recorded(t, version, map[string]string{"version": "version.json", "dags": tc.file})
			dags, err := client.Dags(t.Context(), airflow.DagQuery{Tags: true})
			if err != nil || len(dags) != tc.rows {
				t.Fatalf("%d DAGs, %v, want %d", len(dags), err, tc.rows)
			}
			byID := map[string]airflow.Dag{}
			for _, d := range dags {
				byID[d.DagID] = d
				if heldBack := d.DagID == "zoo_depends_on_past"; d.HeldBack() != heldBack {
					t.Errorf("%s is held back: %v", d.DagID, d.HeldBack())
				}
			}
			for _, want := range tc.want {
				if got := byID[want.DagID]; fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
					t.Errorf("got  %+v\nwant %+v", got, want)
				}
			}
		})
	}
}

// One DAG is read as its row in the listing is.
func TestRecordedDag(t *testing.T) {
	for version, files := range map[string][2]string{"2.11.2": {"list_dag_get.json", "list_dags.json"}, "3.3.2": {"dag-one.json", "dags.json"}} {
		client := recorded(t, version, map[string]string{"version": "version.json", "dags/zoo_cron": files[0], "dags": files[1]})
		got, err := client.Dag(t.Context(), "zoo_cron")
		if err != nil {
			t.Fatal(err)
		}
		all, err := client.Dags(t.Context(), airflow.DagQuery{Tags: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range all {
			if want.DagID == "zoo_cron" && !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got  %+v\nwant %+v", version, got, want)
			}
		}
	}
}

// fillDags adds so many DAGs, of which every tenth is stale.
func fillDags(n int) func(db *airflowtest.Database) {
	return func(db *airflowtest.Database) {
		for i := range n {
			db.PutDag(airflowtest.Dag{DagID: fmt.Sprintf("dag_%03d", i), Stale: i%10 == 9, Tags: []string{"t"}})
		}
	}
}

// All pages are read, stale DAGs are left out, and tags cost only when asked for.
func TestDagsAreListedCompletely(t *testing.T) {
	for _, version := range []string{"2.10.2", "2.10.5", "2.11.2", "3.0.6", "3.3.2"} {
		for _, n := range []int{0, 1, 110, 111, 112, 250} {
			server := airflowtest.Start(t, airflowtest.Options{Version: version})
			server.Update(fillDags(n))
			client := connect(t, server, nil)
			dags, err := client.Dags(t.Context(), airflow.DagQuery{})
			if err != nil || len(dags) != n-n/10 {
				t.Errorf("%s, %d: %d DAGs, %v", version, n, len(dags), err)
			}
			for i, d := range dags {
				if want := fmt.Sprintf("dag_%03d", i+i/9); d.DagID != want {
					t.Errorf("%s: %s, want %s", version, d.DagID, want)
				}
				if (d.Tags == nil) != (version[0] == '2') {
					t.Errorf("%s: tags %v", version, d.Tags)
				}
			}
			if dags, err = client.Dags(t.Context(), airflow.DagQuery{Tags: true}); err != nil || n > 0 && !reflect.DeepEqual(dags[0].Tags, []string{"t"}) {
				t.Errorf("%s: %v, %v", version, dags, err)
			}
		}
	}
}

// What comes or goes between two pages is seen, whatever the total says.
func TestDagsThatMoveWhileTheyAreListed(t *testing.T) {
	for name, move := range map[string]func(db *airflowtest.Database){
		"one comes": func(db *airflowtest.Database) { db.PutDag(airflowtest.Dag{DagID: "aaa"}) },
		"one goes":  func(db *airflowtest.Database) { db.Dag("dag_000").Stale = true },
		"one goes, another comes": func(db *airflowtest.Database) {
			db.Dag("dag_000").Stale = true
			db.PutDag(airflowtest.Dag{DagID: "zzz"})
		},
		"the second page goes": func(db *airflowtest.Database) {
			for i := 100; i < 200; i++ {
				db.Dag(fmt.Sprintf("dag_%03d", i)).Stale = true
			}
			db.Dag("dag_000").Stale = true
		},
	} {
		server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2"})
		server.Update(fillDags(200))
		client := connect(t, server, nil)
		server.Inject(func(r *http.Request) bool {
			if r.URL.Query().Get("offset") == "99" {
				server.Update(move)
			}
			return false
		}, airflowtest.Fault{})
		dags, err := client.Dags(t.Context(), airflow.DagQuery{})
		if _, ok := errors.AsType[*airflow.IncompleteError](err); !ok || dags != nil {
			t.Errorf("%s: %d DAGs, %v, want an IncompleteError", name, len(dags), err)
		}
	}
}

// A listing that claims more than it ever sends is no listing.
func TestDagsThatAreNeverSent(t *testing.T) {
	for body, want := range map[string]string{
		`{"dags":[],"total_entries":1}`:                                                       "holds 0 of 1 rows",
		`{"dags":[{"dag_id":"a","is_paused":false}],"total_entries":2}`:                       "holds 1 of 2 rows",
		`{"dags":[{"is_paused":false}],"total_entries":1}`:                                    "row 0: a DAG without dag_id",
		`{"dags":[{"dag_id":"a"}],"total_entries":1}`:                                         "row 0: a DAG without is_paused",
		`{"dags":[{"dag_id":"a","is_paused":false,"schedule_interval":7}],"total_entries":1}`: "schedule_interval",
	} {
		client := newClient(t, answer(t, send(200, "application/json", body)), nil)
		if dags, err := client.Dags(t.Context(), airflow.DagQuery{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %s", body, dags, err, want)
		}
	}
}

// A DAG can be asked for whether it is listed or not, and what is not there is an error.
func TestOneDag(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.3.2"} {
		server := airflowtest.Start(t, airflowtest.Options{Version: version})
		server.Update(func(db *airflowtest.Database) {
			db.PutDag(airflowtest.Dag{DagID: "größe", Stale: true, Schedule: "@daily", Tags: []string{}})
		})
		client := connect(t, server, nil)
		if d, err := client.Dag(t.Context(), "größe"); err != nil || d.DagID != "größe" || d.Schedule != "@daily" || d.Tags == nil {
			t.Errorf("%s: %+v, %v", version, d, err)
		}
		_, err := client.Dag(t.Context(), "nope")
		if e, ok := errors.AsType[*airflow.Error](err); !ok || e.Status != http.StatusNotFound {
			t.Errorf("%s: %v", version, err)
		}
	}
}

// Schedules of Airflow 2 read as Airflow 3 would sum them up.
func TestScheduleSummaries(t *testing.T) {
	for interval, want := range map[string]string{
		`null`: "",
		`{"__type":"CronExpression","value":"@daily"}`:                                                 "@daily",
		`{"__type":"CronExpression","value":"Dataset or 0 0 * * *"}`:                                   "Dataset or 0 0 * * *",
		`{"__type":"CronExpression","value":"None"}`:                                                   "",
		`{"__type":"TimeDelta","days":0,"seconds":120,"microseconds":0}`:                               "0:02:00",
		`{"__type":"TimeDelta","days":1,"seconds":0,"microseconds":0}`:                                 "1 day, 0:00:00",
		`{"__type":"TimeDelta","days":14,"seconds":45296,"microseconds":500}`:                          "14 days, 12:34:56.000500",
		`{"__type":"RelativeDelta","months":1,"days":0,"day":null,"leapdays":0}`:                       "relativedelta(months=+1)",
		`{"__type":"RelativeDelta","months":-1,"days":2,"day":31,"hour":0,"minutes":0,"weekday":null}`: "relativedelta(months=-1, days=+2, day=31, hour=0)",
	} {
		row := fmt.Sprintf(`{"dag_id":"a","is_paused":false,"schedule_interval":%s}`, interval)
		client := newClient(t, answer(t, send(200, "application/json", `{"dags":[`+row+`],"total_entries":1}`)), nil)
		dags, err := client.Dags(t.Context(), airflow.DagQuery{})
		if err != nil || dags[0].Schedule != want {
			t.Errorf("%s: %v, %v, want %q", interval, dags, err, want)
		}
		if timed := want != ""; err == nil && dags[0].HasTimeSchedule != timed {
			t.Errorf("%s has a time schedule: %v", interval, dags[0].HasTimeSchedule)
		}
	}
}
