package collector

import (
	"fmt"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
)

// Metric declares one metric family. The exposition, the README's table and
// the tests all read the same declaration.
type Metric struct {
	Name   string
	Type   string // gauge, counter or histogram
	Labels []string
	Help   string
}

// metricID is the place of a family in the table.
type metricID int

// The families, in the order of the README's table.
const (
	up metricID = iota
	info
	componentHealthy
	componentHeartbeat

	unfinishedTaskInstances
	taskInstances
	taskInstancesOldest
	taskInstancesRetrying
	taskInstancesBlocked
	taskInstancesWaiting
	queueTaskInstances
	poolSlots
	poolSize
	poolUsedSlots
	poolOldest

	dagRuns
	dagRunsOldest
	dagRunsStalled
	dagLastRunState
	dagLastRunEnd
	dagLastRunDuration
	dagLastSuccess
	dagLastSuccessDuration
	dagNextRun
	dagAtMaxActiveRuns
	dagScheduleInterval
	dagPaused
	dagInfo
	importErrors
	importErrorsOldest

	collectorSuccess
	collectorError
	collectorDuration
	collectorLastRefresh
	collectorTruncated
	scrapeBudget
	clockSkew
	visibleDags
	droppedSeries

	taskInstancesFinished
	taskRetries
	taskInstancesStarted
	taskDuration
	taskQueueWait
	taskScheduleWait
	dagRunsFinished
	dagRunDuration
	dagRunStartDelay

	collectorErrors
	apiRequests
	apiRequestDuration
	apiResponseBytes
	panics
	reloadSuccessful
	reloadTimestamp

	metricCount

	// The families of the Ledger, and the first one after them, with which those of
	// Telemetry begin; those before are a Snapshot's.
	ledgerBegin = taskInstancesFinished
	ledgerEnd   = collectorErrors
)

