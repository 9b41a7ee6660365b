package collector

import (
	"strings"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// The values of the label reason; see reasonOfDependency for those that Airflow names.
const (
	reasonDagPaused     = "dag_paused"
	reasonRunNotRunning = "dag_run_not_running"
	reasonPoolSlots     = "pool_slots"
	reasonMissingPool   = "missing_pool"
	reasonNoneReported  = "none_reported" // Airflow names none: executor, parallelism or scheduler
	reasonOther         = "other"         // a check that is not Airflow's own
)

// ignoredDependency comes with every instance without a state.
const ignoredDependency = "Task Instance State"

// dependencyReasons are the names of Airflow's dependency checks, of both versions.
var dependencyReasons = map[string]string{
	"Pool Slots Available":               reasonPoolSlots,
	"Task Instance Slots Available":      "dag_concurrency",
	"Task Concurrency":                   "task_concurrency",
	"Trigger Rule":                       "trigger_rule",
	"Previous Dagrun State":              "depends_on_past",
	"Dag Not Paused":                     reasonDagPaused,
	"Dagrun Running":                     reasonRunNotRunning,
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
		if d.Name == ignoredDependency {
			continue
		}
		reason := reasonOfDependency(d)
		reasons[reason] = struct{}{}
		if reason == reasonOther {
			unknown = append(unknown, d.Name)
		}
	}
	if len(reasons) == 0 {
		reasons[reasonNoneReported] = struct{}{}
	}
	return reasons, unknown
}

func reasonOfDependency(d airflow.Dependency) string {
	reason, ok := dependencyReasons[d.Name]
	switch {
	case !ok:
		return reasonOther
	case reason == reasonPoolSlots && strings.Contains(d.Reason, "non-existent pool"):
		return reasonMissingPool
	}
	return reason
}
