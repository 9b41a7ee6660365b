package collector

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// blockedValue is why waiting task instances wait. When they could not be
// listed, reasons is nil.
type blockedValue struct {
	stalled  map[string]int // runs, by DAG
	reasons  map[taskReason]int
	examined int      // whose reason is known
	left     int      // those left out: too many at once, or not safe to ask
	cut      bool     // there are more, in runs that could not be listed yet
	unknown  []string // names of dependencies that count as other
}

type taskReason struct {
	task
	reason string
}

const (
	// scheduledAge is how old the list of DAGs may be that says which stalled runs may be asked about.
	scheduledAge = time.Minute
	// freshRuns is how old a listing of runs may be for instances without a state to be asked for.
	freshRuns = 10 * time.Second
)

// blockedPart asks Airflow why instances wait. The question is a GET that can
// write, so it is asked with care; see mayAsk and stalled.
type blockedPart struct {
	cfg         BlockedConfig
	fanout      int
	concurrency int
	maxRows     int
	taskless    bool // the label task_id is empty
	telemetry   *Telemetry

	paused      map[string]struct{} // DAGs
	scheduled   map[string]struct{} // DAGs at which the scheduler looks
	scheduledAt time.Time           // when that was asked, apart from the part dags
	quiet       *quietRuns
	listed      map[airflow.RunRef]statelessRun

	mu      sync.Mutex // guards answers while they come in
	answers map[airflow.TaskInstanceRef]reasonsAnswer
}

// reasonsAnswer is what Airflow said of an instance; no reasons: nothing that helps.
type reasonsAnswer struct {
	at      time.Time
	state   airflow.State
	reasons map[string]struct{}
	unknown []string // names of dependencies that count as other
}

// waiting is an instance that waits. Known reasons need not be asked for.
type waiting struct {
	instance *airflow.TaskInstance
	since    time.Time
	known    []string
	stalled  bool
	unsafe   bool // it is not known that its run is running
}

func newBlockedPart(cfg *Config, concurrency int, books *books, telemetry *Telemetry) *blockedPart {
	return &blockedPart{
		cfg: cfg.Blocked, fanout: cfg.Fanout, concurrency: concurrency, maxRows: cfg.MaxRows, taskless: !cfg.TaskLabels, telemetry: telemetry,
		quiet: newQuietRuns(books, cfg.Blocked.Refresh), listed: map[airflow.RunRef]statelessRun{},
		answers: map[airflow.TaskInstanceRef]reasonsAnswer{},
	}
}

func (*blockedPart) name() string          { return "blocked" }
func (*blockedPart) open() bool            { return false }
func (*blockedPart) minAge() time.Duration { return 0 }

// fetch asks nothing at all while the scheduler is not healthy: what waits then waits for it.
func (p *blockedPart) fetch(ctx context.Context, client *airflow.Client, known facts) (value, error) {
	watched := false
	defer func() {
		if !watched {
			p.quiet.blink()
		}
	}()
	unfinished, err := latest[*taskInstancesValue](known, (*taskInstancesPart)(nil).name())
	if err != nil {
		return nil, err
	}
	runs, err := latest[*dagRunsValue](known, (*dagRunsPart)(nil).name())
	if err != nil {
		return nil, err
	}
	health, err := latest[*healthValue](known, healthPart{}.name())
	if err != nil {
		return nil, err
	}
	dags, err := latest[*dagsValue](known, (*dagsPart)(nil).name())
	if err != nil {
		return nil, err
	}
	if !unfinished.listed {
		return &blockedValue{}, nil
	}
	p.paused = dags.paused()
	if dags.at.After(p.scheduledAt) {
		p.scheduled = dags.scheduled()
	}
	mayAsk := health.health["scheduler"].Healthy
	p.quiet.watch(unfinished, runs, p.scheduled, mayAsk)
	watched = true
	cut := false
	if mayAsk {
		if err := p.learnScheduled(ctx, client, unfinished.at); err != nil {
			return nil, err
		}
		if cut, err = p.list(ctx, client, runs, unfinished.at); err != nil {
			return nil, err
		}
	}
	all := p.collect(unfinished, runs)
	if mayAsk {
		fresh := unfinished.at.Sub(runs.at) <= freshRuns && len(unfinished.missing) == 0
		err = p.ask(ctx, client, p.choose(all, unfinished.at, fresh))
	}
	v := p.sum(all, unfinished.at, cut) // forgets old answers, too
	v.stalled = p.countStalled(runs, unfinished.at)
	if err != nil {
		return nil, err
	}
	return v, nil
}

