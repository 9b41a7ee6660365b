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
	floor    time.Time // attempts that ended before do not count, like run.floor
	settled  int       // attempts up to this one are counted, or will never be
	attempts attempts  // what was counted of them
	without  []finish  // how it finished without an attempt
	owed     int       // attempts before this one must be asked for; 0: none
	certain  int       // of these, those before this one have ended, whatever Airflow answers
	queued   bool      // for that
	refused  int       // how often Airflow had no answer
	failed   int       // how often they could not be asked for
	rests    time.Time // and until when that is not tried again
	unknown  bool      // they were asked for, and Airflow knows nothing of the instance
}

// attempts are those of an instance. They are few: a map would take eight times the memory.
type attempts []counted

// of is what was counted of an attempt.
func (a attempts) of(try int) counted {
	for _, c := range a {
		if c.try == try {
			return c
		}
	}
	return counted{try: try}
}

// set replaces what was counted of an attempt.
func (a *attempts) set(c counted) {
	for k := range *a {
		if (*a)[k].try == c.try {
			(*a)[k] = c
			return
		}
	}
	*a = append(*a, c)
}

// counted is what was counted of an attempt.
type counted struct {
	try   int
	mark  mark
	end   time.Time     // zero: it has not ended, or Airflow does not tell when
	state airflow.State // in which it finished
	id    airflow.RowID // of the row then; zero on Airflow 2
}

// finish is how an instance finished without an attempt: it was skipped,
// failed upstream or was marked by someone. Cleared and finished so again, it may keep the date; on
// Airflow 3 it then has another id.
type finish struct {
	state airflow.State
	end   time.Time // zero: without any date
	id    airflow.RowID
}

// mark tells in which ways an attempt was counted.
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
		i = newInstance(r.floor)
		r.instances[key] = i
	}
	return i
}

func newInstance(floor time.Time) *instance {
	return &instance{floor: floor}
}

// ended reports whether nothing more is to be found out about an attempt.
func (i *instance) ended(try int) bool {
	return try <= i.settled || i.attempts.of(try).mark&markEnded != 0
}

// note adds to the marks of an attempt, and reports which it had before.
func (i *instance) note(try int, m mark) mark {
	a := i.attempts.of(try)
	before := a.mark
	a.mark |= m
	i.attempts.set(a)
	for i.attempts.of(i.settled+1).mark&markEnded != 0 {
		i.settled++
	}
	return before
}

