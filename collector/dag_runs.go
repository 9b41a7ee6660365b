package collector

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// dagRunsValue is the runs that are queued or running, and those that ended lately.
type dagRunsValue struct {
	at       time.Time // when it was asked, on Airflow's clock
	active   []airflow.DagRun
	noQueued bool             // there are too many: active has the running ones only
	ended    []airflow.DagRun // since the listing before, and a little longer
	endedAt  time.Time        // until when those that ended are complete: at, unless there are too many
	skipped  bool             // one of them cannot be sent

	dags    map[string]dagFacts          // nil: not known yet
	since   map[airflow.RunRef]time.Time // when active runs were queued or started
	last    map[string]lastRun
	unknown int // DAGs whose last runs are still to be asked for
}

const (
	// endedListings is how many listings of runs that ended a collection may ask for.
	endedListings = 6
	// shortestWindow is how long a listing of runs that ended is at least: what ended
	// within it cannot be asked for in smaller portions.
	shortestWindow = time.Millisecond
	// learnTimeout is how long the others wait for last runs to be learnt.
	learnTimeout = 5 * time.Second
)

// dagRunsPart lists the active runs and those that ended since the newest
// listing that reached the ledger. It is asked every 30 s, not more often: a
// listing of active runs costs Airflow 2 as much as that of task instances,
// and the ledger learns from the latter which of the known runs moved. All
// that waits for it is a run that began in between.
//
// What it needs to know of the DAGs it takes from an earlier collection.
type dagRunsPart struct {
	maxRows   int
	fanout    int // requests for the last runs of single DAGs
	books     *books
	dags      selection
	listed    map[string]dagFacts // before a reload, until the part dags is heard of; nil: none
	lastTotal int
	window    time.Duration // of a listing of runs that ended; 0: as long as need be
}

func newDagRunsPart(cfg *Config, books *books, dags selection) *dagRunsPart {
	return &dagRunsPart{maxRows: cfg.MaxRows, fanout: cfg.LookbackFanout, books: books, dags: dags, listed: dags.facts(books.sights.dags())}
}

func (*dagRunsPart) name() string          { return "dag_runs" }
func (*dagRunsPart) open() bool            { return false }
func (*dagRunsPart) minAge() time.Duration { return 30 * time.Second }

// fetch asks for active runs first: one that ends in between is then in both
// listings, and not in none.
func (p *dagRunsPart) fetch(ctx context.Context, client *airflow.Client, known facts) (value, error) {
	v := &dagRunsValue{at: airflowNow(client)}
	if err := p.listActive(ctx, client, v); err != nil {
		return nil, err
	}
	v.endedAt = v.at
	if since := p.books.runsEndedSince(); !since.IsZero() { // what ended before the start does not count
		if err := p.listEnded(ctx, client, v, since); err != nil {
			return nil, err
		}
	}
	v.active, v.ended = p.dags.runs(v.active), p.dags.runs(v.ended)
	v.dags = p.listed
	if dags, ok := known[(*dagsPart)(nil).name()].value.(*dagsValue); ok {
		v.dags = dags.dags
	}
	p.noteSince(v)
	p.books.sights.activeRuns.set(activeRunsSeen{v.at, activeRunsOf(v.active)})
	p.learnLast(ctx, client, v)
	return v, nil
}

// noteSince finds out since when runs are active; Airflow 2 does not tell since when one is queued.
func (p *dagRunsPart) noteSince(v *dagRunsValue) {
	before, queued := p.books.sights.queuedRuns.get(), map[airflow.RunRef]time.Time{}
	v.since = make(map[airflow.RunRef]time.Time, len(v.active))
	for _, r := range v.active {
		since := r.StartDate
		if r.State == airflow.RunQueued {
			if since = r.QueuedAt; since.IsZero() {
				since = v.at
				if first, ok := before[r.RunRef]; ok {
					since = first
				}
				queued[r.RunRef] = since
			}
		}
		v.since[r.RunRef] = since
	}
	if !v.noQueued {
		p.books.sights.queuedRuns.set(queued)
	}
}

