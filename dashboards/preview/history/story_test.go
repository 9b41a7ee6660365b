package main

import (
	"slices"
	"strings"
	"testing"
)

// records are the scrapes by cluster and time, less what the story does not need.
type records map[string]map[int64]view

func (r records) keep(s *scrape, v view) {
	if r[s.site.cluster] == nil {
		r[s.site.cluster] = map[int64]view{}
	}
	kept := view{scrapeTime: {{value: float64(s.at)}}}
	for name, all := range v {
		if !strings.HasPrefix(name, "airflow_exporter_api") && !strings.HasSuffix(name, "_bucket") {
			kept[name] = all
		}
	}
	r[s.site.cluster][s.at] = kept
}

// scrapeTime is where records keep when a scrape was.
const scrapeTime = "time of the scrape"

// age is how long ago a timestamp was, -1 if it is absent.
func (v view) age(name string, labels ...string) float64 {
	if at := v.one(name, labels...); at >= 0 {
		return v.one(scrapeTime) - at
	}
	return -1
}

// always reports it when a scrape from one minute to another, both included, does not have it.
func (r records) always(t *testing.T, what string, from, to int64, is func(view) bool) {
	t.Helper()
	for at := from; at <= to; at += scrapeInterval {
		if !is(r["production"][at]) {
			t.Errorf("%s: not so %d min after %s", what, (at-from)/60, clock(from))
			return
		}
	}
}

// once reports it when no scrape has it.
func (r records) once(t *testing.T, what string, from, to int64, is func(view) bool) {
	t.Helper()
	for at := from; at <= to; at += scrapeInterval {
		if is(r["production"][at]) {
			return
		}
	}
	t.Errorf("%s: never from %s on", what, clock(from))
}

func clock(at int64) string {
	minutes := (at - historyStart) / 60
	return string([]byte{
		'0' + byte((minutes/60+6)%24/10), '0' + byte((minutes/60+6)%24%10), ':', '0' + byte(minutes%60/10), '0' + byte(minutes%10),
	})
}

const now = historyEnd - 20*60 // when the pictures are taken

// is is a condition on the only series of a family with these labels.
func is(value float64, name string, labels ...string) func(view) bool {
	return func(v view) bool { return v.one(name, labels...) == value }
}

// some is that a family has series with these labels that are not 0.
func some(name string, labels ...string) func(view) bool {
	return func(v view) bool { return v.sum(name, labels...) > 0 }
}

func not(condition func(view) bool) func(view) bool {
	return func(v view) bool { return !condition(v) }
}

func checkStory(t *testing.T, r records) {
	t.Run("the API server restarts", func(t *testing.T) { checkRestart(t, r) })
	t.Run("the scheduler is away", func(t *testing.T) { checkScheduler(t, r) })
	t.Run("the warehouse fails, then is full", func(t *testing.T) { checkWarehouse(t, r) })
	t.Run("some DAGs are in trouble", func(t *testing.T) { checkDags(t, r) })
	t.Run("task instances wait for many reasons", func(t *testing.T) { checkWaiting(t, r) })
	t.Run("the company is as large as it should be", checkCompany)
	t.Run("staging is small and well but for one DAG", func(t *testing.T) { checkStaging(t, r) })
}

func checkRestart(t *testing.T, r records) {
	down, up := night(23, 5), night(23, 8)
	for _, at := range []int64{down - 60, up} {
		r.always(t, "up", at, at, is(1, "airflow_up"))
	}
	r.always(t, "down", down, up-60, is(0, "airflow_up"))
	r.always(t, "parts fail", down, up-60, is(1, "airflow_exporter_collector_error", "collector", "task_instances", "class", "connect"))
	r.always(t, "counters stay", down, up-60, some("airflow_task_instances_finished_total"))
	r.always(t, "task instances are shown at first", down, down, some("airflow_unfinished_task_instances"))
	r.always(t, "then they are not", down+60, up-60, func(v view) bool { return len(v["airflow_unfinished_task_instances"]) == 0 })
	r.always(t, "DAGs last longer", down, down+60, is(1, "airflow_dag_info", "dag_id", "orders_ingest"))
	r.once(t, "Airflow fails to answer", night(23, 3), night(23, 12), some("airflow_exporter_collector_error", "class", "server"))
	r.once(t, "an answer takes too long", night(23, 3), night(23, 12), some("airflow_exporter_collector_error", "class", "timeout"))
}

