package collector

import (
	"slices"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// The limit on series, Config.MaxSeries, bounds the families with a dag_id
// beside the few totals. What finds no room is counted as other, first for its
// task_id, then for its dag_id, so that sums stay right. Series that a limit
// moves about are worth nothing, so:
//
//   - Of a counter or a histogram it is decided at birth whether a label set has a
//     series of its own, and never again, until its DAG is gone. See Ledger.admits.
//     Those without are remembered, too, up to maxRemembered: names that are new
//     each time must not fill the memory.
//   - Gauges come and go. They share what counters and histograms leave, a quarter
//     at least, DAG by DAG: those that had room keep it. See gaugeLimit.
//
// Tasks go before DAGs, and histograms before counters: what a DAG is expected to
// cost in families without a task_id is set aside before a counter or histogram
// of a task is born. Counters and histograms take three quarters of their share
// at most, histograms half of that.

const (
	// other is the dag_id or task_id of all that has no series of its own.
	other = "__other__"
	// DefaultMaxSeries is how many series there are at most if Config.MaxSeries does not tell.
	DefaultMaxSeries = 200_000
	// minMaxSeries is room for the series of other themselves, and some more.
	minMaxSeries = 1000
	// maxRemembered is how many bytes of label sets without series of their own are known of a family at most, some
	// ten thousand. More are not in droppedSeries, and get a series of their own if there is room later.
	maxRemembered = 4 << 20
)

// dagLabel and taskLabel are where a family has its dag_id and its task_id; -1: nowhere.
var (
	dagLabel  = labelIndex("dag_id")
	taskLabel = labelIndex("task_id")
)

// durationByTask are the labels of run times with Config.DurationTaskLabels.
var durationByTask = []string{"dag_id", "task_id", "state"}

func labelIndex(label string) [metricCount]int {
	var index [metricCount]int
	for id, m := range table {
		index[id] = slices.Index(m.Labels, label)
	}
	return index
}

// limited are the families that may be cut: those with a dag_id.
func limited() []metricID {
	var ids []metricID
	for id := range metricCount {
		if dagLabel[id] >= 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// totals are the families that count towards the limit and are never cut.
var totals = []metricID{unfinishedTaskInstances, taskInstancesWaiting, importErrors, importErrorsOldest}

// admits reports whether a label set of v gets a series of its own.
// Ledger.mu must be held.
func (l *Ledger) admits(v *vector, labels []string) bool {
	if v.dag < 0 || labels[v.dag] == other {
		return true
	}
	cost := v.cost
	if v.pairs { // success is born first, and takes the room of failed: no one wants one of them alone
		cost *= 2
		state := len(labels) - 1
		success := slices.Concat(labels[:state], []string{string(airflow.StateSuccess)})
		if s := v.series[keyOfLabels(success)]; s != nil && labels[state] == string(airflow.StateFailed) {
			return s.key == keyOfLabels(success)
		}
	}
	var all, histograms, tasks, taskHistograms int
	for _, w := range l.families() {
		if w.dag < 0 {
			continue
		}
		all += w.lines + 2*w.cost // for those of other, which may still come
		tasks += w.taskLines
		if w.histograms != nil {
			histograms += w.lines
			taskHistograms += w.taskLines
		}
	}
	forTasks := l.maxSeries - l.setAside()
	switch ofTask := v.ofTask(labels); {
	case all+cost > l.maxSeries*3/4,
		v.histograms != nil && histograms+cost > l.maxSeries*3/8,
		ofTask && tasks+cost > forTasks*3/4,
		ofTask && v.histograms != nil && taskHistograms+cost > forTasks*3/8:
		return false
	}
	return true
}

// setAside is what the DAGs are expected to cost in families without a task_id:
// a label set in each, those that are paused in gauges only. Before it is known
// how many DAGs there are, it is half of all.
func (l *Ledger) setAside() int {
	if l.dags+l.paused == 0 {
		return l.maxSeries / 2
	}
	gauges, counted := 0, 0
	for id := range ledgerBegin {
		if dagLabel[id] >= 0 && taskLabel[id] < 0 {
			gauges++
		}
	}
	for _, v := range l.families() {
		if v.dag >= 0 && v.task < 0 {
			counted += v.cost
		}
	}
	return min(l.dags*(gauges+counted)+l.paused*gauges, l.maxSeries)
}

// lines are how many series of the families with a dag_id there are. Ledger.mu must be held.
func (l *Ledger) lines() (n int) {
	for _, v := range l.families() {
		if v.dag >= 0 {
			n += v.lines
		}
	}
	return n
}

// expect is told how many DAGs there are that are not paused, and that are.
func (l *Ledger) expect(dags, paused int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dags, l.paused = dags, paused
}

// ledgerSize is how many series of the families with a dag_id a ledger has.
type ledgerSize struct {
	lines    int
	expected int              // that it is going to have when histograms of each DAG are born, too
	dropped  map[metricID]int // how many more it would have without a limit
}

func (l *Ledger) size() ledgerSize {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := ledgerSize{lines: l.lines(), dropped: map[metricID]int{}}
	histograms, perDag := 0, 0
	for _, v := range l.families() {
		if v.dag < 0 {
			continue
		}
		s.dropped[v.id] = v.dropped
		if v.histograms != nil {
			histograms += v.lines
			if v.task < 0 {
				perDag += v.cost
			}
		}
	}
	s.expected = s.lines + max(min(l.dags*perDag, l.maxSeries*3/8)-histograms, 0)
	s.expected = max(min(s.expected, l.maxSeries*3/4), s.lines)
	return s
}
