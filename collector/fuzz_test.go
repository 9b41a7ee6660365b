package collector

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	prommodel "github.com/prometheus/common/model"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// fuzzedValues are what the parts would make of answers that hold these texts
// wherever Airflow sends one; the ledger has counted them, too.
func fuzzedValues(books *books, at time.Time, dag, name, queue, pool, text string) []value {
	state := func(i int) airflow.State {
		return []airflow.State{airflow.StateRunning, airflow.StateQueued, airflow.StateScheduled, airflow.StateUpForRetry, airflow.StateDeferred}[i]
	}
	sights := &books.sights
	instances := &taskInstancesPart{sights: sights, states: []airflow.State{airflow.StateRunning, airflow.StateQueued, airflow.StateScheduled, airflow.StateUpForRetry, airflow.StateDeferred}}
	var rows []airflow.TaskInstance
	var runs []airflow.DagRun
	dags := map[string]dagFacts{}
	for i, names := range [][2]string{{dag, name}, {name, dag}, {dag + name, ""}, {dag, name + "\\"}, {text, dag}} {
		id, taskID := names[0], names[1]
		if id == "" || id == other || taskID == "" {
			continue // the decoder refuses these; for other see selection
		}
		rows = append(rows, airflow.TaskInstance{DagID: id, RunID: text, TaskID: taskID, MapIndex: -1, State: state(i), TryNumber: 2, MaxTries: 1,
			QueuedWhen: at.Add(-time.Minute), ScheduledWhen: at.Add(-time.Hour), StartDate: at, Pool: pool, PoolSlots: 1, Queue: queue})
		runs = append(runs, airflow.DagRun{RunRef: airflow.RunRef{DagID: id, RunID: text}, RunType: text, State: airflow.RunRunning, StartDate: at})
		dags[id] = dagFacts{Dag: airflow.Dag{DagID: id, Owners: []string{text, dag, text}, Tags: []string{pool, queue, pool}, Schedule: text, HasTimeSchedule: true, MaxActiveRuns: 1},
			listed: true, nextRun: at}
	}
	unfinished := instances.sum(rows, nil, at)
	last := map[string]lastRun{}
	since := map[airflow.RunRef]time.Time{}
	reasons := map[taskReason]int{}
	for _, r := range runs {
		since[r.RunRef] = at
		last[r.DagID] = lastRun{newest: airflow.DagRun{RunRef: r.RunRef, State: airflow.RunFailed, StartDate: at.Add(-time.Hour), EndDate: at}}
		reasons[taskReason{task{r.DagID, name}, "pool_full"}]++
	}
	seen := &dagRunsValue{at: at, active: runs, endedAt: at, dags: dags, since: since, last: last}
	books.listRuns(seen, time.Minute)
	books.listUnfinished(unfinished)
	for _, t := range rows {
		t.State, t.EndDate, t.HasDuration, t.Duration = airflow.StateSuccess, at.Add(time.Second), true, time.Minute
		books.finished(&t)
	}
	for _, r := range runs {
		r.State, r.EndDate = airflow.RunSuccess, at.Add(time.Second)
		books.ledger.countRun(&r, true)
	}
	return []value{
		unfinished, seen,
		&dagsValue{at: at, dags: dags, visible: len(dags)},
		&poolsValue{uniqueByName([]airflow.Pool{{Name: pool}, {Name: queue, Slots: airflow.Unlimited}})},
		sumImportErrors(map[dagFile]time.Time{{text, dag}: at, {pool, name}: at}, map[string]struct{}{queue: {}}),
		&blockedValue{reasons: reasons, stalled: map[string]int{}},
		&healthValue{version: airflow.Version{Number: text, API: "v2"}, url: text, health: airflow.Health{"scheduler": {Healthy: true}}},
	}
}

func uniqueByName(pools []airflow.Pool) []airflow.Pool {
	return slices.CompactFunc(pools, func(a, b airflow.Pool) bool { return a.Name == b.Name })
}

// Whatever names Airflow has: no panic, no series twice, and a text that a
// Prometheus reads back as it was.
func FuzzExposition(f *testing.F) {
	for _, hostile := range []string{
		"dag", other, "__name__", "a\"b", `a\b`, "a\nb", "a\x00b", "größe 日本", "\u2028\ufffd", "{} # HELP", "a,b", "le", "+Inf", strings.Repeat("x", 300), " ", "\ufeff", "%n",
	} {
		f.Add(hostile, "task", "default", "pool", "text", uint8(0))
		f.Add("dag", hostile, hostile, hostile, hostile, uint8(1))
	}
	cfg := DefaultConfig()
	limits := []int{DefaultMaxSeries, minMaxSeries}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, dag, task, queue, pool, text string, options uint8) {
		texts := []string{dag, task, queue, pool, text}
		if slices.ContainsFunc(texts, func(s string) bool { return !utf8.ValidString(s) }) {
			return // the decoder refuses them: see FuzzAnswers
		}
		cfg := cfg
		cfg.MaxSeries = &limits[options&1]
		cfg.Histograms = []string{HistogramsNative, HistogramsClassic}[options>>1&1]
		cfg.SeedHold = 0
		ledger := NewLedger()
		ledger.configure(&cfg)
		snapshot := &Snapshot{limit: ledger.gauges}
		for _, v := range fuzzedValues(ledger.open(""), at, dag, task, queue, pool, text) {
			e := newExposition()
			v.emit(e)
			snapshot.parts = append(snapshot.parts, partSnapshot{series: e, name: string(rune('a' + len(snapshot.parts)))})
		}
		ledger.deliver(ledger.births(), at)
		known := snapshot.render()
		counted, err := ledger.Gather()
		if err != nil {
			t.Fatal(err)
		}
		all := gatherers{checkedFamilies(t, counted)}
		for _, gather := range []func() ([]*dto.MetricFamily, error){known.gather, known.fitted.gathered} {
			families, err := gather()
			if err != nil {
				t.Error(err)
			}
			all = append(all, checkedFamilies(t, families))
		}
		families, err := all.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var page bytes.Buffer
		encoder := expfmt.NewEncoder(&page, expfmt.NewFormat(expfmt.TypeTextPlain))
		for _, family := range families {
			if err := encoder.Encode(family); err != nil {
				t.Fatal(err)
			}
		}
		parser := expfmt.NewTextParser(prommodel.UTF8Validation)
		read, err := parser.TextToMetricFamilies(&page)
		if err != nil {
			t.Fatal(err)
		}
		said := labelSets(families)
		if back := labelSets(slices.Collect(maps.Values(read))); !maps.Equal(said, back) {
			t.Errorf("written %v, read %v", said, back)
		}
		for set, n := range said {
			if n > 1 {
				t.Errorf("%q is there %d times", set, n)
			}
		}
		for _, name := range []string{dag, task} {
			if name != "" && name != other && task != "" && dag != "" && !hasLabel(families, "airflow_dag_paused", "dag_id", name) {
				t.Errorf("the DAG %q has no series", name)
			}
		}
	})
}

// labelSets are the series of some families.
func labelSets(families []*dto.MetricFamily) map[string]int {
	sets := map[string]int{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			set := []string{family.GetName()}
			for _, l := range m.GetLabel() {
				set = append(set, l.GetName(), l.GetValue())
			}
			sets[keyOfLabels(set)]++
		}
	}
	return sets
}

func hasLabel(families []*dto.MetricFamily, family, label, value string) bool {
	for _, f := range families {
		if f.GetName() != family {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == label && l.GetValue() == value {
					return true
				}
			}
		}
	}
	return false
}
