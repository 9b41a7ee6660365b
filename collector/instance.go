package collector

import (
	"slices"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// instanceKey names a task instance within its run. Airflow's own id is no
// key: it changes with each attempt.
type instanceKey struct {
	taskID   string
	mapIndex int
}

func keyOf(t *airflow.TaskInstance) instanceKey { return instanceKey{t.TaskID, t.MapIndex} }

func (k instanceKey) of(r airflow.RunRef) airflow.TaskInstanceRef {
	return airflow.TaskInstanceRef{DagID: r.DagID, RunID: r.RunID, TaskID: k.taskID, MapIndex: k.mapIndex}
}

// instance is what was counted of a task instance.
type instance struct {
	settled int          // attempts up to this one are counted, or will never be
	marks   map[int]mark // what was counted of which attempt
	ends    []time.Time  // of the times that it finished without an attempt; zero: without any date
	owed    int          // attempts before this one must be asked for; 0: none
	queued  bool         // for that
	unknown bool         // they were asked for, and Airflow knows nothing of the instance
}

// mark is what was counted of an attempt.
type mark uint8

const (
	markStarted mark = 1 << iota
	markRetried
	markFinished // may follow markRetried: the wait for the next attempt was cut short
	markSettled  // ended before it could count

	markEnded = markRetried | markFinished | markSettled
)

func (r *run) instance(key instanceKey) *instance {
	i := r.instances[key]
	if i == nil {
		i = &instance{marks: map[int]mark{}}
		r.instances[key] = i
	}
	return i
}

// ended reports whether nothing more is to be found out about an attempt.
func (i *instance) ended(try int) bool { return try <= i.settled || i.marks[try]&markEnded != 0 }

// note adds to the marks of an attempt, and reports what it had before.
func (i *instance) note(try int, m mark) mark {
	before := i.marks[try]
	i.marks[try] = before | m
	for i.marks[i.settled+1]&markEnded != 0 {
		i.settled++
	}
	return before
}

// settleBefore takes an unfinished row that was there at the start: what came
// before it does not count, and what has started did so before.
func (i *instance) settleBefore(t *airflow.TaskInstance) {
	i.settled = max(i.settled, t.TryNumber-1)
	if hasStarted(t.State) {
		i.note(t.TryNumber, markStarted)
	}
}

func hasStarted(s airflow.State) bool {
	switch s {
	case airflow.StateRunning, airflow.StateDeferred, airflow.StateUpForReschedule, airflow.StateAwaitingInput, airflow.StateRestarting:
		return true
	}
	return false
}

// countedAt reports whether the instance finished at this time before, and notes that it did.
func (i *instance) countedAt(end time.Time) bool {
	if slices.ContainsFunc(i.ends, end.Equal) {
		return true
	}
	i.ends = append(i.ends, end)
	return false
}

// owes reports whether earlier attempts of an instance of r are to be asked for.
func (r *run) owes() bool {
	for _, i := range r.instances {
		if i.owed > 0 {
			return true
		}
	}
	return false
}

func (r *run) dateless() []instanceKey {
	var keys []instanceKey
	for key, i := range r.instances {
		if slices.ContainsFunc(i.ends, time.Time.IsZero) {
			keys = append(keys, key)
		}
	}
	return keys
}

// finished takes a row of an answer about finished instances.
func (b *books) finished(t *airflow.TaskInstance) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.row(t)
}

// row counts what a row of any listing shows, once.
func (b *books) row(t *airflow.TaskInstance) {
	r := b.run(t.Run())
	i := r.instance(keyOf(t))
	b.ledger.sight(t)
	switch {
	case t.State == airflow.StateRemoved:
		return
	case t.State == airflow.StateUpForRetry:
		if !b.attempt(r, i, t, markRetried) {
			return
		}
	case t.State.Finished():
		if !b.end(r, i, t) {
			return
		}
	case hasStarted(t.State):
		b.started(i, t)
	}
	i.owe(t.TryNumber)
	if i.owed > 0 && !i.queued && !i.unknown {
		i.queued = true
		b.owing = append(b.owing, t.Ref())
	}
}

// owe asks for the attempts before this one unless they are all known.
func (i *instance) owe(try int) {
	for k := i.settled + 1; k < try; k++ {
		if !i.ended(k) {
			i.owed = max(i.owed, try)
			return
		}
	}
}

// end counts an instance that finished. It is false if that is nothing new.
func (b *books) end(r *run, i *instance, t *airflow.TaskInstance) bool {
	if attempted(t) {
		return b.attempt(r, i, t, markFinished)
	}
	at := t.EndDate
	if at.IsZero() {
		if !r.ended {
			return false // it takes the end of its run
		}
		at = r.info.EndDate
	}
	if !at.IsZero() && !at.After(r.floor) {
		i.settled = max(i.settled, t.TryNumber)
		return false
	}
	r.seen(at)
	if i.countedAt(t.EndDate) {
		return false
	}
	b.ledger.countFinished(t, t.State)
	return true
}

// attempted reports whether an attempt stands behind a finished row: skipped by
// a branch or failed upstream, an instance keeps the number of the attempt before, or 0.
func attempted(t *airflow.TaskInstance) bool {
	if t.State != airflow.StateSkipped && t.State != airflow.StateUpstreamFailed {
		return true
	}
	return t.TryNumber > 0 && !t.StartDate.Equal(t.EndDate)
}

func (r *run) seen(end time.Time) {
	if end.After(r.newest) {
		r.newest = end
	}
}

// attempt counts how an attempt ended, markRetried or markFinished. It is
// false if it ended too early to count.
func (b *books) attempt(r *run, i *instance, t *airflow.TaskInstance, how mark) bool {
	at := t.EndDate
	if at.IsZero() && how == markFinished {
		if !r.ended {
			return false
		}
		at = r.info.EndDate
	}
	if !at.IsZero() && !at.After(r.floor) {
		i.settled = max(i.settled, t.TryNumber)
		return false
	}
	r.seen(at)
	b.attemptEnded(i, t, how)
	return true
}

// attemptEnded counts an attempt; a retried one may finish after all, which adds to finished only.
func (b *books) attemptEnded(i *instance, t *airflow.TaskInstance, how mark) {
	before := i.marks[t.TryNumber]
	switch {
	case before&(markFinished|markSettled) != 0, before&how != 0,
		t.TryNumber <= i.settled && before&markEnded == 0:
		return
	}
	if !t.StartDate.IsZero() {
		b.started(i, t)
	}
	i.note(t.TryNumber, how)
	state := t.State
	if how == markRetried {
		state = airflow.StateFailed
		b.ledger.countRetry(t.DagID, t.TaskID)
	} else {
		b.ledger.countFinished(t, state)
	}
	if before&markRetried == 0 && (state == airflow.StateSuccess || state == airflow.StateFailed) {
		b.ledger.observeRun(t, state)
	}
}

func (b *books) started(i *instance, t *airflow.TaskInstance) {
	if t.TryNumber <= i.settled || i.note(t.TryNumber, markStarted)&markStarted != 0 {
		return
	}
	b.ledger.countStart(t)
}
