//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A knownPart is what the database knows of a part, and how old that may be while the part cannot be refreshed.
type knownPart struct {
	families []string
	maxAge   time.Duration
}

// knownParts are the chaosFamilies, by part.
var knownParts = map[string]knownPart{
	"health": {[]string{"airflow_info", "airflow_component_healthy", "airflow_component_last_heartbeat_timestamp_seconds"}, chaosMaxAge},
	"task_instances": {[]string{
		"airflow_unfinished_task_instances", "airflow_task_instances", "airflow_task_instances_oldest_timestamp_seconds",
		"airflow_task_instances_retrying", "airflow_queue_task_instances", "airflow_pool_used_slots", "airflow_pool_oldest_timestamp_seconds",
	}, chaosMaxAge},
	"pools": {[]string{"airflow_pool_slots", "airflow_pool_size_slots"}, time.Minute + chaosMaxAge},
	"dags": {[]string{
		"airflow_exporter_visible_dags", "airflow_dag_paused", "airflow_dag_info", "airflow_dag_next_run_timestamp_seconds",
	}, 5*time.Minute + chaosMaxAge},
	"dag_runs": {append([]string{
		"airflow_dag_at_max_active_runs", "airflow_dag_schedule_interval_seconds", "airflow_dag_runs", "airflow_dag_runs_oldest_timestamp_seconds",
	}, lastRunFamilies...), 30*time.Second + chaosMaxAge},
	"import_errors": {[]string{"airflow_import_errors", "airflow_import_errors_oldest_timestamp_seconds"}, time.Minute + chaosMaxAge},
}

func chaosFamilies() []string { return slices.Concat(families, runFamilies, []string{"airflow_info"}) }

// chaosParts are all parts of an exporter that asks nobody why it waits.
func chaosParts() []string { return append(slices.Sorted(maps.Keys(knownParts)), "attempts") }

// judge says what is wrong with a scrape that began at a moment, and how many samples are absent with a flag.
func (c *chaos) judge(s series, begin time.Time) (wrong []string, absent int) {
	for part, known := range knownParts {
		label := fmt.Sprintf(`{collector=%q}`, part)
		flagged := s["airflow_exporter_collector_success"+label] != 1
		age := unix(begin) - s["airflow_exporter_collector_last_refresh_timestamp_seconds"+label]
		for _, name := range known.families {
			want, got := c.known.family(name), s.family(name)
			for key, v := range got {
				switch right, ok := want[key]; {
				case !ok || v != right:
					wrong = append(wrong, fmt.Sprintf("%s: database %f (there: %t), exporter %f", key, right, ok, v))
				case flagged && age > known.maxAge.Seconds():
					wrong = append(wrong, fmt.Sprintf("%s: still there after %.0f s", key, age))
				}
			}
			for key := range want {
				if _, ok := got[key]; ok {
					continue
				}
				if absent++; !flagged {
					wrong = append(wrong, key+": absent, without a flag")
				}
			}
		}
	}
	return append(wrong, c.judgeCounters(s)...), absent
}

// judgeCounters wants those of Airflow to be what they were, those of the exporter not to fall, and the process to be the same.
func (c *chaos) judgeCounters(s series) (wrong []string) {
	for key, was := range c.last {
		name, _, _ := strings.Cut(key, "{")
		is, ok := s[key]
		if isCounter(name) && (!ok || is < was) {
			wrong = append(wrong, fmt.Sprintf("%s fell from %f to %f (there: %t)", key, was, is, ok))
		}
	}
	for key, is := range s {
		name, _, _ := strings.Cut(key, "{")
		ofAirflow := strings.HasPrefix(name, "airflow_") && !strings.HasPrefix(name, "airflow_exporter_")
		if was, ok := c.first[key]; ofAirflow && isCounter(name) && (!ok || is != was) {
			wrong = append(wrong, fmt.Sprintf("%s rose from %f to %f (there: %t), but the zoo is frozen", key, was, is, ok))
		}
	}
	for _, name := range []string{"process_start_time_seconds", "airflow_exporter_panics_total"} {
		if err := s.has(c.first.family(name)); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	return wrong
}

// isCounter tells counters, and the number and the sum of what histograms observed, by their names.
func isCounter(name string) bool {
	return slices.ContainsFunc([]string{"_total", "_count", "_sum"}, func(suffix string) bool { return strings.HasSuffix(name, suffix) })
}