// learnScheduled makes sure that only instances are asked for of which the
// scheduler takes care, when there are runs that look stalled: that a DAG was
// paused or its file broke the part dags may not know yet.
func (p *blockedPart) learnScheduled(ctx context.Context, client *airflow.Client, now time.Time) error {
	if now.Sub(p.scheduledAt) < scheduledAge || !p.quiet.anyStalled() {
		return nil
	}
	scheduled, err := client.UnpausedDags(ctx)
	if err != nil {
		return err
	}
	p.scheduled, p.scheduledAt = scheduled, now
	p.quiet.keep(scheduled)
	return nil
}

// keep is how long an answer counts: until it has had its turn again.
func (p *blockedPart) keep() time.Duration { return 2 * cmp.Or(p.cfg.Refresh, StalledAfter) }

// known are the reasons of all that waits in a run that need not be asked for.
func (p *blockedPart) known(r *airflow.DagRun) []string {
	var known []string
	if r.State == airflow.RunQueued {
		known = append(known, ReasonRunNotRunning)
	}
	if _, paused := p.paused[r.DagID]; paused {
		known = append(known, ReasonDagPaused)
	}
	return known
}

func (p *blockedPart) isStalled(ref airflow.RunRef) bool {
	_, ok := p.quiet.stalled(ref)
	return ok
}

// collect finds all that waits, stalled runs first, then by age.
func (p *blockedPart) collect(unfinished *taskInstancesValue, runs *dagRunsValue) []waiting {
	var all []waiting
	active := map[airflow.RunRef]airflow.DagRun{}
	for _, r := range runs.active {
		active[r.RunRef] = r
		w := waiting{since: r.StartDate, known: p.known(&r)}
		if len(w.known) == 0 {
			if w.since, w.stalled = p.quiet.stalled(r.RunRef); !w.stalled {
				continue
			}
		}
		last := p.listed[r.RunRef]
		if unfinished.at.Sub(last.at) >= p.keep() {
			continue
		}
		for i := range last.rows {
			w.instance = &last.rows[i]
			all = append(all, w)
		}
	}
	for i := range unfinished.rows {
		t := &unfinished.rows[i]
		if t.State != airflow.StateScheduled || unfinished.at.Sub(unfinished.since[i]) < p.cfg.After {
			continue
		}
		r, ok := active[t.Run()]
		if !ok { // it is newer than the listing of runs, or not running: then not to be asked for
			r.RunRef = t.Run()
		}
		all = append(all, waiting{instance: t, since: unfinished.since[i], known: p.known(&r), unsafe: !ok})
	}
	slices.SortStableFunc(all, func(a, b waiting) int {
		switch {
		case a.stalled && !b.stalled:
			return -1
		case b.stalled && !a.stalled:
			return 1
		}
		return a.since.Compare(b.since)
	})
	return all
}

// choose picks whom to ask for now: of stalled runs, if that is safe, half of
// the fan-out at most, then of the scheduled ones.
func (p *blockedPart) choose(all []waiting, now time.Time, fresh bool) []*airflow.TaskInstance {
	var chosen []*airflow.TaskInstance
	stalled := 0
	for _, w := range all {
		last, ok := p.answers[w.instance.Ref()]
		switch {
		case len(chosen) == p.fanout:
			return chosen
		case len(w.known) > 0, w.unsafe, ok && last.state == w.instance.State && now.Sub(last.at) < p.cfg.Refresh:
			continue
		case w.stalled && (!p.cfg.Stalled || !fresh || stalled == max(p.fanout/2, 1)):
			continue
		case w.stalled:
			stalled++
		}
		chosen = append(chosen, w.instance)
	}
	return chosen
}