// bornAgain reports whether a row is of another instance of the same name, in a
// run that was deleted and created anew: it shows an attempt that started after
// it had ended.
func (i *instance) bornAgain(t *airflow.TaskInstance) bool {
	if !i.ended(t.TryNumber) || t.StartDate.IsZero() || !attempted(t) {
		return false
	}
	end := i.attempts.of(t.TryNumber).end
	if end.IsZero() {
		end = i.floor
	}
	return t.StartDate.After(end)
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

// finishedSo reports whether it is known that the instance finished so, and notes it.
func (i *instance) finishedSo(t *airflow.TaskInstance) (known bool) {
	if slices.ContainsFunc(i.without, func(f finish) bool { return f.state == t.State && f.end.Equal(t.EndDate) && f.id == t.ID }) {
		return true
	}
	i.without = append(i.without, finish{t.State, t.EndDate, t.ID})
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

// dateless are the finishes that no date tells from later ones.
func (r *run) dateless() map[instanceKey][]finish {
	known := map[instanceKey][]finish{}
	for key, i := range r.instances {
		for _, f := range i.without {
			if f.end.IsZero() {
				known[key] = append(known[key], f)
			}
		}
	}
	return known
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
	key := keyOf(t)
	i := r.instance(key)
	if i.bornAgain(t) {
		i = newInstance(i.newest(r.floor))
		r.instances[key] = i
	}
	b.ledger.sight(t)
	before := t.TryNumber // the attempts before this one must be known
	switch {
	case t.State == airflow.StateRemoved:
		return
	case t.State == airflow.StateUpForRetry:
		if !b.attempt(r, i, t, markRetried) {
			return
		}
	case t.State.Finished() && !i.byAttempt(t):
		if !b.finishedWithout(r, i, t) {
			return
		}
		before++
	case t.State.Finished():
		if !b.attempt(r, i, t, markFinished) {
			return
		}
	case hasStarted(t.State):
		b.started(i, t)
	}
	i.owe(before, t.TryNumber)
	if i.owed > 0 && !i.queued && !i.unknown {
		i.queued = true
		b.owing = append(b.owing, t.Ref())
	}
}

// newest is when the newest of the attempts that were counted ended, if that is after the given time.
func (i *instance) newest(end time.Time) time.Time {
	for _, a := range i.attempts {
		if a.end.After(end) {
			end = a.end
		}
	}
	return end
}

// owe asks for the attempts before one unless they are all known.
func (i *instance) owe(before, certain int) {
	for try := i.settled + 1; try < before; try++ {
		if !i.ended(try) {
			i.owed, i.certain = max(i.owed, before), max(i.certain, certain)
			return
		}
	}
}

// byAttempt reports whether an attempt stands behind a finished row. Skipped
// or failed upstream without one, an instance keeps the number of the attempt
// before, or 0; and its dates, too, unless a branch has skipped it.
func (i *instance) byAttempt(t *airflow.TaskInstance) bool {
	if !attempted(t) {
		return false
	}
	a := i.attempts.of(t.TryNumber)
	if t.State != airflow.StateSkipped || a.mark&markFinished == 0 {
		return true
	}
	return a.state == airflow.StateSkipped && (a.id == t.ID || a.id == airflow.RowID{} || t.ID == airflow.RowID{})
}

// attempted reports whether an attempt may stand behind a finished row, as far as the row tells.
func attempted(t *airflow.TaskInstance) bool {
	switch {
	case t.State == airflow.StateUpstreamFailed:
		return false
	case t.State == airflow.StateSkipped:
		return t.TryNumber > 0 && !t.StartDate.Equal(t.EndDate)
	case t.State.Finished():
		return t.TryNumber > 0 // else someone has marked what never ran
	}
	return true
}

// finishedWithout counts an instance that finished without an attempt. It is
// false if Airflow does not tell when that was, or it is nothing new.
func (b *books) finishedWithout(r *run, i *instance, t *airflow.TaskInstance) bool {
	at := t.EndDate
	if at.IsZero() {
		if !r.ended {
			return false // it takes the end of its run
		}
		at = r.info.EndDate
	}
	if !at.IsZero() && !at.After(i.floor) {
		return true // the date may be that of an earlier attempt: of the newest it says nothing
	}
	r.seen(at)
	if i.finishedSo(t) {
		return false
	}
	b.ledger.countFinished(t, t.State)
	return true
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
	if !at.IsZero() && !at.After(i.floor) {
		i.settled = max(i.settled, t.TryNumber)
		return false
	}
	r.seen(at)
	b.attemptEnded(i, t, how, at)
	return true
}

// attemptEnded counts an attempt; a retried one may finish after all, which adds to finished only.
func (b *books) attemptEnded(i *instance, t *airflow.TaskInstance, how mark, at time.Time) {
	before := i.attempts.of(t.TryNumber).mark
	switch {
	case before&(markFinished|markSettled) != 0, before&how != 0,
		t.TryNumber <= i.settled && before&markEnded == 0:
		return
	}
	t = unlessStale(t, i.attempts.of(t.TryNumber-1).end)
	if !t.StartDate.IsZero() {
		b.started(i, t)
	}
	if t.StartDate.After(at) {
		at = t.StartDate // or else the same row would look like one of another life
	}
	i.note(t.TryNumber, how)
	i.attempts.set(counted{t.TryNumber, i.attempts.of(t.TryNumber).mark, at, t.State, t.ID})
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

// unlessStale is the row of an attempt that ended. One that was cleared, or
// lost, on its way to a worker still has the start of the attempt before, which
// Airflow even takes a duration from: it then has neither.
func unlessStale(t *airflow.TaskInstance, previousEnd time.Time) *airflow.TaskInstance {
	if !t.StartDate.Before(previousEnd) {
		return t
	}
	without := *t
	without.StartDate, without.Duration, without.HasDuration = time.Time{}, 0, false
	return &without
}

// started counts the start of an attempt. One that was deferred may be on its
// way to a worker when the ledger begins, and shows by its date that it has started before.
func (b *books) started(i *instance, t *airflow.TaskInstance) {
	if t.TryNumber <= i.settled || i.note(t.TryNumber, markStarted)&markStarted != 0 || t.StartDate.Before(i.floor) {
		return
	}
	b.ledger.countStart(t)
}
