package collector

import (
	"hash/fnv"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

const (
	// overlap is how far each question reaches back before the one that was
	// answered last: rows are committed a little after the end that they name.
	overlap = time.Minute
	// runOverlap is the same for listings of runs that ended: the scheduler takes longer.
	runOverlap = 5 * time.Minute
	// settleAfter is how long a run that ended remembers its attempts.
	settleAfter = 10 * time.Minute
	// floorAge is how long it is remembered until when such a run was counted.
	floorAge = 7 * 24 * time.Hour
	// suspectRest is how long a run that cannot be asked about is left alone.
	suspectRest = time.Minute
	// missedListings is how many listings of runs an active run may be missing in.
	missedListings = 2
)

// books know what was counted of one Airflow and what must be asked to count
// the rest. All times are on Airflow's clock. They know neither HTTP nor the
// clock of this machine, and are safe for concurrent use.
type books struct {
	ledger *Ledger
	last   *lastRuns
	sights sights

	mu     sync.Mutex // guards what follows
	dags   selection
	former []formerSelection // as long as a listing may reach back to them
	// start is when the first complete collection began; what ended before does not count. Zero: not yet.
	start    time.Time
	listedAt time.Time // of the newest listing of runs; zero before the first
	endedAt  time.Time // until when it knows those that ended
	wholeAt  time.Time // of the newest listing that knew all that had ended
	runs     map[airflow.RunRef]*run
	floors   map[airflow.RunRef]floor
	open     map[airflow.TaskInstanceRef]sighting // in the newest listing of unfinished instances
	openAt   time.Time                            // when that was asked
	begun    bool                                 // the unfinished instances of the first complete collection were seen
	dagsAt   time.Time                            // of the newest listing of DAGs
	missed   map[string]int                       // DAGs that something is known of, and how many such listings they are missing from
	owing    []airflow.TaskInstanceRef            // instances whose earlier attempts must be asked for, in that order
}

// run is a DAG run whose attempts are remembered.
type run struct {
	info   airflow.DagRun
	listed bool // a listing of runs has shown it; before, only an instance has

	floor    time.Time // attempts that ended before do not count
	newest   time.Time // the newest end of an attempt
	examined time.Time // when the newest complete answer to a question about it was asked for
	due      bool      // something ended that no question has shown yet
	suspect  bool      // a question about it and others failed: it is asked alone
	tried    time.Time // when it was asked alone
	bounded  bool      // it is too large for a question without a bound

	reruns     bool      // it has ended before: what is still to come was cleared
	ended      bool      // also one that is no longer listed at all
	gone       bool      // it is no longer listed
	examinedAt time.Time // when it was examined after its end; zero: not yet
	missed     int       // listings that it should have been in

	instances map[instanceKey]*instance
}

// floor is what remains of a run that ended: what ended until then was counted.
type floor struct {
	until    time.Time
	runEnd   time.Time // of the run
	expires  time.Time
	dateless map[instanceKey][]finish // those that no date tells from later ones
}

// sighting is how an unfinished instance was seen last.
type sighting struct {
	state airflow.State
	try   int
}

func newBooks(l *Ledger) *books {
	return &books{
		ledger: l,
		last:   newLastRuns(),
		runs:   map[airflow.RunRef]*run{},
		floors: map[airflow.RunRef]floor{},
		open:   map[airflow.TaskInstanceRef]sighting{},
	}
}

// runsEndedSince is from when on the runs that ended are not known, zero before
// the first listing. Without a gap since, it reaches back a little: rows are
// committed a little after the end that they name.
func (b *books) runsEndedSince() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.endedAt.Equal(b.listedAt) && !b.listedAt.IsZero() {
		return b.endedAt.Add(-runOverlap)
	}
	return b.endedAt
}

// run returns the run that a row belongs to. One that was in no listing of
// runs cannot have had attempts before the newest of them that was complete,
// but in a former life, which was counted then.
func (b *books) run(ref airflow.RunRef) *run {
	if r := b.runs[ref]; r != nil {
		return r
	}
	r := &run{info: airflow.DagRun{RunRef: ref}, floor: b.start, instances: map[instanceKey]*instance{}}
	if p := b.wholeAt.Add(-overlap); p.After(r.floor) {
		r.floor = p
	}
	if f, ok := b.floors[ref]; ok {
		r.floor, r.reruns = f.until, true
		for key, finishes := range f.dateless {
			r.instance(key).without = finishes
		}
		delete(b.floors, ref)
	}
	r.newest, r.examined = r.floor, r.floor
	b.runs[ref] = r
	return r
}