// learnLast learns the last runs of the DAGs. What it cannot learn now it will
// later: that spoils nothing else.
func (p *dagRunsPart) learnLast(ctx context.Context, client *airflow.Client, v *dagRunsValue) {
	ctx, cancel := context.WithTimeout(ctx, learnTimeout)
	defer cancel()
	last := p.books.last
	last.take(v.active)
	last.take(v.ended) // asked for later
	found, err := last.search(ctx, client, v.at, p.books.runsEndedSince(), p.maxRows)
	p.books.sightRuns(p.dags.runs(found), v.dags)
	if err == nil {
		err = last.recheck(ctx, client, v.at, p.maxRows)
	}
	ids := last.wanted(v.dags, activeRunsOf(v.active), v.at)
	for requests := 0; (err == nil || othersMayFare(ctx, err)) && len(ids) > 0 && requests < p.fanout; ids = ids[1:] {
		one, cancel := share(ctx)
		var n int
		n, err = last.read(one, client, ids[0])
		cancel()
		requests += n
	}
	last.plan(v.dags)
	v.unknown = last.unknown(v.dags, v.at)
	v.last = last.copy()
	maps.DeleteFunc(v.last, func(dagID string, _ lastRun) bool { return !p.dags.has(dagID) })
}

// listActive does without the queued runs, in which nothing ends, when there are too many.
func (p *dagRunsPart) listActive(ctx context.Context, client *airflow.Client, v *dagRunsValue) (err error) {
	v.active, err = p.list(ctx, client, airflow.DagRunQuery{States: []airflow.RunState{airflow.RunQueued, airflow.RunRunning}})
	if isIncomplete(err) {
		v.noQueued = true
		v.active, err = p.list(ctx, client, airflow.DagRunQuery{States: []airflow.RunState{airflow.RunRunning}})
	}
	p.lastTotal = len(v.active)
	return err
}

// listEnded lists the runs that ended since, window by window when they are too
// many for one answer: after an outage, or when someone ended thousands at once.
// What is left is listed next time.
func (p *dagRunsPart) listEnded(ctx context.Context, client *airflow.Client, v *dagRunsValue, since time.Time) error {
	q := airflow.DagRunQuery{States: []airflow.RunState{airflow.RunSuccess, airflow.RunFailed}, EndedSince: since}
	for range endedListings {
		q.EndedUntil = time.Time{}
		if end := q.EndedSince.Add(p.window); p.window > 0 && end.Before(v.at) {
			q.EndedUntil = end
		}
		runs, err := p.list(ctx, client, q)
		if short, ok := errors.AsType[*airflow.IncompleteError](err); ok {
			p.narrow(v.at.Sub(q.EndedSince), short)
			continue
		}
		switch {
		case isServerError(err) && (q.EndedUntil.IsZero() || p.window > shortestWindow):
			// One run that cannot be sent spoils each listing that holds it: it is closed in on, a listing at a time.
			p.closeIn(v.at.Sub(q.EndedSince))
			v.endedAt = q.EndedSince
			return nil
		case isServerError(err): // that is the one, and is left out
			v.skipped = true
		case err != nil:
			return err
		}
		v.ended = append(v.ended, runs...)
		if q.EndedUntil.IsZero() {
			p.window = 0
			return nil
		}
		q.EndedSince = q.EndedUntil
		if len(runs) < p.maxRows/8 {
			p.window *= 8 // what made it narrow may be behind, or still ahead
		}
	}
	v.endedAt = q.EndedSince
	return nil
}

// narrow makes the window so small that half of an answer should hold its runs.
func (p *dagRunsPart) narrow(all time.Duration, short *airflow.IncompleteError) {
	if p.window == 0 || p.window > all {
		p.window = all
	}
	share := float64(p.maxRows) / float64(2*max(short.Total, 1))
	p.window = max(time.Duration(float64(p.window)*min(share, 0.5)), shortestWindow)
}

