package main

import (
	"cmp"
	"slices"
)

// schedule is one loop of the scheduler.
func (a *airflow) schedule() {
	a.createRuns()
	a.startRuns()
	for _, r := range slices.Clone(a.active) {
		if r.state == stateRunning && (a.now+int64(r.id))%2 == 0 { // a loop does not reach all of them
			a.advance(r)
		}
	}
	if !a.story.schedulerHangs.has(a.now) {
		a.queueScheduled()
	}
	a.giveUpStuck()
}

// activeRuns is how many runs of a DAG there are in these states.
func (a *airflow) activeRuns(d *dag, states ...string) int {
	n := 0
	for _, r := range a.active {
		if r.dag == d && slices.Contains(states, r.state) {
			n++
		}
	}
	return n
}

// createRuns creates the runs that are due. Without catchup, of those that were missed only the newest.
func (a *airflow) createRuns() {
	for _, d := range a.dags {
		if d.cron == nil || d.paused || d.next > a.now {
			continue
		}
		for d.next <= a.now && a.activeRuns(d, stateQueued, stateRunning) < d.maxActiveRuns {
			due := d.next
			for next := d.cron.next(due); !d.catchup && next <= a.now; next = d.cron.next(due) {
				due = next
			}
			a.create(d, runScheduled, due)
			d.next = d.cron.next(due)
		}
	}
}

func (a *airflow) startRuns() {
	for _, r := range a.active {
		if r.state == stateQueued && !r.dag.paused && a.activeRuns(r.dag, stateRunning) < r.dag.maxActiveRuns {
			r.state, r.startedAt, r.moved = stateRunning, a.now, a.now
		}
	}
}

// advance gives the instances of a run the states that follow from those before them, and ends it if none is left.
func (a *airflow) advance(r *run) {
	open := false
	for _, i := range r.instances {
		switch i.state {
		case stateNone:
			a.decide(i)
		case stateUpForRetry, stateUpForReschedule:
			if i.wakeAt <= a.now {
				a.scheduleInstance(i)
			}
		}
		open = open || !i.finished()
	}
	if !open {
		a.end(r)
	}
}

// decide looks whether the turn of an instance without a state has come.
func (a *airflow) decide(i *instance) {
	failed, skipped, open := false, false, false
	for _, o := range i.upstream {
		failed = failed || o.state == stateFailed || o.state == stateUpstreamFailed
		skipped = skipped || o.state == stateSkipped
		open = open || !o.finished()
	}
	switch {
	case i.task.rule != allDone && failed:
		a.finish(i, stateUpstreamFailed)
	case i.task.rule == "" && skipped:
		a.finish(i, stateSkipped)
	case !open && !i.needsPast():
		a.scheduleInstance(i)
	}
}

// needsPast reports whether the same task of the run before must have succeeded, and has not.
func (i *instance) needsPast() bool {
	if !i.run.dag.dependsOnPast || i.run.before == nil {
		return false
	}
	return slices.ContainsFunc(i.run.before.instances, func(o *instance) bool {
		return o.task == i.task && o.state != stateSuccess && o.state != stateSkipped
	})
}

// waitsFor are Airflow's reasons for which an instance has no state yet.
func (i *instance) waitsFor() []string {
	var reasons []string
	if i.needsPast() {
		reasons = append(reasons, "depends_on_past")
	}
	if slices.ContainsFunc(i.upstream, func(o *instance) bool { return !o.finished() }) {
		reasons = append(reasons, "trigger_rule")
	}
	return reasons
}

// scheduleInstance lets an instance wait for its place: of a new attempt, unless it goes on with one.
func (a *airflow) scheduleInstance(i *instance) {
	if i.state == stateNone || i.state == stateUpForRetry {
		i.try++
		i.resumed, i.startedAt, i.readyAt = false, 0, 0
	}
	i.state, i.scheduledAt, i.run.moved = stateScheduled, a.now, a.now
}

