package main

import "slices"

// startQueued lets the workers of each queue take what is queued for them, first come, first served, if they have room.
func (a *airflow) startQueued() {
	for _, q := range a.queues {
		if since, ok := a.story.noConsumer[q.name]; ok && a.now >= since {
			continue
		}
		busy := 0
		var queued []*instance
		for _, r := range a.active {
			for _, i := range r.instances {
				switch {
				case i.task.queue != q.name:
				case i.state == stateRunning:
					busy++
				case i.state == stateQueued:
					queued = append(queued, i)
				}
			}
		}
		slices.SortStableFunc(queued, func(x, y *instance) int { return int(x.queuedAt - y.queuedAt) })
		for _, i := range queued {
			if busy >= q.slots {
				break
			}
			if a.now == i.queuedAt || a.random.Float64() < 0.4 { // the way to a worker takes a few seconds
				continue
			}
			busy++
			a.start(i)
		}
	}
}

// start begins an attempt, or goes on with it.
func (a *airflow) start(i *instance) {
	now := a.now
	s := a.spellOf(i)
	slower := max(s.slower, 1)
	first := !i.resumed
	if first {
		i.startedAt = now
		a.events = append(a.events, event{kind: attemptStarted, run: *i.run, task: i.task, scheduledAt: i.scheduledAt, queuedAt: i.queuedAt, at: now})
	}
	i.state, i.stuck, i.run.moved = stateRunning, 0, now
	i.fails = a.random.Float64() < s.fails
	switch {
	case i.fails && s.failsAfter > 0:
		i.wakeAt = now + a.about(s.failsAfter)
	case i.task.kind == operator, i.task.kind == branch:
		i.wakeAt = now + a.about(i.task.seconds*slower)
	case i.task.kind == reschedule:
		i.startedAt, i.wakeAt = now, now+a.about(2)
		if i.readyAt == 0 {
			i.readyAt = now + a.about(i.task.seconds*slower)
		}
	default:
		i.wakeAt = now + a.about(4)
		if i.readyAt == 0 {
			i.readyAt = now + a.about(i.task.seconds*slower)
		}
	}
}

// endAttempts ends what has run its time, on workers and in the triggerer, neither of which needs the scheduler.
func (a *airflow) endAttempts() {
	for _, r := range a.active {
		for _, i := range r.instances {
			if i.wakeAt > a.now {
				continue
			}
			switch i.state {
			case stateRunning:
				a.endRunning(i)
			case stateDeferred, stateAwaitingInput:
				i.state, i.scheduledAt, i.resumed, r.moved = stateScheduled, a.now, true, a.now
			}
		}
	}
}

// endRunning ends what an instance does on a worker: for good, or until what it waits for is there.
func (a *airflow) endRunning(i *instance) {
	i.run.moved = a.now
	switch {
	case i.fails:
		a.fail(i)
		return
	case i.task.kind == deferrable && i.readyAt > a.now:
		i.state, i.wakeAt = stateDeferred, i.readyAt
		return
	case i.task.kind == approval && i.readyAt > a.now:
		i.state, i.wakeAt = stateAwaitingInput, i.readyAt
		return
	case i.task.kind == reschedule && i.readyAt > a.now:
		i.state, i.wakeAt, i.resumed = stateUpForReschedule, a.now+pokeInterval, true
		return
	}
	i.state = stateSuccess
	a.events = append(a.events, event{kind: attemptEnded, run: *i.run, task: i.task, state: stateSuccess, at: a.now, seconds: float64(a.now - i.startedAt)})
	if i.task.kind == branch {
		a.skipOthers(i)
	}
}

// skipOthers lets a branch go on with one of the tasks that follow it.
func (a *airflow) skipOthers(i *instance) {
	chosen := i.task.downstream[a.random.IntN(len(i.task.downstream))]
	for _, o := range i.run.instances {
		if slices.Contains(i.task.downstream, o.task) && o.task != chosen {
			a.finish(o, stateSkipped)
		}
	}
}

// fail ends an attempt, which may never have started, as failed.
func (a *airflow) fail(i *instance) {
	e := event{kind: attemptEnded, run: *i.run, task: i.task, state: stateFailed, at: a.now, seconds: -1}
	if i.state == stateRunning {
		e.seconds = float64(a.now - i.startedAt)
	}
	i.run.moved = a.now
	if i.state = stateFailed; i.try < i.lastTry {
		i.state, i.wakeAt, e.retried = stateUpForRetry, a.now+retryDelay, true
	}
	a.events = append(a.events, e)
}
