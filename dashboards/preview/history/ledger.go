package main

import (
	"strconv"
	"strings"
)

// eventKind is what can be counted.
type eventKind int

const (
	attemptStarted eventKind = iota
	attemptEnded
	instanceFinished // without an attempt: skipped, or failed upstream
	runEnded
)

// event is something that happened in Airflow and that the exporter finds out when it asks next.
type event struct {
	kind    eventKind
	run     run // as it was then
	task    *task
	state   string
	retried bool // an attempt that failed is followed by another
	at      int64
	seconds float64 // how long an attempt ran; negative: it never did

	scheduledAt, queuedAt int64
}

// The bounds of the exporter's classic histograms, in seconds.
func durationBounds() []float64 { return []float64{1, 10, 60, 300, 900, 3600, 10800, 21600, 86400} }
func waitBounds() []float64     { return []float64{1, 5, 15, 60, 300, 900, 3600, 21600} }
func requestBounds() []float64 {
	return []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
}

// ledger is counters and histograms. Those of Airflow are held back at 0 until a scrape has shown them so, and open for what
// they count with the next one: increase() cannot see the first sample of a series.
type ledger struct {
	series  map[string]*counted
	ordered []*counted
}

// counted is one counter, or one histogram.
type counted struct {
	name   string // without _total, _bucket and so on
	labels string
	held   bool // it has not been shown yet
	value  float64
	shown  float64
	bounds []float64 // nil: a counter
	lines  []string  // the labels of its buckets
	counts []float64 // by bucket, +Inf last, not cumulative
	opened []float64 // the same as shown
}

func newLedger() *ledger { return &ledger{series: map[string]*counted{}} }

// of returns a series, which exists from then on.
func (l *ledger) of(name string, bounds []float64, held bool, labels ...string) *counted {
	text := pairs(labels...)
	key := name + "{" + text
	c := l.series[key]
	if c != nil {
		return c
	}
	c = &counted{name: name, labels: text, held: held, bounds: bounds}
	if bounds != nil {
		c.counts, c.opened = make([]float64, len(bounds)+1), make([]float64, len(bounds)+1)
		for _, b := range bounds {
			c.lines = append(c.lines, text+`,le="`+boundText(b)+`"`)
		}
		c.lines = append(c.lines, text+`,le="+Inf"`)
	}
	l.series[key] = c
	l.ordered = append(l.ordered, c)
	return c
}

// boundText is a bound as Prometheus 3 keeps it, whatever the exposition says.
func boundText(b float64) string {
	text := strconv.FormatFloat(b, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// observe counts a value into a histogram.
func (c *counted) observe(x float64) {
	c.value += x
	for i, b := range c.bounds {
		if x <= b {
			c.counts[i]++
			return
		}
	}
	c.counts[len(c.bounds)]++
}

// expose appends all series to samples. What was held back is open after that.
func (l *ledger) expose(samples gauges) gauges {
	for _, c := range l.ordered {
		if !c.held {
			c.shown = c.value
			copy(c.opened, c.counts)
		}
		c.held = false
		if c.bounds == nil {
			samples = append(samples, sample{c.name + "_total", c.labels, c.shown})
			continue
		}
		sum := 0.0
		for i, n := range c.opened {
			sum += n
			samples = append(samples, sample{c.name + "_bucket", c.lines[i], sum})
		}
		samples = append(samples, sample{c.name + "_sum", c.labels, c.shown}, sample{c.name + "_count", c.labels, sum})
	}
	return samples
}

// sight lets the counters of a task, its pool and its queue exist.
func (l *ledger) sight(dagID string, t *task) {
	for _, state := range []string{stateSuccess, stateFailed} {
		l.of("airflow_task_instances_finished", nil, true, "dag_id", dagID, "task_id", t.id, "state", state)
	}
	l.of("airflow_task_instances_started", nil, true, "pool", t.pool, "queue", t.queue)
}

// sightRun lets the counters of a type of runs exist.
func (l *ledger) sightRun(dagID, runType string) {
	for _, state := range []string{stateSuccess, stateFailed} {
		l.of("airflow_dag_runs_finished", nil, true, "dag_id", dagID, "run_type", runType, "state", state)
	}
}

// count takes one event. Airflow 2 does not tell when an instance was scheduled.
func (l *ledger) count(e *event, tellsScheduled bool) {
	dagID := e.run.dag.id
	if e.kind == runEnded {
		l.countRun(&e.run)
		return
	}
	l.sight(dagID, e.task)
	place := []string{"pool", e.task.pool, "queue", e.task.queue}
	finished := func() {
		l.of("airflow_task_instances_finished", nil, true, "dag_id", dagID, "task_id", e.task.id, "state", e.state).value++
	}
	switch e.kind {
	case attemptStarted:
		l.of("airflow_task_instances_started", nil, true, place...).value++
		l.of("airflow_task_queue_wait_seconds", waitBounds(), true, place...).observe(float64(e.at - e.queuedAt))
		if tellsScheduled {
			l.of("airflow_task_schedule_wait_seconds", waitBounds(), true, place...).observe(float64(e.queuedAt - e.scheduledAt))
		}
	case attemptEnded:
		if e.seconds >= 0 {
			l.of("airflow_task_duration_seconds", durationBounds(), true, "dag_id", dagID, "state", e.state).observe(e.seconds)
		}
		if e.retried {
			l.of("airflow_task_retries", nil, true, "dag_id", dagID, "task_id", e.task.id).value++
			return
		}
		finished()
	default:
		finished()
	}
}

func (l *ledger) countRun(r *run) {
	l.sightRun(r.dag.id, r.runType)
	l.of("airflow_dag_runs_finished", nil, true, "dag_id", r.dag.id, "run_type", r.runType, "state", r.state).value++
	l.of("airflow_dag_run_duration_seconds", durationBounds(), true, "dag_id", r.dag.id, "state", r.state).observe(float64(r.endedAt - r.startedAt))
	if r.runType == runScheduled && !r.cleared {
		l.of("airflow_dag_run_start_delay_seconds", waitBounds(), true, "dag_id", r.dag.id).observe(float64(r.startedAt - r.due))
	}
}
