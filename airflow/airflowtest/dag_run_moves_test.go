package airflowtest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// TestRunMoves tells what a run and its instances look like after each move:
// state, queued, start and end of the run in minutes, and the instances.
func TestRunMoves(t *testing.T) {
	type run = airflowtest.DagRun
	type move struct {
		do   func(*run)
		want string
	}
	each := func(do func(*ti)) func(*run) {
		return func(r *run) {
			for _, x := range r.Instances() {
				do(x)
			}
		}
	}
	first := func(do func(*ti)) func(*run) { return func(r *run) { do(r.Instances()[0]) } }
	begin := func(r *run) { r.Start() }
	settle := func(r *run) { r.Settle() }
	clearAll := func(r *run) { r.Clear() }
	succeed := each(func(x *ti) { x.Succeed() })
	for _, test := range []struct {
		name, version string
		moves         []move
	}{
		{"ends by its instances", "3.3.2", []move{
			{settle, "queued 0 - - null null"},
			{begin, "running 0 2 - null null"},
			{settle, "running 0 2 - null null"},
			{first(func(x *ti) { x.Succeed() }), "running 0 2 - success null"},
			{settle, "running 0 2 - success null"},
			{func(r *run) { r.Instances()[1].FailUpstream() }, "running 0 2 - success upstream_failed"},
			{settle, "failed 0 2 7 success upstream_failed"},
			{settle, "failed 0 2 7 success upstream_failed"},
		}},
		{"is cleared", "3.3.2", []move{
			{begin, "running 0 1 - null null"},
			{succeed, "running 0 1 - success success"},
			{settle, "success 0 1 3 success success"},
			{clearAll, "queued 4 - - null null"},
			{begin, "running 4 5 - null null"},
		}},
		{"is queued when an instance is cleared", "2.11.2", []move{
			{begin, "running 0 1 - null null"},
			{succeed, "running 0 1 - success success"},
			{first(func(x *ti) { x.Clear() }), "running 0 1 - null success"},
			{first(func(x *ti) { x.Succeed() }), "running 0 1 - success success"},
			{settle, "success 0 1 5 success success"},
			{first(func(x *ti) { x.ClearByAPI() }), "queued 6 - - null success"},
		}},
		{"is marked as failed", "3.3.2", []move{
			{begin, "running 0 1 - null null"},
			{first(func(x *ti) { x.Start() }), "running 0 1 - running null"},
			{func(r *run) { r.Fail() }, "failed 0 1 3 failed skipped"},
			{func(r *run) { r.Succeed() }, "success 0 1 3 success success"}, // it has ended before
		}},
		{"is marked before it begins", "3.3.2", []move{
			{func(r *run) { r.Succeed() }, "success 0 1 1 success success"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			origin := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
			now := origin
			server := airflowtest.Start(t, airflowtest.Options{Version: test.version, Clock: func() time.Time { return now }})
			server.Update(func(db *airflowtest.Database) {
				r := db.PutRun(run{DagID: "d", RunID: "r", State: airflowtest.Queued})
				db.Add(airflowtest.Task("d", "r", "a"), 0)
				db.Add(airflowtest.Task("d", "r", "b"), 0)
				minute := func(at time.Time) string {
					if at.IsZero() {
						return "-"
					}
					return fmt.Sprint(at.Sub(origin).Minutes())
				}
				for i, move := range test.moves {
					now = now.Add(time.Minute)
					move.do(r)
					got := []string{r.State, minute(r.QueuedAt), minute(r.StartDate), minute(r.EndDate)}
					for _, x := range r.Instances() {
						if x.State == airflowtest.NoStatus {
							got = append(got, "null")
						} else {
							got = append(got, x.State)
						}
					}
					if got := strings.Join(got, " "); got != move.want {
						t.Fatalf("move %d: %s, want %s", i+1, got, move.want)
					}
				}
			})
		})
	}
}

func TestRunsAreMadeDeletedAndReplaced(t *testing.T) {
	now := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	for _, version := range []string{"2.11.2", "3.3.2"} {
		c := start(t, airflowtest.Options{Version: version, Clock: func() time.Time { return now }}, func(db *airflowtest.Database) {
			db.Add(airflowtest.Task("d", "first", "t"), 0)
			db.Add(airflowtest.Task("d", "gone", "t"), 0)
			db.PutRun(airflowtest.DagRun{DagID: "d", RunID: "last", State: airflowtest.Success})
			db.PutRun(airflowtest.DagRun{DagID: "d", RunID: "first", State: airflowtest.Failed})
			db.DeleteRun("d", "gone")
			db.DeleteRun("d", "never there")
			if runs := db.Runs(); len(runs) != 2 || runs[0].RunID != "first" || !runs[0].EndDate.Equal(now) || runs[0].Type != airflowtest.RunManual {
				t.Errorf("%s: %+v", version, runs)
			}
			if len(db.TaskInstances()) != 1 || db.Run("d", "gone") != nil {
				t.Errorf("%s: instances of a run that is gone", version)
			}
		})
		if got := c.runs("~", "", "").ids(); got != "first last" {
			t.Errorf("%s: %s", version, got)
		}
		if got := len(c.list("").Rows); got != 1 {
			t.Errorf("%s: %d instances", version, got)
		}
	}
}

// What a run that is given by its date alone looks like: the data interval, and
// the moment when it may begin.
func TestDatesOfRuns(t *testing.T) {
	now := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	date := now.Add(-24 * time.Hour)
	for _, test := range []struct {
		version, kind           string
		date, after, start, end time.Time
		noInterval              bool
	}{
		{version: "2.11.2", kind: airflowtest.RunManual, after: now, start: now, end: now},
		{version: "2.11.2", kind: airflowtest.RunScheduled, date: date, after: date, start: date, end: date},
		{version: "3.3.2", kind: airflowtest.RunManual, after: now, noInterval: true},
		{version: "3.3.2", kind: airflowtest.RunManual, date: date, after: now, start: date, end: date},
		{version: "3.3.2", kind: airflowtest.RunBackfill, date: date, after: date, start: date, end: date},
	} {
		server := airflowtest.Start(t, airflowtest.Options{Version: test.version, Clock: func() time.Time { return now }})
		server.Update(func(db *airflowtest.Database) {
			r := db.PutRun(airflowtest.DagRun{DagID: "d", RunID: "r", Type: test.kind, LogicalDate: test.date})
			if !r.RunAfter.Equal(test.after) || !r.IntervalStart.Equal(test.start) || !r.IntervalEnd.Equal(test.end) || r.IntervalStart.IsZero() != test.noInterval {
				t.Errorf("%s %s: %+v", test.version, test.kind, r)
			}
		})
	}
}
