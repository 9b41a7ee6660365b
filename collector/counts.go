package collector

import (
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// Ledger is what was counted of Airflow since the process started, and which
// attempts that were. It outlives a reload, so that its counters never fall
// and nothing is counted twice. It is a prometheus.Collector.
type Ledger struct {
	mu    sync.Mutex // guards what follows
	url   string     // of the Airflow that books are about
	books *books
	born  int           // series so far
	hold  time.Duration // Config.SeedHold
	shape histogramShape
	fresh map[*series]struct{} // those whose counts are held back

	finished, retries, started        *vector
	duration, queueWait, scheduleWait *vector
	runsFinished                      *vector
	runDuration, startDelay           *vector
}

// histogramShape is all that makes two histograms differ.
type histogramShape struct {
	kind            string
	duration, waits string
}

// vector is a metric family of the ledger.
type vector struct {
	prometheus.Collector
	// counter returns how to count into a series, which exists from then on, at 0.
	counter func(labels []string) func(float64)
	// prune drops the series of a DAG.
	prune  func(prometheus.Labels) int
	series map[string]*series
}

// series is one label set. What it counts is held back until a scrape has
// delivered it at 0 and all scrapers had the time to come: increase() cannot
// see the first sample of a series.
type series struct {
	count     func(float64)
	number    int       // in the order of birth
	delivered time.Time // zero: not yet
	open      bool
	held      []float64
}

// NewLedger returns an empty ledger.
func NewLedger() *Ledger {
	return &Ledger{
		fresh:    map[*series]struct{}{},
		finished: newCounter(taskInstancesFinished), retries: newCounter(taskRetries), started: newCounter(taskInstancesStarted),
		runsFinished: newCounter(dagRunsFinished),
	}
}

func newCounter(id metricID) *vector {
	vec := prometheus.NewCounterVec(counterOpts(id), table[id].Labels)
	return &vector{
		Collector: vec, prune: vec.DeletePartialMatch, series: map[string]*series{},
		counter: func(labels []string) func(float64) { return vec.WithLabelValues(labels...).Add },
	}
}

func newHistogram(id metricID, kind string, buckets []time.Duration) *vector {
	o := prometheus.HistogramOpts{Name: table[id].Name, Help: table[id].Help}
	if kind != HistogramsNative {
		for _, b := range buckets {
			o.Buckets = append(o.Buckets, b.Seconds())
		}
	}
	if kind != HistogramsClassic {
		o.NativeHistogramBucketFactor = 1.1
		o.NativeHistogramMaxBucketNumber = 160
	}
	vec := prometheus.NewHistogramVec(o, table[id].Labels)
	return &vector{
		Collector: vec, prune: vec.DeletePartialMatch, series: map[string]*series{},
		counter: func(labels []string) func(float64) { return vec.WithLabelValues(labels...).Observe },
	}
}

// configure takes over what the configuration says. Histograms whose shape
// changes begin anew.
func (l *Ledger) configure(cfg *Config) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hold = cfg.SeedHold
	shape := histogramShape{cfg.Histograms, boundsText(cfg.DurationBuckets), boundsText(cfg.WaitBuckets)}
	if l.duration == nil || shape.kind != l.shape.kind || shape.duration != l.shape.duration {
		l.duration = newHistogram(taskDuration, cfg.Histograms, cfg.DurationBuckets)
		l.runDuration = newHistogram(dagRunDuration, cfg.Histograms, cfg.DurationBuckets)
	}
	if l.queueWait == nil || shape.kind != l.shape.kind || shape.waits != l.shape.waits {
		l.queueWait = newHistogram(taskQueueWait, cfg.Histograms, cfg.WaitBuckets)
		l.scheduleWait = newHistogram(taskScheduleWait, cfg.Histograms, cfg.WaitBuckets)
		l.startDelay = newHistogram(dagRunStartDelay, cfg.Histograms, cfg.WaitBuckets)
	}
	l.shape = shape
}

func boundsText(buckets []time.Duration) string {
	var b strings.Builder
	for _, d := range buckets {
		b.WriteString(d.String() + " ")
	}
	return b.String()
}

// open returns the books about an Airflow: those kept so far, unless they are about another one.
func (l *Ledger) open(url string) *books {
	l.mu.Lock()
	defer l.mu.Unlock()
	url = strings.TrimRight(url, "/")
	if l.books == nil || l.url != url {
		l.url, l.books = url, newBooks(l)
	}
	return l.books
}

func (l *Ledger) vectors() []*vector {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := []*vector{l.finished, l.retries, l.started, l.runsFinished}
	if l.duration != nil {
		all = append(all, l.duration, l.queueWait, l.scheduleWait, l.runDuration, l.startDelay)
	}
	return all
}

// Describe implements prometheus.Collector.
func (*Ledger) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range descs[ledgerBegin:ledgerEnd] {
		ch <- desc
	}
}

