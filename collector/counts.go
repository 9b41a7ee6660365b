package collector

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// Ledger is what was counted of Airflow since the process started, and which
// attempts that were. It outlives a reload, so that its counters never fall
// and nothing is counted twice. It is a prometheus.Gatherer.
type Ledger struct {
	mu    sync.Mutex // guards what follows
	url   string     // of the Airflow that books are about
	books *books
	born  int           // series so far
	hold  time.Duration // Config.SeedHold
	shape histogramShape
	fresh map[*series]struct{} // those whose counts are held back
	held  int                  // how many counts those are

	version  uint64 // of what there is to tell; it grows with each change, and is never 0
	gathered uint64 // which version was gathered last, and
	told     []*dto.MetricFamily
	shared   shared // of counters

	maxSeries int
	gauges    *gaugeLimit // what fits beside the counters and histograms
	dags      int         // that there are and are not paused
	paused    int         // DAGs that are
	taskless  bool        // the label task_id is empty

	finished, retries, started        *vector
	duration, queueWait, scheduleWait *vector
	runsFinished                      *vector
	runDuration, startDelay           *vector
}

// histogramShape is all that makes two histograms differ.
type histogramShape struct {
	kind            string
	duration, waits string
	tasks           bool // Config.DurationTaskLabels
}

// vector is a metric family of the ledger.
type vector struct {
	histograms histogramVec       // nil: counters
	series     map[string]*series // by label set; those without room lead to that of other
	sorted     []*series          // that are counters; nil: some came or went

	id        metricID
	dag, task int  // where these labels are; -1: nowhere
	pairs     bool // success and failed are born together
	cost      int  // series of a label set, buckets included
	lines     int  // series in all
	taskLines int  // of these, of single tasks
	dropped   int  // series of label sets that have none of their own

	remembered int // bytes of the label sets in series that have none of their own
}

// histogramVec is a prometheus.HistogramVec.
type histogramVec interface {
	prometheus.Collector
	WithLabelValues(labels ...string) prometheus.Observer
	DeleteLabelValues(labels ...string) bool
}

// ofTask reports whether a label set is that of a single task.
func (v *vector) ofTask(labels []string) bool {
	return v.task >= 0 && labels[v.task] != "" && labels[v.task] != other
}

// born adds so many label sets like this one.
func (v *vector) born(labels []string, n int) {
	v.lines += n * v.cost
	if v.ofTask(labels) {
		v.taskLines += n * v.cost
	}
}

// folded is the label set that one without room counts as.
func (v *vector) folded(labels []string) []string {
	labels = slices.Clone(labels)
	if v.task >= 0 && labels[v.task] != "" {
		if labels[v.task] != other {
			labels[v.task] = other
			return labels
		}
	}
	labels[v.dag] = other
	return labels
}

// NewLedger returns an empty ledger.
func NewLedger() *Ledger {
	l := &Ledger{
		fresh:    map[*series]struct{}{},
		shared:   newShared(),
		finished: newCounter(taskInstancesFinished), retries: newCounter(taskRetries), started: newCounter(taskInstancesStarted),
		runsFinished: newCounter(dagRunsFinished),
	}
	l.gauges = newGaugeLimit(l, DefaultMaxSeries)
	return l
}

func newCounter(id metricID) *vector {
	return &vector{
		series: map[string]*series{}, id: id, dag: dagLabel[id], task: taskLabel[id], cost: 1,
		pairs: id == taskInstancesFinished || id == dagRunsFinished,
	}
}

