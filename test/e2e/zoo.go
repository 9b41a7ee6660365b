//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// longDAG has the longest dag_id that Airflow 2 can write permissions for, longTask the longest task_id.
var (
	longDAG  = "zoo_long_" + strings.Repeat("d", 233)
	longTask = strings.Repeat("t", 250)
)

// zooRuns are the DAGs of dags/zoo.py and how often each is triggered.
var zooRuns = map[string]int{
	"zoo_states": 1, "zoo_pools": 1, "zoo_queues": 1, "zoo_limits": 2, "zoo_turns": 2, "zoo_mapped": 1, "zoo_wide": 1,
	"zoo_ünïcode_数据": 1, longDAG: 1, "zoo_paused": 1, "zoo_past": 2,
	"zoo_counts": 0, "zoo_middle": 0, "zoo_again": 0, "zoo_recreated": 0,
}

// atRest is how many task instances of the zoo come to rest in which state, by "dag_id/task_id state".
func atRest(v1 bool) map[string]int {
	rest := map[string]int{
		"zoo_states/running running":                     1,
		"zoo_states/none none":                           1,
		"zoo_states/clear_me running":                    1,
		"zoo_states/second_attempt running":              1,
		"zoo_states/queued queued":                       1,
		"zoo_states/up_for_retry up_for_retry":           1,
		"zoo_states/up_for_reschedule up_for_reschedule": 1,
		"zoo_states/deferred deferred":                   1,
		"zoo_states/success success":                     1,
		"zoo_states/failed failed":                       1,
		"zoo_states/upstream_failed upstream_failed":     1,
		"zoo_pools/holder running":                       1,
		"zoo_pools/waits scheduled":                      1,
		"zoo_pools/waits_zero scheduled":                 1,
		"zoo_pools/deferred deferred":                    1,
		"zoo_pools/too_large scheduled":                  1,
		"zoo_pools/no_such_pool scheduled":               1,
		"zoo_pools/two_slots running":                    1,
		"zoo_pools/late_first scheduled":                 1,
		"zoo_pools/late_second running":                  1,
		"zoo_queues/gpu_1 queued":                        1,
		"zoo_queues/gpu_2 queued":                        1,
		"zoo_queues/io running":                          1,
		"zoo_limits/one running":                         1,
		"zoo_limits/one scheduled":                       1,
		"zoo_turns/first running":                        1,
		"zoo_turns/first none":                           1,
		"zoo_turns/second scheduled":                     1,
		"zoo_turns/second none":                          1,
		"zoo_mapped/running running":                     2,
		"zoo_mapped/list running":                        1,
		"zoo_mapped/not_expanded none":                   1,
		"zoo_wide/waits scheduled":                       150,
		"zoo_wide/none none":                             1,
		"zoo_ünïcode_数据/täsk_задача running":             1,
		"zoo_ünïcode_数据/a.b-c_d.é queued":                1,
		longDAG + "/" + longTask + " queued":             1,
		"zoo_paused/never none":                          1,
		"zoo_past/goes_on running":                       1,
		"zoo_past/goes_on none":                          1,
		"zoo_past/fails failed":                          1,
		"zoo_past/fails none":                            1,
		"zoo_past/after upstream_failed":                 1,
		"zoo_past/after none":                            1,
		"zoo_past/not_expanded upstream_failed":          1,
		"zoo_past/not_expanded none":                     1,
		"zoo_past/waits_for_downstream success":          1,
		"zoo_past/waits_for_downstream none":             1,
		"zoo_past/downstream failed":                     1,
		"zoo_past/downstream none":                       1,
	}
	if !v1 {
		rest["zoo_states/awaiting_input awaiting_input"] = 1
	}
	return rest
}

