package main

import (
	"fmt"
	"strings"
)

// scope is what a dashboard looks at: the matchers that all its queries have.
type scope []string

var (
	fleet    = scope{`cluster=~"$cluster"`}
	selected = scope{`cluster=~"$cluster"`, `dag_id=~"$dag_id"`}
	oneDag   = scope{`cluster="$airflow"`, `dag_id="$dag"`}
)

// of selects a metric.
func (s scope) of(metric string, matchers ...string) string {
	return metric + "{" + strings.Join(append(append([]string{}, s...), matchers...), ",") + "}"
}

// maxBy is one value for each label set, however many exporters tell of the same Airflow: they count alike.
func maxBy(labels, expr string) string {
	return "max by (" + labels + ") (" + expr + ")"
}

func minBy(labels, expr string) string {
	return "min by (" + labels + ") (" + expr + ")"
}

// oneOf is a metric with its own labels, once for all exporters.
func (s scope) oneOf(labels, metric string, matchers ...string) string {
	return maxBy(labels, s.of(metric, matchers...))
}

// orZero is 0 where expr has no result although evidence has one for every Airflow: what is not known must not look like zero.
func (s scope) orZero(expr, evidence string) string {
	unknown := s.airflow().oneOf("cluster", "airflow_up") + " unless on (cluster) (" + evidence + ")"
	return "(" + expr + ") or (0 * group(" + evidence + ") unless on () (" + unknown + "))"
}

// countOrZero is how many results expr has, if evidence has any.
func (s scope) countOrZero(expr, evidence string) string {
	return s.orZero("count("+expr+")", evidence)
}

// The evidence that something is known, even if there is nothing of it.

// runsAreKnown wants the parts dag_runs and dags: without the second one no DAG is known not to be paused.
func (s scope) runsAreKnown() string {
	return s.of("airflow_dag_last_run_state") + " and " + byDag + " " + s.of("airflow_dag_paused")
}

// waitsAreKnown wants the part blocked, which can be switched off and has nothing to ask about where the listing is cut.
func (s scope) waitsAreKnown() string {
	return s.airflow().of("airflow_exporter_collector_success", `collector="blocked"`) + " == 1 unless on (cluster) " +
		s.airflow().of("airflow_exporter_collector_truncated", `collector="task_instances"`) + " == 1"
}

// instancesAreKnown wants the listing of task instances, which is cut above collector.max_rows although they are still counted.
func (s scope) instancesAreKnown() string {
	return s.airflow().of("airflow_unfinished_task_instances", `state!="none"`) + " and on (cluster) " +
		s.airflow().of("airflow_exporter_collector_truncated", `collector="task_instances"`) + " == 0"
}

// byDag is how series of two metrics of DAGs find each other.
const byDag = "on (cluster, dag_id)"

func (s scope) isNotPaused() string {
	return "and " + byDag + " " + s.oneOf("cluster, dag_id", "airflow_dag_paused") + " == 0"
}

// isNotHeldBack leaves out DAGs of which Airflow creates no run because of max_active_runs.
func (s scope) isNotHeldBack() string {
	return " unless " + byDag + " " + s.oneOf("cluster, dag_id", "airflow_dag_at_max_active_runs") + " == 1"
}

// failing are the DAGs whose last finished run failed, as AirflowDagLastRunFailed has it: those without a schedule for a day.
func (s scope) failing() string {
	return s.oneOf("cluster, dag_id", "airflow_dag_last_run_state", `state="failed"`) + " == 1 " + s.isNotPaused() + " and " + byDag + " (" +
		s.oneOf("cluster, dag_id", "airflow_dag_next_run_timestamp_seconds") + " or time() - " +
		s.oneOf("cluster, dag_id", "airflow_dag_last_run_end_timestamp_seconds") + " < 86400)"
}

// overdueLimit is how long a DAG may go without a success, as AirflowDagOverdue has it.
func (s scope) overdueLimit() string {
	return "2 * " + maxBy("cluster, dag_id", "max_over_time("+s.of("airflow_dag_schedule_interval_seconds")+"[3h])") + " + 900"
}

// overdue are the DAGs of AirflowDagOverdue, and since when they have not succeeded.
func (s scope) overdue() string {
	return "time() - " + s.oneOf("cluster, dag_id", "airflow_dag_last_success_timestamp_seconds") + " > " + s.overdueLimit() + " and " + byDag + " " +
		maxBy("cluster, dag_id", "max_over_time("+s.of("airflow_dag_paused")+"[6h])") + " == 0"
}

// stalled are the DAGs with a run in which nothing moves.
func (s scope) stalled() string {
	return s.oneOf("cluster, dag_id", "airflow_dag_runs_stalled") + " > 0 " + s.isNotPaused()
}

// notCreated are the DAGs of AirflowDagScheduleMissed, and how late their next run is.
func (s scope) notCreated() string {
	return maxBy("cluster", s.airflow().of("airflow_exporter_collector_last_refresh_timestamp_seconds", `collector="dags"`)) +
		" - on (cluster) group_right () " + s.oneOf("cluster, dag_id", "airflow_dag_next_run_timestamp_seconds") + " > 600 " + s.isNotPaused() + s.isNotHeldBack()
}

// airflow is the Airflow that a scope is in, for metrics that have no dag_id.
func (s scope) airflow() scope { return s[:1] }