var table = [metricCount]Metric{
	up:                 {"airflow_up", "gauge", nil, "1: the last collection reached Airflow's API and was let in. 0: it was not, see airflow_exporter_collector_error."},
	info:               {"airflow_info", "gauge", []string{"version", "api", "url"}, "Always 1. The version of Airflow, the API that is used, and the URL of Airflow's web interface."},
	componentHealthy:   {"airflow_component_healthy", "gauge", []string{"component"}, "1: Airflow calls the component healthy, 0: it does not. Absent for components that this Airflow does not have."},
	componentHeartbeat: {"airflow_component_last_heartbeat_timestamp_seconds", "gauge", []string{"component"}, "Newest heartbeat of the component, which Airflow calls healthy for a while after it."},

	unfinishedTaskInstances: {"airflow_unfinished_task_instances", "gauge", []string{"state"}, "Unfinished task instances of all DAGs. Dense over the states of this Airflow version; none: no state yet, waiting for upstream."},
	taskInstances:           {"airflow_task_instances", "gauge", []string{"dag_id", "task_id", "state"}, "Unfinished task instances by task, those without a state excluded. Sparse."},
	taskInstancesOldest:     {"airflow_task_instances_oldest_timestamp_seconds", "gauge", []string{"dag_id", "state"}, "Since when the oldest of these task instances has been waiting or running; where Airflow does not tell, when the exporter first saw it so. Sparse."},
	taskInstancesRetrying:   {"airflow_task_instances_retrying", "gauge", []string{"dag_id", "task_id"}, "Unfinished task instances that are past their first attempt or wait for the next. Sparse."},
	taskInstancesBlocked:    {"airflow_task_instances_blocked", "gauge", []string{"dag_id", "task_id", "reason"}, "Waiting task instances for which Airflow names this reason; one with two reasons counts under both. Sparse."},
	taskInstancesWaiting:    {"airflow_task_instances_waiting", "gauge", []string{"examined"}, "Task instances scheduled for longer than collector.blocked.after, and those without a state in queued, paused and stalled runs, by whether their reason is known."},
	queueTaskInstances:      {"airflow_queue_task_instances", "gauge", []string{"queue", "state"}, "Task instances queued for and running in each worker queue. Dense over the two states, for each queue seen since the exporter started."},
	poolSlots:               {"airflow_pool_slots", "gauge", []string{"pool", "state"}, "Slots of the pool that are open, running, queued, scheduled or deferred. An unlimited pool has no open ones."},
	poolSize:                {"airflow_pool_size_slots", "gauge", []string{"pool"}, "Configured slots of the pool, +Inf for an unlimited one."},
	poolUsedSlots:           {"airflow_pool_used_slots", "gauge", []string{"pool", "dag_id"}, "Slots of the pool that queued and running task instances of the DAG hold; dag_id __other__: those of DAGs that are not selected or have no room. Sparse."},
	poolOldest:              {"airflow_pool_oldest_timestamp_seconds", "gauge", []string{"pool", "queue", "state"}, "Since when the oldest queued or scheduled task instance of the pool has been waiting. Sparse."},

	dagRuns:                {"airflow_dag_runs", "gauge", []string{"dag_id", "state"}, "Queued and running runs. Dense over the two states for each DAG that is not paused."},
	dagRunsOldest:          {"airflow_dag_runs_oldest_timestamp_seconds", "gauge", []string{"dag_id", "run_type", "state"}, "Since when the oldest of these runs has been queued or running; on Airflow 2, when the exporter first saw it queued. Sparse."},
	dagRunsStalled:         {"airflow_dag_runs_stalled", "gauge", []string{"dag_id"}, "Running runs of DAGs that are not paused in which nothing has moved for 5 minutes: task instances wait, and none is scheduled, queued or running. Sparse."},
	dagLastRunState:        {"airflow_dag_last_run_state", "gauge", []string{"dag_id", "state"}, "1 for the state, success or failed, of the finished run that was due last, manual ones included, backfills excluded; 0 for the other."},
	dagLastRunEnd:          {"airflow_dag_last_run_end_timestamp_seconds", "gauge", []string{"dag_id"}, "When that run ended."},
	dagLastRunDuration:     {"airflow_dag_last_run_duration_seconds", "gauge", []string{"dag_id"}, "How long that run took."},
	dagLastSuccess:         {"airflow_dag_last_success_timestamp_seconds", "gauge", []string{"dag_id"}, "When the successful run ended that was due last, backfills excluded."},
	dagLastSuccessDuration: {"airflow_dag_last_success_duration_seconds", "gauge", []string{"dag_id"}, "How long that run took."},
	dagScheduleInterval:    {"airflow_dag_schedule_interval_seconds", "gauge", []string{"dag_id"}, "The larger of the gaps before and after the due time of the newest scheduled run. Absent without a time schedule, and while only one due time is known."},

	dagNextRun:         {"airflow_dag_next_run_timestamp_seconds", "gauge", []string{"dag_id"}, "When the next scheduled run is due to be created. While Airflow creates none because too many are active, it may stay at when the newest was due. Absent without a time schedule, and when that is over."},
	dagAtMaxActiveRuns: {"airflow_dag_at_max_active_runs", "gauge", []string{"dag_id"}, "1: Airflow creates no scheduled run because too many runs are active (max_active_runs). Sparse."},
	dagPaused:          {"airflow_dag_paused", "gauge", []string{"dag_id"}, "1: the DAG is paused, 0: it is not."},
	dagInfo:            {"airflow_dag_info", "gauge", []string{"dag_id", "owners", "tags", "schedule"}, "Always 1. Owners and tags are sorted and joined by commas; schedule is Airflow's summary, empty for none."},
	importErrors:       {"airflow_import_errors", "gauge", []string{"bundle"}, "DAG files that do not import now. On Airflow 2 the bundle is empty; on Airflow 3 a bundle has a series, with 0, from its first import error since the exporter started, so write rules with > 0."},
	importErrorsOldest: {"airflow_import_errors_oldest_timestamp_seconds", "gauge", []string{"bundle"}, "When the exporter first saw the oldest import error of the bundle that is still there: Airflow moves its own timestamp each time it parses the file. Sparse."},

	collectorSuccess:     {"airflow_exporter_collector_success", "gauge", []string{"collector"}, "1: the last refresh of this part that was due succeeded completely, 0: it did not."},
	collectorError:       {"airflow_exporter_collector_error", "gauge", []string{"collector", "class"}, "1 for the class of the error that the last refresh met: " + strings.Join(classes(), ", ") + ". Absent after a success."},
	collectorDuration:    {"airflow_exporter_collector_duration_seconds", "gauge", []string{"collector"}, "How long the last refresh took. Absent until the part was asked."},
	collectorLastRefresh: {"airflow_exporter_collector_last_refresh_timestamp_seconds", "gauge", []string{"collector"}, "When the data of this part was fetched."},
	collectorTruncated:   {"airflow_exporter_collector_truncated", "gauge", []string{"collector"}, "1: a limit cut what this part could fetch; details are missing."},
	scrapeBudget:         {"airflow_exporter_scrape_budget_seconds", "gauge", nil, "How long this scrape was allowed to take."},
	clockSkew:            {"airflow_exporter_clock_skew_seconds", "gauge", nil, "The exporter's clock minus Airflow's: 0 when they agree as far as HTTP tells, which is to two seconds."},
	visibleDags:          {"airflow_exporter_visible_dags", "gauge", nil, "DAGs that Airflow lists for the account, stale ones left out, whether dags.include selects them or not. A fall may mean that it lost rights."},
	droppedSeries:        {"airflow_exporter_dropped_series", "gauge", []string{"family"}, "Series that collector.max_series left no room for: counted as __other__, or left out. Buckets count, and of a family some ten thousand label sets at most. Dense over the families that have a dag_id."},

	taskInstancesFinished: {"airflow_task_instances_finished_total", "counter", []string{"dag_id", "task_id", "state"}, "Task instances that reached success, failed, skipped or upstream_failed since the exporter started, each attempt once. With collector.task_labels: false the task_id of this and all other families is empty."},
	taskRetries:           {"airflow_task_retries_total", "counter", []string{"dag_id", "task_id"}, "Attempts that failed and were followed by another, or will be."},
	taskInstancesStarted:  {"airflow_task_instances_started_total", "counter", []string{"pool", "queue"}, "Attempts first seen running, or found ended with a start, those included whose queue wait is not known. Born at 0 with each pool and queue."},
	taskDuration:          {"airflow_task_duration_seconds", "histogram", []string{"dag_id", "state"}, "How long ended attempts ran, by success or failed; those that were retried failed. Of sensors that reschedule: their last poke. By task_id, too, with collector.duration_task_labels."},
	taskQueueWait:         {"airflow_task_queue_wait_seconds", "histogram", []string{"pool", "queue"}, "From queued to running, of each attempt."},
	dagRunsFinished:       {"airflow_dag_runs_finished_total", "counter", []string{"dag_id", "run_type", "state"}, "Runs that ended in success or failed since the exporter started, each end once."},
	dagRunDuration:        {"airflow_dag_run_duration_seconds", "histogram", []string{"dag_id", "state"}, "From start to end of runs."},
	dagRunStartDelay:      {"airflow_dag_run_start_delay_seconds", "histogram", []string{"dag_id"}, "From when a scheduled run was due to its start."},
	taskScheduleWait:      {"airflow_task_schedule_wait_seconds", "histogram", []string{"pool", "queue"}, "From scheduled to queued, of each attempt. Airflow 3 only."},

	collectorErrors:    {"airflow_exporter_collector_errors_total", "counter", []string{"collector", "class"}, "Refreshes of Airflow's data that failed, by class of error. A scraper that could not wait for one shows in airflow_exporter_collector_error only."},
	apiRequests:        {"airflow_exporter_api_requests_total", "counter", []string{"endpoint", "code"}, "Requests to Airflow, logins included; code is error when no answer came."},
	apiRequestDuration: {"airflow_exporter_api_request_duration_seconds", "histogram", []string{"endpoint"}, "From sending a request to Airflow until its answer was read."},
	apiResponseBytes:   {"airflow_exporter_api_response_bytes_total", "counter", []string{"endpoint"}, "Bytes of answers read from Airflow."},
	panics:             {"airflow_exporter_panics_total", "counter", nil, "Bugs that were caught; the part that met one was absent."},
	reloadSuccessful:   {"airflow_exporter_config_last_reload_successful", "gauge", nil, "1: the configuration was loaded, 0: the last reload failed and the one before it is still in use."},
	reloadTimestamp:    {"airflow_exporter_config_last_reload_success_timestamp_seconds", "gauge", nil, "When the configuration in use was loaded."},
}

