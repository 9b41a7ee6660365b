//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// counting is an exporter that shows new counts soon, waits for no budget and asks nothing else that costs.
func counting(a *installation) settings {
	cfg := leastRights(a)
	cfg.collector = []string{"seed_hold: 1s", "sweep: 30s", "fanout: 50", "blocked:", "  enabled: false"}
	return cfg
}

// leastRights is the account with the fewest rights that are enough.
func leastRights(a *installation) settings {
	user := "viewer"
	if a.isV1() {
		user = "exporter"
	}
	cfg := account(a, user)
	cfg.airflow = []string{"requests_per_second: 100", "burst: 100"}
	return cfg
}

// counted is what the runs of testCounters add to the counters, by DAG.
var counted = map[string]series{
	// twice, with the task clear_me cleared once after its success
	"zoo_counts": {
		finishedKey("zoo_counts", "third_attempt", "success"):           2 * 1,
		retriesKey("zoo_counts", "third_attempt"):                       2 * 2,
		finishedKey("zoo_counts", "fails", "failed"):                    2 * 1,
		retriesKey("zoo_counts", "fails"):                               2 * 2,
		finishedKey("zoo_counts", "upstream_failed", "upstream_failed"): 2 * 1,
		finishedKey("zoo_counts", "clear_me", "success"):                2 * 2, // a clear is no retry
		finishedKey("zoo_counts", "mapped", "success"):                  2 * 3,
		retriesKey("zoo_counts", "mapped"):                              2 * 1,
		finishedKey("zoo_counts", "branch", "success"):                  2 * 1,
		finishedKey("zoo_counts", "taken", "success"):                   2 * 1,
		finishedKey("zoo_counts", "not_taken", "skipped"):               2 * 1,
		finishedKey("zoo_counts", "skips_itself", "skipped"):            2 * 1,
		durationKey("zoo_counts", "success"):                            2 * (1 + 2 + 3 + 1 + 1),
		durationKey("zoo_counts", "failed"):                             2 * (2 + 3 + 1),
		finishedRuns("zoo_counts", "manual", "failed"):                  2 + 1, // one of them was cleared when it had ended
	},
	// once, and all of it once more after a clear
	"zoo_again": {
		finishedKey("zoo_again", "fails_second", "success"):                1,
		finishedKey("zoo_again", "fails_second", "failed"):                 1,
		finishedKey("zoo_again", "after_failure", "success"):               1,
		finishedKey("zoo_again", "after_failure", "upstream_failed"):       1, // with the dates of its success
		finishedKey("zoo_again", "empty_after_failure", "success"):         1,
		finishedKey("zoo_again", "empty_after_failure", "upstream_failed"): 1,
		finishedKey("zoo_again", "far_after_failure", "success"):           1,
		finishedKey("zoo_again", "far_after_failure", "upstream_failed"):   1,
		finishedKey("zoo_again", "skips_second", "success"):                1,
		finishedKey("zoo_again", "skips_second", "skipped"):                1,
		finishedKey("zoo_again", "after_skip", "success"):                  1,
		finishedKey("zoo_again", "after_skip", "skipped"):                  1, // with the dates of its success
		finishedKey("zoo_again", "branch", "success"):                      2,
		finishedKey("zoo_again", "taken_first", "success"):                 1,
		finishedKey("zoo_again", "taken_first", "skipped"):                 1,
		finishedKey("zoo_again", "taken_second", "skipped"):                1,
		finishedKey("zoo_again", "taken_second", "success"):                1,
		durationKey("zoo_again", "success"):                                6 + 2 + 1 + 1,
		durationKey("zoo_again", "failed"):                                 1,
		finishedRuns("zoo_again", "manual", "success"):                     1,
		finishedRuns("zoo_again", "manual", "failed"):                      1,
	},
	// twice under the same run_id: the first run is deleted
	"zoo_recreated": {
		finishedKey("zoo_recreated", "second_attempt", "success"):          2 * 1,
		retriesKey("zoo_recreated", "second_attempt"):                      2 * 1,
		finishedKey("zoo_recreated", "fails", "failed"):                    2 * 1,
		finishedKey("zoo_recreated", "upstream_failed", "upstream_failed"): 2 * 1,
		finishedKey("zoo_recreated", "skips_itself", "skipped"):            2 * 1,
		durationKey("zoo_recreated", "success"):                            2 * 1,
		durationKey("zoo_recreated", "failed"):                             2 * 2,
		finishedRuns("zoo_recreated", "manual", "failed"):                  2 * 1,
	},
}