func checkScheduler(t *testing.T, r records) {
	const healthy = "airflow_component_healthy"
	down, back := night(1, 10), night(1, 35)
	r.always(t, "it is called healthy for 30 s", down, down, is(1, healthy, "component", "scheduler"))
	r.always(t, "then not", down+60, back, is(0, healthy, "component", "scheduler"))
	r.always(t, "then again", back+60, now, is(1, healthy, "component", "scheduler"))
	heartbeat := r["production"][down].one("airflow_component_last_heartbeat_timestamp_seconds", "component", "scheduler")
	r.always(t, "its heartbeat stays", down, back, is(heartbeat, "airflow_component_last_heartbeat_timestamp_seconds", "component", "scheduler"))
	started := r["production"][down+120].sum("airflow_task_instances_started_total")
	r.always(t, "nothing is started", down+120, back, func(v view) bool { return v.sum("airflow_task_instances_started_total") == started })
	r.always(t, "what runs ends", down+15*60, back, not(some("airflow_unfinished_task_instances", "state", stateRunning)))
	r.once(t, "no reason is named", down-120, down+240, some("airflow_task_instances_blocked", "reason", "none_reported"))
	r.once(t, "then it is not asked", down+300, back, some("airflow_task_instances_waiting", "examined", "false"))
	r.once(t, "it catches up", back, back+300, func(v view) bool { return v.sum("airflow_task_instances_started_total") > started+30 })
}

func checkWarehouse(t *testing.T, r records) {
	full := is(0, "airflow_pool_slots", "pool", warehouse, "state", "open")
	before, after := r["production"][night(2, 0)], r["production"][night(4, 30)]
	for _, name := range []string{"airflow_task_retries_total", "airflow_task_instances_finished_total"} {
		labels := []string{"state", stateFailed}
		if strings.Contains(name, "retries") {
			labels = nil
		}
		if n := after.sum(name, labels...) - before.sum(name, labels...); n < 60 {
			t.Errorf("%s rose by %g, want at least 60", name, n)
		}
	}
	retrying := func(v view) float64 { return v.sum("airflow_task_instances_retrying") }
	r.always(t, "hardly anything is tried again before", night(22, 0), night(22, 59), func(v view) bool { return retrying(v) <= 3 })
	r.once(t, "much is while it fails", night(2, 0), night(4, 30), func(v view) bool { return retrying(v) > 15 })
	r.once(t, "what follows fails with it", night(2, 0), night(4, 30), some("airflow_task_instances_finished_total", "state", stateUpstreamFailed))
	r.once(t, "the pool is full while it fails", night(2, 0), night(4, 30), full)
	r.always(t, "many DAGs have failed", night(4, 25), night(4, 30), func(v view) bool { return v.sum("airflow_dag_last_run_state", "state", stateFailed) >= 9 })
	r.always(t, "the pool is full with the backlog", now-20*60, now, full)
	r.always(t, "the oldest has waited for half an hour", now-15*60, now, func(v view) bool {
		return v.age("airflow_pool_oldest_timestamp_seconds", "pool", warehouse, "state", stateScheduled) > 1800
	})
	r.always(t, "three or four DAGs of the night have not succeeded since", now, now, func(v view) bool {
		n := 0
		for _, one := range v.of("airflow_dag_last_run_state", "state", stateFailed) {
			if one.value == 1 && v.one("airflow_dag_paused", "dag_id", one.labels["dag_id"]) == 0 {
				n++
			}
		}
		return n >= 3 && n <= 5
	})
}

