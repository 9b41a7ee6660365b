package collector

import (
	"strings"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// The values of the label reason that are known without asking, or need more words; see ReasonOfDependency for those that Airflow names.
const (
	ReasonDagPaused     = "dag_paused"
	ReasonRunNotRunning = "dag_run_not_running"
	ReasonPoolSlots     = "pool_slots"
	ReasonMissingPool   = "missing_pool"
	ReasonNoneReported  = "none_reported" // Airflow names none: executor, parallelism or scheduler
	ReasonOther         = "other"         // a check that is not Airflow's own
)

// ignoredDependency comes with every instance without a state.
const ignoredDependency = "Task Instance State"

// dependencyReasons are the names of Airflow's dependency checks, of both versions.
var dependencyReasons = map[string]string{
	"Pool Slots Available":               ReasonPoolSlots,
	"Task Instance Slots Available":      "dag_concurrency",
	"Task Concurrency":                   "task_concurrency",
	"Trigger Rule":                       "trigger_rule",
	"Previous Dagrun State":              "depends_on_past",
	"Dag Not Paused":                     ReasonDagPaused,
	"Dagrun Running":                     ReasonRunNotRunning,
	"Execution Date":                     "date",
	"Logical Date":                       "date",
	"Mapped dependencies have succeeded": "mapped_dependency",
	"Task has been mapped":               "not_yet_mapped",
	"Ready To Reschedule":                "not_yet_rescheduled",
	"Not Previously Skipped":             "previously_skipped",
	"DagRun is not backfill job":         "backfill",
}

// reasonsOf are the reasons that Airflow names for a waiting instance, each
// once, and the names of checks that are not Airflow's own.
func reasonsOf(dependencies []airflow.Dependency) (reasons map[string]struct{}, unknown []string) {
	reasons = map[string]struct{}{}
	for _, d := range dependencies {
		reason, ok := ReasonOfDependency(d)
		if !ok {
			continue
		}
		reasons[reason] = struct{}{}
		if reason == ReasonOther {
			unknown = append(unknown, d.Name)
		}
	}
	if len(reasons) == 0 {
		reasons[ReasonNoneReported] = struct{}{}
	}
	return reasons, unknown
}

// ReasonOfDependency is the value of the label reason for what Airflow names. It is false
// for what comes with every instance without a state, and says nothing.
func ReasonOfDependency(d airflow.Dependency) (reason string, ok bool) {
	if d.Name == ignoredDependency {
		return "", false
	}
	reason, ok = dependencyReasons[d.Name]
	switch {
	case !ok:
		return ReasonOther, true
	case reason == ReasonPoolSlots && strings.Contains(d.Reason, "non-existent pool"):
		return ReasonMissingPool, true
	}
	return reason, true
}