// testCounters runs DAGs whose attempts end in every way while an exporter counts. Then its counters are what the
// database has of attempts that ended since, and nothing that ended before: the zoo has such attempts, too.
func testCounters(t *testing.T, a *installation) {
	e, _ := counting(a).start(t)
	eventually(t, e, time.Minute, success("health", "pools", "task_instances", "dag_runs", "attempts"))
	begin := time.Now()
	w := watch(t, e)

	for run, dag := range map[string]string{"early": "zoo_counts", "late": "zoo_counts", "cleared": "zoo_again", "recreated": "zoo_recreated"} {
		if err := a.trigger(t.Context(), dag, run); err != nil {
			t.Fatal(err)
		}
	}
	// one is cleared while its run goes on, the other one when the exporter has seen that its run ended
	awaitSuccess(t, a, "early", 1)
	if err := a.clear(t.Context(), "zoo_counts", "early", "clear_me"); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, a, "zoo_counts", "late")
	awaitEnd(t, a, "zoo_again", "cleared")
	awaitEnd(t, a, "zoo_recreated", "recreated")
	awaitLedger(t, e)
	cleared, err := a.endedRuns(t.Context(), begin, "run_id in ('late', 'cleared')")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.clear(t.Context(), "zoo_counts", "late", "clear_me"); err != nil {
		t.Fatal(err)
	}
	if err := a.clear(t.Context(), "zoo_again", "cleared"); err != nil {
		t.Fatal(err)
	}
	deleted, err := a.attempts(t.Context(), begin)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.call(t.Context(), http.MethodDelete, "dags/zoo_recreated/dagRuns/recreated", nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := a.trigger(t.Context(), "zoo_recreated", "recreated"); err != nil {
		t.Fatal(err)
	}
	for _, run := range []string{"early", "late"} {
		awaitSuccess(t, a, run, 2)
		awaitEnd(t, a, "zoo_counts", run)
	}
	awaitEnd(t, a, "zoo_again", "cleared")
	awaitEnd(t, a, "zoo_recreated", "recreated")
	awaitLedger(t, e)
	w.wantIncreases(t)

	truth, err := a.attempts(t.Context(), begin)
	if err != nil {
		t.Fatal(err)
	}
	for key, n := range deleted.ofDAG("zoo_recreated") {
		truth[key] += n
	}
	for key, n := range cleared.family("airflow_dag_runs_finished_total") {
		truth[key] += n
	}
	got := mustScrape(t, e)
	for dag, want := range counted {
		t.Run(dag, func(t *testing.T) { compareCounters(t, a, got.ofDAG(dag), truth.ofDAG(dag), want) })
		for key := range got.ofDAG(dag) {
			delete(got, key)
		}
		for key := range truth.ofDAG(dag) {
			delete(truth, key)
		}
	}
	t.Run("no other", func(t *testing.T) { compareCounters(t, a, got, truth, series{}) })
}

// awaitSuccess waits until an attempt of the task clear_me has succeeded.
func awaitSuccess(t *testing.T, a *installation, run string, attempt int) {
	t.Helper()
	await(t, a, "dags/zoo_counts/dagRuns/"+url.PathEscape(run)+"/taskInstances/clear_me", func(is status) bool { return is.State == "success" && is.Try == attempt })
}

// awaitEnd waits until a run has ended.
func awaitEnd(t *testing.T, a *installation, dag, run string) {
	t.Helper()
	await(t, a, "dags/"+dag+"/dagRuns/"+url.PathEscape(run), func(is status) bool { return is.State == "success" || is.State == "failed" })
}

// status is what Airflow's API tells of a run or a task instance.
type status struct {
	State string `json:"state"`
	Try   int    `json:"try_number"`
}

func await(t *testing.T, a *installation, path string, ok func(status) bool) {
	t.Helper()
	if err := poll(t.Context(), 4*time.Minute, func(ctx context.Context) error {
		var is status
		if err := a.call(ctx, http.MethodGet, path, nil, &is); err != nil {
			return err
		}
		if !ok(is) {
			return fmt.Errorf("%s is %+v", path, is)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