func checkDags(t *testing.T, r records) {
	r.always(t, "the churn model fails", night(23, 11), now, is(1, "airflow_dag_last_run_state", "dag_id", "customer_churn", "state", stateFailed))
	r.always(t, "since eight", night(23, 11), now, func(v view) bool {
		return v.one("airflow_dag_last_success_timestamp_seconds", "dag_id", "customer_churn") < float64(night(20, 30))
	})
	r.always(t, "the inventory is stalled", night(3, 40), now, is(1, "airflow_dag_runs_stalled", "dag_id", "inventory_snapshot"))
	r.always(t, "since half past three", night(3, 40), now, func(v view) bool {
		since := v.one("airflow_dag_runs_oldest_timestamp_seconds", "dag_id", "inventory_snapshot", "state", stateRunning)
		return since >= float64(night(3, 30)) && since < float64(night(3, 31))
	})
	r.always(t, "prices are at their limit", now-300, now, is(1, "airflow_dag_at_max_active_runs", "dag_id", "price_recalculation"))
	r.always(t, "more of them are queued", now-300, now, some("airflow_dag_runs", "dag_id", "price_recalculation", "state", stateQueued))
	r.always(t, "recommendations take three times as long", now, now, func(v view) bool {
		usual := v.one("airflow_dag_last_success_duration_seconds", "dag_id", "recommendation_features")
		return v.age("airflow_dag_runs_oldest_timestamp_seconds", "dag_id", "recommendation_features", "state", stateRunning) > 2.8*usual
	})
	r.always(t, "no file is broken", night(22, 0), night(22, 29), is(0, "airflow_import_errors"))
	r.always(t, "one file is broken", night(23, 11), night(0, 49), is(1, "airflow_import_errors"))
	r.always(t, "two are", night(0, 50), now, is(2, "airflow_import_errors"))
	r.always(t, "the first since 22:30", night(23, 11), now, is(float64(night(22, 30)), "airflow_import_errors_oldest_timestamp_seconds"))
}

func checkWaiting(t *testing.T, r records) {
	from := night(23, 40)
	for _, reason := range []string{
		"pool_slots", "missing_pool", "dag_concurrency", "task_concurrency", "trigger_rule", "depends_on_past", "dag_paused",
		"dag_run_not_running", "none_reported",
	} {
		r.once(t, "the reason "+reason, from, now, some("airflow_task_instances_blocked", "reason", reason))
	}
	r.always(t, "a pool is missing", now-30*60, now, is(1, "airflow_task_instances_blocked", "dag_id", "board_report", "reason", "missing_pool"))
	r.always(t, "sensors are deferred all night", night(0, 5), now, some("airflow_unfinished_task_instances", "state", stateDeferred))
	r.always(t, "one waits for long", now, now, func(v view) bool {
		return v.age("airflow_task_instances_oldest_timestamp_seconds", "dag_id", "finance_bank_statements", "state", stateDeferred) > 3*3600
	})
	for _, state := range []string{stateQueued, stateUpForReschedule, stateUpForRetry, stateAwaitingInput, stateScheduled, stateRunning, stateNone} {
		r.once(t, "the state "+state, from, now, some("airflow_unfinished_task_instances", "state", state))
	}
	r.always(t, "nobody takes work for the GPUs", night(5, 20), now, is(0, "airflow_queue_task_instances", "queue", gpuQueue, "state", stateRunning))
	r.always(t, "two wait for it", night(5, 25), now, is(2, "airflow_queue_task_instances", "queue", gpuQueue, "state", stateQueued))
	r.always(t, "work waits beyond what can be asked", now, now, some("airflow_task_instances_waiting", "examined", "false"))
}

func checkCompany(t *testing.T) {
	s := production()
	tasks, unscheduled, paused, seldom := 0, 0, 0, 0
	var ids []string
	for _, d := range s.dags {
		tasks += len(d.tasks)
		ids = append(ids, d.id)
		unscheduled += int(boolean(d.schedule == ""))
		paused += int(boolean(d.paused))
		seldom += int(boolean(!d.paused && d.last.start > 0 && d.last.start < historyStart-30*86400))
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 40 || tasks < 180 || tasks > 220 || unscheduled != 3 || paused != 4 || seldom != 1 {
		t.Errorf("%d DAGs with %d tasks, %d without a schedule, %d paused, %d that has not run for long; want 40, about 200, 3, 4, 1",
			len(ids), tasks, unscheduled, paused, seldom)
	}
}

func checkStaging(t *testing.T, r records) {
	for at, v := range r["staging"] {
		if v.one("airflow_up") != 1 || v.one("airflow_info", "version", "2.11.2", "api", "v1") != 1 || v.one("airflow_unfinished_task_instances", "state", stateAwaitingInput) != -1 {
			t.Fatalf("%s: it is not an Airflow 2 that is well", clock(at))
		}
	}
	failed := r["staging"][now].of("airflow_dag_last_run_state", "state", stateFailed)
	for _, one := range failed {
		if (one.value == 1) != (one.labels["dag_id"] == "smoke_payments") {
			t.Errorf("%s: failed is %g", one.labels["dag_id"], one.value)
		}
	}
	if len(failed) < 4 {
		t.Errorf("%d DAGs have run, want nearly all", len(failed))
	}
}