// newHistogram returns an empty one. A native one is a single series.
func newHistogram(id metricID, cfg *Config, buckets []time.Duration) *vector {
	labels, cost := table[id].Labels, 1
	if id == taskDuration && cfg.DurationTaskLabels {
		labels = durationByTask
	}
	o := prometheus.HistogramOpts{Name: table[id].Name, Help: table[id].Help}
	if cfg.Histograms != HistogramsNative {
		for _, b := range buckets {
			o.Buckets = append(o.Buckets, b.Seconds())
		}
		cost = len(buckets) + 3 // the bucket +Inf, the sum and the count
	}
	if cfg.Histograms != HistogramsClassic {
		o.NativeHistogramBucketFactor = 1.1
		o.NativeHistogramMaxBucketNumber = 160
	}
	return &vector{
		histograms: prometheus.NewHistogramVec(o, labels), series: map[string]*series{},
		id: id, dag: slices.Index(labels, "dag_id"), task: slices.Index(labels, "task_id"), cost: cost,
	}
}

// configure takes over what the configuration says. Histograms whose shape
// changes, and counters whose tasks do, begin anew. It returns how many series
// there are if they are more than a limit that was lowered leaves to them.
func (l *Ledger) configure(cfg *Config) (tooMany int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.version++
	l.hold = cfg.SeedHold
	lowered := cfg.maxSeries() < l.maxSeries
	l.maxSeries = cfg.maxSeries()
	l.gauges.resize(l.maxSeries)
	if l.taskless == cfg.TaskLabels {
		l.taskless = !cfg.TaskLabels
		l.finished, l.retries = newCounter(taskInstancesFinished), newCounter(taskRetries)
		l.shared = newShared()
	}
	shape := histogramShape{cfg.Histograms, boundsText(cfg.DurationBuckets), boundsText(cfg.WaitBuckets), cfg.DurationTaskLabels}
	sameKind := l.duration != nil && shape.kind == l.shape.kind
	if !sameKind || shape.duration != l.shape.duration || shape.tasks != l.shape.tasks {
		l.duration = newHistogram(taskDuration, cfg, cfg.DurationBuckets)
	}
	if !sameKind || shape.duration != l.shape.duration {
		l.runDuration = newHistogram(dagRunDuration, cfg, cfg.DurationBuckets)
	}
	if !sameKind || shape.waits != l.shape.waits {
		l.queueWait = newHistogram(taskQueueWait, cfg, cfg.WaitBuckets)
		l.scheduleWait = newHistogram(taskScheduleWait, cfg, cfg.WaitBuckets)
		l.startDelay = newHistogram(dagRunStartDelay, cfg, cfg.WaitBuckets)
	}
	l.shape = shape
	if n := l.lines(); lowered && n > l.maxSeries*3/4 {
		return n
	}
	return 0
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

// families are all vectors. Ledger.mu must be held.
func (l *Ledger) families() []*vector {
	all := []*vector{l.finished, l.retries, l.started, l.runsFinished}
	if l.duration != nil {
		all = append(all, l.duration, l.queueWait, l.scheduleWait, l.runDuration, l.startDelay)
	}
	return all
}

// Gather implements prometheus.Gatherer. What comes is that of an earlier call when nothing was counted since, and never changed.
func (l *Ledger) Gather() ([]*dto.MetricFamily, error) {
	l.release(time.Now())
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gathered == l.version {
		return l.told, nil
	}
	registry := prometheus.NewRegistry()
	var told []*dto.MetricFamily
	for _, v := range l.families() {
		if v.histograms != nil {
			registry.MustRegister(v.histograms)
			continue
		}
		if counters := v.counters(); counters != nil {
			told = append(told, counters)
		}
	}
	histograms, err := registry.Gather()
	told = append(told, histograms...)
	slices.SortFunc(told, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	if err == nil {
		l.gathered, l.told = l.version, told
	}
	return told, err
}

// of returns a series of v, which exists from now on. Ledger.mu must be held.
func (l *Ledger) of(v *vector, labels ...string) *series {
	if l.taskless && v.task >= 0 {
		labels[v.task] = ""
	}
	key := keyOfLabels(labels)
	if s := v.series[key]; s != nil {
		return s
	}
	if !l.admits(v, labels) {
		s := l.of(v, v.folded(labels)...)
		if v.remembered+len(key) > maxRemembered {
			return s
		}
		if v.task < 0 || labels[v.task] != other { // or else it stands for others, which are counted
			v.dropped += v.cost
		}
		v.remembered += len(key)
		v.series[key] = s
		return s
	}
	l.born++
	l.version++
	s := &series{key: key, pending: &pending{number: l.born}}
	if v.histograms != nil {
		s.histogram = v.histograms.WithLabelValues(labels...)
	} else {
		s.counter, v.sorted = l.shared.newCounter(v.id, labels, time.Now()), nil
	}
	v.series[key] = s
	v.born(labels, 1)
	l.fresh[s] = struct{}{}
	return s
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
	l.add(1, l.finished, t.DagID, t.TaskID, string(state))
}

func (l *Ledger) countRetry(dagID, taskID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(1, l.retries, dagID, taskID)
}

// observeRun takes how long an attempt ran that ended in this state.
func (l *Ledger) observeRun(t *airflow.TaskInstance, state airflow.State) {
	if !t.HasDuration || t.Duration < 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	labels := []string{t.DagID, string(state)}
	if l.shape.tasks {
		labels = []string{t.DagID, t.TaskID, string(state)}
	}
	l.add(t.Duration.Seconds(), l.duration, labels...)
}

// countStart counts an attempt that was started, and how long it waited for
// that. Dates that are not in order are not all its own: it continues one that
// was deferred, or never was in a queue.
func (l *Ledger) countStart(t *airflow.TaskInstance) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(1, l.started, t.Pool, t.Queue)
	if t.QueuedWhen.IsZero() || t.QueuedWhen.Before(t.ScheduledWhen) || t.StartDate.Before(t.QueuedWhen) {
		return
	}
	l.add(t.StartDate.Sub(t.QueuedWhen).Seconds(), l.queueWait, t.Pool, t.Queue)
	if !t.ScheduledWhen.IsZero() {
		l.add(t.QueuedWhen.Sub(t.ScheduledWhen).Seconds(), l.scheduleWait, t.Pool, t.Queue)
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
	l.add(1, l.runsFinished, r.DagID, r.RunType, string(r.State))
	if length, ok := runLength(r); ok {
		l.add(length.Seconds(), l.runDuration, r.DagID, string(r.State))
	}
	delay := r.StartDate.Sub(r.RunAfter)
	if first && r.RunType == "scheduled" && !r.StartDate.IsZero() && !r.RunAfter.IsZero() && delay >= 0 {
		l.add(delay.Seconds(), l.startDelay, r.DagID)
	}
}

// dagIDs are the DAGs that have series, or room for some.
func (l *Ledger) dagIDs() map[string]struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := map[string]struct{}{}
	for _, v := range []*vector{l.finished, l.retries, l.runsFinished} {
		for key := range v.series {
			id, _, _ := strings.Cut(key, separator)
			ids[id] = struct{}{}
		}
	}
	l.gauges.addIDs(ids)
	delete(ids, other)
	return ids
}

// forget drops the series of DAGs that are gone, and their room.
func (l *Ledger) forget(gone func(dagID string) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.version++
	l.shared = newShared() // those of names that are gone, too
	l.gauges.forget(gone)
	for _, v := range l.families() {
		if v.dag < 0 {
			continue
		}
		for key, s := range v.series {
			labels := strings.Split(key, separator)
			if labels[v.dag] == other || !gone(labels[v.dag]) {
				continue
			}
			delete(v.series, key)
			if s.key != key {
				v.remembered -= len(key)
			}
			switch {
			case s.key == key:
				if v.histograms != nil {
					v.histograms.DeleteLabelValues(labels...)
				}
				v.sorted = nil
				v.born(labels, -1)
				l.withdraw(s)
			case v.task < 0 || labels[v.task] != other:
				v.dropped -= v.cost
			}
		}
	}
}
