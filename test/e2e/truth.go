//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// series are samples by name{label="value",…}.
type series map[string]float64

// seriesKey writes name and labels in one fixed way.
func seriesKey(name string, labels map[string]string) string {
	pairs := make([]string, 0, len(labels))
	for _, l := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, l+"="+strconv.Quote(labels[l]))
	}
	return name + "{" + strings.Join(pairs, ",") + "}"
}

// firstSeen stands for the time at which the exporter first saw an attempt: Airflow has none that would do.
var firstSeen = math.Inf(-1)

// truth reads from Airflow's database, in one statement, what the exporter should say.
func (a *installation) truth(ctx context.Context) (series, error) { return a.query(ctx, a.truthSQL()) }

// query reads series, as rows of name, labels and value.
func (a *installation) query(ctx context.Context, sql string) (series, error) {
	var rows []struct {
		Name   string
		Labels map[string]string
		Value  *string
	}
	if err := a.pg.query(ctx, a.db, sql, &rows); err != nil {
		return nil, err
	}
	s := series{}
	for _, r := range rows {
		key := seriesKey(r.Name, r.Labels)
		if _, again := s[key]; again {
			return nil, fmt.Errorf("%s is there twice", key)
		}
		s[key] = firstSeen
		if r.Value == nil {
			continue
		}
		v, err := strconv.ParseFloat(*r.Value, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		s[key] = v
	}
	return s, nil
}

func (a *installation) truthSQL() string {
	states, scheduled := "none,scheduled,queued,running,restarting,up_for_retry,up_for_reschedule,deferred,awaiting_input", "scheduled_dttm"
	if a.isV1() {
		states, scheduled = strings.TrimSuffix(states, ",awaiting_input"), "null" // Airflow 2 does not keep it
	}
	return strings.NewReplacer("$STATES", states, "$SCHEDULED", scheduled, "$THRESHOLD", strconv.Itoa(healthCheckThreshold)).Replace(truthSQL)
}

const truthSQL = `
with
unfinished as (
	select *, case state
		when 'queued' then queued_dttm when 'scheduled' then $SCHEDULED
		when 'running' then start_date when 'deferred' then start_date when 'awaiting_input' then start_date
		when 'up_for_retry' then end_date end as since
	from task_instance
	where state not in ('success', 'failed', 'skipped', 'upstream_failed', 'removed')),
components as (
	select distinct on (job_type) latest_heartbeat, case job_type
		when 'SchedulerJob' then 'scheduler' when 'TriggererJob' then 'triggerer' when 'DagProcessorJob' then 'dag_processor' end as component,
		state = 'running' and now() - latest_heartbeat < interval '$THRESHOLD s' as healthy
	from job where job_type in ('SchedulerJob', 'TriggererJob', 'DagProcessorJob')
	order by job_type, state = 'running' desc, latest_heartbeat desc),
pool_slots as (
	select p.pool, p.slots, p.include_deferred, s.state,
		(select coalesce(sum(t.pool_slots), 0) from task_instance t where t.pool = p.pool and t.state = s.state) as n
	from slot_pool p, unnest(array['running', 'queued', 'scheduled', 'deferred']) s(state))

select json_agg(json_build_object('name', name, 'labels', labels, 'value', value::text)) from (

select 'airflow_unfinished_task_instances' as name, json_build_object('state', s) as labels,
	(select count(*) from task_instance where coalesce(state, 'none') = s)::numeric as value
	from unnest(string_to_array('$STATES', ',')) s
union all
select 'airflow_task_instances', json_build_object('dag_id', dag_id, 'task_id', task_id, 'state', state), count(*)
	from unfinished group by dag_id, task_id, state
union all
select 'airflow_task_instances_oldest_timestamp_seconds', json_build_object('dag_id', dag_id, 'state', state), extract(epoch from min(since))
	from unfinished group by dag_id, state
union all
select 'airflow_task_instances_retrying', json_build_object('dag_id', dag_id, 'task_id', task_id), count(*)
	from unfinished where try_number > 1 or state = 'up_for_retry' group by dag_id, task_id
union all
select 'airflow_queue_task_instances', json_build_object('queue', queue, 'state', s), count(*) filter (where state = s)
	from unfinished, unnest(array['queued', 'running']) s where state in ('queued', 'running') group by queue, s
union all
select 'airflow_pool_slots', json_build_object('pool', pool, 'state', state), n from pool_slots
union all
select 'airflow_pool_slots', json_build_object('pool', pool, 'state', 'open'),
	slots - sum(n) filter (where state in ('running', 'queued') or state = 'deferred' and include_deferred)
	from pool_slots where slots >= 0 group by pool, slots
union all
select 'airflow_pool_size_slots', json_build_object('pool', pool), case when slots < 0 then 'Infinity'::numeric else slots end from slot_pool
union all
select 'airflow_pool_used_slots', json_build_object('pool', pool, 'dag_id', dag_id), sum(pool_slots)
	from unfinished where state in ('queued', 'running') group by pool, dag_id
union all
select 'airflow_pool_oldest_timestamp_seconds', json_build_object('pool', pool, 'queue', queue, 'state', state), extract(epoch from min(since))
	from unfinished where state in ('queued', 'scheduled') group by pool, queue, state
union all
select 'airflow_component_healthy', json_build_object('component', 'metadatabase'), 1
union all
select 'airflow_component_healthy', json_build_object('component', component), healthy::int from components
union all
select 'airflow_component_last_heartbeat_timestamp_seconds', json_build_object('component', component), extract(epoch from latest_heartbeat)
	from components

) t`
