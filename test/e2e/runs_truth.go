//go:build e2e

package e2e

import (
	"context"
	"strings"
	"time"
)

// runs reads from the database what an exporter should say of DAGs, their runs and their files.
func (a *installation) runs(ctx context.Context) (series, error) {
	return a.query(ctx, a.inDialect(runsSQL))
}

// endedRuns are the counters and histograms of the runs that ended since, of the DAGs that a condition selects.
func (a *installation) endedRuns(ctx context.Context, since time.Time, where string) (series, error) {
	return a.query(ctx, strings.NewReplacer("$SINCE", since.UTC().Format(time.RFC3339Nano), "$WHERE", where).Replace(a.inDialect(endedRunsSQL)))
}

// inDialect writes the fields that the databases of Airflow 2 and 3 name differently.
func (a *installation) inDialect(sql string) string {
	listed, schedule, due, queued, bundle := "not is_stale", "nullif(timetable_summary, 'None')", "run_after", "queued_at", "bundle_name"
	if a.isV1() {
		listed, schedule, due, queued, bundle = "is_active", schedule2, "data_interval_end", "null::timestamptz", "''::text" // not told, not there
	}
	return strings.NewReplacer("$LISTED", listed, "$SCHEDULE", "coalesce("+schedule+", '')", "$DUE", due, "$QUEUED", queued, "$BUNDLE", bundle).Replace(sql)
}

// schedule2 writes as Python does what Airflow 2 keeps as JSON: null, a string or a delta, here of whole days and hours.
const schedule2 = `case json_typeof(schedule_interval::json)
	when 'object' then format('%s days, %s:00:00', schedule_interval::json #>> '{attrs,days}', (schedule_interval::json #>> '{attrs,seconds}')::int / 3600)
	else schedule_interval::json #>> '{}' end`

// runFamilies are the metrics that runsSQL knows: those of DAGs and files, which an exporter lists now and then, …
var runFamilies = append([]string{
	"airflow_exporter_visible_dags", "airflow_dag_paused", "airflow_dag_info", "airflow_dag_next_run_timestamp_seconds",
	"airflow_dag_at_max_active_runs", "airflow_dag_schedule_interval_seconds", "airflow_dag_runs",
	"airflow_dag_runs_oldest_timestamp_seconds", "airflow_import_errors", "airflow_import_errors_oldest_timestamp_seconds",
}, lastRunFamilies...)

// … and those of the last runs.
var lastRunFamilies = []string{
	"airflow_dag_last_run_state", "airflow_dag_last_run_end_timestamp_seconds", "airflow_dag_last_run_duration_seconds",
	"airflow_dag_last_success_timestamp_seconds", "airflow_dag_last_success_duration_seconds",
}