// Metrics returns the declarations of all families, in the order of the README's table.
func Metrics() []Metric { return slices.Clone(table[:]) }

// exposition collects gauges, each label set once, so that a mistake in one
// part can never spoil the scrape.
type exposition struct {
	seen     map[labelSet]struct{}
	labels   labelPairs
	others   []gaugeSample // of families without dag_id
	byDag    []gaugeSample // of those with one
	totals   int           // metrics that count towards the limit on series
	included []*exposition
	fitted   *fit // what those come to; nil: nothing
}

// labelSet is a series of an exposition, in which each label is there once.
type labelSet struct {
	id     metricID
	labels [4]*dto.LabelPair
}

// gaugeSample is a gauge of a family. One by DAG may have to go for want of room.
type gaugeSample struct {
	id     metricID
	metric *dto.Metric
}

func newExposition() *exposition {
	return &exposition{seen: map[labelSet]struct{}{}, labels: labelPairs{}}
}

// close drops what is needed only as long as gauges are added, which is as large as they are.
func (e *exposition) close() { e.seen, e.labels = nil, nil }

// newGauge returns a gauge of a family.
func newGauge(id metricID, value float64, labels []*dto.LabelPair) gaugeSample {
	return gaugeSample{id, &dto.Metric{Label: labels, Gauge: &dto.Gauge{Value: proto.Float64(value)}}}
}

