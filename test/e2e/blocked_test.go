//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

// allAnswered is how long to wait for answers about all that waits: a question that got none is asked again after two minutes.
const allAnswered = 5 * time.Minute

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
		"zoo_paused/never dag_paused":          1,
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
		"zoo_turns/first dag_paused":         1, // those of the queued run count under both
		"zoo_turns/second dag_paused":        2,
		"zoo_wide/waits dag_paused":          150,
		"zoo_wide/none dag_paused":           1,
		"zoo_mapped/not_expanded dag_paused": 1,
	})
	another, _ := asking(a).start(t) // the first one may believe for five minutes that they are not paused
	eventuallyBlocked(t, another, want, 162)
}

// eventuallyBlocked wants these reasons, by "dag_id/task_id reason", no other ones, and no instance without.
func eventuallyBlocked(t *testing.T, e *exporter, reasons map[string]int, instances float64) {
	t.Helper()
	if err := poll(t.Context(), allAnswered, func(ctx context.Context) error {
		s, err := e.scrape(ctx)
		if err != nil {
			return err
		}
		return isBlocked(s, reasons, instances)
	}); err != nil {
		t.Fatal(err)
	}
}

// isBlocked tells how a scrape differs from these reasons of so many waiting instances.
func isBlocked(s series, reasons map[string]int, instances float64) error {
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
	errs := []error{s.has(want)}
	for key, v := range s.family("airflow_task_instances_blocked") {
		if _, ok := want[key]; !ok {
			errs = append(errs, fmt.Errorf("unexpected: %s %v", key, v))
		}
	}
	return errors.Join(errs...)
}

// testAskingChangesNothing asks why the scheduled instances of the frozen zoo wait. The scheduler cannot move: whatever
// changes in a task instance has been changed by asking.
func testAskingChangesNothing(t *testing.T, a *installation) {
	before, err := a.taskInstances(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e, _ := asking(a).start(t)
	eventually(t, e, allAnswered, series{
		seriesKey("airflow_component_healthy", map[string]string{"component": "scheduler"}): 1,
		`airflow_task_instances_waiting{examined="true"}`:                                   160,
		`airflow_task_instances_waiting{examined="false"}`:                                  0,
	})
	asked := dependenciesCalls(mustScrape(t, e))
	if asked == 0 {
		t.Error("nothing was asked: nothing was tested")
	}
	a.unchanged(t, before)
	t.Logf("asked %v times about %d task instances", asked, len(before))
}
