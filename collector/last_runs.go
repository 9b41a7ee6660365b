package collector

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

const (
	// lookBack is how old the runs are that are searched for in one listing for all DAGs.
	lookBack = 7 * 24 * time.Hour
	// firstLookBack is the first step of it; the next ones are four times as long each.
	firstLookBack = time.Hour
	// rereadAfter is how often it is asked whether runs that failed still have: someone may mark, clear or delete them.
	rereadAfter = 5 * time.Minute
	// recheckBack is how old the runs are that are asked for together then.
	recheckBack = 24 * time.Hour
	// searchFailures is how many steps of the search may fail before each DAG is asked for by itself.
	searchFailures = 3
	// latestRuns is how many runs of a DAG are asked for to find one that is no backfill.
	latestRuns = 10
)

// lastRuns are the newest finished runs of each DAG, backfills excluded. They
// are learnt step by step: those of the last days for all DAGs at once, older
// ones DAG by DAG. It outlives a reload, and is safe for concurrent use.
type lastRuns struct {
	mu   sync.Mutex // guards what follows
	dags map[string]*lastRun
	// searchedTo is back to when all runs that ended are known; zero: the search
	// has not begun, because the ledger, which tells of later ones, has not.
	searchedTo time.Time
	step       time.Duration
	failures   int  // steps that failed
	searched   bool // nothing more is found by looking at all DAGs at once
	recheckAt  time.Time
}

// lastRun is what is known of the runs of one DAG. A run that was seen may have
// been due long ago, because someone cleared it: newer ones are only known since some due time.
type lastRun struct {
	newest  airflow.DagRun // that finished, by its due time
	success airflow.DagRun // the newest of those that succeeded
	asked   bool           // by itself: all runs are known that were due since from
	from    time.Time      // zero: all runs
	lost    bool           // one of the two finished no more, and it is not known which comes next
	readAt  time.Time      // when it was asked for by itself, in vain or not, or found as failed as before
	due     [2]time.Time   // of the newest scheduled runs that were seen: the newest and the one before
	plan    nextDue
}

// nextDue is when the run after the newest one was due first. Airflow 3 moves that
// on while it creates no run, unless it has to catch up: then it says nothing of the interval.
type nextDue struct {
	schedule    string
	after, next time.Time
}

func newLastRuns() *lastRuns { return &lastRuns{dags: map[string]*lastRun{}} }

func (l *lastRuns) of(dagID string) *lastRun {
	r := l.dags[dagID]
	if r == nil {
		r = &lastRun{}
		l.dags[dagID] = r
	}
	return r
}

// take notes runs that are active or have finished.
func (l *lastRuns) take(runs []airflow.DagRun) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range runs {
		l.of(runs[i].DagID).take(&runs[i])
	}
}

func (r *lastRun) take(run *airflow.DagRun) {
	if run.RunType == "scheduled" {
		r.takeDue(run.RunAfter)
	}
	switch {
	case run.RunType == "backfill", !finishedRun(run): // it may have been one that counts before
		r.lost = r.lost || r.newest.RunRef == run.RunRef || r.success.RunRef == run.RunRef
	default:
		if r.success.RunRef == run.RunRef && run.State != airflow.RunSuccess { // marked as failed
			r.lost = true
		}
		if newer(run, &r.newest) {
			r.newest = *run
		}
		if run.State == airflow.RunSuccess && newer(run, &r.success) {
			r.success = *run
		}
	}
}

func finishedRun(r *airflow.DagRun) bool {
	return r.State == airflow.RunSuccess || r.State == airflow.RunFailed
}

// newer reports whether a run takes the place of another one, or is the same as it is now.
func newer(run, than *airflow.DagRun) bool {
	if run.RunRef == than.RunRef {
		return true
	}
	if c := run.RunAfter.Compare(than.RunAfter); c != 0 {
		return c > 0
	}
	return run.EndDate.After(than.EndDate)
}

func (r *lastRun) takeDue(due time.Time) {
	switch {
	case due.IsZero(), due.Equal(r.due[0]), due.Equal(r.due[1]):
	case due.After(r.due[0]):
		r.due = [2]time.Time{due, r.due[0]}
	case due.After(r.due[1]):
		r.due[1] = due
	}
}

