package collector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// bug panics while it is armed, and counts how often.
type bug struct {
	armed  atomic.Bool
	times  atomic.Int32
	within []string // functions that must be under way; a ! before one: must not
}

// meets reports whether it is time to panic.
func (b *bug) meets() bool {
	if b == nil || !b.armed.Load() {
		return false
	}
	stack := debug.Stack()
	for _, function := range b.within {
		name, not := strings.CutPrefix(function, "!")
		if bytes.Contains(stack, []byte(name+"(")) == not {
			return false
		}
	}
	b.times.Add(1)
	return true
}

func (b *bug) strike() {
	if b.meets() {
		panic("a bug")
	}
}

// Log lets a bug be a logger.
func (b *bug) Log(...any) error { b.strike(); return nil }

// buggyPart is one more part, with a bug in one of its methods.
type buggyPart struct {
	poolsPart
	inName, inAge, inFetch, twice *bug
}

func (p *buggyPart) name() string {
	p.inName.strike()
	if p.twice.meets() {
		return (poolsPart{}).name()
	}
	return "buggy"
}

func (p *buggyPart) minAge() time.Duration { p.inAge.strike(); return 0 }

func (p *buggyPart) fetch(context.Context, *airflow.Client, facts) (value, error) {
	p.inFetch.strike()
	if p.inName != nil && p.inName.armed.Load() {
		return nil, errors.New("no bug")
	}
	return &poolsValue{}, nil
}

// buggyHistograms and buggyGauge have one in Collect, and a buggySeries when it counts.
type (
	buggyHistograms struct {
		histogramVec
		*bug
	}
	buggySeries struct {
		*series
		*bug
	}
	buggyGauge struct {
		prometheus.Gauge
		*bug
	}
)

func (h buggyHistograms) Collect(ch chan<- prometheus.Metric) { h.strike(); h.histogramVec.Collect(ch) }
func (s buggySeries) Observe(x float64)                       { s.strike(); s.counter = added(s.counter, x) }
func (g buggyGauge) Collect(ch chan<- prometheus.Metric)      { g.strike(); g.Gauge.Collect(ch) }

// place is where a panic comes from.
type place struct {
	put    func(w *truthWorld, b *bug)
	within []string
	harms  []string // parts that may be absent
	abort  bool     // the scrape is not answered
}

// harmedBy are the parts that go without the answer of an endpoint.
var harmedBy = map[string][]string{
	"/version":                             partNames,
	"/auth/token":                          partNames[1:],
	"/monitor/health":                      {"health", "blocked"},
	"/pools":                               {"pools"},
	"/importErrors":                        {"import_errors"},
	"/dags":                                {"dags", "blocked"},
	"/dags/{dag_id}":                       {"dags", "blocked"},
	"/dags/{dag_id}/dagRuns":               {"dag_runs", "attempts", "blocked"},
	"/dags/~/dagRuns/list":                 {"dag_runs", "attempts", "blocked"},
	"/dags/~/dagRuns/~/taskInstances":      {"task_instances", "attempts", "blocked"},
	"/dags/~/dagRuns/~/taskInstances/list": {"task_instances", "attempts", "blocked"},
	"/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/dependencies": {"blocked"},
	"/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/tries":        {"attempts"},
}

// places are in all goroutines that the exporter starts, and in all that it is called by.
func places() map[string]place {
	const goroutine = "errgroup.(*Group).Go.func1"
	method := func(name string) string { return "collector.(*Collector)." + name }
	part := func(stage int, of func(b *bug) *buggyPart) func(*truthWorld, *bug) {
		return func(w *truthWorld, b *bug) {
			w.collector.parts = append(w.collector.parts, &partState{part: of(b), stage: stage})
		}
	}
	name := part(0, func(b *bug) *buggyPart { return &buggyPart{inName: b} })
	counting := func(family func(*Ledger) *vector) func(*truthWorld, *bug) {
		return func(w *truthWorld, b *bug) {
			l := w.collector.ledger
			l.countRetry(truthDag(0), "new") // is released while someone collects
			for _, s := range family(l).series {
				s.histogram = buggySeries{s, b}
			}
		}
	}
	finished, retries := func(l *Ledger) *vector { return l.finished }, func(l *Ledger) *vector { return l.retries }
	all := map[string]place{
		"in the plan":              {part(0, func(b *bug) *buggyPart { return &buggyPart{inAge: b} }), []string{method("plan")}, partNames, false},
		"in the collection":        {name, []string{method("begin"), "!" + goroutine}, partNames, false},
		"beside the collection":    {name, []string{method("begin"), goroutine}, partNames[6:], false},
		"in fetch":                 {part(1, func(b *bug) *buggyPart { return &buggyPart{inFetch: b} }), nil, nil, false},
		"at the end of a part":     {name, []string{method("end"), goroutine}, nil, false},
		"in the log":               {func(w *truthWorld, b *bug) { w.collector.report = reporter{logger: b} }, nil, nil, false},
		"in a row of a list":       {counting(finished), []string{"collector.(*books).row"}, []string{"attempts"}, false},
		"in the attempts":          {counting(retries), []string{"collector.(*books).settleDebt", goroutine}, []string{"attempts"}, false},
		"when counts are released": {counting(retries), []string{"collector.(*Ledger).Gather"}, nil, false},
		"in the snapshot":          {name, []string{method("snapshot")}, nil, true},
		"in rendering":             {part(0, func(b *bug) *buggyPart { return &buggyPart{twice: b} }), []string{method("snapshot")}, partNames, false},
		"in the ledger": {func(w *truthWorld, b *bug) {
			v := w.collector.ledger.queueWait
			v.histograms = buggyHistograms{v.histograms, b}
		}, nil, nil, false},
		"in the telemetry": {func(w *truthWorld, b *bug) {
			t := w.collector.telemetry
			t.reloaded = buggyGauge{t.reloaded, b}
		}, nil, nil, false},
	}
	for endpoint, harms := range harmedBy {
		all["at the answer of "+strings.ReplaceAll(endpoint, "/", " ")] = place{harms: harms, put: func(w *truthWorld, b *bug) {
			w.observe(func(r airflow.Request) {
				if r.Endpoint == endpoint {
					b.strike()
				}
			})
		}}
	}
	return all
}

