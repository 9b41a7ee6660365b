package collector

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// taskInstancesValue is the unfinished task instances, summed up. When there
// were too many to list, all but states is nil; so it is after the collection.
type taskInstancesValue struct {
	at     time.Time              // when they were listed, on Airflow's clock
	listed bool                   // or else counted
	rows   []airflow.TaskInstance // those of the DAGs that are wanted, for the parts that follow
	since  []time.Time            // since when each of the rows waits or works
	// missing counts what could not be listed, by state; the other fields lack these states.
	missing map[airflow.State]int

	states     map[airflow.State]int // dense, StateNone included
	tasks      map[taskState]int
	retrying   map[task]int
	oldest     map[dagState]time.Time
	queues     map[queueState]int // dense over queued and running
	usedSlots  map[poolDag]int
	poolOldest map[poolQueueState]time.Time
}

type (
	task struct{ dagID, taskID string } // no taskID: all tasks of the DAG
	// taskState and its like are label sets.
	taskState struct {
		task
		state airflow.State
	}
	dagState struct {
		dagID string
		state airflow.State
	}
	queueState struct {
		queue string
		state airflow.State
	}
	poolDag        struct{ pool, dagID string }
	poolQueueState struct {
		pool, queue string
		state       airflow.State
	}
)

// taskInstancesPart lists the unfinished task instances, and counts those without a state.
type taskInstancesPart struct {
	maxRows  int
	taskless bool // the label task_id is empty
	byGet    bool // airflow.list: get
	dags     selection
	sights   *sights

	states    []airflow.State
	lastTotal int
	apart     bool // Airflow fails to list some state
}

const (
	// minRoom is the least room a listing gets, and headroom how much more than the last one it gets.
	minRoom  = 2000
	headroom = 1.5
)

func newTaskInstancesPart(cfg *Config, byGet bool, dags selection, sights *sights) *taskInstancesPart {
	return &taskInstancesPart{maxRows: cfg.MaxRows, taskless: !cfg.TaskLabels, byGet: byGet, dags: dags, sights: sights}
}

func (*taskInstancesPart) name() string          { return "task_instances" }
func (*taskInstancesPart) open() bool            { return false }
func (*taskInstancesPart) minAge() time.Duration { return 0 }

// fetch counts first: that is the cheapest question that needs a login, and
// the only one that refused credentials get to see.
func (p *taskInstancesPart) fetch(ctx context.Context, client *airflow.Client, _ facts) (value, error) {
	none, err := client.CountTaskInstances(ctx, airflow.StateNone)
	if err != nil {
		return nil, err
	}
	if p.states, err = client.UnfinishedStates(ctx); err != nil {
		return nil, err
	}
	v, err := p.listOrCount(ctx, client)
	if err != nil {
		return nil, err
	}
	v.states[airflow.StateNone] = none
	return v, nil
}

// listOrCount counts what is too much to list. When the last time it was, it
// counts first, so that rows are not fetched in vain.
func (p *taskInstancesPart) listOrCount(ctx context.Context, client *airflow.Client) (*taskInstancesValue, error) {
	if p.lastTotal > p.maxRows {
		v, err := p.count(ctx, client)
		if err != nil || p.lastTotal > p.maxRows {
			return v, err
		}
	}
	v, err := p.listAll(ctx, client)
	if _, cut := errors.AsType[*airflow.IncompleteError](err); cut || errors.Is(err, errTooManyRows) {
		return p.count(ctx, client)
	}
	return v, err
}

// listAll lists all states at once, or each apart when Airflow fails to: one
// bad row in its database spoils every listing that holds it.
func (p *taskInstancesPart) listAll(ctx context.Context, client *airflow.Client) (*taskInstancesValue, error) {
	at := airflowNow(client)
	if !p.apart {
		rows, err := p.list(ctx, client, p.states)
		if err == nil {
			return p.sum(rows, nil, at), nil
		}
		if !isServerError(err) {
			return nil, err
		}
	}
	return p.listApart(ctx, client, at)
}

