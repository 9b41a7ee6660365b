package main

import "slices"

// fetchTaskInstances tells of the unfinished task instances.
func (e *exporter) fetchTaskInstances(now int64) answer {
	type taskState struct{ dagID, taskID, state string }
	type taskKey struct{ dagID, taskID string }
	type dagState struct{ dagID, state string }
	type queueState struct{ queue, state string }
	type poolDag struct{ pool, dagID string }
	type poolQueue struct{ pool, queue, state string }
	states, tasks, oldest, retrying := newTally[string](), newTally[taskState](), newTally[dagState](), newTally[taskKey]()
	queues, used, poolOldest := newTally[queueState](), newTally[poolDag](), newTally[poolQueue]()

	a := e.airflow
	for _, state := range a.states {
		states.at(state)
	}
	for _, queue := range e.sights.queues {
		queues.at(queueState{queue, stateQueued})
		queues.at(queueState{queue, stateRunning})
	}
	seen := map[*instance]instanceSeen{}
	rows := 0
	for _, r := range a.active {
		for _, i := range r.instances {
			if i.finished() {
				continue
			}
			states.add(i.state, 1)
			if i.state == stateNone {
				continue
			}
			rows++
			id, t := r.dag.id, i.task
			since := e.since(i, now, seen)
			e.ledger.sight(id, t)
			tasks.add(taskState{id, t.id, i.state}, 1)
			oldest.earliest(dagState{id, i.state}, since)
			if i.try > 1 || i.state == stateUpForRetry {
				retrying.add(taskKey{id, t.id}, 1)
			}
			if i.state == stateQueued || i.state == stateRunning {
				if !slices.Contains(e.sights.queues, t.queue) {
					e.sights.queues = append(e.sights.queues, t.queue)
					queues.at(queueState{t.queue, stateQueued})
					queues.at(queueState{t.queue, stateRunning})
				}
				queues.add(queueState{t.queue, i.state}, 1)
				used.add(poolDag{t.pool, id}, float64(t.slots))
			}
			if i.state == stateQueued || i.state == stateScheduled {
				poolOldest.earliest(poolQueue{t.pool, t.queue, i.state}, since)
			}
		}
	}
	e.sights.instances = seen

	var g gauges
	states.each(func(state string, n float64) { g.add("airflow_unfinished_task_instances", n, "state", state) })
	tasks.each(func(k taskState, n float64) {
		g.add("airflow_task_instances", n, "dag_id", k.dagID, "task_id", k.taskID, "state", k.state)
	})
	oldest.each(func(k dagState, at float64) {
		g.add("airflow_task_instances_oldest_timestamp_seconds", at, "dag_id", k.dagID, "state", k.state)
	})
	retrying.each(func(k taskKey, n float64) {
		g.add("airflow_task_instances_retrying", n, "dag_id", k.dagID, "task_id", k.taskID)
	})
	queues.each(func(k queueState, n float64) {
		g.add("airflow_queue_task_instances", n, "queue", k.queue, "state", k.state)
	})
	used.each(func(k poolDag, n float64) { g.add("airflow_pool_used_slots", n, "pool", k.pool, "dag_id", k.dagID) })
	poolOldest.each(func(k poolQueue, at float64) {
		g.add("airflow_pool_oldest_timestamp_seconds", at, "pool", k.pool, "queue", k.queue, "state", k.state)
	})
	return answer{series: g, seconds: e.ask(endpointInstances, 0) + e.ask(endpointInstancesList, rows)}
}

// since is when an instance entered its state, as far as Airflow tells, else when the exporter saw it so first.
func (e *exporter) since(i *instance, now int64, seen map[*instance]instanceSeen) int64 {
	s, ok := e.sights.instances[i]
	switch {
	case !ok || s.try != i.try:
		s = instanceSeen{i.try, now, now, i.state}
	case s.state != i.state:
		s.state, s.entered = i.state, now
	}
	seen[i] = s
	switch i.state {
	case stateQueued:
		return i.queuedAt
	case stateScheduled:
		if e.airflow.api == "v2" {
			return i.scheduledAt
		}
	case stateRunning, stateDeferred, stateAwaitingInput:
		return i.startedAt
	case stateUpForRetry:
		return i.wakeAt - retryDelay
	case stateUpForReschedule:
		return s.first
	}
	return s.entered
}