// observe lets the client of the tested exporter be observed by f, too.
func (w *truthWorld) observe(f func(airflow.Request)) {
	c, cfg := w.collector, w.tested.Airflow
	cfg.Observe = func(r airflow.Request) { c.observe(r); f(r) }
	client, err := airflow.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	c.client.Close()
	c.client = client
}

// panicPlace tells a child of this test which place is its own.
const panicPlace = "AIRFLOW_EXPORTER_TEST_PANIC"

// Wherever a panic comes from, the process lives, each panic is counted, other parts are told, and all is well afterwards.
func TestPanicsAreCaughtEverywhere(t *testing.T) {
	t.Parallel()
	all := places()
	if name := os.Getenv(panicPlace); name != "" {
		panicAt(t, all[name])
		return
	}
	lengthy(t)
	var came, caught, exits int
	for _, name := range slices.Sorted(maps.Keys(all)) {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPanicsAreCaughtEverywhere$", "-test.v")
		child.Env = append(os.Environ(), panicPlace+"="+name)
		out, err := child.CombinedOutput()
		var itsPanics, itsCaught int
		if _, line, ok := strings.Cut(string(out), "PANICS "); ok {
			if _, err := fmt.Sscanf(line, "%d %d", &itsPanics, &itsCaught); err != nil {
				t.Fatal(err)
			}
		} else {
			exits++
		}
		if err != nil || itsPanics == 0 || itsCaught != itsPanics {
			t.Errorf("%s: %d panics, %d caught, %v:\n%s", name, itsPanics, itsCaught, err, out[:min(len(out), 4000)])
		}
		came, caught = came+itsPanics, caught+itsCaught
	}
	t.Logf("FIGURE C4 panics=%d caught=%d uncounted=%d exits=%d", came, caught, came-caught, exits)
}

func panicAt(t *testing.T, p place) {
	t.Helper()
	inTruthWorld(t, truthKinds[1], 2*time.Minute, truthStep-time.Minute, nil, func(w *truthWorld) {
		w.settle()
		b := &bug{within: p.within}
		p.put(w, b)
		b.armed.Store(true)
		for range 3 {
			said := w.nextOrAbort(p.abort)
			for name, part := range said.parts {
				if !p.abort && !part.success && !slices.Contains(p.harms, name) {
					t.Errorf("%s is not told", name)
				}
			}
		}
		b.armed.Store(false)
		w.next()
		said := w.next()
		for name, part := range said.parts {
			if !part.success {
				t.Errorf("%s is not told when all is well again", name)
			}
		}
		fmt.Printf("PANICS %d %v\n", b.times.Load(), said.samples["airflow_exporter_panics_total"])
	})
}

// nextOrAbort is next for a scrape that may be aborted.
func (w *truthWorld) nextOrAbort(abort bool) (said exposed) {
	w.t.Helper()
	defer func() {
		if r := recover(); (r != nil) != abort || r != nil && r != http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
			w.t.Errorf("the scrape ended with %v", r)
		}
	}()
	return w.next()
}

// A collector that a reload leaves behind is closed by a goroutine of its own.
func TestAPanicInCloseIsCaught(t *testing.T) {
	inTruthWorld(t, truthKinds[1], 2*time.Minute, truthStep, nil, func(w *truthWorld) {
		client := w.collector.client
		w.collector.client = nil
		w.collector.Close()
		w.collector.client = client
		w.has(w.scrape(0), "airflow_exporter_panics_total 1")
	})
}