// closeIn makes the window so small that it soon holds one run only.
func (p *dagRunsPart) closeIn(all time.Duration) {
	if p.window == 0 || p.window > all {
		p.window = all
	}
	p.window = max(p.window/8, shortestWindow)
}

// list asks once more when there was too little room. Those that ended within
// a moment cannot be asked for in smaller portions.
func (p *dagRunsPart) list(ctx context.Context, client *airflow.Client, q airflow.DagRunQuery) ([]airflow.DagRun, error) {
	q.Room = roomFor(p.lastTotal, p.maxRows)
	runs, err := client.DagRuns(ctx, q)
	incomplete, ok := errors.AsType[*airflow.IncompleteError](err)
	moment := !q.EndedUntil.IsZero() && q.EndedUntil.Sub(q.EndedSince) <= shortestWindow
	if !ok || incomplete.Clamped || incomplete.Total > p.maxRows && !moment {
		return runs, err
	}
	q.Room = roomFor(incomplete.Total, max(p.maxRows, incomplete.Total))
	return client.DagRuns(ctx, q)
}

func (v *dagRunsValue) truncated() bool {
	return v.noQueued || v.skipped || v.endedAt.Before(v.at) || v.unknown > 0
}

func (v *dagRunsValue) emit(e *exposition) {
	v.emitActive(e)
	v.emitFull(e)
	for id, r := range v.last {
		d, visible := v.dags[id]
		if v.dags != nil && !visible {
			continue // gone, or about to be
		}
		r.emit(e, id)
		interval := scheduleInterval(r.due[1], r.due[0], r.plan.next)
		goesOn := !d.nextRun.IsZero() || d.heldBack // one that is over is never late
		if d.HasTimeSchedule && goesOn && interval > 0 {
			e.gauge(dagScheduleInterval, interval.Seconds(), id)
		}
	}
}

// emitFull tells of which DAGs Airflow creates no run because too many are
// active. What it says itself is as old as the listing of DAGs, and less than it knows.
func (v *dagRunsValue) emitFull(e *exposition) {
	active := activeRunsOf(v.active)
	for id, d := range v.dags {
		full := d.heldBack
		if d.MaxActiveRuns > 0 && !v.noQueued {
			full = active[id] >= d.MaxActiveRuns
		}
		if full && d.HasTimeSchedule && !d.Paused { // of a paused one Airflow creates none anyway
			e.gauge(dagAtMaxActiveRuns, 1, id)
		}
	}
}

// activeKey is what the active runs are counted by.
type activeKey struct {
	dagID, runType string
	state          airflow.RunState
}

// emitActive tells how many runs are active, and since when the oldest of them.
func (v *dagRunsValue) emitActive(e *exposition) {
	states := []airflow.RunState{airflow.RunQueued, airflow.RunRunning}
	if v.noQueued {
		states = states[1:]
	}
	counts := map[activeKey]int{}
	for id, d := range v.dags {
		for _, state := range states {
			if !d.Paused {
				counts[activeKey{dagID: id, state: state}] = 0
			}
		}
	}
	oldest := map[activeKey]time.Time{}
	for _, r := range v.active {
		counts[activeKey{dagID: r.DagID, state: r.State}]++
		key := activeKey{r.DagID, r.RunType, r.State}
		since := v.since[r.RunRef]
		if first, ok := oldest[key]; !since.IsZero() && (!ok || since.Before(first)) {
			oldest[key] = since
		}
	}
	for k, n := range counts {
		e.gauge(dagRuns, float64(n), k.dagID, string(k.state))
	}
	for k, since := range oldest {
		e.gauge(dagRunsOldest, seconds(since), k.dagID, k.runType, string(k.state))
	}
}
