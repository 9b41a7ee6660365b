package main

import (
	"fmt"
	"slices"
	"strings"
)

// site is one Airflow before anything happens in it.
type site struct {
	cluster, version, api, url, instance string
	states                               []string // the unfinished ones that this version knows
	components                           []string
	parallelism                          int // of the executor
	pools                                []poolPlan
	queues                               []queuePlan
	dags                                 []dagPlan
	story                                story
}

// poolPlan is a pool; slots 0 means that it is unlimited.
type poolPlan struct {
	name            string
	slots           int
	includeDeferred bool
}

// queuePlan is a worker queue and how many tasks its workers run at once.
type queuePlan struct {
	name  string
	slots int
}

// dagPlan is a DAG as its file says it. A number that is 0 has Airflow's default.
type dagPlan struct {
	id, owners, tags string // owners and tags as the exporter shows them: sorted, comma-joined
	schedule         string // as the exporter shows it: a cron expression, Asset, or nothing
	asset            string // the DAG whose success triggers this one
	paused           bool
	catchup          bool
	dependsOnPast    bool
	maxActiveRuns    int
	maxActiveTasks   int
	last             lastRun // the one before the simulation, for those that run seldom
	tasks            []taskPlan
}

// lastRun is a finished run that the exporter looked up when it started.
type lastRun struct {
	start, seconds int64
	failed         bool
}

// kind is what a task does with its time.
type kind int

const (
	operator   kind = iota
	deferrable      // waits in the triggerer
	reschedule      // pokes every two minutes and gives its slot back in between
	approval        // waits for somebody's input
	branch          // skips all but one of the tasks that follow
)

// The trigger rules that are not all_success.
const (
	allDone    = "all_done"
	noneFailed = "none_failed"
)

const (
	defaultPool  = "default_pool"
	warehouse    = "warehouse"
	apiCalls     = "api_calls"
	gpuPool      = "gpu_pool"
	defaultQueue = "default"
	etlQueue     = "etl"
	gpuQueue     = "gpu"
)

const (
	defaultMaxActive = 16 // runs, and tasks of a run
	defaultRetries   = 2
	retryDelay       = 300
	pokeInterval     = 120
	// queuedTimeout and stuckRetries are Airflow's task_queued_timeout and num_stuck_in_queued_retries.
	queuedTimeout = 600
	stuckRetries  = 2
)

// taskPlan is a task. seconds is how long it usually takes, or waits if it is a sensor.
type taskPlan struct {
	id      string
	after   string // the tasks before it, with spaces between
	pool    string
	seconds float64
	kind    kind
	mapped  int // instances, 0 for one
	slots   int
	rule    string
	// atOnce is max_active_tis_per_dag.
	atOnce    int
	noRetries bool
	priority  int
}

// task is a task with its neighbours.
type task struct {
	taskPlan
	queue      string
	upstream   []*task
	downstream []*task
	weight     int // its priority weight and those of all that follow, as Airflow sums them up
}

// build connects the tasks, which are in an order in which each comes after those that it needs.
func (d *dagPlan) build() ([]*task, error) {
	byID := map[string]*task{}
	var tasks []*task
	for _, p := range d.tasks {
		t := &task{taskPlan: p, queue: defaultQueue}
		switch p.pool {
		case "":
			t.pool = defaultPool
		case warehouse:
			t.queue = etlQueue
		case gpuPool:
			t.queue = gpuQueue
		}
		t.slots, t.mapped, t.priority = max(p.slots, 1), max(p.mapped, 1), max(p.priority, 1)
		for _, id := range strings.Fields(p.after) {
			before, ok := byID[id]
			if !ok {
				return nil, fmt.Errorf("DAG %s: task %s comes after %s, which is not there yet", d.id, p.id, id)
			}
			t.upstream = append(t.upstream, before)
			before.downstream = append(before.downstream, t)
		}
		if byID[p.id] != nil {
			return nil, fmt.Errorf("DAG %s: two tasks are called %s", d.id, p.id)
		}
		byID[p.id] = t
		tasks = append(tasks, t)
	}
	for _, t := range tasks {
		for _, below := range t.below() {
			t.weight += below.priority
		}
	}
	return tasks, nil
}

// below is a task and all that follow it.
func (t *task) below() []*task {
	all := []*task{t}
	for i := 0; i < len(all); i++ {
		for _, d := range all[i].downstream {
			if !slices.Contains(all, d) {
				all = append(all, d)
			}
		}
	}
	return all
}
