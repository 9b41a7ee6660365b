package collector

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// Who adds a gauge by DAG has to say what becomes of it when there is no room.
func TestEveryGaugeByDagHasARemainder(t *testing.T) {
	for _, id := range limited() {
		if _, ok := remainders[id]; table[id].Type == "gauge" && !ok {
			t.Errorf("remainders lacks %s", table[id].Name)
		}
	}
}

// fitted are the values of the gauges that had room, by family and labels.
func fitted(t *testing.T, f *fit) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	families, err := f.gathered()
	if err != nil {
		t.Error(err)
	}
	for _, family := range families {
		for _, d := range family.GetMetric() {
			name := family.GetName()
			for _, l := range d.GetLabel() {
				name += " " + l.GetValue()
			}
			if _, again := values[name]; again {
				t.Errorf("%s is there twice", name)
			}
			values[name] = d.GetGauge().GetValue()
		}
	}
	return values
}

// fitInto fits gauges into so much room.
func (g *gaugeLimit) fitInto(room int, parts ...*exposition) *fit {
	g.max, g.newest = room, nil
	return g.fit(parts, ledgerSize{})
}

// dagOf is what a DAG with some tasks has.
func dagOf(e *exposition, id string, tasks int) {
	for t := range tasks {
		e.gauge(taskInstances, 2, id, fmt.Sprint("task", t), "running")
	}
	e.gauge(taskInstancesOldest, float64(1000+len(e.byDag)), id, "running")
	e.gauge(dagPaused, 0, id)
}