// gauge adds one sample. A label set that is there already, or one that
// Prometheus would refuse, is a bug of the caller: it panics, and the part is
// left out.
func (e *exposition) gauge(id metricID, value float64, labels ...string) {
	s := newGauge(id, value, e.labels.of(id, labels))
	key := labelSet{id: id}
	if copy(key.labels[:], s.metric.Label) < len(labels) {
		panic(fmt.Sprintf("%s has more than %d labels", table[id].Name, len(key.labels)))
	}
	if _, again := e.seen[key]; again {
		panic(fmt.Sprintf("%s%q is emitted twice", table[id].Name, labels))
	}
	e.seen[key] = struct{}{}
	if dagLabel[id] < 0 {
		e.others = append(e.others, s)
		if slices.Contains(totals, id) {
			e.totals++
		}
		return
	}
	e.byDag = append(e.byDag, s)
}

// separator is between labels in the key of a label set; none contains it, which is no UTF-8.
const separator = "\xff"

func keyOfLabels(labels []string) string { return strings.Join(labels, separator) }

// include adds what was rendered before, without copying it.
func (e *exposition) include(other *exposition) { e.included = append(e.included, other) }

// gather are the gauges without a dag_id.
func (e *exposition) gather() ([]*dto.MetricFamily, error) {
	var g gaugesByFamily
	g.add(e.others)
	for _, part := range e.included {
		g.add(part.others)
	}
	return g.families()
}

// boolean is 1 or 0.
func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