// listRuns takes a complete listing of runs.
func (b *books) listRuns(v *dagRunsValue, sweep time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !v.at.After(b.listedAt) {
		return
	}
	first := b.start.IsZero()
	if first {
		b.start = v.at
	}
	listed := make(map[airflow.RunRef]struct{}, len(v.active)+len(v.ended))
	for i := range v.active {
		r := b.runIsActive(&v.active[i], listed)
		if first { // nothing is to be found yet; the first sweep is spread out
			r.due, r.examined = false, b.start.Add(-spread(r.info.RunRef, sweep))
		}
	}
	for i := range v.ended {
		b.runEnded(&v.ended[i], listed)
	}
	for ref, r := range b.runs {
		_, ok := listed[ref]
		unlisted := v.endedAt.Before(v.at) || v.noQueued && r.info.State == airflow.RunQueued // it may exist all the same
		if ok || r.ended || unlisted {
			continue
		}
		if r.missed++; r.missed >= missedListings {
			b.lose(ref, r)
		}
	}
	b.listedAt, b.endedAt = v.at, v.endedAt
	if v.endedAt.Equal(v.at) {
		b.wholeAt = v.at
	}
}

// spread is a share of the interval that is always the same for a run.
func spread(ref airflow.RunRef, interval time.Duration) time.Duration {
	if interval <= 0 {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(ref.DagID + "\xff" + ref.RunID))
	return time.Duration(h.Sum64() % uint64(interval)) //nolint:gosec // it is below interval
}

// sightRuns lets the counters of runs exist before they count: of the types
// that a DAG was seen with, and of scheduled runs, if it has a schedule.
func (b *books) sightRuns(runs []airflow.DagRun, dags map[string]dagFacts) {
	for i := range runs {
		if _, ok := dags[runs[i].DagID]; ok {
			b.ledger.sightRun(runs[i].DagID, runs[i].RunType)
		}
	}
	for id, d := range dags {
		if d.HasTimeSchedule {
			b.ledger.sightRun(id, "scheduled")
		}
	}
}

func (b *books) runIsActive(info *airflow.DagRun, listed map[airflow.RunRef]struct{}) *run {
	b.ledger.sightRun(info.DagID, info.RunType)
	r := b.run(info.RunRef)
	listed[info.RunRef] = struct{}{}
	if info.State == airflow.RunRunning && (r.info.State != airflow.RunRunning || r.ended) {
		r.due = true
	}
	r.info, r.listed, r.missed = *info, true, 0
	r.ended, r.gone, r.examinedAt = false, false, time.Time{}
	b.settleUnanswered(r)
	return r
}

func (b *books) runEnded(info *airflow.DagRun, listed map[airflow.RunRef]struct{}) {
	if f, ok := b.floors[info.RunRef]; ok && f.runEnd.Equal(info.EndDate) {
		return // the listing reaches back to what is settled
	}
	start := b.startOf(info.DagID)
	if b.runs[info.RunRef] == nil && !info.EndDate.IsZero() && !info.EndDate.After(start) {
		return // nothing in it can have ended since
	}
	r := b.run(info.RunRef)
	listed[info.RunRef] = struct{}{}
	if r.ended && !r.gone && r.info.EndDate.Equal(info.EndDate) {
		return
	}
	if info.EndDate.After(start) {
		b.ledger.countRun(info, !r.reruns && info.RunAfter.After(start))
	}
	r.reruns = true
	r.info, r.listed, r.missed = *info, true, 0
	r.ended, r.gone, r.examinedAt = true, false, time.Time{}
	b.settleUnanswered(r)
}

