package collector

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

const (
	// lookBack is how old the runs are that are searched for in one listing for all DAGs.
	lookBack = 7 * 24 * time.Hour
	// firstLookBack is the first step of it; the next ones are four times as long each.
	firstLookBack = time.Hour
	// rereadAfter is how often a run that failed is read again: someone may mark, clear or delete it.
	rereadAfter = 5 * time.Minute
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
	searched   bool // nothing more is found by looking at all DAGs at once
}

// lastRun is what is known of the runs of one DAG. Runs without an end are not known.
type lastRun struct {
	newest   airflow.DagRun // that finished, by its due time
	success  airflow.DagRun // the newest of those that succeeded
	complete bool           // there is no newer one of either, or none at all
	readAt   time.Time      // when it was asked for, by itself
	due      [2]time.Time   // of the newest scheduled runs: the newest and the one before
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
	case run.RunType == "backfill":
	case !finishedRun(run): // one that was cleared is no finished one any more
		if r.newest.RunRef == run.RunRef {
			r.newest, r.complete = airflow.DagRun{}, false
		}
		if r.success.RunRef == run.RunRef {
			r.success, r.complete = airflow.DagRun{}, false
		}
	default:
		if r.success.RunRef == run.RunRef && run.State != airflow.RunSuccess { // marked as failed
			r.success, r.complete = airflow.DagRun{}, false
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
	if err != nil && !isIncomplete(err) {
		return nil, err
	}
	l.take(runs)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.searchedTo, l.step = from, 4*l.step
	l.searched = err != nil || !from.After(now.Add(-lookBack))
	return runs, nil
}

// wanted are those of these DAGs that must be asked for, in that order: those of which not
// all is known, with active runs first, then those whose newest run failed.
func (l *lastRuns) wanted(dags map[string]dagFacts, active map[string]int, now time.Time) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.searched {
		return nil
	}
	var ids []string
	for id := range dags {
		r := l.of(id)
		if !r.known() || r.newest.State == airflow.RunFailed && now.Sub(r.readAt) >= rereadAfter {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int {
		_, activeA := active[a]
		_, activeB := active[b]
		return cmp.Or(
			cmp.Compare(boolean(l.dags[a].complete), boolean(l.dags[b].complete)),
			cmp.Compare(boolean(activeB), boolean(activeA)),
			l.dags[a].readAt.Compare(l.dags[b].readAt),
			cmp.Compare(a, b))
	})
	return ids
}

// known reports whether there is nothing to be asked for: a success among the
// runs that were found is the newest of both kinds.
func (r *lastRun) known() bool { return r.complete || r.newest.State == airflow.RunSuccess }

// unknown is how many of these DAGs are still to be asked for, at least 1 while the search goes on.
func (l *lastRuns) unknown(dags map[string]dagFacts) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	if !l.searched {
		n = 1
	}
	for id := range dags {
		if !l.of(id).known() {
			n++
		}
	}
	return n
}

// read asks for the latest runs of one DAG, and returns how many requests that
// took. One that Airflow does not tell about has none.
func (l *lastRuns) read(ctx context.Context, client *airflow.Client, dagID string) (requests int, err error) {
	at := airflowNow(client)
	runs, err := client.LatestDagRuns(ctx, dagID, []airflow.RunState{airflow.RunSuccess, airflow.RunFailed}, latestRuns)
	requests++
	isSuccess := func(r airflow.DagRun) bool { return r.State == airflow.RunSuccess && r.RunType != "backfill" }
	if err == nil && len(runs) == latestRuns && !slices.ContainsFunc(runs, isSuccess) {
		var more []airflow.DagRun
		more, err = client.LatestDagRuns(ctx, dagID, []airflow.RunState{airflow.RunSuccess}, latestRuns)
		requests++
		runs = append(runs, more...)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.of(dagID)
	if r.readAt = at; err != nil && !definite(err) {
		return requests, err
	}
	*r = lastRun{complete: true, readAt: at, due: r.due}
	for i := range runs {
		r.take(&runs[i])
	}
	return requests, nil
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

// copy is what is known now.
func (l *lastRuns) copy() map[string]lastRun {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[string]lastRun, len(l.dags))
	for id, r := range maps.All(l.dags) {
		all[id] = *r
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
