package collector

import (
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

const (
	// firstRest and longestRest are how long an instance is left alone that could not be asked for.
	firstRest   = 10 * time.Second
	longestRest = 5 * time.Minute
	// maxUnknown is how many attempts of an instance that Airflow tells nothing about are believed.
	maxUnknown = 1000
	// minRefusals is how often Airflow must have said that it knows no attempts
	// of an instance: once may be a proxy's word.
	minRefusals = 2
)

// debts takes the first n instances off the queue of those whose earlier
// attempts must be asked for, but for those that could not be told lately.
func (b *books) debts(n int, now time.Time) []airflow.TaskInstanceRef {
	b.mu.Lock()
	defer b.mu.Unlock()
	var taken, left []airflow.TaskInstanceRef
	for _, ref := range b.owing {
		r, i := b.debtor(ref)
		switch {
		case r == nil:
		case len(taken) == n, i.rests.After(now):
			left = append(left, ref)
		default:
			i.queued = false
			taken = append(taken, ref)
		}
	}
	b.owing = left
	return taken
}

// waiting is how many instances are left in that queue, and how many runs could not be read.
func (b *books) waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, ref := range b.owing {
		if r, _ := b.debtor(ref); r != nil {
			n++
		}
	}
	for _, r := range b.runs {
		if r.suspect {
			n++
		}
	}
	return n
}

// debtor is the instance of that name if attempts of it must be asked for.
func (b *books) debtor(ref airflow.TaskInstanceRef) (*run, *instance) {
	r := b.runs[airflow.RunRef{DagID: ref.DagID, RunID: ref.RunID}]
	if r == nil {
		return nil, nil
	}
	i := r.instances[instanceKey{ref.TaskID, ref.MapIndex}]
	if i == nil || i.owed == 0 {
		return nil, nil
	}
	return r, i
}

// postpone puts an instance that could not be asked for at the end of the
// queue, the longer the more often that happened.
func (b *books) postpone(ref airflow.TaskInstanceRef, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r, i := b.debtor(ref); r != nil && !i.queued {
		i.queued = true
		i.rests = now.Add(min(firstRest<<i.failed, longestRest))
		i.failed = min(i.failed+1, 10)
		b.owing = append(b.owing, ref)
	}
}

// settle takes the attempts of an instance as Airflow lists them; none: it
// knows no such instance, or does not tell.
func (b *books) settle(ref airflow.TaskInstanceRef, rows []airflow.TaskInstance) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, i := b.debtor(ref)
	switch {
	case r == nil:
		return
	case len(rows) > 0:
		b.settleDebt(r, i, ref, rows)
		return
	}
	if i.refused++; i.refused < minRefusals {
		i.queued = true
		b.owing = append(b.owing, ref)
		return
	}
	switch {
	case r.gone:
		i.owed = 0
	case r.ended:
		b.settleDebt(r, i, ref, nil)
	default:
		i.unknown = true // the next listing of runs tells whether it was deleted
	}
}

// settleUnanswered settles the debts that no answer came to; the run is still there.
func (b *books) settleUnanswered(r *run) {
	for key, i := range r.instances {
		if i.unknown {
			i.unknown = false
			b.settleDebt(r, i, key.of(r.info.RunRef), nil)
		}
	}
}

// settleDebt counts the earlier attempts of an instance. One that Airflow does
// not list has failed, or else there would be no later one; in a run that began
// before the ledger it may have done so at any time, and does not count.
func (b *books) settleDebt(r *run, i *instance, ref airflow.TaskInstanceRef, rows []airflow.TaskInstance) {
	attempts := make(map[int]*airflow.TaskInstance, len(rows))
	for k := range rows {
		attempts[rows[k].TryNumber] = &rows[k]
	}
	owed, certain := i.owed, i.certain
	if began := r.info.StartDate; !began.IsZero() && began.Before(b.start) {
		certain = 0
	}
	i.owed, i.certain, i.refused = 0, 0, 0
	i.settled = max(i.settled, owed-1-maxUnknown)
	for try := i.settled + 1; try < owed; try++ {
		if i.ended(try) {
			continue
		}
		t := attempts[try]
		switch {
		case t == nil || !t.State.Finished() && t.State != airflow.StateUpForRetry:
			if try >= certain {
				i.note(try, markSettled)
				continue
			}
			i.note(try, markRetried)
			b.ledger.countRetry(ref.DagID, ref.TaskID)
		case t.State == airflow.StateRemoved, !attempted(t), !t.EndDate.IsZero() && !t.EndDate.After(i.floor):
			i.note(try, markSettled)
		default:
			if before := attempts[try-1]; before != nil {
				t = unlessStale(t, before.EndDate)
			}
			r.seen(t.EndDate)
			b.attemptEnded(i, t, howEnded(t), t.EndDate)
		}
	}
}

// howEnded is how an attempt ended that another one followed: one that failed
// had retries left, unless it failed for good and was cleared.
func howEnded(t *airflow.TaskInstance) mark {
	if t.State == airflow.StateUpForRetry || t.State == airflow.StateFailed && t.TryNumber <= t.MaxTries {
		return markRetried
	}
	return markFinished
}
