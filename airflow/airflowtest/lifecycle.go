package airflowtest

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// expect panics unless the row is in one of these states: Airflow has no such move.
func (ti *TaskInstance) expect(move string, states ...string) {
	if !slices.Contains(states, ti.State) {
		panic(fmt.Sprintf("airflowtest: cannot %s %v in state %q", move, ti.Key, ti.State))
	}
}

func (ti *TaskInstance) enter(state string) time.Time {
	ti.State = state
	ti.UpdatedAt = ti.db.Now()
	return ti.UpdatedAt
}

// Schedule lets the scheduler find that the instance may run. This is where an
// attempt gets its number; the dates and the duration of the one before stay.
func (ti *TaskInstance) Schedule() *TaskInstance {
	ti.expect("schedule", NoStatus, UpForRetry, UpForReschedule, Deferred, AwaitingInput)
	if ti.State == NoStatus || ti.State == UpForRetry {
		ti.TryNumber++
	}
	ti.resumed = ti.State == Deferred || ti.State == AwaitingInput
	ti.TriggerID = 0
	ti.ScheduledWhen = ti.enter(Scheduled)
	return ti
}

// Enqueue sends the instance to the executor, scheduling it first if need be.
func (ti *TaskInstance) Enqueue() *TaskInstance {
	if ti.State != Scheduled {
		ti.Schedule()
	}
	ti.QueuedWhen = ti.enter(Queued)
	return ti
}

// Start starts the attempt, queueing it first if need be. Its end date is null
// from now on, but the duration of the attempt before stays. An attempt that
// was deferred keeps its start date.
func (ti *TaskInstance) Start() *TaskInstance {
	if ti.State != Queued {
		ti.Enqueue()
	}
	now := ti.enter(Running)
	if !ti.resumed {
		ti.StartDate = now
	}
	ti.resumed = false
	ti.EndDate = time.Time{}
	ti.db.processes++
	ti.Hostname, ti.PID = "worker-1", ti.db.processes
	if ti.RenderedFields == nil {
		ti.RenderedFields = map[string]any{"op_args": []any{}, "op_kwargs": map[string]any{}, "templates_dict": nil}
	}
	return ti
}

// Succeed ends the attempt, starting it first if need be.
func (ti *TaskInstance) Succeed() *TaskInstance {
	ti.startFirst()
	ti.end(Success)
	return ti
}

// Fail ends the attempt, starting it first if need be: the instance waits for
// the next attempt, or has failed when there are none left.
func (ti *TaskInstance) Fail() *TaskInstance {
	ti.startFirst()
	if ti.TryNumber > ti.MaxTries {
		ti.end(Failed)
		return ti
	}
	ti.end(UpForRetry)
	ti.record()
	ti.ID = ti.db.newID()
	return ti
}

// FailWithoutRetry ends the attempt, starting it first if need be; the
// instance has failed, whatever attempts are left (AirflowFailException).
func (ti *TaskInstance) FailWithoutRetry() *TaskInstance {
	ti.startFirst()
	ti.end(Failed)
	return ti
}

// Defer hands the attempt over to the triggerer. Schedule ends the wait.
func (ti *TaskInstance) Defer() *TaskInstance {
	ti.startFirst()
	ti.TriggerID = ti.db.newTrigger()
	ti.deferred = ti.enter(Deferred)
	return ti
}

// AwaitInput lets the attempt wait for a person (Airflow 3.3). Schedule ends the wait.
func (ti *TaskInstance) AwaitInput() *TaskInstance {
	ti.startFirst()
	ti.enter(AwaitingInput)
	return ti
}

// Reschedule lets a sensor wait for its next poke, which keeps the number of
// the attempt but starts anew.
func (ti *TaskInstance) Reschedule() *TaskInstance {
	ti.startFirst()
	ti.end(UpForReschedule)
	return ti
}

// Skip skips the instance. One that runs did it itself and has a duration; one
// without state is skipped by a branch, which gives it new dates, but neither
// a number nor a duration.
func (ti *TaskInstance) Skip() *TaskInstance {
	ti.expect("skip", NoStatus, Running)
	if ti.State == Running {
		ti.end(Skipped)
		return ti
	}
	ti.StartDate = ti.enter(Skipped)
	ti.EndDate = ti.StartDate
	return ti
}

// SkipEmpty skips a mapped task that has nothing to map over: no dates at all.
func (ti *TaskInstance) SkipEmpty() *TaskInstance {
	ti.expect("skip", NoStatus)
	ti.enter(Skipped)
	return ti
}