// listApart lists one state after the other. One that cannot be listed is only
// counted; it is an error if none can.
func (p *taskInstancesPart) listApart(ctx context.Context, client *airflow.Client, at time.Time) (*taskInstancesValue, error) {
	var rows []airflow.TaskInstance
	missing := map[airflow.State]int{}
	seen := map[airflow.TaskInstanceRef]struct{}{}
	for _, state := range p.states {
		some, err := p.list(ctx, client, []airflow.State{state})
		if isServerError(err) && len(missing) < len(p.states)-1 {
			missing[state] = 0
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, t := range some {
			if _, again := seen[t.Ref()]; !again { // it moved from one state to the next in between
				seen[t.Ref()] = struct{}{}
				rows = append(rows, t)
			}
		}
	}
	for state := range missing {
		n, err := client.CountTaskInstances(ctx, state)
		if err != nil {
			return nil, err
		}
		missing[state] = n
	}
	p.apart = len(missing) > 0
	return p.sum(rows, missing, at), nil
}

// isServerError reports whether Airflow failed to answer as a bad row makes it.
func isServerError(err error) bool {
	e, ok := errors.AsType[*airflow.Error](err)
	return ok && e.Status == http.StatusInternalServerError
}

// list asks for one answer with room for all, and once more if it holds fewer
// rows than there are. A server that bounds its answers is walked page by page.
func (p *taskInstancesPart) list(ctx context.Context, client *airflow.Client, states []airflow.State) ([]airflow.TaskInstance, error) {
	q := airflow.TaskInstanceQuery{States: states, ByGet: p.byGet, Room: roomFor(p.lastTotal, p.maxRows)}
	rows, err := p.listOnce(ctx, client, q)
	short, ok := errors.AsType[*airflow.IncompleteError](err)
	if !ok || short.Total > p.maxRows {
		return rows, err
	}
	if !short.Clamped {
		q.Room = roomFor(short.Total, p.maxRows)
	}
	rows, err = p.listOnce(ctx, client, q)
	again, ok := errors.AsType[*airflow.IncompleteError](err)
	switch {
	case !ok || q.ByGet || !again.Clamped:
		return rows, err
	case again.Received != short.Received:
		// There was room, and no bound shows: Airflow counted at another moment than it listed.
		return rows, nil
	}
	q.ByGet = true
	return p.listOnce(ctx, client, q)
}

// roomFor is how many rows are asked for when total are expected.
func roomFor(total, maxRows int) int {
	return min(maxRows, max(minRoom, int(headroom*float64(total))))
}

// errTooManyRows ends a listing of a server that sends more than it was given room for.
var errTooManyRows = errors.New("more rows than collector.max_rows")

// listOnce makes one listing. One that comes with an *IncompleteError holds the rows that there were.
func (p *taskInstancesPart) listOnce(ctx context.Context, client *airflow.Client, q airflow.TaskInstanceQuery) ([]airflow.TaskInstance, error) {
	rows := make([]airflow.TaskInstance, 0, min(p.lastTotal+p.lastTotal/16, p.maxRows))
	for t, err := range client.TaskInstances(ctx, q) {
		if err != nil {
			return rows, err
		}
		if len(rows) == p.maxRows {
			return nil, errTooManyRows
		}
		rows = append(rows, t)
	}
	return rows, nil
}

// sum sums up all rows of a listing, from which the missing states are absent, and keeps those that are wanted in their place.
func (p *taskInstancesPart) sum(rows []airflow.TaskInstance, missing map[airflow.State]int, at time.Time) *taskInstancesValue {
	v := newTaskInstancesValue(p.states)
	v.at, v.missing, v.rows, v.since = at, missing, rows[:0], make([]time.Time, 0, len(rows))
	before, seen := p.sights.attempts.get(), make(map[attempt]attemptSeen, len(rows))
	for i := range rows {
		t := &rows[i]
		a := attempt{t.DagID, t.RunID, t.TaskID, t.MapIndex, t.TryNumber}
		now, ok := before[a]
		switch {
		case !ok:
			now = attemptSeen{at, t.State, at}
		case now.state != t.State:
			now.state, now.entered = t.State, at
		}
		seen[a] = now
		since, dagID := waitsSince(t, now), other
		if p.dags.has(t.DagID) {
			dagID = t.DagID
			v.rows, v.since = append(v.rows, *t), append(v.since, since)
			v.add(t, taskOf(t, p.taskless), since)
		}
		v.addTotals(t, dagID, since)
	}
	for a, last := range before {
		if _, unknown := missing[last.state]; unknown { // it is as old as before when it is listed again
			if _, ok := seen[a]; !ok {
				seen[a] = last
			}
		}
	}
	p.sights.attempts.set(seen)
	p.lastTotal = len(rows)
	for state, n := range missing {
		v.states[state] = n
	}
	queues := map[string]struct{}{} // every queue seen since the start
	maps.Copy(queues, p.sights.workerQueues.get())
	for q := range v.queues {
		queues[q.queue] = struct{}{}
	}
	p.sights.workerQueues.set(queues)
	for q := range queues {
		for _, state := range []airflow.State{airflow.StateQueued, airflow.StateRunning} {
			if _, unknown := missing[state]; !unknown {
				v.queues[queueState{q, state}] += 0
			}
		}
	}
	return v
}

// count is what remains when there are too many to list: how many there are in each state.
func (p *taskInstancesPart) count(ctx context.Context, client *airflow.Client) (*taskInstancesValue, error) {
	v := &taskInstancesValue{at: airflowNow(client), states: map[airflow.State]int{}}
	total := 0
	for _, state := range p.states {
		n, err := client.CountTaskInstances(ctx, state)
		if err != nil {
			return nil, err
		}
		v.states[state] = n
		total += n
	}
	p.lastTotal = total
	return v, nil
}

func newTaskInstancesValue(states []airflow.State) *taskInstancesValue {
	v := &taskInstancesValue{
		listed:     true,
		states:     map[airflow.State]int{},
		tasks:      map[taskState]int{},
		retrying:   map[task]int{},
		oldest:     map[dagState]time.Time{},
		queues:     map[queueState]int{},
		usedSlots:  map[poolDag]int{},
		poolOldest: map[poolQueueState]time.Time{},
	}
	for _, state := range states {
		v.states[state] = 0
	}
	return v
}

// taskOf is what an instance counts as.
func taskOf(t *airflow.TaskInstance, taskless bool) task {
	if taskless {
		return task{dagID: t.DagID}
	}
	return task{t.DagID, t.TaskID}
}

// add counts one unfinished task instance of a DAG that is wanted.
func (v *taskInstancesValue) add(t *airflow.TaskInstance, as task, since time.Time) {
	v.tasks[taskState{as, t.State}]++
	if t.TryNumber > 1 || t.State == airflow.StateUpForRetry {
		v.retrying[as]++
	}
	earliest(v.oldest, dagState{t.DagID, t.State}, since)
}

// addTotals counts one of any DAG: states, queues and pools are those of Airflow as a whole.
func (v *taskInstancesValue) addTotals(t *airflow.TaskInstance, dagID string, since time.Time) {
	v.states[t.State]++
	switch t.State {
	case airflow.StateQueued:
		v.queues[queueState{t.Queue, t.State}]++
		v.usedSlots[poolDag{t.Pool, dagID}] += t.PoolSlots
		earliest(v.poolOldest, poolQueueState{t.Pool, t.Queue, t.State}, since)
	case airflow.StateRunning:
		v.queues[queueState{t.Queue, t.State}]++
		v.usedSlots[poolDag{t.Pool, dagID}] += t.PoolSlots
	case airflow.StateScheduled:
		earliest(v.poolOldest, poolQueueState{t.Pool, t.Queue, t.State}, since)
	}
}

// waitsSince is when t entered its state; where Airflow does not tell (Airflow
// 2: scheduled), when it was first seen in it. The dates of up_for_reschedule
// are those of the last poke: it waits since its attempt was first seen.
func waitsSince(t *airflow.TaskInstance, s attemptSeen) time.Time {
	var since time.Time
	switch t.State {
	case airflow.StateQueued:
		since = t.QueuedWhen
	case airflow.StateScheduled:
		since = t.ScheduledWhen
	case airflow.StateRunning, airflow.StateDeferred, airflow.StateAwaitingInput:
		since = t.StartDate
	case airflow.StateUpForRetry:
		since = t.EndDate
	case airflow.StateUpForReschedule:
		since = s.first
	}
	if since.IsZero() {
		return s.entered
	}
	return since
}

// earliest keeps the earlier of what is in m and at.
func earliest[K comparable](m map[K]time.Time, key K, at time.Time) {
	if old, ok := m[key]; !ok || at.Before(old) {
		m[key] = at
	}
}

// drop implements largeValue.
func (v *taskInstancesValue) drop() {
	*v = taskInstancesValue{at: v.at, listed: v.listed, missing: v.missing, states: v.states}
}

func (v *taskInstancesValue) truncated() bool { return !v.listed || len(v.missing) > 0 }

func (v *taskInstancesValue) emit(e *exposition) {
	for state, n := range v.states {
		e.gauge(unfinishedTaskInstances, float64(n), string(state))
	}
	for k, n := range v.tasks {
		e.gauge(taskInstances, float64(n), k.dagID, k.taskID, string(k.state))
	}
	for k, at := range v.oldest {
		e.gauge(taskInstancesOldest, seconds(at), k.dagID, string(k.state))
	}
	for k, n := range v.retrying {
		e.gauge(taskInstancesRetrying, float64(n), k.dagID, k.taskID)
	}
	for k, n := range v.queues {
		e.gauge(queueTaskInstances, float64(n), k.queue, string(k.state))
	}
	for k, n := range v.usedSlots {
		e.gauge(poolUsedSlots, float64(n), k.pool, k.dagID)
	}
	for k, at := range v.poolOldest {
		e.gauge(poolOldest, seconds(at), k.pool, k.queue, string(k.state))
	}
}
