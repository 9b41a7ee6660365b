//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// asking is an exporter that asks early why instances wait, and for all of them at once.
func asking(a *installation) settings {
	cfg := leastRights(a)
	cfg.collector = []string{"fanout: 200", "blocked:", "  after: 1s"}
	return cfg
}

// blocked is why the task instances of the zoo wait, by "dag_id/task_id reason".
func blocked() map[string]int {
	return map[string]int{
		"zoo_pools/waits pool_slots":           1,
		"zoo_pools/waits_zero pool_slots":      1,
		"zoo_pools/too_large pool_slots":       1,
		"zoo_pools/late_first pool_slots":      1,
		"zoo_pools/no_such_pool missing_pool":  1,
		"zoo_wide/waits pool_slots":            150,
		"zoo_limits/one dag_concurrency":       1, // the same instance counts under both
		"zoo_limits/one task_concurrency":      1,
		"zoo_turns/second dag_concurrency":     1,
		"zoo_turns/first dag_run_not_running":  1,
		"zoo_turns/second dag_run_not_running": 1,
		"zoo_paused/never dag_run_not_running": 1, // no run of a paused DAG starts
	}
}

// testBlocked sees each wait of the zoo under its reason, and no other; then some DAGs are paused.
func testBlocked(t *testing.T, a *installation) {
	e, _ := asking(a).start(t)
	eventuallyBlocked(t, e, blocked(), 160)

	for _, dag := range []string{"zoo_turns", "zoo_mapped", "zoo_wide"} {
		if err := a.pause(t.Context(), dag, true); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := a.pause(context.WithoutCancel(t.Context()), dag, false); err != nil {
				t.Error(err)
			}
		}()
	}
	want := blocked()
	delete(want, "zoo_turns/second dag_concurrency")
	delete(want, "zoo_wide/waits pool_slots")
	maps.Copy(want, map[string]int{
		"zoo_turns/second dag_paused":        1,
		"zoo_wide/waits dag_paused":          150,
		"zoo_wide/none dag_paused":           1,
		"zoo_mapped/not_expanded dag_paused": 1,
	})
	another, _ := asking(a).start(t) // the first one may believe for a minute that they are not paused
	eventuallyBlocked(t, another, want, 162)
}

// eventuallyBlocked wants these reasons, by "dag_id/task_id reason", no other ones, and no instance without.
func eventuallyBlocked(t *testing.T, e *exporter, reasons map[string]int, instances float64) {
	t.Helper()
	want := series{
		`airflow_task_instances_waiting{examined="true"}`:           instances,
		`airflow_task_instances_waiting{examined="false"}`:          0,
		`airflow_exporter_collector_success{collector="blocked"}`:   1,
		`airflow_exporter_collector_truncated{collector="blocked"}`: 0,
	}
	for key, n := range reasons {
		where, reason, _ := strings.Cut(key, " ")
		dag, task, _ := strings.Cut(where, "/")
		want[seriesKey("airflow_task_instances_blocked", map[string]string{"dag_id": dag, "task_id": task, "reason": reason})] = float64(n)
	}
	if err := poll(t.Context(), 2*time.Minute, func(ctx context.Context) error {
		s, err := e.scrape(ctx)
		if err != nil {
			return err
		}
		errs := []error{s.has(want)}
		for key, v := range s.family("airflow_task_instances_blocked") {
			if _, ok := want[key]; !ok {
				errs = append(errs, fmt.Errorf("unexpected: %s %v", key, v))
			}
		}
		return errors.Join(errs...)
	}); err != nil {
		t.Fatal(err)
	}
}

// testAskingChangesNothing asks why the instances of the frozen zoo wait. The scheduler looks alive, as otherwise nothing
// would be asked, but it cannot move: whatever changes in a task instance has been changed by asking.
func testAskingChangesNothing(t *testing.T, a *installation) {
	beat := func(ctx context.Context) error {
		_, err := a.pg.exec(ctx, a.db, `set lock_timeout = '5s'; update job set latest_heartbeat = now() where job_type = 'SchedulerJob' and state = 'running'`)
		return err
	}
	if err := beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, err := a.taskInstances(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	e, _ := asking(a).start(t)
	if err := poll(t.Context(), 2*time.Minute, func(ctx context.Context) error {
		if err := beat(ctx); err != nil {
			return err
		}
		s, err := e.scrape(ctx)
		if err != nil {
			return err
		}
		return s.has(series{
			seriesKey("airflow_component_healthy", map[string]string{"component": "scheduler"}): 1,
			`airflow_task_instances_waiting{examined="true"}`:                                   160,
			`airflow_task_instances_waiting{examined="false"}`:                                  0,
		})
	}); err != nil {
		t.Fatal(err)
	}
	asked := 0.0
	for key, n := range mustScrape(t, e).family("airflow_exporter_api_requests_total") {
		if strings.Contains(key, `/dependencies"`) {
			t.Logf("%s %v", key, n)
			asked += n
		}
	}
	if asked == 0 {
		t.Error("nothing was asked: nothing was tested")
	}

	after, err := a.taskInstances(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if before[key] != after[key] {
			t.Errorf("%s was changed by asking\nfrom %s\nto   %s", key, before[key], after[key])
		}
	}
	if len(before) != len(after) {
		t.Errorf("there were %d task instances, now there are %d", len(before), len(after))
	}
	t.Logf("asked %v times about %d task instances", asked, len(before))
}

// taskInstances are all rows of the database, whole.
func (a *installation) taskInstances(ctx context.Context) (map[string]string, error) {
	rows := map[string]string{}
	err := a.pg.query(ctx, a.db, `select json_object_agg(concat_ws(' ', dag_id, run_id, task_id, map_index), to_jsonb(t)::text) from task_instance t`, &rows)
	return rows, err
}