// ask asks for the dependencies of some instances. One that Airflow cannot
// tell about is left out until its turn comes again.
func (p *blockedPart) ask(ctx context.Context, client *airflow.Client, chosen []*airflow.TaskInstance) error {
	var g errgroup.Group // the zero value: one failure stops no other
	g.SetLimit(p.concurrency)
	for _, t := range chosen {
		g.Go(func() error { return p.telemetry.safely(func() error { return p.askOne(ctx, client, t) }) })
	}
	return g.Wait()
}

func (p *blockedPart) askOne(ctx context.Context, client *airflow.Client, t *airflow.TaskInstance) error {
	a := reasonsAnswer{at: airflowNow(client), state: t.State}
	one, cancel := share(ctx)
	defer cancel()
	dependencies, err := client.Dependencies(one, t.Ref())
	var failed error
	switch e, ok := errors.AsType[*airflow.Error](err); {
	case err == nil:
		a.reasons, a.unknown = reasonsOf(dependencies)
	case !ok || e.Class == airflow.ClassAuth || e.Class == airflow.ClassRateLimited || e.Status == http.StatusServiceUnavailable || ctx.Err() != nil:
		return err
	case e.Status == 0:
		failed = err // of the connection: all may fail, or this one only
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[t.Ref()] = a
	return failed
}

// sum counts what waits by reason, and forgets the answers about all else.
func (p *blockedPart) sum(all []waiting, now time.Time, cut bool) *blockedValue {
	v := &blockedValue{reasons: map[taskReason]int{}, cut: cut}
	answers := map[airflow.TaskInstanceRef]reasonsAnswer{}
	for _, w := range all {
		t := w.instance
		key := taskOf(t, p.taskless)
		if len(w.known) > 0 {
			v.examined++
			for _, reason := range w.known {
				v.reasons[taskReason{key, reason}]++
			}
			continue
		}
		a, ok := p.answers[t.Ref()]
		if ok = ok && a.state == t.State; ok {
			answers[t.Ref()] = a
		}
		// One that is being asked for anew in these collections still counts.
		if !ok || a.reasons == nil || now.Sub(a.at) > p.keep() {
			v.left++
			continue
		}
		v.examined++
		v.unknown = append(v.unknown, a.unknown...)
		for reason := range a.reasons {
			v.reasons[taskReason{key, reason}]++
		}
	}
	p.answers = answers
	return v
}

// countStalled counts the stalled runs in which instances wait.
func (p *blockedPart) countStalled(runs *dagRunsValue, now time.Time) map[string]int {
	stalled := map[string]int{}
	for _, r := range runs.active {
		last := p.listed[r.RunRef]
		waits := (len(last.rows) > 0 || last.failed) && now.Sub(last.at) < p.keep()
		if len(p.known(&r)) == 0 && waits && p.isStalled(r.RunRef) {
			stalled[r.DagID]++
		}
	}
	return stalled
}

func (v *blockedValue) truncated() bool { return v.reasons == nil || v.cut }

func (v *blockedValue) emit(e *exposition) {
	if v.reasons == nil {
		return
	}
	for id, n := range v.stalled {
		e.gauge(dagRunsStalled, float64(n), id)
	}
	for k, n := range v.reasons {
		e.gauge(taskInstancesBlocked, float64(n), k.dagID, k.taskID, k.reason)
	}
	e.gauge(taskInstancesWaiting, float64(v.examined), "true")
	e.gauge(taskInstancesWaiting, float64(v.left), "false")
}
