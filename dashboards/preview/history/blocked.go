package main

import (
	"cmp"
	"slices"
)

const (
	fanout         = 10
	concurrency    = 4
	blockedAfter   = 60
	blockedRefresh = 120
	stalledAfter   = 300
)

// blockedState is what the exporter remembers of why instances wait.
type blockedState struct {
	quiet   map[*run]int64 // since when nothing moves in a run, as far as was watched
	answers map[*instance]reasonsAnswer
}

type reasonsAnswer struct {
	at      int64
	state   string
	reasons []string
}

// waiting is an instance that waits. Known reasons are not asked for.
type waiting struct {
	instance *instance
	since    int64
	known    []string
	stalled  bool
}

func newBlockedState() blockedState {
	return blockedState{quiet: map[*run]int64{}, answers: map[*instance]reasonsAnswer{}}
}

// fetchBlocked tells why instances wait. Nothing is asked while the scheduler is not healthy.
func (e *exporter) fetchBlocked(now int64) answer {
	a := e.airflow
	mayAsk := now-a.heartbeat <= 30
	e.watchQuiet(now, mayAsk)
	all := e.waiting(now)
	seconds := 0.0
	if mayAsk {
		seconds = e.askReasons(all, now)
	}
	type taskReason struct{ dagID, taskID, reason string }
	reasons, stalled := newTally[taskReason](), newTally[string]()
	examined, left := 0, 0
	answers := map[*instance]reasonsAnswer{}
	for _, w := range all {
		named := w.known
		if len(named) == 0 {
			last, ok := e.blocked.answers[w.instance]
			if ok = ok && last.state == w.instance.state; ok {
				answers[w.instance] = last
			}
			if !ok || now-last.at > 2*blockedRefresh {
				left++
				continue
			}
			named = last.reasons
		}
		examined++
		for _, reason := range named {
			reasons.add(taskReason{w.instance.run.dag.id, w.instance.task.id, reason}, 1)
		}
	}
	e.blocked.answers = answers
	for _, r := range a.active {
		if e.isStalled(r, now) {
			stalled.add(r.dag.id, 1)
		}
	}
	var g gauges
	stalled.each(func(dagID string, n float64) { g.add("airflow_dag_runs_stalled", n, "dag_id", dagID) })
	reasons.each(func(k taskReason, n float64) {
		g.add("airflow_task_instances_blocked", n, "dag_id", k.dagID, "task_id", k.taskID, "reason", k.reason)
	})
	g.add("airflow_task_instances_waiting", float64(examined), "examined", "true")
	g.add("airflow_task_instances_waiting", float64(left), "examined", "false")
	return answer{series: g, seconds: seconds}
}

// watchQuiet notes since when nothing moves in running runs. Without a scheduler they had no chance.
func (e *exporter) watchQuiet(now int64, healthy bool) {
	quiet := map[*run]int64{}
	for _, r := range e.airflow.active {
		moving := slices.ContainsFunc(r.instances, func(i *instance) bool { return i.state != stateNone && !i.finished() })
		if r.state != stateRunning || r.dag.paused || moving || !healthy {
			continue
		}
		since, ok := e.blocked.quiet[r]
		if !ok {
			since = now
		}
		quiet[r] = max(since, r.moved)
	}
	e.blocked.quiet = quiet
}

func (e *exporter) isStalled(r *run, now int64) bool {
	since, ok := e.blocked.quiet[r]
	return ok && now-since >= stalledAfter
}

// waiting is all that waits: what has been scheduled for long, and what has no state in queued, paused and stalled runs.
func (e *exporter) waiting(now int64) []waiting {
	var all []waiting
	for _, r := range e.airflow.active {
		var known []string
		if r.state == stateQueued {
			known = append(known, "dag_run_not_running")
		}
		if r.dag.paused {
			known = append(known, "dag_paused")
		}
		stalled := e.isStalled(r, now)
		for _, i := range r.instances {
			switch {
			case i.state == stateScheduled:
				if since := e.since(i, now, map[*instance]instanceSeen{}); now-since >= blockedAfter {
					all = append(all, waiting{i, since, known, false})
				}
			case i.state == stateNone && (len(known) > 0 || stalled):
				all = append(all, waiting{i, r.startedAt, known, stalled})
			}
		}
	}
	slices.SortStableFunc(all, func(x, y waiting) int {
		return cmp.Or(cmp.Compare(boolean(y.stalled), boolean(x.stalled)), cmp.Compare(x.since, y.since))
	})
	return all
}

// askReasons asks for a few: of stalled runs, half of them at most, then of the scheduled ones, the oldest first.
func (e *exporter) askReasons(all []waiting, now int64) float64 {
	asked, ofStalled := 0, 0
	seconds := 0.0
	if slices.ContainsFunc(all, func(w waiting) bool { return w.instance.state == stateNone }) {
		seconds = e.ask(endpointInstancesList, 8)
	}
	usage := e.airflow.usage()
	for _, w := range all {
		last, ok := e.blocked.answers[w.instance]
		fresh := ok && last.state == w.instance.state && now-last.at < blockedRefresh
		if len(w.known) > 0 || fresh || w.stalled && ofStalled == fanout/2 {
			continue
		}
		if asked == fanout {
			break
		}
		asked++
		reasons := w.instance.waitsFor()
		if w.stalled {
			ofStalled++
		} else {
			reasons = e.airflow.obstacles(w.instance, usage)
		}
		if len(reasons) == 0 {
			reasons = []string{"none_reported"}
		}
		e.blocked.answers[w.instance] = reasonsAnswer{now, w.instance.state, reasons}
		seconds += e.ask(endpointDependencies, 0) / concurrency
	}
	return seconds
}
