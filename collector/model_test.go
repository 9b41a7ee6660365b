package collector

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// model counts what an Airflow did, move by move, as the exporter should.
type model struct {
	v1       bool
	events   []event
	attempts map[airflowtest.Key]map[int]*fate
	without  map[airflowtest.Key][]string // how it finished without an attempt
}

// event is what an attempt adds to a series.
type event struct {
	series string
	value  float64
	at     time.Time // when it came about
	dated  time.Time // what its row says
}

// fate is what became of an attempt.
type fate struct {
	started, retried, finished bool
	state                      string // in which it finished
}

func newModel(v1 bool) *model {
	return &model{v1: v1, attempts: map[airflowtest.Key]map[int]*fate{}, without: map[airflowtest.Key][]string{}}
}

// forget lets a run begin a new life.
func (m *model) forget(r *airflowtest.DagRun) {
	for _, ti := range r.Instances() {
		delete(m.attempts, ti.Key)
		delete(m.without, ti.Key)
	}
}

func (m *model) fate(ti *airflowtest.TaskInstance) *fate {
	if m.attempts[ti.Key] == nil {
		m.attempts[ti.Key] = map[int]*fate{}
	}
	a := m.attempts[ti.Key][ti.TryNumber]
	if a == nil {
		a = &fate{}
		m.attempts[ti.Key][ti.TryNumber] = a
	}
	return a
}

// moved looks at an instance after each of its moves.
func (m *model) moved(ti *airflowtest.TaskInstance, before string, now time.Time) {
	switch ti.State {
	case "running", "deferred", "awaiting_input", "up_for_reschedule":
		m.started(ti, now)
	case "up_for_retry":
		m.started(ti, now)
		m.retried(ti, now)
	case "success", "failed":
		m.started(ti, now)
		m.finished(ti, ti.State, now)
	case "skipped":
		if before == "running" {
			m.finished(ti, "skipped", now)
			return
		}
		m.finishedWithout(ti, now)
	case "upstream_failed":
		m.finishedWithout(ti, now)
	}
}

// cleared looks at the attempt that a clear put an end to.
func (m *model) cleared(ti *airflowtest.TaskInstance, before string, now time.Time) {
	switch before {
	case "scheduled", "queued", "running", "deferred", "up_for_reschedule", "awaiting_input":
	default:
		return // it had ended
	}
	last := ti.History[len(ti.History)-1]
	if last.TryNumber <= last.MaxTries {
		m.retried(&last, now)
		return
	}
	m.finished(&last, "failed", now)
}

func (m *model) started(ti *airflowtest.TaskInstance, now time.Time) {
	a := m.fate(ti)
	if a.started {
		return
	}
	a.started = true
	labels := fmt.Sprintf(`{pool=%q,queue=%q}`, ti.Pool, ti.Queue)
	m.count("airflow_task_instances_started_total"+labels, 1, now, ti.StartDate)
	if ti.QueuedWhen.IsZero() || ti.QueuedWhen.Before(ti.ScheduledWhen) || ti.StartDate.Before(ti.QueuedWhen) {
		return
	}
	m.count("airflow_task_queue_wait_seconds_count"+labels, 1, now, ti.StartDate)
	m.count("airflow_task_queue_wait_seconds_sum"+labels, ti.StartDate.Sub(ti.QueuedWhen).Seconds(), now, ti.StartDate)
	if !m.v1 {
		m.count("airflow_task_schedule_wait_seconds_count"+labels, 1, now, ti.StartDate)
		m.count("airflow_task_schedule_wait_seconds_sum"+labels, ti.QueuedWhen.Sub(ti.ScheduledWhen).Seconds(), now, ti.StartDate)
	}
}

func (m *model) retried(ti *airflowtest.TaskInstance, now time.Time) {
	a := m.fate(ti)
	if a.retried {
		return
	}
	a.retried = true
	m.count(fmt.Sprintf(`airflow_task_retries_total{dag_id=%q,task_id=%q}`, ti.DagID, ti.TaskID), 1, now, ti.EndDate)
	m.ran(a, ti, "failed", now)
}

func (m *model) finished(ti *airflowtest.TaskInstance, state string, now time.Time) {
	a := m.fate(ti)
	if a.finished {
		return
	}
	a.finished, a.state = true, state
	m.count(finishedSeries(ti.Key, state), 1, now, ti.EndDate)
	if !a.retried && state != "skipped" {
		m.ran(a, ti, state, now)
	}
}

func finishedSeries(k airflowtest.Key, state string) string {
	return fmt.Sprintf(`airflow_task_instances_finished_total{dag_id=%q,state=%q,task_id=%q}`, k.DagID, state, k.TaskID)
}

// ran takes how long an attempt ran, if it did.
func (m *model) ran(a *fate, ti *airflowtest.TaskInstance, state string, now time.Time) {
	if !a.started || ti.Duration == nil {
		return
	}
	labels := fmt.Sprintf(`{dag_id=%q,state=%q}`, ti.DagID, state)
	m.count("airflow_task_duration_seconds_count"+labels, 1, now, ti.EndDate)
	m.count("airflow_task_duration_seconds_sum"+labels, *ti.Duration, now, ti.EndDate)
}

// finishedWithout takes one that was skipped or failed upstream without having
// started. If that leaves the date as it was, only Airflow 3 tells it from the last time.
func (m *model) finishedWithout(ti *airflowtest.TaskInstance, now time.Time) {
	how := ti.State + ti.EndDate.String()
	if !m.v1 {
		how += ti.ID
	}
	for _, known := range m.without[ti.Key] {
		if known == how {
			return
		}
	}
	m.without[ti.Key] = append(m.without[ti.Key], how)
	dated := ti.EndDate
	if dated.IsZero() {
		dated = now
	}
	m.count(finishedSeries(ti.Key, ti.State), 1, now, dated)
}

func (m *model) count(series string, value float64, at, dated time.Time) {
	m.events = append(m.events, event{series, value, at, dated})
}

// since is what came about since then, and shows it by its date: the other is a blind spot.
func (m *model) since(start time.Time) map[string]float64 {
	sums := map[string]float64{}
	for _, e := range m.events {
		if e.at.After(start) && e.dated.After(start) {
			sums[e.series] += e.value
		}
	}
	return sums
}

// samples are the counts of the ledger in an exposition.
func samples(exposition string) map[string]float64 {
	found := map[string]float64{}
	for line := range strings.Lines(exposition) {
		name, text, ok := strings.Cut(strings.TrimSpace(line), " ")
		family, _, _ := strings.Cut(name, "{")
		switch family {
		case "airflow_task_instances_finished_total", "airflow_task_retries_total", "airflow_task_instances_started_total",
			"airflow_task_duration_seconds_count", "airflow_task_duration_seconds_sum",
			"airflow_task_queue_wait_seconds_count", "airflow_task_queue_wait_seconds_sum",
			"airflow_task_schedule_wait_seconds_count", "airflow_task_schedule_wait_seconds_sum":
		default:
			continue
		}
		value, err := strconv.ParseFloat(text, 64)
		if ok && err == nil && value != 0 {
			found[name] = value
		}
	}
	return found
}

// same compares counts exactly, and sums as far as floating point goes.
func same(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(math.Abs(a), math.Abs(b)) }
