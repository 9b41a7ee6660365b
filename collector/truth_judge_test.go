package collector

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// exposed is an exposition, taken apart.
type exposed struct {
	samples map[string]float64
	of      map[string]map[string]float64 // the samples of each part
	parts   map[string]exposedPart
	up      bool
}

// exposedPart is what an exposition says of a part.
type exposedPart struct {
	success, truncated bool
	fetchedAt          float64 // in seconds; 0: never
}

func parseExposition(t testing.TB, text string) exposed {
	t.Helper()
	e := exposed{samples: map[string]float64{}, of: map[string]map[string]float64{}, parts: map[string]exposedPart{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		i := strings.LastIndexByte(line, ' ')
		if i < 0 || line[0] == '#' {
			continue
		}
		value, err := strconv.ParseFloat(line[i+1:], 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		e.samples[line[:i]] = value
		if part := partOf(line[:i]); part != "" {
			if e.of[part] == nil {
				e.of[part] = map[string]float64{}
			}
			e.of[part][line[:i]] = value
		}
	}
	for _, part := range partNames {
		sample := func(family string) float64 {
			return e.samples[fmt.Sprintf(`airflow_exporter_collector_%s{collector=%q}`, family, part)]
		}
		e.parts[part] = exposedPart{sample("success") == 1, sample("truncated") == 1, sample("last_refresh_timestamp_seconds")}
	}
	e.up = e.samples["airflow_up"] == 1
	return e
}

var partNames = []string{"health", "task_instances", "dag_runs", "dags", "attempts", "blocked", "pools", "import_errors"}

// partFamilies are the families of the parts, as the README has them.
var partFamilies = map[string][]string{
	"health": {"airflow_info", "airflow_component_"},
	"task_instances": {"airflow_unfinished_", "airflow_task_instances", "airflow_task_instances_oldest_", "airflow_task_instances_retrying",
		"airflow_queue_", "airflow_pool_used_slots", "airflow_pool_oldest_"},
	"pools":         {"airflow_pool_slots", "airflow_pool_size_slots"},
	"dags":          {"airflow_dag_paused", "airflow_dag_info", "airflow_dag_next_run_", "airflow_exporter_visible_dags"},
	"import_errors": {"airflow_import_errors"},
	"dag_runs":      {"airflow_dag_runs", "airflow_dag_runs_oldest_", "airflow_dag_last_", "airflow_dag_schedule_interval_seconds", "airflow_dag_at_max_active_runs"},
	"blocked":       {"airflow_task_instances_blocked", "airflow_task_instances_waiting", "airflow_dag_runs_stalled"},
	"attempts": {"airflow_task_instances_finished_total", "airflow_task_retries_total", "airflow_task_instances_started_total", "airflow_task_duration_seconds",
		"airflow_task_queue_wait_seconds", "airflow_task_schedule_wait_seconds", "airflow_dag_runs_finished_total", "airflow_dag_run_duration_seconds",
		"airflow_dag_run_start_delay_seconds"},
}

// partOf is the part that a sample is of, empty for those of the exporter
// itself: the longest family that its name begins with.
func partOf(sample string) string {
	part, length := "", 0
	for name, families := range partFamilies {
		for _, family := range families {
			if strings.HasPrefix(sample, family) && len(family) > length {
				part, length = name, len(family)
			}
		}
	}
	return part
}

// verdict is what is wrong with an exposition.
type verdict struct {
	wrong []string // samples that are not the truth
	gaps  []string // samples that are missing, without a flag
	flags []string // flags of what is complete
}

func (v *verdict) empty() bool { return len(v.wrong)+len(v.gaps)+len(v.flags) == 0 }

// judge is how long each part may show its last value, and which parts a fault may flag.
type judge struct {
	maxAge time.Duration
	// mayFlag are the parts that the fault concerns; none: there is none.
	mayFlag []string
	// owed is what counters lack for good, which was judged before.
	owed map[string]float64
}

// partAges are the minimum ages of the parts that are not asked at each collection.
var partAges = map[string]time.Duration{"pools": time.Minute, "import_errors": time.Minute, "dags": 5 * time.Minute, "dag_runs": 30 * time.Second}

// compare judges what was said at a moment, the newest one of the truth, and
// before, what was said last.
func (j *judge) compare(said, before exposed, truth []truthMoment) verdict {
	var v verdict
	now := truth[len(truth)-1]
	for _, name := range partNames {
		part := said.parts[name]
		if flagged := !part.success || part.truncated; flagged && !slices.Contains(j.mayFlag, name) {
			v.flags = append(v.flags, fmt.Sprintf("%s: %+v", name, part))
		}
		if name != "attempts" {
			j.comparePart(&v, name, said, truth)
		}
	}
	if !said.up && len(j.mayFlag) == 0 {
		v.flags = append(v.flags, "airflow_up 0")
	}
	j.compareCounts(&v, said, before, now.said)
	return v
}

// comparePart judges the gauges of a part.
func (j *judge) comparePart(v *verdict, name string, said exposed, truth []truthMoment) {
	part, now := said.parts[name], truth[len(truth)-1]
	then, known := momentOf(truth, part.fetchedAt)
	if part.success && then.at != now.at {
		v.wrong = append(v.wrong, fmt.Sprintf("%s: success, but fetched at %v", name, part.fetchedAt))
	}
	tooOld := now.at.Sub(then.at) > partAges[name]+j.maxAge
	for sample, value := range said.of[name] {
		right, ok := then.said.samples[sample]
		if notExamined(name, sample, said, then.said) {
			continue
		}
		if part.truncated && isPartial(sample, value, right, truth) {
			continue
		}
		if !known || tooOld || !ok || right != value {
			v.wrong = append(v.wrong, fmt.Sprintf("%s %v, want %v (%v), too old: %v", sample, value, right, ok, tooOld))
		}
	}
	if !part.success || part.truncated {
		return
	}
	for sample := range now.said.of[name] {
		if _, ok := said.samples[sample]; !ok && !notExamined(name, sample, said, now.said) {
			v.gaps = append(v.gaps, sample)
		}
	}
}

// isPartial reports whether a sample tells what it can of a truncated part: the
// last run that is known, or how many of those that wait were looked at.
func isPartial(sample string, value, right float64, truth []truthMoment) bool {
	switch {
	case strings.HasPrefix(sample, "airflow_task_instances_waiting"), strings.HasPrefix(sample, "airflow_task_instances_blocked"):
		return value <= right
	case strings.HasPrefix(sample, "airflow_dag_last_"):
		return slices.ContainsFunc(truth, func(m truthMoment) bool { was, ok := m.said.samples[sample]; return ok && was == value })
	}
	return false
}

// notExamined reports whether a sample may differ because Airflow did not tell
// why instances wait, which airflow_task_instances_waiting{examined="false"} says.
func notExamined(part, sample string, said, truth exposed) bool {
	const waiting = "airflow_task_instances_waiting"
	number := func(e exposed, examined string) float64 { return e.samples[waiting+`{examined="`+examined+`"}`] }
	left := number(said, "false") - number(truth, "false")
	return part == "blocked" && left > 0 && number(said, "true")+left == number(truth, "true") &&
		(strings.HasPrefix(sample, waiting) || strings.HasPrefix(sample, "airflow_task_instances_blocked"))
}

// momentOf is the newest truth at a time, given in seconds.
func momentOf(truth []truthMoment, at float64) (truthMoment, bool) {
	for _, m := range slices.Backward(truth) {
		if seconds(m.at) <= at {
			return m, true
		}
	}
	return truthMoment{}, false
}

// compareCounts judges counters and histograms: they never fall, count nothing
// that did not happen, and lack nothing while nothing is flagged.
func (j *judge) compareCounts(v *verdict, said, before, truth exposed) {
	complete := true
	for _, name := range []string{"attempts", "dag_runs", "task_instances"} {
		complete = complete && said.parts[name].success && !said.parts[name].truncated
	}
	for sample, right := range truth.of["attempts"] {
		right -= j.owed[sample]
		value, ok := said.samples[sample]
		switch {
		case !ok && complete:
			v.gaps = append(v.gaps, sample)
		case ok && value > right && !same(value, right), ok && complete && !same(value, right):
			v.wrong = append(v.wrong, fmt.Sprintf("%s %v, want %v", sample, value, right))
		}
	}
	for sample, value := range before.of["attempts"] {
		if now, ok := said.samples[sample]; !ok || now < value {
			v.wrong = append(v.wrong, fmt.Sprintf("%s fell from %v to %v (%v)", sample, value, now, ok))
		}
	}
	for sample, value := range said.of["attempts"] {
		if _, ok := truth.samples[sample]; !ok {
			v.wrong = append(v.wrong, fmt.Sprintf("%s %v, which is no such series", sample, value))
		}
	}
}