// FailUpstream tells that the instance cannot run because of those before it.
// One that was cleared keeps the number and the dates of the attempt before.
func (ti *TaskInstance) FailUpstream() *TaskInstance {
	ti.expect("fail upstream of", NoStatus)
	ti.finishUnstarted(UpstreamFailed)
	return ti
}

// SkipByRule skips the instance because those before it were skipped. One that
// was cleared keeps the number and the dates of the attempt before.
func (ti *TaskInstance) SkipByRule() *TaskInstance {
	ti.expect("skip", NoStatus)
	ti.finishUnstarted(Skipped)
	return ti
}

// finishUnstarted is how the scheduler lets an instance finish that it does not start.
func (ti *TaskInstance) finishUnstarted(state string) {
	now := ti.enter(state)
	setDate(&ti.StartDate, now)
	setDate(&ti.EndDate, now)
	ti.Duration = new(ti.EndDate.Sub(ti.StartDate).Seconds())
}

// PassThrough succeeds without an executor, as tasks of the EmptyOperator do.
func (ti *TaskInstance) PassThrough() *TaskInstance {
	ti.expect("pass through", NoStatus)
	ti.Operator, ti.OperatorName = "EmptyOperator", "EmptyOperator"
	ti.TryNumber++
	ti.StartDate = ti.enter(Success)
	ti.EndDate = ti.StartDate
	ti.Duration = new(0.0)
	return ti
}

// Clear makes the instance run again, as a person asks for: dates and duration
// stay until it does, the attempt moves to the history, MaxTries rises and the
// id changes. A run that has ended is queued again. An instance that runs is
// Restarting first, until its process is gone; Clear it again to say so.
func (ti *TaskInstance) Clear() *TaskInstance {
	if ti.run().ended() {
		ti.run().requeue()
	}
	if ti.State != Restarting {
		ti.record()
		ti.ID = ti.db.newID()
	}
	if ti.State == Running {
		ti.enter(Restarting)
		return ti
	}
	ti.MaxTries = ti.TryNumber + ti.Retries
	ti.TriggerID = 0
	ti.enter(NoStatus)
	return ti
}

// ClearByAPI is Clear through the REST API, which differs on Airflow 2 for an
// instance that runs: its attempt is in the history, but it stays Running until
// the scheduler misses its process. Fail it to say so.
func (ti *TaskInstance) ClearByAPI() *TaskInstance {
	if ti.State != Running || ti.db.release.major != 2 {
		return ti.Clear()
	}
	ti.UpdatedAt = ti.db.Now()
	ti.record()
	return ti
}

// Remove tells that the task is no longer in its DAG. Nothing else changes.
func (ti *TaskInstance) Remove() *TaskInstance {
	ti.enter(Removed)
	return ti
}

func (ti *TaskInstance) startFirst() {
	if ti.State != Running {
		ti.Start()
	}
}

func (ti *TaskInstance) end(state string) {
	ti.EndDate = ti.enter(state)
	ti.Duration = new(ti.EndDate.Sub(ti.StartDate).Seconds())
}

// mark sets a state as a person does, whatever happened before: dates that are
// there stay.
func (ti *TaskInstance) mark(state string) {
	ti.finishUnstarted(state)
	ti.TriggerID = 0
}

// record keeps the attempt in the history, once, and as failed if it had not
// ended: Airflow 3 then ends the instance itself, too. As read in its source,
// this is done even with attempt 0 of an instance that never ran.
func (ti *TaskInstance) record() {
	if slices.ContainsFunc(ti.History, func(h TaskInstance) bool { return h.TryNumber == ti.TryNumber }) {
		return
	}
	attempt := *ti
	attempt.History = nil
	attempt.RenderedFields = maps.Clone(ti.RenderedFields)
	switch ti.State {
	case Success, Skipped, UpstreamFailed, Removed, Failed:
	case UpForRetry:
		attempt.State = Failed
	default:
		attempt.State = Failed
		attempt.EndDate = ti.db.Now()
		if !attempt.StartDate.IsZero() {
			attempt.Duration = new(attempt.EndDate.Sub(attempt.StartDate).Seconds())
		}
		if ti.db.release.major == 3 {
			ti.EndDate, ti.Duration = attempt.EndDate, attempt.Duration
		}
	}
	ti.History = append(ti.History, attempt)
}