// listUnfinished takes a complete listing of the unfinished instances, or one
// that lacks some states: what was in one of those may be there still.
func (b *books) listUnfinished(v *taskInstancesValue) {
	b.mu.Lock()
	defer b.mu.Unlock()
	first := !b.begun // what came before is settled, and what runs was started before
	b.begun = true
	if !v.listed || !v.at.After(b.openAt) {
		return
	}
	now := make(map[airflow.TaskInstanceRef]sighting, len(v.rows))
	for i := range v.rows {
		t := &v.rows[i]
		now[t.Ref()] = sighting{t.State, t.TryNumber}
		if first {
			b.run(t.Run()).instance(keyOf(t)).settleBefore(t)
		}
		b.row(t)
	}
	for ref, last := range b.open {
		if _, ok := now[ref]; ok {
			continue
		}
		if _, missing := v.missing[last.state]; missing {
			now[ref] = last
			continue
		}
		if r := b.runs[airflow.RunRef{DagID: ref.DagID, RunID: ref.RunID}]; r != nil {
			r.due = true
		}
	}
	b.open, b.openAt = now, v.at
}

// motion is when the newest attempt of a run ended, as far as it was examined,
// and until when that was. Zero: it was not yet.
func (b *books) motion(ref airflow.RunRef) (newest, examined time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.runs[ref]; r != nil {
		return r.newest, r.examined
	}
	return time.Time{}, time.Time{}
}

// examine has a question about a run asked, though nothing is known to have ended in it.
func (b *books) examine(ref airflow.RunRef) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.runs[ref]; r != nil {
		r.due = true
	}
}

// questions are about the runs that are due: those that can be asked together,
// and those that must be asked one by one.
func (b *books) questions(now time.Time, sweep time.Duration) (together, alone []airflow.RunQuestion) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.runs {
		examine := r.ended && r.examinedAt.IsZero()
		if r.info.State == airflow.RunQueued && !r.due {
			continue // nothing ends in it
		}
		if !r.listed || !examine && !r.due && (r.ended || now.Sub(r.examined) < sweep) {
			continue
		}
		q := airflow.RunQuestion{Run: r.info}
		if !examine || r.bounded {
			q.Since = r.examined.Add(-overlap)
			if q.Since.Before(r.floor) {
				q.Since = r.floor
			}
		}
		if r.suspect {
			if now.Sub(r.tried) >= suspectRest {
				alone = append(alone, q)
			}
			continue
		}
		together = append(together, q)
	}
	slices.SortFunc(alone, func(x, y airflow.RunQuestion) int { // the one that waits longest first
		return b.runs[x.Run.RunRef].tried.Compare(b.runs[y.Run.RunRef].tried)
	})
	return together, alone
}

// answered notes complete answers to questions that were asked at the given time.
func (b *books) answered(questions []airflow.RunQuestion, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, q := range questions {
		r := b.runs[q.Run.RunRef]
		if r == nil {
			continue
		}
		r.due, r.suspect, r.examined = false, false, at
		if r.ended && r.examinedAt.IsZero() && (q.Since.IsZero() || r.bounded) {
			r.examinedAt = at
		}
	}
}

// failed notes a run about which a question of its own got no complete answer:
// it is asked alone from now on, so that the others are spared.
func (b *books) failed(ref airflow.RunRef, tooMany bool, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.runs[ref]; r != nil {
		r.suspect, r.tried = true, at
		r.bounded = r.bounded || tooMany
	}
}

// settled is what remains of a run that ended.
func (r *run) settled(at time.Time) floor {
	return floor{until: r.newest, runEnd: r.info.EndDate, expires: at.Add(floorAge), dateless: r.dateless()}
}

// prune replaces runs that ended by their floor, once all is counted, and forgets old floors.
func (b *books) prune(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ref, r := range b.runs {
		if !r.ended || r.examinedAt.IsZero() || r.due || now.Sub(r.examinedAt) < settleAfter || r.owes() || b.hasOpen(r) {
			continue
		}
		delete(b.runs, ref)
		if !r.gone {
			b.floors[ref] = r.settled(r.examinedAt)
		}
	}
	maps.DeleteFunc(b.floors, func(_ airflow.RunRef, f floor) bool { return now.After(f.expires) })
	b.former = slices.DeleteFunc(b.former, func(f formerSelection) bool { return f.until.Before(b.endedAt.Add(-2 * runOverlap)) })
}
