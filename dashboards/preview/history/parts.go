package main

import (
	"math"
	"slices"
)

// sights is what the exporter remembers of what it has seen.
type sights struct {
	instances map[*instance]instanceSeen
	queues    []string
	runs      map[*run]int64 // when it was first seen queued
	retries   int            // attempts that it has to ask for by themselves
}

// instanceSeen is since when an attempt was seen, and in the state in which it is now.
type instanceSeen struct {
	try            int
	first, entered int64
	state          string
}

func newSights() sights {
	return sights{instances: map[*instance]instanceSeen{}, runs: map[*run]int64{}}
}

// fetchHealth tells of the version and the components. Airflow calls a scheduler healthy for 30 s after its heartbeat.
func (e *exporter) fetchHealth(now int64) answer {
	a := e.airflow
	var g gauges
	g.add("airflow_info", 1, "version", a.version, "api", a.api, "url", a.url)
	for n, name := range a.components {
		heartbeat := now
		if name == "scheduler" {
			heartbeat = a.heartbeat
		}
		g.add("airflow_component_healthy", boolean(now-heartbeat <= 30), "component", name)
		if name != "metadatabase" {
			heartbeat -= (heartbeat + int64(n)) % 5
			g.add("airflow_component_last_heartbeat_timestamp_seconds", float64(heartbeat), "component", name)
		}
	}
	health := endpointHealthV2
	if a.api == "v1" {
		health = endpointHealthV1
	}
	return answer{series: g, seconds: e.ask(endpointVersion, 0) + e.ask(health, 0)}
}

// fetchPools tells of the pools, as /pools does. Of what counts as occupied, deferred slots do if the pool says so.
func (e *exporter) fetchPools(int64) answer {
	a := e.airflow
	var g gauges
	states := []string{stateRunning, stateQueued, stateScheduled, stateDeferred}
	for _, p := range a.pools {
		slots := map[string]int{}
		for _, r := range a.active {
			for _, i := range r.instances {
				if i.task.pool == p.name {
					slots[i.state] += i.task.slots
				}
			}
		}
		size := math.Inf(1)
		if p.slots > 0 {
			size = float64(p.slots)
			open := p.slots - slots[stateRunning] - slots[stateQueued]
			if p.includeDeferred {
				open -= slots[stateDeferred]
			}
			g.add("airflow_pool_slots", float64(open), "pool", p.name, "state", "open")
		}
		g.add("airflow_pool_size_slots", size, "pool", p.name)
		for _, state := range states {
			g.add("airflow_pool_slots", float64(slots[state]), "pool", p.name, "state", state)
		}
	}
	return answer{series: g, seconds: e.ask(endpointPools, len(a.pools))}
}

// fetchImportErrors tells how many files do not import, by bundle: on Airflow 3 from the first one on.
func (e *exporter) fetchImportErrors(now int64) answer {
	count, oldest := newTally[string](), newTally[string]()
	rows := 0
	if e.airflow.api == "v1" {
		count.at("")
	}
	for _, f := range e.airflow.story.brokenFiles {
		if now >= f.from {
			count.at(f.bundle)
		}
		if f.has(now) {
			count.add(f.bundle, 1)
			oldest.earliest(f.bundle, f.from)
			rows++
		}
	}
	var g gauges
	count.each(func(bundle string, n float64) { g.add("airflow_import_errors", n, "bundle", bundle) })
	oldest.each(func(bundle string, at float64) {
		g.add("airflow_import_errors_oldest_timestamp_seconds", at, "bundle", bundle)
	})
	return answer{series: g, seconds: e.ask(endpointImportErrors, rows)}
}

// fetchDags tells of the DAGs.
func (e *exporter) fetchDags(int64) answer {
	var g gauges
	for _, d := range e.airflow.dags {
		g.add("airflow_dag_paused", boolean(d.paused), "dag_id", d.id)
		g.add("airflow_dag_info", 1, "dag_id", d.id, "owners", d.owners, "tags", d.tags, "schedule", d.schedule)
		if d.cron != nil {
			g.add("airflow_dag_next_run_timestamp_seconds", float64(d.next), "dag_id", d.id)
		}
	}
	g.add("airflow_exporter_visible_dags", float64(len(e.airflow.dags)))
	return answer{series: g, seconds: e.ask(endpointDags, len(e.airflow.dags))}
}