// Sums stay sums, the oldest time is the oldest of all, and what cannot be
// summed up is left out; what is not there is counted.
func TestWhatOtherComesTo(t *testing.T) {
	e := newExposition()
	dagOf(e, "a", 30)
	dagOf(e, "b", 2)
	dagOf(e, "c", 3)
	e.gauge(poolUsedSlots, 7, "default_pool", other) // of DAGs that are not selected
	e.gauge(poolUsedSlots, 5, "default_pool", "a")

	// All have room; then the one with many tasks has none for them; then no one has any.
	g := newGaugeLimit(nil, 0)
	if got := fitted(t, g.fitInto(len(e.byDag), e)); len(got) != len(e.byDag) || g.tight {
		t.Errorf("%d gauges of %d", len(got), len(e.byDag))
	}
	f := g.fitInto(len(e.byDag)-1, e)
	got := fitted(t, f)
	if n := got["airflow_task_instances a running __other__"]; n != 60 || len(got) != 3+1+4+5+1 || f.dropped[taskInstances] != 30 {
		t.Errorf("the tasks of a: %v, %d dropped, all: %v", n, f.dropped[taskInstances], got)
	}
	f = g.fitInto(5, e)
	got = fitted(t, f)
	want := map[string]float64{
		"airflow_task_instances __other__ running __other__":                60 + 4 + 6,
		"airflow_task_instances_oldest_timestamp_seconds __other__ running": 1030,
		"airflow_pool_used_slots __other__ default_pool":                    12,
	}
	if len(got) != len(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for series, value := range want {
		if got[series] != value {
			t.Errorf("%s is %v, want %v", series, got[series], value)
		}
	}
	if f.dropped[dagPaused] != 3 || f.dropped[taskInstances] != 35 || f.dropped[poolUsedSlots] != 1 {
		t.Errorf("dropped: %v", f.dropped)
	}
}

// Totals are never cut, but take room.
func TestTotalsTakeRoom(t *testing.T) {
	e := newExposition()
	dagOf(e, "a", 1)
	e.gauge(unfinishedTaskInstances, 2, "running")
	e.gauge(poolSize, 128, "default_pool") // not a total of what the DAGs do
	g := newGaugeLimit(nil, 0)
	if g.fitInto(4, e); g.tight {
		t.Error("3 gauges and a total have no room for 4")
	}
	if g.fitInto(3, e); !g.tight {
		t.Error("3 gauges and a total have room for 3")
	}
}

// pausedIn are the DAGs of which it is told whether they are paused.
func pausedIn(t *testing.T, f *fit) (ids []string) {
	t.Helper()
	for series := range fitted(t, f) {
		if id, ok := strings.CutPrefix(series, "airflow_dag_paused "); ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// some are DAGs with a task each.
func some(names ...string) *exposition {
	e := newExposition()
	for _, id := range names {
		dagOf(e, id, 1)
	}
	return e
}

// hundred are so many names that begin alike.
func hundred(begin string) (names []string) {
	for i := range 100 {
		names = append(names, fmt.Sprintf("%s%02d", begin, i))
	}
	return names
}

// Who had room is remembered while there is room for all, and while a part is absent; not of DAGs that are gone.
func TestWhoHadRoomIsRemembered(t *testing.T) {
	before, after := hundred("m"), hundred("a")
	all := some(slices.Concat(after, before)...)
	paused := newExposition() // what one part tells of all
	for _, id := range slices.Concat(after, before) {
		paused.gauge(dagPaused, 0, id)
	}
	const room = 150 // of 600
	for name, between := range map[string]func(g *gaugeLimit){
		"room for all":                 func(g *gaugeLimit) { g.fitInto(1000, all) },
		"nothing is known":             func(g *gaugeLimit) { g.fitInto(room) },
		"less is known of all":         func(g *gaugeLimit) { g.fitInto(room, paused) },
		"nothing is known of them":     func(g *gaugeLimit) { g.fitInto(room, some(after...)) },
		"the limit is what it was":     func(g *gaugeLimit) { g.resize(room) },
		"others are gone":              func(g *gaugeLimit) { g.forget(func(id string) bool { return id > "n" }) },
		"room for all, and too little": func(g *gaugeLimit) { g.fitInto(1000, all); g.fitInto(room, paused); g.fitInto(1000, all) },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGaugeLimit(nil, 0)
			first := pausedIn(t, g.fitInto(room, some(before...)))
			between(g)
			if now := pausedIn(t, g.fitInto(room, all)); !slices.Equal(now, first) {
				t.Errorf("%v have room, before: %v", now, first)
			}
			g.forget(func(id string) bool { return id[0] == 'm' })
			if now := pausedIn(t, g.fitInto(room, all)); !slices.Equal(now, after[:len(now)]) {
				t.Errorf("DAGs that were gone come first: %v", now)
			}
		})
	}
	g := newGaugeLimit(nil, 0)
	g.fitInto(320, some(before...))
	if now := pausedIn(t, g.fitInto(320, all)); !slices.Equal(now, before) {
		t.Errorf("when it is tight for the first time, newcomers take room: %v", now)
	}
}

// A DAG that has gauges only is known, too, so that it is noticed when it is gone.
func TestDagsThatHaveRoomAreKnown(t *testing.T) {
	l := tinyLedger(minMaxSeries, 1)
	l.gauges.fitInto(minMaxSeries, some("dag"))
	if !has(l.dagIDs(), "dag") {
		t.Error("the DAG is not known")
	}
	l.forget(func(string) bool { return true })
	if has(l.dagIDs(), "dag") {
		t.Error("the DAG is not forgotten")
	}
}

// Those that had room keep it, whoever comes; and when all have room again, all are there.
func TestNewcomersTakeNoOnesRoom(t *testing.T) {
	g := newGaugeLimit(nil, 0)
	ids := func(f *fit) []string { return pausedIn(t, f) }
	before, after := hundred("m"), hundred("a")
	const room = 150 // of 300
	first := ids(g.fitInto(room, some(before...)))
	if len(first) < 40 || !slices.Equal(first, before[:len(first)]) {
		t.Fatalf("the first by name are not there: %v", first)
	}
	if now := ids(g.fitInto(room, some(slices.Concat(after, before)...))); !slices.Equal(now, first) {
		t.Errorf("newcomers took room: %v, before: %v", now, first)
	}
	gone := slices.Concat(after, before[10:])
	now := ids(g.fitInto(room, some(gone...)))
	if want := slices.Concat(after[:10], first[10:]); !slices.Equal(now, want) {
		t.Errorf("room that was left: got %v, want %v", now, want)
	}
	g.fitInto(305, some(before...))
	if !g.tight {
		t.Error("all get room before there is some to spare, and may lose it with the next series")
	}
	if all := ids(g.fitInto(1000, some(before...))); len(all) != 100 {
		t.Errorf("%d have room, want all", len(all))
	}
}

// tinyLedger has room for few series.
func tinyLedger(maxSeries, dags int) *Ledger {
	cfg := DefaultConfig()
	cfg.MaxSeries = &maxSeries
	l := NewLedger()
	l.configure(&cfg)
	l.expect(dags, 0)
	return l
}

// counts are the counters of a family, by labels.
func counts(v *vector) map[string]float64 {
	values := map[string]float64{}
	for _, d := range v.counters().GetMetric() {
		var labels []string
		for _, l := range d.GetLabel() {
			labels = append(labels, l.GetValue())
		}
		values[strings.Join(labels, " ")] = d.GetCounter().GetValue()
	}
	return values
}

// A counter that found no room counts as other from its birth until its DAG is
// gone, even if there is room later; what other counted stays; and other is
// there at 0 before it counts.
func TestACounterIsItsOwnOrOthersFromBirth(t *testing.T) {
	l := tinyLedger(2000, 20) // most of it is set aside for the 20 DAGs
	start := time.Now()
	task := func(dag string, i int) *airflow.TaskInstance {
		return &airflow.TaskInstance{DagID: dag, TaskID: fmt.Sprint("task", i)}
	}
	const tasks = 2000
	for i := range tasks {
		l.sight(task("big", i))
	}
	before := counts(l.finished)
	if v, ok := before["big success __other__"]; !ok || v != 0 {
		t.Fatalf("other is not there at 0: %v", v)
	}
	if n := l.size().dropped[taskInstancesFinished]; n+len(before)-2 != 2*tasks {
		t.Errorf("%d series are there and %d dropped, of %d", len(before)-2, n, 2*tasks)
	}
	l.deliver(l.births(), start)
	for i := range tasks {
		l.countFinished(task("big", i), airflow.StateSuccess)
	}
	if v := counts(l.finished)["big success __other__"]; v != 0 {
		t.Errorf("other counts before increase() can see it: %v", v)
	}
	l.release(start.Add(time.Minute))
	after := counts(l.finished)
	sum := 0.0
	for labels, n := range after {
		if _, ok := before[labels]; !ok {
			t.Errorf("%s was born late", labels)
		}
		sum += n
	}
	own := float64(len(before)/2 - 1)
	for labels := range after {
		if task, ok := strings.CutPrefix(labels, "big success "); ok {
			if _, ok := after["big failed "+task]; !ok {
				t.Errorf("%s has a series for success alone", task)
			}
		}
	}
	if sum != tasks || after["big success __other__"] != tasks-own {
		t.Errorf("the sum is %v, want %d; other has %v, want %v", sum, tasks, after["big success __other__"], tasks-own)
	}

	size := 100_000 // room for all, too late
	cfg := DefaultConfig()
	cfg.MaxSeries = &size
	l.configure(&cfg)
	last := task("big", tasks-1)
	l.sight(last)
	l.countFinished(last, airflow.StateSuccess)
	if now := counts(l.finished); len(now) != len(before) || now["big success __other__"] != after["big success __other__"]+1 {
		t.Errorf("%d series, other has %v", len(now), now["big success __other__"])
	}
	l.forget(func(id string) bool { return id == "big" })
	if s := l.size(); s.lines != 0 || s.dropped[taskInstancesFinished] != 0 {
		t.Errorf("after the DAG is gone: %+v", s)
	}
	l.sight(last)
	if now := counts(l.finished); len(now) != 2 || now["big success task1999"] != 0 {
		t.Errorf("reborn: %v", now)
	}
}

// Without room even for DAGs, counters are those of dag_id other, which no DAG takes with it when it goes.
func TestOtherOutlivesItsDags(t *testing.T) {
	l := tinyLedger(minMaxSeries, 5000)
	for d := range 5000 {
		l.observeRun(&airflow.TaskInstance{DagID: fmt.Sprint("dag", d), HasDuration: true}, airflow.StateSuccess)
	}
	if n := l.duration.lines; n > minMaxSeries*3/8+l.duration.cost {
		t.Errorf("%d series of histograms, want at most half of three quarters of %d", n, minMaxSeries)
	}
	for d := range 5000 {
		l.sight(&airflow.TaskInstance{DagID: fmt.Sprint("dag", d), TaskID: "task"})
		l.countRun(&airflow.DagRun{RunRef: airflow.RunRef{DagID: fmt.Sprint("dag", d)}, State: airflow.RunSuccess, RunType: "manual"}, true)
	}
	if n := l.size().lines; n > minMaxSeries*3/4 {
		t.Errorf("%d series, want at most three quarters of %d", n, minMaxSeries)
	}
	now := time.Now()
	l.deliver(l.births(), now)
	l.release(now.Add(time.Hour))
	runs := counts(l.runsFinished)
	l.forget(func(string) bool { return true })
	after := counts(l.runsFinished)
	if n := after["__other__ manual success"]; len(after) != 2 || n == 0 || n != runs["__other__ manual success"] {
		t.Errorf("other had %v, has %v", runs["__other__ manual success"], after)
	}
}