// search lists one step of the runs that ended before those that are known,
// until they reach back a week or would not fit into one answer, and returns what it found.
func (l *lastRuns) search(ctx context.Context, client *airflow.Client, now, start time.Time, maxRows int) ([]airflow.DagRun, error) {
	if start.IsZero() {
		return nil, nil
	}
	l.mu.Lock()
	if l.searchedTo.IsZero() {
		l.searchedTo, l.step = now, firstLookBack
	}
	from, to, done := l.searchedTo.Add(-l.step), l.searchedTo, l.searched
	l.mu.Unlock()
	if done {
		return nil, nil
	}
	if oldest := now.Add(-lookBack); from.Before(oldest) {
		from = oldest
	}
	runs, err := client.DagRuns(ctx, airflow.DagRunQuery{
		States: []airflow.RunState{airflow.RunSuccess, airflow.RunFailed}, EndedSince: from, EndedUntil: to, Room: maxRows,
	})
	l.take(runs)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.searchedTo, l.step = from, 4*l.step
		l.searched = !from.After(now.Add(-lookBack))
	case isIncomplete(err):
		l.searched, err = true, nil
	default: // fewer may be had sooner
		l.step /= 4
		l.failures++
		l.searched = l.failures == searchFailures
	}
	return runs, err
}

// recheck lists the runs of the last day that are failed now. It shows which of
// those that succeeded were marked as failed, which keeps their end, and which
// of those that failed have not any more.
func (l *lastRuns) recheck(ctx context.Context, client *airflow.Client, now time.Time, maxRows int) error {
	l.mu.Lock()
	due := l.searched && now.Sub(l.recheckAt) >= rereadAfter
	l.mu.Unlock()
	if !due {
		return nil
	}
	since := now.Add(-recheckBack)
	runs, err := client.DagRuns(ctx, airflow.DagRunQuery{States: []airflow.RunState{airflow.RunFailed}, EndedSince: since, Room: maxRows})
	l.take(runs)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recheckAt = now
	if err != nil { // those that failed are asked for DAG by DAG then
		return err
	}
	failed := make(map[airflow.RunRef]struct{}, len(runs))
	for i := range runs {
		failed[runs[i].RunRef] = struct{}{}
	}
	for _, r := range l.dags {
		if r.newest.State != airflow.RunFailed || r.newest.EndDate.Before(since) || r.newest.EndDate.After(now.Add(-overlap)) {
			continue
		}
		_, still := failed[r.newest.RunRef]
		switch {
		case !still:
			r.lost = true
		case r.asked:
			r.readAt = now
		}
	}
	return nil
}

// wanted are those of these DAGs that must be asked for, in that order: those of which not
// all is known, with active runs first, then those that were asked for in vain, then those whose newest run failed.
func (l *lastRuns) wanted(dags map[string]dagFacts, active map[string]int, now time.Time) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.searched {
		return nil
	}
	var ids []string
	for id := range dags {
		r := l.of(id)
		inVain := !r.asked && now.Sub(r.readAt) < suspectRest
		if !l.knows(r) && !inVain || r.newest.State == airflow.RunFailed && now.Sub(r.readAt) >= rereadAfter {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int {
		_, activeA := active[a]
		_, activeB := active[b]
		return cmp.Or(
			cmp.Compare(boolean(l.knows(l.dags[a])), boolean(l.knows(l.dags[b]))),
			cmp.Compare(boolean(!l.dags[a].readAt.IsZero()), boolean(!l.dags[b].readAt.IsZero())),
			cmp.Compare(boolean(activeB), boolean(activeA)),
			l.dags[a].readAt.Compare(l.dags[b].readAt),
			cmp.Compare(a, b))
	})
	return ids
}

// knows reports whether there is nothing to be asked for: the newest run that
// was found is the newest one, and so is its success. lastRuns.mu must be held.
func (l *lastRuns) knows(r *lastRun) bool {
	return !r.lost && (r.asked || r.newest.State == airflow.RunSuccess && l.covers(r, r.newest.RunAfter))
}

// covers reports whether all runs of a DAG are known that were due then or
// later: one that is not known ended before the search began to know. lastRuns.mu must be held.
func (l *lastRuns) covers(r *lastRun, due time.Time) bool {
	if r.asked {
		return !due.Before(r.from)
	}
	return !l.searchedTo.IsZero() && !due.Before(l.searchedTo)
}

// unknown is how many of these DAGs are still to be asked for, or should have
// been asked for again long since; at least 1 while the search goes on.
func (l *lastRuns) unknown(dags map[string]dagFacts, now time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	if !l.searched {
		n = 1
	}
	for id := range dags {
		r := l.of(id)
		if !l.knows(r) || r.newest.State == airflow.RunFailed && now.Sub(r.readAt) >= 2*rereadAfter {
			n++
		}
	}
	return n
}