// Collect implements prometheus.Collector.
func (l *Ledger) Collect(ch chan<- prometheus.Metric) {
	l.release(time.Now())
	for _, v := range l.vectors() {
		v.Collect(ch)
	}
}

// release counts what was held back long enough.
func (l *Ledger) release(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.fresh {
		if s.delivered.IsZero() || now.Sub(s.delivered) < l.hold {
			continue
		}
		for _, x := range s.held {
			s.count(x)
		}
		s.held, s.open = nil, true
		delete(l.fresh, s)
	}
}

// births is how many series there were so far. Those will be in an answer that is rendered from now on.
func (l *Ledger) births() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.born
}

// deliver notes that an answer reached a scraper that has the first so many series.
func (l *Ledger) deliver(births int, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.fresh {
		if s.delivered.IsZero() && s.number <= births {
			s.delivered = now
		}
	}
}

// of returns a series of v, which exists from now on. Ledger.mu must be held.
func (l *Ledger) of(v *vector, labels ...string) *series {
	key := strings.Join(labels, "\xff")
	s := v.series[key]
	if s == nil {
		l.born++
		s = &series{count: v.counter(labels), number: l.born}
		v.series[key] = s
		l.fresh[s] = struct{}{}
	}
	return s
}

func (s *series) add(x float64) {
	if s.open {
		s.count(x)
		return
	}
	s.held = append(s.held, x)
}

// sight lets the series of a task exist, and those of its pool and queue.
func (l *Ledger) sight(t *airflow.TaskInstance) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(l.finished, t.DagID, t.TaskID, string(airflow.StateSuccess))
	l.of(l.finished, t.DagID, t.TaskID, string(airflow.StateFailed))
	l.of(l.started, t.Pool, t.Queue)
}

func (l *Ledger) countFinished(t *airflow.TaskInstance, state airflow.State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(l.finished, t.DagID, t.TaskID, string(state)).add(1)
}

func (l *Ledger) countRetry(dagID, taskID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(l.retries, dagID, taskID).add(1)
}

// observeRun takes how long an attempt ran that ended in this state.
func (l *Ledger) observeRun(t *airflow.TaskInstance, state airflow.State) {
	if !t.HasDuration || t.Duration < 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(l.duration, t.DagID, string(state)).add(t.Duration.Seconds())
}

// countStart counts an attempt that was started, and how long it waited for
// that. Dates that are not in order are not all its own: it continues one that
// was deferred, or never was in a queue.
func (l *Ledger) countStart(t *airflow.TaskInstance) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(l.started, t.Pool, t.Queue).add(1)
	if t.QueuedWhen.IsZero() || t.QueuedWhen.Before(t.ScheduledWhen) || t.StartDate.Before(t.QueuedWhen) {
		return
	}
	l.of(l.queueWait, t.Pool, t.Queue).add(t.StartDate.Sub(t.QueuedWhen).Seconds())
	if !t.ScheduledWhen.IsZero() {
		l.of(l.scheduleWait, t.Pool, t.Queue).add(t.QueuedWhen.Sub(t.ScheduledWhen).Seconds())
	}
}

// sightRun lets the series of a DAG's runs of a type exist.
func (l *Ledger) sightRun(dagID, runType string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(l.runsFinished, dagID, runType, string(airflow.RunSuccess))
	l.of(l.runsFinished, dagID, runType, string(airflow.RunFailed))
}

// countRun counts how a run ended, how long it took and, when it is the first
// time that it ended, how late it began: one that was cleared begins whenever that was.
func (l *Ledger) countRun(r *airflow.DagRun, first bool) {
	l.sightRun(r.DagID, r.RunType)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(l.runsFinished, r.DagID, r.RunType, string(r.State)).add(1)
	if length, ok := runLength(r); ok {
		l.of(l.runDuration, r.DagID, string(r.State)).add(length.Seconds())
	}
	delay := r.StartDate.Sub(r.RunAfter)
	if first && r.RunType == "scheduled" && !r.StartDate.IsZero() && !r.RunAfter.IsZero() && delay >= 0 {
		l.of(l.startDelay, r.DagID).add(delay.Seconds())
	}
}

// dagIDs are the DAGs that have series.
func (l *Ledger) dagIDs() map[string]struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := map[string]struct{}{}
	for _, v := range []*vector{l.finished, l.retries, l.runsFinished} {
		for key := range v.series {
			id, _, _ := strings.Cut(key, "\xff")
			ids[id] = struct{}{}
		}
	}
	return ids
}

// forget drops the series of a DAG that is gone.
func (l *Ledger) forget(dagID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range []*vector{l.finished, l.retries, l.duration, l.runsFinished, l.runDuration, l.startDelay} {
		v.prune(prometheus.Labels{"dag_id": dagID})
		for key, s := range v.series {
			if key == dagID || strings.HasPrefix(key, dagID+"\xff") {
				delete(v.series, key)
				delete(l.fresh, s)
			}
		}
	}
}
