package collector

import (
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

const (
	// StalledAfter is how long nothing may move in a run before it is called
	// stalled: the scheduler has then looked at each of its instances many times.
	StalledAfter = 5 * time.Minute
	// longestGap is how long no one may have looked for it to be said that nothing moved meanwhile.
	longestGap = 90 * time.Second
)

// quietRuns tells in which running runs that the scheduler looks at nothing
// moves. Listings of what is unfinished do not suffice for that: what starts and
// ends between two of them is known to the books only.
type quietRuns struct {
	books     *books
	refresh   time.Duration // how often the books examine a quiet run
	watchedAt time.Time
	runs      map[airflow.RunRef]quietRun
}

// quietRun is a run in which nothing is scheduled, queued or running.
type quietRun struct {
	since    time.Time // when something moved last, or the watch began
	examined time.Time // until when the books know what ended in it
}

func newQuietRuns(books *books, refresh time.Duration) *quietRuns {
	return &quietRuns{books: books, refresh: refresh, runs: map[airflow.RunRef]quietRun{}}
}

// blink ends the watch: who did not look cannot tell that nothing moved.
func (q *quietRuns) blink() { clear(q.runs) }

// watch takes what a collection saw. The clock starts anew whenever something
// moved, when that cannot be told, and when the scheduler had no chance.
func (q *quietRuns) watch(unfinished *taskInstancesValue, runs *dagRunsValue, scheduled map[string]struct{}, healthy bool) {
	now := unfinished.at
	gap := now.Sub(q.watchedAt)
	q.watchedAt = now
	if !healthy || len(unfinished.missing) > 0 {
		q.blink()
		return
	}
	if gap > longestGap {
		q.blink()
	}
	moving := map[airflow.RunRef]struct{}{}
	for i := range unfinished.rows {
		moving[unfinished.rows[i].Run()] = struct{}{}
	}
	quiet := map[airflow.RunRef]quietRun{}
	for _, r := range runs.active {
		_, moves := moving[r.RunRef]
		_, isScheduled := scheduled[r.DagID]
		if r.State != airflow.RunRunning || moves || !isScheduled || ofCommand(&r) {
			continue
		}
		run, ok := q.runs[r.RunRef]
		if !ok {
			run.since = now
		}
		newest, examined := q.books.motion(r.RunRef)
		if newest.After(run.since) {
			run.since = newest
		}
		run.examined = examined
		long := now.Sub(run.since) >= StalledAfter
		if long && (examined.Sub(run.since) < StalledAfter || now.Sub(examined) >= q.refresh) {
			q.books.examine(r.RunRef)
		}
		quiet[r.RunRef] = run
	}
	q.runs = quiet
}

// keep drops the runs of all but these DAGs.
func (q *quietRuns) keep(scheduled map[string]struct{}) {
	for ref := range q.runs {
		if _, ok := scheduled[ref.DagID]; !ok {
			delete(q.runs, ref)
		}
	}
}

// ofCommand reports whether the scheduler leaves a run to the command that
// started it: a backfill of Airflow 2, which does not tell since when runs are queued.
func ofCommand(r *airflow.DagRun) bool { return r.RunType == "backfill" && r.QueuedAt.IsZero() }

// moved notes that something moved in a run after all.
func (q *quietRuns) moved(ref airflow.RunRef, at time.Time) {
	if run, ok := q.runs[ref]; ok {
		run.since = at
		q.runs[ref] = run
	}
}

func (q *quietRuns) anyStalled() bool {
	for ref := range q.runs {
		if _, ok := q.stalled(ref); ok {
			return true
		}
	}
	return false
}

// stalled reports whether nothing has moved in a run for long, and since when.
func (q *quietRuns) stalled(ref airflow.RunRef) (since time.Time, ok bool) {
	run, ok := q.runs[ref]
	return run.since, ok && q.watchedAt.Sub(run.since) >= StalledAfter && run.examined.Sub(run.since) >= StalledAfter
}