// fetchDagRuns tells of the active runs, and of the last ones that finished.
func (e *exporter) fetchDagRuns(now int64) answer {
	a := e.airflow
	var g gauges
	for _, d := range a.dags {
		for _, state := range []string{stateQueued, stateRunning} {
			if n := a.activeRuns(d, state); n > 0 || !d.paused {
				g.add("airflow_dag_runs", float64(n), "dag_id", d.id, "state", state)
			}
		}
		if d.cron != nil && !d.paused && a.activeRuns(d, stateQueued, stateRunning) >= d.maxActiveRuns {
			g.add("airflow_dag_at_max_active_runs", 1, "dag_id", d.id)
		}
		g = d.exposeLast(g)
		if d.cron != nil {
			e.ledger.sightRun(d.id, runScheduled)
		}
		for _, runType := range d.runTypes {
			e.ledger.sightRun(d.id, runType)
		}
	}
	type key struct{ dagID, runType, state string }
	oldest := newTally[key]()
	queued := map[*run]int64{}
	for _, r := range a.active {
		since := r.startedAt
		if r.state == stateQueued {
			since = r.queuedAt
			if a.api == "v1" {
				if first, ok := e.sights.runs[r]; ok {
					since = first
				} else {
					since = now
				}
				queued[r] = since
			}
		}
		oldest.earliest(key{r.dag.id, r.runType, r.state}, since)
	}
	e.sights.runs = queued
	oldest.each(func(k key, at float64) {
		g.add("airflow_dag_runs_oldest_timestamp_seconds", at, "dag_id", k.dagID, "run_type", k.runType, "state", k.state)
	})
	seconds := e.ask(endpointRunsList, len(a.active)) + e.ask(endpointRunsList, e.endedRuns())
	if now%300 == 0 { // whether those that failed still have
		seconds += e.ask(endpointRunsList, 12) + e.ask(endpointRuns, 10)
	}
	return answer{series: g, seconds: seconds}
}

// endedRuns is how many runs ended since the ledger heard of it.
func (e *exporter) endedRuns() int {
	n := 0
	for i := range e.airflow.events {
		if e.airflow.events[i].kind == runEnded {
			n++
		}
	}
	return n
}

// exposeLast tells of the finished run that was due last, of the successful one, and of the schedule.
func (d *dag) exposeLast(g gauges) gauges {
	if newest := d.ended; newest != nil {
		for _, state := range []string{stateSuccess, stateFailed} {
			g.add("airflow_dag_last_run_state", boolean(newest.state == state), "dag_id", d.id, "state", state)
		}
		g.add("airflow_dag_last_run_end_timestamp_seconds", float64(newest.endedAt), "dag_id", d.id)
		g.add("airflow_dag_last_run_duration_seconds", float64(newest.endedAt-newest.startedAt), "dag_id", d.id)
	}
	if success := d.success; success != nil {
		g.add("airflow_dag_last_success_timestamp_seconds", float64(success.endedAt), "dag_id", d.id)
		g.add("airflow_dag_last_success_duration_seconds", float64(success.endedAt-success.startedAt), "dag_id", d.id)
	}
	if d.cron != nil && d.due[0] > 0 {
		interval := d.cron.next(d.due[0]) - d.due[0]
		if d.due[1] > 0 {
			interval = max(interval, d.due[0]-d.due[1])
		}
		g.add("airflow_dag_schedule_interval_seconds", float64(interval), "dag_id", d.id)
	}
	return g
}

// fetchAttempts counts what happened since the last time.
func (e *exporter) fetchAttempts(int64) answer {
	a := e.airflow
	var runs []*dag
	rows, retries := 0, 0
	for i := range a.events {
		ev := &a.events[i]
		e.ledger.count(ev, a.api == "v2")
		if ev.retried {
			retries++
		}
		if ev.kind == runEnded {
			rows += len(ev.run.instances)
		}
		if !slices.Contains(runs, ev.run.dag) {
			runs = append(runs, ev.run.dag)
		}
	}
	rows += len(a.events)
	a.events = a.events[:0]
	seconds := 0.0
	for n := 0; n < len(runs); n += 20 { // so many runs in one request
		seconds += e.ask(endpointInstancesList, rows/(1+len(runs)/20))
	}
	e.sights.retries += retries / 4 // those that were not seen while they waited
	asked := min(e.sights.retries, fanout)
	for range asked {
		seconds += e.ask(endpointTries, 2) / concurrency
	}
	e.sights.retries -= asked
	return answer{truncated: e.sights.retries > 0, seconds: seconds}
}