// end ends a run. One that succeeds triggers the DAGs that wait for its asset.
func (a *airflow) end(r *run) {
	r.state, r.endedAt = stateSuccess, a.now
	for _, i := range r.instances {
		if len(i.task.downstream) == 0 && (i.state == stateFailed || i.state == stateUpstreamFailed) {
			r.state = stateFailed
		}
	}
	a.active = slices.DeleteFunc(a.active, func(o *run) bool { return o == r })
	r.dag.finished = append(r.dag.finished, r)
	r.dag.settle()
	a.events = append(a.events, event{kind: runEnded, run: *r})
	for _, d := range a.dags {
		if d.asset == r.dag.id && r.state == stateSuccess && !d.paused {
			a.create(d, runOfAsset, a.now)
		}
	}
}

// finish gives an instance its last state without an attempt.
func (a *airflow) finish(i *instance, state string) {
	i.state, i.run.moved = state, a.now
	a.events = append(a.events, event{kind: instanceFinished, run: *i.run, task: i.task, state: state})
}

// usage is what is taken of the limits.
type usage struct {
	executor int
	pools    map[string]int
	runs     map[*run]int
	tasks    map[*task]int
}

func (a *airflow) usage() usage {
	u := usage{pools: map[string]int{}, runs: map[*run]int{}, tasks: map[*task]int{}}
	for _, r := range a.active {
		for _, i := range r.instances {
			switch i.state {
			case stateQueued, stateRunning:
				u.take(i)
			case stateDeferred:
				if p, ok := a.pool(i.task.pool); ok && p.includeDeferred {
					u.pools[p.name] += i.task.slots
				}
			}
		}
	}
	return u
}

func (u *usage) take(i *instance) {
	u.executor++
	u.pools[i.task.pool] += i.task.slots
	u.runs[i.run]++
	u.tasks[i.task]++
}

func (a *airflow) pool(name string) (poolPlan, bool) {
	for _, p := range a.pools {
		if p.name == name {
			return p, true
		}
	}
	return poolPlan{}, false
}

// obstacles are Airflow's reasons for which a scheduled instance is not queued. Without any it waits for the executor.
func (a *airflow) obstacles(i *instance, u usage) []string {
	var reasons []string
	switch p, ok := a.pool(i.task.pool); {
	case !ok:
		reasons = append(reasons, "missing_pool")
	case p.slots > 0 && p.slots-u.pools[p.name] < i.task.slots:
		reasons = append(reasons, "pool_slots")
	}
	if u.runs[i.run] >= i.run.dag.maxActiveTasks {
		reasons = append(reasons, "dag_concurrency")
	}
	if i.task.atOnce > 0 && u.tasks[i.task] >= i.task.atOnce {
		reasons = append(reasons, "task_concurrency")
	}
	return reasons
}

// queueScheduled hands to the executor what has its place everywhere: by priority, then by the time at which the run was due.
func (a *airflow) queueScheduled() {
	var waiting []*instance
	for _, r := range a.active {
		for _, i := range r.instances {
			if i.state == stateScheduled && r.state == stateRunning {
				waiting = append(waiting, i)
			}
		}
	}
	if len(waiting) == 0 {
		return
	}
	slices.SortStableFunc(waiting, func(x, y *instance) int {
		return cmp.Or(cmp.Compare(y.task.weight, x.task.weight), cmp.Compare(x.run.due, y.run.due), cmp.Compare(x.run.id, y.run.id))
	})
	u := a.usage()
	for _, i := range waiting {
		if u.executor >= a.parallelism {
			return
		}
		if len(a.obstacles(i, u)) > 0 {
			continue
		}
		u.take(i)
		i.state, i.queuedAt, i.run.moved = stateQueued, a.now, a.now
	}
}

// giveUpStuck takes back what no worker has started for long; what was taken back too often has failed.
func (a *airflow) giveUpStuck() {
	for _, r := range a.active {
		for _, i := range r.instances {
			if i.state != stateQueued || a.now-i.queuedAt < queuedTimeout {
				continue
			}
			if i.stuck++; i.stuck <= stuckRetries {
				i.state, i.scheduledAt = stateScheduled, a.now
				continue
			}
			i.stuck = 0
			a.fail(i)
		}
	}
}