// startZoo creates the pools, unpauses and triggers the DAGs, and waits until every task instance is where it will stay.
func startZoo(ctx context.Context, a *installation) error {
	if err := poll(ctx, 3*time.Minute, a.zooIsParsed); err != nil {
		return err
	}
	unlimited := -1
	if a.isV1() {
		unlimited = 16 // the list of pools of Airflow 2 fails as long as one is unlimited
	}
	for name, slots := range map[string]int{"zoo_one": 1, "zoo_zero": 0, "zoo_two": 2, "zoo_late": 1, "zoo_unlimited": unlimited, `zoo "empty"\`: 3} {
		if err := a.call(ctx, http.MethodPost, "pools", map[string]any{"name": name, "slots": slots, "include_deferred": name == "zoo_two"}, nil); err != nil {
			return err
		}
	}
	for dag, runs := range zooRuns {
		if dag != "zoo_paused" {
			if err := a.pause(ctx, dag, false); err != nil {
				return err
			}
		}
		for n := range runs {
			if err := a.trigger(ctx, dag, fmt.Sprintf("zoo~%d", n)); err != nil {
				return err
			}
		}
	}
	return poll(ctx, 5*time.Minute, a.zooIsAtRest)
}

// pause pauses or unpauses a DAG.
func (a *installation) pause(ctx context.Context, dag string, paused bool) error {
	return a.call(ctx, http.MethodPatch, "dags/"+url.PathEscape(dag)+"?update_mask=is_paused", map[string]bool{"is_paused": paused}, nil)
}

// trigger starts a run of a DAG.
func (a *installation) trigger(ctx context.Context, dag, run string) error {
	return a.triggerWith(ctx, dag, run, map[string]any{})
}

// triggerWith is trigger with a configuration of the run.
func (a *installation) triggerWith(ctx context.Context, dag, run string, conf map[string]any) error {
	body := map[string]any{"dag_run_id": run, "conf": conf}
	if !a.isV1() {
		body["logical_date"] = nil
		if dag == "zoo_past" {
			body["logical_date"] = time.Now() // without one a run has no past
		}
	}
	return a.call(ctx, http.MethodPost, "dags/"+url.PathEscape(dag)+"/dagRuns", body, nil)
}

// clear clears these tasks of a run, or all, so that they run again. A run that had ended goes on.
func (a *installation) clear(ctx context.Context, dag, run string, tasks ...string) error {
	body := map[string]any{"dry_run": false, "only_failed": false, "reset_dag_runs": true, "dag_run_id": run}
	if len(tasks) > 0 {
		body["task_ids"] = tasks
	}
	return a.call(ctx, http.MethodPost, "dags/"+url.PathEscape(dag)+"/clearTaskInstances", body, nil)
}

// zooIsParsed wants every DAG serialized, which comes after it is listed: only then can it be triggered.
func (a *installation) zooIsParsed(ctx context.Context) error {
	var is struct {
		DAGs   int
		Broken []string
	}
	if err := a.pg.query(ctx, a.db, `select json_build_object('DAGs', (select count(distinct dag_id) from serialized_dag where dag_id like 'zoo%'),
		'Broken', (select json_agg(stacktrace) from import_error))`, &is); err != nil {
		return err
	}
	if is.DAGs != len(zooRuns) {
		return fmt.Errorf("%d of %d DAGs are parsed %s", is.DAGs, len(zooRuns), is.Broken)
	}
	return nil
}

func (a *installation) zooIsAtRest(ctx context.Context) error {
	is := map[string]int{}
	if err := a.pg.query(ctx, a.db, `select coalesce(json_object_agg(k, n), '{}') from (
		select dag_id || '/' || task_id || ' ' || coalesce(state, 'none') k, count(*) n from task_instance where dag_id like 'zoo%' group by 1) t`, &is); err != nil {
		return err
	}
	want := atRest(a.isV1())
	if maps.Equal(is, want) {
		return nil
	}
	var diff []string
	for k, n := range want {
		if is[k] != n {
			diff = append(diff, fmt.Sprintf("want %d, not %d %.80s", n, is[k], k))
		}
	}
	for k, n := range is {
		if want[k] == 0 {
			diff = append(diff, fmt.Sprintf("unexpected %d %.80s", n, k))
		}
	}
	slices.Sort(diff)
	return fmt.Errorf("the zoo is not at rest:\n%s", strings.Join(diff, "\n"))
}

// clearRunning clears the running task clear_me. As its process is frozen, it stays in the state restarting.
func (a *installation) clearRunning(ctx context.Context) error {
	if a.isV1() { // the API of Airflow 2 does not bring it about, its command does
		return a.command(ctx, "airflow", "tasks", "clear", "--yes", "--only-running", "--task-regex", "^clear_me$", "zoo_states")
	}
	return a.clear(ctx, "zoo_states", "zoo~0", "clear_me")
}