// runsSQL knows a DAG if it is in a file, or if a run of it goes on.
const runsSQL = `
with
runs as (select *, $DUE as due, state in ('queued', 'running') as active from dag_run),
dags as (
	select *, $LISTED as listed, $SCHEDULE as schedule, $SCHEDULE not in ('', 'Asset', 'Dataset') as timed,
		(select count(*) from runs where dag_id = dag.dag_id and active and run_type <> 'backfill') as active_runs
	from dag where $LISTED or exists (select from runs where dag_id = dag.dag_id and active)),
finished as (
	select r.*, row_number() over (partition by dag_id order by due desc, end_date desc) as n,
		row_number() over (partition by dag_id, r.state order by due desc, end_date desc) as n_of_state
	from runs r join dags using (dag_id) where state in ('success', 'failed') and run_type <> 'backfill'),
due as (
	select dag_id, max(due) filter (where n = 1) as newest, max(due) filter (where n = 2) as previous from (
		select dag_id, due, row_number() over (partition by dag_id order by due desc) as n from runs where run_type = 'scheduled') t
	group by dag_id),
intervals as (
	select dag_id, greatest(newest - previous, coalesce(next_dagrun_create_after, next_dagrun_data_interval_end) - newest) as gap
	from due join dags using (dag_id) where timed)

select json_agg(json_build_object('name', name, 'labels', labels, 'value', value::text)) from (

select 'airflow_exporter_visible_dags' as name, '{}'::json as labels, count(*)::numeric as value from dags where listed
union all
select 'airflow_dag_paused', json_build_object('dag_id', dag_id), is_paused::int from dags
union all
select 'airflow_dag_info', json_build_object('dag_id', dag_id, 'schedule', schedule,
	'owners', (select string_agg(o, ',' order by o collate "C") from unnest(string_to_array(owners, ', ')) o),
	'tags', (select coalesce(string_agg(name, ',' order by name collate "C"), '') from dag_tag where dag_id = dags.dag_id)), 1
	from dags
union all
select 'airflow_dag_next_run_timestamp_seconds', json_build_object('dag_id', dag_id),
	extract(epoch from coalesce(next_dagrun_create_after, next_dagrun_data_interval_end))
	from dags where timed and coalesce(next_dagrun_create_after, next_dagrun_data_interval_end) is not null
union all
select 'airflow_dag_at_max_active_runs', json_build_object('dag_id', dag_id), 1 from dags where timed and active_runs >= max_active_runs
union all
select 'airflow_dag_schedule_interval_seconds', json_build_object('dag_id', dag_id), extract(epoch from gap)
	from intervals join dags using (dag_id)
	where gap > interval '0' and coalesce(next_dagrun_create_after, next_dagrun_data_interval_end) is not null -- else the schedule is over
union all
select 'airflow_dag_runs', json_build_object('dag_id', dag_id, 'state', s),
	(select count(*) from runs where dag_id = dags.dag_id and state = s)
	from dags, unnest(array['queued', 'running']) s
	where not is_paused or exists (select from runs where dag_id = dags.dag_id and state = s)
union all
select 'airflow_dag_runs_oldest_timestamp_seconds', json_build_object('dag_id', dag_id, 'run_type', run_type, 'state', state),
	extract(epoch from min(case state when 'queued' then $QUEUED else start_date end))
	from runs where active group by dag_id, run_type, state
union all
select 'airflow_import_errors', json_build_object('bundle', $BUNDLE), count(*) from import_error group by $BUNDLE
union all
select 'airflow_import_errors_oldest_timestamp_seconds', json_build_object('bundle', $BUNDLE), null from import_error group by $BUNDLE
union all
select 'airflow_dag_last_run_state', json_build_object('dag_id', dag_id, 'state', s), (state = s)::int
	from finished, unnest(array['success', 'failed']) s where n = 1
union all
select 'airflow_dag_last_run_end_timestamp_seconds', json_build_object('dag_id', dag_id), extract(epoch from end_date) from finished where n = 1
union all
select 'airflow_dag_last_run_duration_seconds', json_build_object('dag_id', dag_id), extract(epoch from end_date - start_date)
	from finished where n = 1
union all
select 'airflow_dag_last_success_timestamp_seconds', json_build_object('dag_id', dag_id), extract(epoch from end_date)
	from finished where n_of_state = 1 and state = 'success'
union all
select 'airflow_dag_last_success_duration_seconds', json_build_object('dag_id', dag_id), extract(epoch from end_date - start_date)
	from finished where n_of_state = 1 and state = 'success'

) t`

// endedFamilies are the metrics that endedRunsSQL knows.
var endedFamilies = []string{
	"airflow_dag_runs_finished_total", "airflow_dag_run_duration_seconds_count", "airflow_dag_run_duration_seconds_sum",
	"airflow_dag_run_start_delay_seconds_count", "airflow_dag_run_start_delay_seconds_sum",
}

// endedRunsSQL knows no delay of runs that were due before: the exporter cannot tell whether those began for the first time.
const endedRunsSQL = `
with
runs as (
	select *, extract(epoch from end_date - start_date) as length, extract(epoch from start_date - $DUE) as delay
	from dag_run where end_date > '$SINCE' and state in ('success', 'failed') and $WHERE)

select coalesce(json_agg(json_build_object('name', name, 'labels', labels, 'value', value::text)), '[]') from (

select 'airflow_dag_runs_finished_total' as name, json_build_object('dag_id', dag_id, 'run_type', run_type, 'state', state) as labels, count(*)::numeric as value
	from runs group by dag_id, run_type, state
union all
select 'airflow_dag_run_duration_seconds_count', json_build_object('dag_id', dag_id, 'state', state), count(*) from runs group by dag_id, state
union all
select 'airflow_dag_run_duration_seconds_sum', json_build_object('dag_id', dag_id, 'state', state), sum(length) from runs group by dag_id, state
union all
select 'airflow_dag_run_start_delay_seconds_count', json_build_object('dag_id', dag_id), count(*)
	from runs where run_type = 'scheduled' and $DUE > '$SINCE' group by dag_id
union all
select 'airflow_dag_run_start_delay_seconds_sum', json_build_object('dag_id', dag_id), sum(delay)
	from runs where run_type = 'scheduled' and $DUE > '$SINCE' group by dag_id

) t`
