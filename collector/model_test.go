package collector

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// model counts what an Airflow did, move by move, as the exporter should.
type model struct {
	counts  map[string]int // by series
	retried map[airflowtest.Key]map[int]bool
	ended   map[airflowtest.Key]map[int]bool
}

func newModel() *model {
	return &model{
		counts:  map[string]int{},
		retried: map[airflowtest.Key]map[int]bool{},
		ended:   map[airflowtest.Key]map[int]bool{},
	}
}

func (m *model) finished(k airflowtest.Key, state string) {
	m.counts[fmt.Sprintf(`airflow_task_instances_finished_total{dag_id=%q,state=%q,task_id=%q}`, k.DagID, state, k.TaskID)]++
}

func (m *model) retry(k airflowtest.Key) {
	m.counts[fmt.Sprintf(`airflow_task_retries_total{dag_id=%q,task_id=%q}`, k.DagID, k.TaskID)]++
}

func (m *model) ran(ti *airflowtest.TaskInstance, state string) {
	if ti.Duration != nil && (state == "success" || state == "failed") {
		m.counts[fmt.Sprintf(`airflow_task_duration_seconds_count{dag_id=%q,state=%q}`, ti.DagID, state)]++
	}
}

// once notes an attempt, and reports whether it is new.
func once(seen map[airflowtest.Key]map[int]bool, ti *airflowtest.TaskInstance) bool {
	if seen[ti.Key] == nil {
		seen[ti.Key] = map[int]bool{}
	}
	again := seen[ti.Key][ti.TryNumber]
	seen[ti.Key][ti.TryNumber] = true
	return !again
}

// moved looks at an instance after each of its moves.
func (m *model) moved(ti *airflowtest.TaskInstance) {
	switch ti.State {
	case "up_for_retry":
		if once(m.retried, ti) {
			m.retry(ti.Key)
			m.ran(ti, "failed")
		}
	case "success", "failed", "skipped", "upstream_failed":
		if !byAttempt(ti) {
			m.finished(ti.Key, ti.State)
			return
		}
		if once(m.ended, ti) {
			m.finished(ti.Key, ti.State)
			if !m.retried[ti.Key][ti.TryNumber] {
				m.ran(ti, ti.State)
			}
		}
	}
}

// byAttempt is false for an instance that was skipped or failed upstream without having started.
func byAttempt(ti *airflowtest.TaskInstance) bool {
	return ti.State != "skipped" && ti.State != "upstream_failed" || ti.TryNumber > 0 && !ti.StartDate.Equal(ti.EndDate)
}

// cleared looks at the attempt that a clear put an end to.
func (m *model) cleared(ti *airflowtest.TaskInstance, before string) {
	switch before {
	case "scheduled", "queued", "running", "deferred", "up_for_reschedule", "awaiting_input":
	default:
		return // it had ended
	}
	last := ti.History[len(ti.History)-1]
	if last.TryNumber <= last.MaxTries {
		if once(m.retried, &last) {
			m.retry(ti.Key)
			m.ran(&last, "failed")
		}
		return
	}
	if once(m.ended, &last) {
		m.finished(ti.Key, "failed")
		m.ran(&last, "failed")
	}
}

// samples are the counts of the ledger in an exposition.
func samples(exposition string) map[string]float64 {
	found := map[string]float64{}
	for line := range strings.Lines(exposition) {
		name, text, ok := strings.Cut(strings.TrimSpace(line), " ")
		counted := strings.HasPrefix(name, "airflow_task_instances_finished_total{") || strings.HasPrefix(name, "airflow_task_retries_total{") ||
			strings.HasPrefix(name, "airflow_task_duration_seconds_count{")
		if !ok || !counted {
			continue
		}
		value, err := strconv.ParseFloat(text, 64)
		if err == nil && value != 0 {
			found[name] = value
		}
	}
	return found
}
