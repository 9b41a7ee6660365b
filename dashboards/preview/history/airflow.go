package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// The states of task instances and runs in Airflow's words; none is no state.
const (
	stateNone            = "none"
	stateScheduled       = "scheduled"
	stateQueued          = "queued"
	stateRunning         = "running"
	stateRestarting      = "restarting"
	stateDeferred        = "deferred"
	stateAwaitingInput   = "awaiting_input"
	stateUpForRetry      = "up_for_retry"
	stateUpForReschedule = "up_for_reschedule"
	stateSuccess         = "success"
	stateFailed          = "failed"
	stateSkipped         = "skipped"
	stateUpstreamFailed  = "upstream_failed"
)

// The types of runs.
const (
	runScheduled = "scheduled"
	runManual    = "manual"
	runOfAsset   = "asset_triggered"
)

// airflow is a simulated Airflow at one second.
type airflow struct {
	site
	now       int64
	random    *rand.Rand
	dags      []*dag
	active    []*run // queued and running ones, oldest first
	heartbeat int64  // of the scheduler
	events    []event
	runs      int // how many there were
}

// dag is a DAG as Airflow and the exporter know it.
type dag struct {
	dagPlan
	tasks    []*task
	cron     *cron // nil: no time schedule
	next     int64 // when the next scheduled run is due
	due      [2]int64
	newest   *run   // by creation
	finished []*run // oldest first
	ended    *run   // of the finished ones, the one that was due last
	success  *run   // the same of those that succeeded
	runTypes []string
}

// run is a DAG run.
type run struct {
	dag       *dag
	id        int
	runType   string
	due       int64 // run_after
	queuedAt  int64
	startedAt int64
	endedAt   int64
	state     string
	before    *run // of the same DAG
	instances []*instance
	moved     int64 // when something happened in it last
	cleared   bool
}

// instance is a task instance.
type instance struct {
	run      *run
	task     *task
	upstream []*instance
	state    string
	try      int
	// lastTry is the attempt after which it fails for good.
	lastTry     int
	scheduledAt int64
	queuedAt    int64
	startedAt   int64
	// wakeAt is when what it does now ends: it runs, is deferred, or waits for its next attempt or poke.
	wakeAt int64
	// readyAt is when what a sensor waits for is there.
	readyAt int64
	// resumed is set when it goes on with an attempt that was started before.
	resumed bool
	fails   bool // the attempt that runs will
	stuck   int  // how often it was queued in vain
}

// finished reports whether nothing more happens to it by itself.
func (i *instance) finished() bool {
	switch i.state {
	case stateSuccess, stateFailed, stateSkipped, stateUpstreamFailed:
		return true
	}
	return false
}

// newAirflow sets up an Airflow in which nothing has happened yet.
func newAirflow(s site, seed uint64) (*airflow, error) {
	a := &airflow{
		site: s, now: simulationStart, heartbeat: simulationStart,
		random: rand.New(rand.NewPCG(seed, 1)), //nolint:gosec // the same numbers each time are wanted
	}
	for _, plan := range s.dags {
		tasks, err := plan.build()
		if err != nil {
			return nil, err
		}
		d := &dag{dagPlan: plan, tasks: tasks}
		d.maxActiveRuns = orDefault(d.maxActiveRuns)
		d.maxActiveTasks = orDefault(d.maxActiveTasks)
		if plan.schedule != "" && plan.asset == "" {
			c, err := parseCron(plan.schedule)
			if err != nil {
				return nil, fmt.Errorf("DAG %s: %w", plan.id, err)
			}
			d.cron, d.next = &c, c.next(simulationStart-1)
		}
		d.remember()
		a.dags = append(a.dags, d)
	}
	return a, nil
}

func orDefault(n int) int {
	if n == 0 {
		return defaultMaxActive
	}
	return n
}

// remember takes over the run that was before the simulation.
func (d *dag) remember() {
	if d.last.start == 0 {
		return
	}
	r := &run{dag: d, runType: runManual, due: d.last.start, startedAt: d.last.start, endedAt: d.last.start + d.last.seconds, state: stateSuccess}
	if d.last.failed {
		r.state = stateFailed
	}
	if d.cron != nil {
		r.runType = runScheduled
		r.due -= r.due % 60
		d.due[0] = r.due
	}
	d.finished = append(d.finished, r)
	d.settle()
	d.sightType(r.runType)
}

