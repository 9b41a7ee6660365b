package collector

import (
	"context"
	"errors"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// taskInstancesValue is the unfinished task instances, summed up. When there
// were too many to list, all but states is nil.
type taskInstancesValue struct {
	states     map[airflow.State]int // dense, StateNone included
	tasks      map[taskState]int
	retrying   map[task]int
	oldest     map[dagState]time.Time
	queues     map[queueState]int // dense over queued and running
	usedSlots  map[poolDag]int
	poolOldest map[poolQueueState]time.Time
}

type (
	task struct{ dagID, taskID string }
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
	maxRows int
	byGet   bool // airflow.list: get

	states    []airflow.State
	lastTotal int
	seen      map[attempt]sighting // the attempts of the newest listing
	queues    map[string]struct{}  // every queue seen since the start
}

// attempt is one try of a task instance.
type attempt struct {
	dagID, runID, taskID string
	mapIndex, try        int
}

// sighting is when the exporter first saw an attempt, and first saw it in its present state.
type sighting struct {
	first   time.Time
	state   airflow.State
	entered time.Time
}

const (
	// minRoom is the least room a listing gets, and headroom how much more than the last one it gets.
	minRoom  = 2000
	headroom = 1.5
)

func newTaskInstancesPart(maxRows int, byGet bool) *taskInstancesPart {
	return &taskInstancesPart{maxRows: maxRows, byGet: byGet, queues: map[string]struct{}{}}
}

func (*taskInstancesPart) name() string          { return "task_instances" }
func (*taskInstancesPart) open() bool            { return false }
func (*taskInstancesPart) minAge() time.Duration { return 0 }

// fetch counts first: that is the cheapest question that needs a login, and
// the only one that refused credentials get to see.
func (p *taskInstancesPart) fetch(ctx context.Context, client *airflow.Client) (value, error) {
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
	v, err := p.list(ctx, client)
	if _, cut := errors.AsType[*airflow.IncompleteError](err); cut || errors.Is(err, errTooManyRows) {
		return p.count(ctx, client)
	}
	return v, err
}

// list asks for one answer with room for all, and once more if it holds fewer
// rows than there are. A server that bounds its answers is walked page by page.
func (p *taskInstancesPart) list(ctx context.Context, client *airflow.Client) (*taskInstancesValue, error) {
	q := airflow.TaskInstanceQuery{States: p.states, ByGet: p.byGet, Room: p.room(p.lastTotal)}
	first, err := p.listOnce(ctx, client, q)
	short, ok := errors.AsType[*airflow.IncompleteError](err)
	if err == nil {
		return p.accept(first), nil
	}
	if !ok || short.Total > p.maxRows {
		return nil, err
	}
	if !short.Clamped {
		q.Room = p.room(short.Total)
	}
	second, err := p.listOnce(ctx, client, q)
	again, ok := errors.AsType[*airflow.IncompleteError](err)
	switch {
	case err == nil:
		return p.accept(second), nil
	case !ok || q.ByGet || !again.Clamped:
		return nil, err
	case again.Received != short.Received:
		// There was room, and no bound shows: Airflow counted at another moment than it listed.
		return p.accept(second), nil
	}
	q.ByGet = true
	third, err := p.listOnce(ctx, client, q)
	if err != nil {
		return nil, err
	}
	return p.accept(third), nil
}

// room is how many rows are asked for when total are expected.
func (p *taskInstancesPart) room(total int) int {
	return min(p.maxRows, max(minRoom, int(headroom*float64(total))))
}

// errTooManyRows ends a listing of a server that sends more than it was given room for.
var errTooManyRows = errors.New("more rows than collector.max_rows")

// listing is one listing, not yet known to be complete.
type listing struct {
	value *taskInstancesValue
	rows  int
	seen  map[attempt]sighting
}

// listOnce makes one listing. One that comes with an *IncompleteError holds the rows that there were.
func (p *taskInstancesPart) listOnce(ctx context.Context, client *airflow.Client, q airflow.TaskInstanceQuery) (*listing, error) {
	now := airflowNow(client)
	l := &listing{value: newTaskInstancesValue(p.states), seen: map[attempt]sighting{}}
	for t, err := range client.TaskInstances(ctx, q) {
		if err != nil {
			return l, err
		}
		if l.rows++; l.rows > p.maxRows {
			return l, errTooManyRows
		}
		a := attempt{t.DagID, t.RunID, t.TaskID, t.MapIndex, t.TryNumber}
		s, ok := p.seen[a]
		switch {
		case !ok:
			s = sighting{now, t.State, now}
		case s.state != t.State:
			s.state, s.entered = t.State, now
		}
		l.seen[a] = s
		l.value.add(&t, s)
	}
	return l, nil
}

// accept makes a complete listing the newest one.
func (p *taskInstancesPart) accept(l *listing) *taskInstancesValue {
	p.seen = l.seen
	p.lastTotal = l.rows
	for q := range l.value.queues {
		p.queues[q.queue] = struct{}{}
	}
	for q := range p.queues {
		l.value.queues[queueState{q, airflow.StateQueued}] += 0
		l.value.queues[queueState{q, airflow.StateRunning}] += 0
	}
	return l.value
}

// count is what remains when there are too many to list: how many there are in each state.
func (p *taskInstancesPart) count(ctx context.Context, client *airflow.Client) (*taskInstancesValue, error) {
	v := &taskInstancesValue{states: map[airflow.State]int{}}
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

// airflowNow is the time on Airflow's clock, as far as it is known.
func airflowNow(client *airflow.Client) time.Time {
	skew, _ := client.ClockSkew()
	return time.Now().Add(-skew)
}

func newTaskInstancesValue(states []airflow.State) *taskInstancesValue {
	v := &taskInstancesValue{
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

// add counts one unfinished task instance.
func (v *taskInstancesValue) add(t *airflow.TaskInstance, s sighting) {
	task := task{t.DagID, t.TaskID}
	since := waitsSince(t, s)
	v.states[t.State]++
	v.tasks[taskState{task, t.State}]++
	if t.TryNumber > 1 || t.State == airflow.StateUpForRetry {
		v.retrying[task]++
	}
	earliest(v.oldest, dagState{t.DagID, t.State}, since)
	switch t.State {
	case airflow.StateQueued:
		v.queues[queueState{t.Queue, t.State}]++
		v.usedSlots[poolDag{t.Pool, t.DagID}] += t.PoolSlots
		earliest(v.poolOldest, poolQueueState{t.Pool, t.Queue, t.State}, since)
	case airflow.StateRunning:
		v.queues[queueState{t.Queue, t.State}]++
		v.usedSlots[poolDag{t.Pool, t.DagID}] += t.PoolSlots
	case airflow.StateScheduled:
		earliest(v.poolOldest, poolQueueState{t.Pool, t.Queue, t.State}, since)
	}
}

// waitsSince is when t entered its state; where Airflow does not tell (Airflow
// 2: scheduled), when it was first seen in it. The dates of up_for_reschedule
// are those of the last poke: it waits since its attempt was first seen.
func waitsSince(t *airflow.TaskInstance, s sighting) time.Time {
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

func (v *taskInstancesValue) truncated() bool { return v.tasks == nil }

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