// read asks for the latest runs of one DAG, and returns how many requests that
// took. One that Airflow does not tell about has none.
func (l *lastRuns) read(ctx context.Context, client *airflow.Client, dagID string) (requests int, err error) {
	at := airflowNow(client)
	runs, all, err := client.LatestDagRuns(ctx, dagID, []airflow.RunState{airflow.RunSuccess, airflow.RunFailed}, latestRuns)
	requests++
	var from time.Time
	if !all && len(runs) > 0 {
		from = slices.MinFunc(runs, func(a, b airflow.DagRun) int { return a.RunAfter.Compare(b.RunAfter) }).RunAfter
	}
	isSuccess := func(r airflow.DagRun) bool { return r.State == airflow.RunSuccess && r.RunType != "backfill" }
	if err == nil && !all && !slices.ContainsFunc(runs, isSuccess) {
		var more []airflow.DagRun
		more, _, err = client.LatestDagRuns(ctx, dagID, []airflow.RunState{airflow.RunSuccess}, latestRuns)
		requests++
		runs = append(runs, more...)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.of(dagID)
	if r.readAt = at; err != nil && !isNotFound(err) {
		return requests, err
	}
	*r = lastRun{asked: true, from: from, readAt: at, due: r.due, plan: r.plan}
	for i := range runs {
		r.take(&runs[i])
	}
	return requests, nil
}

// isNotFound reports whether Airflow itself says that there is no such DAG; what
// a proxy cannot find may be there.
func isNotFound(err error) bool {
	e, ok := errors.AsType[*airflow.Error](err)
	return ok && e.Status == http.StatusNotFound && strings.HasSuffix(e.Detail, "was not found")
}

// plan takes over when the next runs are due.
func (l *lastRuns) plan(dags map[string]dagFacts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, d := range dags {
		r := l.of(id)
		now := nextDue{d.Schedule, r.due[0], d.nextRun}
		switch same := r.plan.schedule == now.schedule && r.plan.after.Equal(now.after); {
		case !now.next.After(now.after): // it is that of the newest run, or over
			if !same {
				r.plan = nextDue{}
			}
		case !same || now.next.Before(r.plan.next):
			r.plan = now
		}
	}
}

// forget drops DAGs that are gone.
func (l *lastRuns) forget(gone func(dagID string) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.dags, func(dagID string, _ *lastRun) bool { return gone(dagID) })
}

// addIDs adds the DAGs of which something is known.
func (l *lastRuns) addIDs(ids map[string]struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.dags {
		ids[id] = struct{}{}
	}
}

// copy is what is known now. What may not be the newest is left out.
func (l *lastRuns) copy() map[string]lastRun {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[string]lastRun, len(l.dags))
	for id, r := range maps.All(l.dags) {
		known := *r
		if r.lost || !r.asked && !l.covers(r, r.newest.RunAfter) {
			known.newest = airflow.DagRun{}
		}
		if r.lost || !r.asked && !l.covers(r, r.success.RunAfter) {
			known.success = airflow.DagRun{}
		}
		for i, due := range r.due {
			if !l.covers(r, due) {
				known.due[i] = time.Time{}
			}
		}
		all[id] = known
	}
	return all
}

// emit tells how the last run of a DAG ended, and its last success.
func (r *lastRun) emit(e *exposition, dagID string) {
	if !r.newest.EndDate.IsZero() {
		e.gauge(dagLastRunState, boolean(r.newest.State == airflow.RunSuccess), dagID, string(airflow.RunSuccess))
		e.gauge(dagLastRunState, boolean(r.newest.State == airflow.RunFailed), dagID, string(airflow.RunFailed))
		e.gauge(dagLastRunEnd, seconds(r.newest.EndDate), dagID)
		if length, ok := runLength(&r.newest); ok {
			e.gauge(dagLastRunDuration, length.Seconds(), dagID)
		}
	}
	if !r.success.EndDate.IsZero() {
		e.gauge(dagLastSuccess, seconds(r.success.EndDate), dagID)
		if length, ok := runLength(&r.success); ok {
			e.gauge(dagLastSuccessDuration, length.Seconds(), dagID)
		}
	}
}

// runLength is how long a run took, if Airflow tells.
func runLength(r *airflow.DagRun) (time.Duration, bool) {
	length := r.EndDate.Sub(r.StartDate)
	return length, !r.StartDate.IsZero() && !r.EndDate.IsZero() && length >= 0
}
