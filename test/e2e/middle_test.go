//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// beforeGate is how the task instances of zoo_middle rest until the gate is opened, by "task_id state".
var beforeGate = map[string]int{
	"succeeds_early success":                1,
	"fails_early failed":                    1,
	"upstream_failed_early upstream_failed": 1,
	"skips_early skipped":                   1,
	"succeeds_late running":                 1,
	"last none":                             1,
	"fails_late running":                    1,
	"upstream_failed_late none":             1,
	"retried_early running":                 1,
	"mapped success":                        1,
	"mapped running":                        1,
}

// afterGate is what the rest of the run adds to the counters.
var afterGate = series{
	finishedKey("zoo_middle", "succeeds_late", "success"):                1,
	finishedKey("zoo_middle", "last", "success"):                         1,
	finishedKey("zoo_middle", "fails_late", "failed"):                    1,
	retriesKey("zoo_middle", "fails_late"):                               2,
	finishedKey("zoo_middle", "upstream_failed_late", "upstream_failed"): 1,
	finishedKey("zoo_middle", "retried_early", "success"):                1, // it was retried before
	finishedKey("zoo_middle", "mapped", "success"):                       1,
	durationKey("zoo_middle", "success"):                                 4,
	durationKey("zoo_middle", "failed"):                                  3,
	finishedRuns("zoo_middle", "manual", "failed"):                       1,
}

// testMiddle restarts the exporter in the middle of a run: an exporter that has just started counts what ends from then
// on, and nothing that ended before.
func testMiddle(t *testing.T, a *installation) {
	if err := a.trigger(t.Context(), "zoo_middle", "middle"); err != nil {
		t.Fatal(err)
	}
	atGate := func(ctx context.Context) error {
		is := map[string]int{}
		if err := a.pg.query(ctx, a.db, `select coalesce(json_object_agg(k, n), '{}') from (
			select task_id || ' ' || coalesce(state, 'none') k, count(*) n from task_instance where dag_id = 'zoo_middle' and
			(task_id <> 'retried_early' or try_number = 2) group by 1) t`, &is); err != nil {
			return err
		}
		if !maps.Equal(is, beforeGate) {
			return fmt.Errorf("the run is at %v", is)
		}
		return nil
	}
	if err := poll(t.Context(), 2*time.Minute, atGate); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	e, _ := counting(a).start(t)
	w := watch(t, e)
	eventually(t, e, time.Minute, success("health", "pools", "task_instances", "dag_runs", "attempts"))

	if err := os.WriteFile(filepath.Join(a.home, "gate"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, a, "zoo_middle", "middle")
	awaitLedger(t, e)
	w.wantIncreases(t)

	before, err := a.attempts(t.Context(), begin.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if early := before[finishedKey("zoo_middle", "succeeds_early", "success")]; early != 1 {
		t.Errorf("%v attempts of succeeds_early ended before: nothing was tested", early)
	}
	truth, err := a.attempts(t.Context(), begin)
	if err != nil {
		t.Fatal(err)
	}
	compareCounters(t, a, mustScrape(t, e), truth, afterGate)
}
