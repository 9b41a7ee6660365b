//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// counters are the metrics that attemptsSQL knows.
var counters = []string{
	"airflow_task_instances_finished_total", "airflow_task_retries_total", "airflow_task_duration_seconds_count",
	"airflow_dag_runs_finished_total",
}

func finishedKey(dag, task, state string) string {
	return seriesKey("airflow_task_instances_finished_total", map[string]string{"dag_id": dag, "task_id": task, "state": state})
}

func retriesKey(dag, task string) string {
	return seriesKey("airflow_task_retries_total", map[string]string{"dag_id": dag, "task_id": task})
}

func durationKey(dag, state string) string {
	return seriesKey("airflow_task_duration_seconds_count", map[string]string{"dag_id": dag, "state": state})
}

// attempts are the counters as the database has them, of the attempts that ended since.
func (a *installation) attempts(ctx context.Context, since time.Time) (series, error) {
	return a.query(ctx, strings.ReplaceAll(attemptsSQL, "$SINCE", since.UTC().Format(time.RFC3339Nano)))
}

// ofDAG returns the series of one DAG.
func (s series) ofDAG(dag string) series {
	f := series{}
	label := fmt.Sprintf("dag_id=%q", dag)
	for key, v := range s {
		if strings.Contains(key, label) {
			f[key] = v
		}
	}
	return f
}

// compareCounters wants the database to have what the DAG should have made, and the exporter to have the same.
func compareCounters(t *testing.T, a *installation, got, truth, want series) {
	t.Helper()
	if !maps.Equal(truth, want) {
		t.Errorf("the database has\n%v\nthe DAG should have made\n%v", truth, want)
	}
	if diff := countersDifference(got, truth); len(diff) > 0 {
		t.Errorf("the exporter disagrees with the database:\n%s", strings.Join(diff, "\n"))
		rows, err := a.pg.exec(t.Context(), a.db, attemptRowsSQL)
		t.Logf("the attempts in the database: %v\n%s", err, rows)
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

// attemptsSQL counts the attempts and the runs that ended since $SINCE. Of runs it knows the newest end. The history has those that another one followed; that one came
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
union all
select 'airflow_dag_runs_finished_total', json_build_object('dag_id', dag_id, 'run_type', run_type, 'state', state), count(*)
	from dag_run where end_date > '$SINCE' and state in ('success', 'failed') group by dag_id, run_type, state

) t`

// attemptRowsSQL lists them for people.
const attemptRowsSQL = `
select 'now', dag_id, run_id, task_id, map_index, try_number, max_tries, state, start_date, end_date, duration from task_instance where end_date > now() - interval '10 min'
union all
select 'history', dag_id, run_id, task_id, map_index, try_number, max_tries, state, start_date, end_date, duration from task_instance_history where end_date > now() - interval '10 min'
order by 2, 3, 4, 5, 6, 1`
