//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// counting is an exporter that shows new counts soon and waits for no budget.
func counting(a *installation) settings {
	cfg := leastRights(a)
	cfg.collector = []string{"seed_hold: 1s", "sweep: 30s", "fanout: 50"}
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

// counters are the metrics that attemptsSQL knows.
var counters = []string{"airflow_task_instances_finished_total", "airflow_task_retries_total", "airflow_task_duration_seconds_count"}

// countedRun is what one run of zoo_counts adds to the counters, with its task clear_me cleared once after its success.
var countedRun = series{
	finishedKey("third_attempt", "success"):           1,
	retriesKey("third_attempt"):                       2,
	finishedKey("fails", "failed"):                    1,
	retriesKey("fails"):                               2,
	finishedKey("upstream_failed", "upstream_failed"): 1,
	finishedKey("clear_me", "success"):                2, // a clear is no retry
	finishedKey("mapped", "success"):                  3,
	retriesKey("mapped"):                              1,
	finishedKey("branch", "success"):                  1,
	finishedKey("taken", "success"):                   1,
	finishedKey("not_taken", "skipped"):               1,
	finishedKey("skips_itself", "skipped"):            1,
	durationKey("success"):                            1 + 2 + 3 + 1 + 1,
	durationKey("failed"):                             2 + 3 + 1,
}

func finishedKey(task, state string) string {
	return seriesKey("airflow_task_instances_finished_total", map[string]string{"dag_id": "zoo_counts", "task_id": task, "state": state})
}

func retriesKey(task string) string {
	return seriesKey("airflow_task_retries_total", map[string]string{"dag_id": "zoo_counts", "task_id": task})
}

func durationKey(state string) string {
	return seriesKey("airflow_task_duration_seconds_count", map[string]string{"dag_id": "zoo_counts", "state": state})
}

// testCounters runs a DAG whose attempts end in every way, twice, while an exporter counts. Then its counters are what
// the database has of attempts that ended since, and nothing that ended before: the zoo has such attempts, too.
func testCounters(t *testing.T, a *installation) {
	e, _ := counting(a).start(t)
	eventually(t, e, time.Minute, success("health", "pools", "task_instances", "dag_runs", "attempts"))
	begin := time.Now()
	w := watch(t, e)

	for _, run := range []string{"early", "late"} {
		if err := a.trigger(t.Context(), "zoo_counts", run); err != nil {
			t.Fatal(err)
		}
	}
	// one is cleared while its run goes on, the other one when the exporter has seen that its run ended
	awaitRun(t, a, "early", func(r countedRunState) bool { return r.clearMe == "success" })
	if err := a.clear(t.Context(), "zoo_counts", "early", "clear_me"); err != nil {
		t.Fatal(err)
	}
	awaitRun(t, a, "late", countedRunState.ended)
	awaitLedger(t, e)
	if err := a.clear(t.Context(), "zoo_counts", "late", "clear_me"); err != nil {
		t.Fatal(err)
	}
	for _, run := range []string{"early", "late"} {
		awaitRun(t, a, run, func(r countedRunState) bool { return r.ended() && r.clearMe == "success" && r.attempt == 2 })
	}
	awaitLedger(t, e)
	w.stop()

	truth, err := a.query(t.Context(), strings.ReplaceAll(attemptsSQL, "$SINCE", begin.UTC().Format(time.RFC3339Nano)))
	if err != nil {
		t.Fatal(err)
	}
	want := series{}
	for key, n := range countedRun {
		want[key] = 2 * n
	}
	if !maps.Equal(truth, want) {
		t.Errorf("the database has\n%v\nthe DAG should have made\n%v", truth, want)
	}
	if diff := countersDifference(mustScrape(t, e), truth); len(diff) > 0 {
		t.Errorf("the exporter disagrees with the database:\n%s", strings.Join(diff, "\n"))
		rows, err := a.pg.exec(t.Context(), a.db, attemptRowsSQL)
		t.Logf("the attempts in the database: %v\n%s", err, rows)
	}
	if len(w.complaints) > 0 {
		t.Errorf("increase() would be wrong:\n%s", strings.Join(w.complaints, "\n"))
	}
	t.Logf("compared %d series of the database", len(truth))
}

// countersDifference says in which counters a scrape and the database differ; one that is not there is 0.
func countersDifference(got, want series) []string {
	var diff []string
	for _, name := range counters {
		scraped, truth := got.family(name), want.family(name)
		all := maps.Clone(truth)
		maps.Copy(all, scraped)
		for key := range all {
			if scraped[key] != truth[key] {
				diff = append(diff, fmt.Sprintf("%s: database %v, exporter %v", key, truth[key], scraped[key]))
			}
		}
	}
	slices.Sort(diff)
	return diff
}

// countedRunState is how a run of zoo_counts is, as Airflow's API tells.
type countedRunState struct {
	run     string
	clearMe string // the state of that task
	attempt int    // of that task
}

func (r countedRunState) ended() bool { return r.run == "success" || r.run == "failed" }

func awaitRun(t *testing.T, a *installation, run string, ok func(countedRunState) bool) {
	t.Helper()
	if err := poll(t.Context(), 4*time.Minute, func(ctx context.Context) error {
		var r, clearMe struct {
			State string `json:"state"`
			Try   int    `json:"try_number"`
		}
		if err := a.call(ctx, "GET", "dags/zoo_counts/dagRuns/"+run+"/taskInstances/clear_me", nil, &clearMe); err != nil {
			return err
		}
		if err := a.call(ctx, "GET", "dags/zoo_counts/dagRuns/"+run, nil, &r); err != nil {
			return err
		}
		if is := (countedRunState{r.State, clearMe.State, clearMe.Try}); !ok(is) {
			return fmt.Errorf("run %s is %+v", run, is)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// awaitLedger waits until the exporter has counted all that has ended by now: until it has listed the runs, asked for what
// ended in them, a few times, and shows what it held back.
func awaitLedger(t *testing.T, e *exporter) {
	t.Helper()
	now := unix(time.Now())
	refreshed := func(s series, part string) float64 {
		return s[fmt.Sprintf(`airflow_exporter_collector_last_refresh_timestamp_seconds{collector=%q}`, part)]
	}
	if err := poll(t.Context(), time.Minute, func(ctx context.Context) error {
		s, err := e.scrape(ctx)
		if err != nil {
			return err
		}
		listed, asked := refreshed(s, "dag_runs"), refreshed(s, "attempts")
		if listed <= now || asked < listed+5 {
			return fmt.Errorf("runs were listed %.0f s and attempts asked for %.0f s after the runs had ended", listed-now, asked-now)
		}
		return s.has(series{`airflow_exporter_collector_truncated{collector="attempts"}`: 0})
	}); err != nil {
		t.Fatal(err)
	}
}

// A watcher scrapes every second and sees that each counter begins at 0 and never falls.
type watcher struct {
	stop       func()
	complaints []string // valid after stop
}

func watch(t *testing.T, e *exporter) *watcher {
	ctx, cancel := context.WithCancel(t.Context())
	w := &watcher{}
	var wg sync.WaitGroup
	w.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(w.stop)
	last := series{}
	wg.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			s, err := e.scrape(ctx)
			if err != nil && !errors.Is(err, context.Canceled) {
				w.complaints = append(w.complaints, err.Error())
			}
			for _, name := range counters {
				for key, v := range s.family(name) {
					if v < last[key] {
						w.complaints = append(w.complaints, fmt.Sprintf("%s fell from %v to %v", key, last[key], v))
					} else if _, known := last[key]; !known && v != 0 {
						w.complaints = append(w.complaints, fmt.Sprintf("%s was born at %v", key, v))
					}
					last[key] = v
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return w
}

// attemptsSQL counts the attempts that ended since $SINCE. The history has those that another one followed; that one came
// by itself unless the attempt had succeeded or was the last one allowed.
const attemptsSQL = `
with
tries as (
	select dag_id, run_id, task_id, map_index, try_number, max_tries, state, end_date, duration, false as followed from task_instance
	union all
	select dag_id, run_id, task_id, map_index, try_number, max_tries, state, end_date, duration, true from task_instance_history),
attempts as (
	select *, followed and state = 'failed' and try_number <= max_tries as retried
	from tries where end_date > '$SINCE' and state in ('success', 'failed', 'skipped', 'upstream_failed'))

select json_agg(json_build_object('name', name, 'labels', labels, 'value', value::text)) from (

select 'airflow_task_instances_finished_total' as name, json_build_object('dag_id', dag_id, 'task_id', task_id, 'state', state) as labels, count(*) as value
	from attempts where not retried group by dag_id, task_id, state
union all
select 'airflow_task_retries_total', json_build_object('dag_id', dag_id, 'task_id', task_id), count(*)
	from attempts where retried group by dag_id, task_id
union all
select 'airflow_task_duration_seconds_count', json_build_object('dag_id', dag_id, 'state', state), count(*)
	from attempts where state in ('success', 'failed') and duration >= 0 group by dag_id, state

) t`

// attemptRowsSQL lists them for people.
const attemptRowsSQL = `
select 'now', run_id, task_id, map_index, try_number, max_tries, state, start_date, end_date, duration from task_instance where dag_id = 'zoo_counts'
union all
select 'history', run_id, task_id, map_index, try_number, max_tries, state, start_date, end_date, duration from task_instance_history where dag_id = 'zoo_counts'
order by 2, 3, 4, 5, 1`