// settle finds the newest of the finished runs.
func (d *dag) settle() {
	d.ended, d.success = nil, nil
	for _, r := range d.finished {
		if r.newer(d.ended) {
			d.ended = r
		}
		if r.state == stateSuccess && r.newer(d.success) {
			d.success = r
		}
	}
}

// newer reports whether a run was due after another one, or ended after one that was due with it.
func (r *run) newer(than *run) bool {
	return than == nil || r.due > than.due || r.due == than.due && r.endedAt > than.endedAt
}

// sightType notes a type of runs that the DAG was seen with.
func (d *dag) sightType(runType string) {
	if !slices.Contains(d.runTypes, runType) {
		d.runTypes = append(d.runTypes, runType)
	}
}

func (a *airflow) dag(id string) *dag {
	for _, d := range a.dags {
		if d.id == id {
			return d
		}
	}
	return nil
}

// step lets one second pass.
func (a *airflow) step() {
	for _, act := range a.story.acts {
		if act.at == a.now {
			a.act(act)
		}
	}
	a.endAttempts()
	if !a.story.schedulerDown.has(a.now) {
		a.heartbeat = a.now
		a.schedule()
	}
	a.startQueued()
	a.now++
}

// act does by hand what the story says.
func (a *airflow) act(act act) {
	if d := a.dag(act.trigger); d != nil {
		for range act.triggerRuns {
			a.create(d, runManual, a.now)
		}
	}
	if d := a.dag(act.clear); d != nil && d.ended != nil && d.ended.state == stateFailed {
		a.clearFailed(d.ended)
	}
}

// clearFailed lets a failed run go on: the tasks that failed, and those that did not come to their turn for it, start anew.
func (a *airflow) clearFailed(r *run) {
	for _, i := range r.instances {
		if i.state == stateFailed || i.state == stateUpstreamFailed {
			i.state, i.lastTry, i.stuck, i.resumed = stateNone, i.try+1+i.retries(), 0, false
		}
	}
	r.state, r.queuedAt, r.startedAt, r.endedAt, r.cleared = stateQueued, a.now, 0, 0, true
	r.dag.finished = slices.DeleteFunc(r.dag.finished, func(f *run) bool { return f == r })
	r.dag.settle()
	a.active = append(a.active, r)
}

func (i *instance) retries() int {
	if i.task.noRetries {
		return 0
	}
	return defaultRetries
}

// create adds a run, with task instances that have no state yet.
func (a *airflow) create(d *dag, runType string, due int64) {
	a.runs++
	r := &run{dag: d, id: a.runs, runType: runType, due: due, queuedAt: a.now, state: stateQueued, before: d.newest, moved: a.now}
	for _, t := range d.tasks {
		var upstream []*instance
		for _, o := range r.instances {
			if slices.Contains(t.upstream, o.task) {
				upstream = append(upstream, o)
			}
		}
		for range t.mapped {
			i := &instance{run: r, task: t, state: stateNone, upstream: upstream}
			i.lastTry = 1 + i.retries()
			r.instances = append(r.instances, i)
		}
	}
	if runType == runScheduled {
		d.due = [2]int64{due, d.due[0]}
	}
	d.newest = r
	d.sightType(runType)
	a.active = append(a.active, r)
}

// spellOf is what befalls an attempt that starts now.
func (a *airflow) spellOf(i *instance) spell {
	for _, s := range a.story.spells {
		if s.has(a.now) && (s.dag == "" || s.dag == i.run.dag.id) && (s.task == "" || s.task == i.task.id) && (s.pool == "" || s.pool == i.task.pool) {
			return s
		}
	}
	return spell{fails: a.story.failureRate}
}

// about is a random time around so many seconds, at least one.
func (a *airflow) about(seconds float64) int64 {
	return max(1, int64(math.Round(seconds*math.Exp(0.2*a.random.NormFloat64()))))
}