// queuedLong are the DAGs of AirflowDagRunQueuedTooLong, and since when their oldest run has been queued.
func (s scope) queuedLong() string {
	return "time() - " + minBy("cluster, dag_id", s.of("airflow_dag_runs_oldest_timestamp_seconds", `state="queued"`, `run_type!="backfill"`)) +
		" > 1800 " + s.isNotPaused()
}

// runsLong are the DAGs of AirflowDagRunTooLong, and how long their oldest run has been running.
func (s scope) runsLong() string {
	return "time() - " + minBy("cluster, dag_id", s.of("airflow_dag_runs_oldest_timestamp_seconds", `state="running"`, `run_type!="backfill"`)) +
		" > 1.5 * max_over_time(" + s.of("cluster_dag:airflow_dag_last_success_duration_seconds:max14d") + "[15m]) + 900 " + s.isNotPaused()
}

// blockedLong are DAGs with instances that cannot start for a reason that may last, and how long the oldest of the scheduled ones has been waiting.
func (s scope) blockedLong() string {
	return "(time() - " + minBy("cluster, dag_id", s.of("airflow_task_instances_oldest_timestamp_seconds", `state="scheduled"`)) + " > 1800 " + s.isNotPaused() +
		") * on (cluster, dag_id) group_right () (sum by (cluster, dag_id, reason) (" +
		s.oneOf("cluster, dag_id, task_id, reason", "airflow_task_instances_blocked", `reason=~"pool_slots|missing_pool|dag_concurrency|task_concurrency|none_reported"`) + ") > bool 0)"
}

// problemKind is one thing that can be wrong with a DAG.
type problemKind struct {
	name string // what it is, a colon, and what exactly
	bad  bool   // its data is late or lost; else it is going to be
	expr string // the DAGs that have it, and for how long
}

// problemKinds begin with the worst.
func (s scope) problemKinds() []problemKind {
	running := "time() - " + minBy("cluster, dag_id", s.of("airflow_dag_runs_oldest_timestamp_seconds", `state="running"`, `run_type!="backfill"`))
	ended := "time() - " + s.oneOf("cluster, dag_id", "airflow_dag_last_run_end_timestamp_seconds")
	succeeded := "time() - " + s.oneOf("cluster, dag_id", "airflow_dag_last_success_timestamp_seconds")
	return []problemKind{
		{"failed: last run", true, "(" + succeeded + " or " + ended + ") and " + byDag + " (" + s.failing() + ")"},
		{"hangs: nothing moves", true, running + " and " + byDag + " (" + s.stalled() + ")"},
		{"late: overdue", true, "(" + s.overdue() + ") - " + byDag + " (" + s.overdueLimit() + ")"},
		{"late: not created", true, s.notCreated()},
		{"late: still queued", false, s.queuedLong()},
		{"slow: runs too long", false, s.runsLong()},
		{"waits:", false, s.blockedLong()},
	}
}

// problems has a row for each DAG and each thing that is wrong with it, in the label problem. The value is for how long.
func (s scope) problems() string {
	var all []string
	for _, k := range s.problemKinds() {
		if k.name == "waits:" {
			all = append(all, `label_replace(`+k.expr+`, "problem", "waits: $1", "reason", "(.+)")`)
		} else {
			all = append(all, fmt.Sprintf(`label_replace(%s, "problem", "%s", "", "")`, k.expr, k.name))
		}
	}
	// An Airflow of which nothing is known has no problem in this table, and must not look well.
	refreshed := maxBy("cluster", s.airflow().of("airflow_exporter_collector_last_refresh_timestamp_seconds", `collector="dag_runs"`))
	all = append(all, `label_replace(time() - `+refreshed+" and on (cluster) "+s.airflow().oneOf("cluster", "airflow_up")+` == 0, "problem", "unknown: the API does not answer", "", "")`)
	return strings.Join(all, " or ")
}

// quantile of a histogram by labels (with a comma behind each, or none), of its classic buckets or, where Prometheus keeps those, its native ones. Nothing, where nothing was counted.
func (s scope) quantile(q float64, labels, histogram string, matchers ...string) string {
	grouping := strings.TrimSuffix(labels, ", ")
	return fmt.Sprintf("histogram_quantile(%g, sum by (%sle) (rate(%s[$__rate_interval]))) >= 0 or histogram_quantile(%g, sum by (%s) (rate(%s[$__rate_interval]))) >= 0",
		q, labels, s.of(histogram+"_bucket", matchers...), q, grouping, s.of(histogram, matchers...))
}

// buckets of a histogram over time, per second, classic or, where Prometheus has none of those, native. Those of two exporters count once.
func (s scope) buckets(labels, histogram string, matchers ...string) string {
	return fmt.Sprintf("sum by (le) (max by (%s, le) (rate(%s[$__rate_interval]))) or on () sum (avg by (%s) (rate(%s[$__rate_interval])))",
		labels, s.of(histogram+"_bucket", matchers...), labels, s.of(histogram, matchers...))
}

// overdue is recorded, for graphs: 1 for the DAGs of AirflowDagOverdue, 0 for the others with a schedule and a success.
const overdue = "cluster_dag:airflow_dag_overdue:bool"

// taskFailures are the recorded failures per second, of the tasks that have any.
const taskFailures = "cluster_dag_task:airflow_task_failures:rate5m"

// finished is the recorded rate of what finished, by DAG and state: over all tasks it is cheaper than the counters.
const finished = "cluster_dag_state:airflow_task_instances_finished:rate5m"
