//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// stalled is why the instances without a state wait that an exporter may tell after it watched for five minutes, by
// "dag_id/task_id reason": those of queued runs, and those of the run that cannot go on.
func stalled(v1 bool) map[string]int {
	reasons := map[string]int{
		"zoo_turns/first dag_run_not_running":           1,
		"zoo_turns/second dag_run_not_running":          1,
		"zoo_paused/never dag_run_not_running":          1,
		"zoo_paused/never dag_paused":                   1,
		"zoo_past/goes_on depends_on_past":              1,
		"zoo_past/fails depends_on_past":                1,
		"zoo_past/after trigger_rule":                   1,
		"zoo_past/not_expanded trigger_rule":            1,
		"zoo_past/waits_for_downstream depends_on_past": 1,
		"zoo_past/downstream trigger_rule":              1,
	}
	if v1 {
		reasons["zoo_past/not_expanded not_yet_mapped"] = 1 // Airflow 3 does not say so
	}
	return reasons
}

// onlyStalled is an exporter that asks of no instances why they wait but of those without a state in stalled runs.
func onlyStalled(a *installation) settings {
	cfg := leastRights(a)
	cfg.collector = []string{"fanout: 50", "blocked:", "  stalled: true", "  after: 24h", "  refresh: 20s"}
	return cfg
}

// testStalled sees the reasons in the stalled run, and that asking for them changes nothing: the scheduler of the frozen
// zoo cannot move.
func testStalled(t *testing.T, a *installation, p *patient) {
	before, err := a.taskInstances(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	reasons := stalled(a.isV1())
	waiting, asked := map[string]bool{}, map[string]bool{}
	for key := range reasons {
		where, _, _ := strings.Cut(key, " ")
		waiting[where] = true
		if strings.HasPrefix(where, "zoo_past/") {
			asked[where] = true
		}
	}
	begin := dependenciesCalls(p.newest())
	calls := 0.0
	if err := poll(t.Context(), 8*time.Minute, func(context.Context) error {
		s := p.newest()
		if err := isBlocked(s, reasons, float64(len(waiting))); err != nil {
			return err
		}
		if runs := s.family("airflow_dag_runs_stalled"); !maps.Equal(runs, series{`airflow_dag_runs_stalled{dag_id="zoo_past"}`: 1}) {
			return fmt.Errorf("stalled runs: %v", runs)
		}
		if calls = dependenciesCalls(s) - begin; calls < 2*float64(len(asked)) {
			return fmt.Errorf("asked %v times about %d instances without a state", calls, len(asked))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	a.unchanged(t, before)
	t.Logf("asked %v times about %d task instances without a state", calls, len(asked))
}

// dependenciesCalls is how often an exporter asked why an instance waits.
func dependenciesCalls(s series) float64 {
	asked := 0.0
	for key, n := range s.family("airflow_exporter_api_requests_total") {
		if strings.Contains(key, `/dependencies"`) {
			asked += n
		}
	}
	return asked
}

// unchanged wants all task instances to be what they were.
func (a *installation) unchanged(t *testing.T, before map[string]string) {
	t.Helper()
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
}

// taskInstances are all rows of the database, whole.
func (a *installation) taskInstances(ctx context.Context) (map[string]string, error) {
	rows := map[string]string{}
	err := a.pg.query(ctx, a.db, `select json_object_agg(concat_ws(' ', dag_id, run_id, task_id, map_index), to_jsonb(t)::text) from task_instance t`, &rows)
	return rows, err
}

// keepHealthy lets the frozen scheduler look alive until stop, as otherwise nothing would be asked.
func keepHealthy(t *testing.T, a *installation) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	beat := func() error {
		_, err := a.pg.exec(ctx, a.db, `set lock_timeout = '5s'; update job set latest_heartbeat = now() where job_type = 'SchedulerJob' and state = 'running'`)
		return err
	}
	if err := beat(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	wg.Go(func() {
		tick := time.NewTicker(healthCheckThreshold * time.Second / 4)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := beat(); err != nil && ctx.Err() == nil {
				t.Errorf("the scheduler's heartbeat: %v", err)
			}
		}
	})
	return stop
}
