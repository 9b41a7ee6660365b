package explain

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

const (
	// queuedTooLong is how long an instance may wait for a worker, and queuedRunTooLong a run for the scheduler.
	queuedTooLong    = 5 * time.Minute
	queuedRunTooLong = time.Minute
)

// Status is the exit status: 0 when nothing is wrong, 1 when something is
// blocked or has failed, 2 when Airflow could not be asked about it.
func (r *Report) Status() int {
	switch {
	case r.Err != nil:
		return 2
	case r.Blocked:
		return 1
	}
	return 0
}

func (r *Report) say(format string, args ...any) {
	r.Verdicts = append(r.Verdicts, fmt.Sprintf(format, args...))
}

// blame is say about something that is wrong.
func (r *Report) blame(format string, args ...any) {
	r.Blocked = true
	r.say(format, args...)
}

// judge says what follows from the facts.
func (r *Report) judge() {
	if r.Err != nil {
		r.judgeError()
		return
	}
	if r.Run == nil {
		r.judgeDagWithoutRuns()
		r.judgeNextRun()
		return
	}
	r.judgeComponents()
	switch {
	case r.Instance != nil:
		r.judgeInstance(r.Instance)
		if unfinished(r.Run.State) && !r.Instance.State.Finished() {
			r.judgeUnfinishedRun()
		}
	default:
		r.judgeRun()
		r.judgeNextRun()
	}
}

func (r *Report) judgeError() {
	if _, ok := errors.AsType[*missing](r.Err); ok {
		r.say("%s.", r.Err)
		return
	}
	r.say("Could not ask: %s.", r.Err)
}

// advice is what to do about an error.
func (r *Report) advice() string {
	if m, ok := errors.AsType[*missing](r.Err); ok && airflow.ClassOf(m.err) != airflow.ClassForbidden {
		return ""
	}
	if airflow.ClassOf(r.Err) == airflow.ClassForbidden {
		return "airflow_exporter check tells what the account may read; " + airflow.AdviceOnce(r.Err)
	}
	return airflow.AdviceOnce(r.Err)
}

func (r *Report) judgeDagWithoutRuns() {
	switch {
	case r.Dag.Paused:
		r.blame("The DAG has no run, and none begins by the clock, since it is paused.")
	case r.Dag.Stale:
		r.blame("The DAG has no run, and none begins: it is in no file that Airflow can import.")
	case r.missed():
		r.judgeScheduler()
		r.say("The DAG has no run yet.")
	case r.Dag.NextRunAfter.After(r.At):
		r.say("The DAG has no run yet; the first is due %s.", r.ago(r.Dag.NextRunAfter))
	case !r.Dag.NextRunAfter.IsZero():
		r.say("The DAG has no run yet; the first was due %s, and Airflow has not created it yet.", r.ago(r.Dag.NextRunAfter))
	default:
		r.say("The DAG has no run yet, and Airflow plans none: it is only triggered.")
	}
}

// judgeComponents speaks of components when what is to be explained waits for them.
func (r *Report) judgeComponents() {
	if unfinished(r.Run.State) && (r.Instance == nil || r.Instance.waitsForScheduler()) || r.missed() {
		r.judgeScheduler()
	}
}

func (r *Report) judgeScheduler() {
	if s, ok := r.Health["scheduler"]; ok && !s.Healthy {
		beat := ""
		if !s.Heartbeat.IsZero() {
			beat = ", its last heartbeat was " + r.ago(s.Heartbeat)
		}
		r.blame("Airflow calls its scheduler unhealthy%s: nothing is scheduled until it runs.", beat)
	}
}

func unfinished(s airflow.RunState) bool { return s == airflow.RunQueued || s == airflow.RunRunning }

func (i *Instance) waitsForScheduler() bool {
	switch i.State {
	case airflow.StateNone, airflow.StateScheduled, airflow.StateUpForRetry, airflow.StateUpForReschedule:
		return true
	}
	return false
}

// judgeRun says how the run as a whole is.
func (r *Report) judgeRun() {
	took := ""
	if !r.Run.StartDate.IsZero() && !r.Run.EndDate.IsZero() {
		took = " after " + span(r.Run.EndDate.Sub(r.Run.StartDate))
	}
	switch r.Run.State {
	case airflow.RunSuccess:
		r.say("The run succeeded%s.", took)
		if failed := r.tasks(airflow.StateFailed); len(failed) > 0 {
			r.blame("Although it did, %s failed: %s.", plural(len(failed), "task"), few(failed, namedInVerdict))
		}
		return
	case airflow.RunFailed:
		r.blame("The run failed%s.", took)
		r.judgeGroups()
		return
	}
	r.judgeUnfinishedRun()
	r.judgeGroups()
	if len(r.Verdicts) == 0 && r.Run.State == airflow.RunRunning {
		r.say("The run goes on: it has been running for %s, and nothing that Airflow tells is wrong.", span(r.At.Sub(r.Run.StartDate)))
	}
}

// judgeUnfinishedRun says what keeps a run from going on as a whole.
func (r *Report) judgeUnfinishedRun() {
	if r.Dag.Paused {
		r.blame("The DAG is paused: while it is, no run of it starts and no task of one is scheduled. Unpause it.")
	}
	if r.Dag.Stale {
		r.blame("The DAG is in no file that Airflow can import: the scheduler does not look at it. See the import errors.")
	}
	if r.Run.State != airflow.RunQueued {
		return
	}
	most, running := r.Dag.MaxActiveRuns, r.Running
	queued := r.Run.QueuedAt
	switch {
	case r.Run.RunAfter.After(r.At):
		r.say("The run is queued, and may begin %s.", r.ago(r.Run.RunAfter))
	case r.Dag.Paused, r.Dag.Stale: // is said
	case r.Run.RunType != "backfill" && running != nil && most > 0 && running.Count >= most:
		r.blame("The run is queued: %s running, as many as max_active_runs (%d) allows. It begins when one of them ends; the oldest, %s, has been running %s.",
			are(running.Count), most, running.Oldest.RunID, r.lasting(running.Oldest.StartDate))
	case queued.IsZero():
		r.say("The run is queued, and Airflow 2 does not tell since when. Nothing that it tells keeps the run from starting.")
	case r.At.Sub(queued) < queuedRunTooLong:
		r.say("The run has been queued %s: the scheduler starts it soon.", r.lasting(queued))
	default:
		r.blame("The run has been queued %s, and nothing that Airflow tells keeps it from starting: look at the scheduler, and at how many runs it starts at a time.", r.lasting(queued))
	}
}

func are(n int) string {
	if n == 1 {
		return "1 run of the DAG is"
	}
	return fmt.Sprintf("%d runs of the DAG are", n)
}

// judgeGroups says what is wrong with the tasks of a run, one sentence for each kind.
func (r *Report) judgeGroups() {
	if r.Overview == nil {
		return
	}
	failed := r.tasks(airflow.StateFailed)
	switch {
	case len(failed) > 0:
		r.blame("Failed: %s.", few(failed, namedInVerdict))
	case r.Run.State == airflow.RunFailed:
		r.say("No task of it is failed now: it met its dagrun_timeout, somebody marked it, or tasks were cleared since.")
	}
	if list := r.tasks(airflow.StateUpForRetry); len(list) > 0 {
		r.blame("Failed, and waiting to be tried again: %s.", few(list, namedInVerdict))
	}
	if list := r.tasks(airflow.StateAwaitingInput); len(list) > 0 {
		r.blame("Waiting for a person: %s.", few(list, namedInVerdict))
	}
	if !unfinished(r.Run.State) {
		return
	}
	r.judgeWaitingGroups()
}

// judgeWaitingGroups says what tasks of a run wait for, each reason once.
func (r *Report) judgeWaitingGroups() {
	var reasons, stuck []string
	waiting, upstream := map[string][]string{}, map[string][]airflow.TaskInstance{}
	var oldest time.Time
	for _, g := range r.Overview.Groups {
		switch {
		case g.Why != nil && g.Why.Asked:
			reason := g.Why.summary(r)
			if waiting[reason] == nil {
				reasons = append(reasons, reason)
			}
			waiting[reason] = append(waiting[reason], g.name())
			upstream[reason] = append(upstream[reason], g.Why.Upstream...)
		case g.State == airflow.StateQueued && !g.Since.IsZero() && r.At.Sub(g.Since) >= queuedTooLong:
			stuck = append(stuck, g.name())
			if oldest.IsZero() || g.Since.Before(oldest) {
				oldest = g.Since
			}
		}
	}
	for _, reason := range reasons {
		text := reason
		if list := upstream[reason]; len(list) > 0 {
			slices.SortFunc(list, worstFirst)
			list = slices.CompactFunc(list, func(a, b airflow.TaskInstance) bool { return a.Ref() == b.Ref() })
			text += ": " + r.waitsFor(list)
		}
		r.blame("Waiting: %s: %s.", few(waiting[reason], namedInTable), text)
	}
	if len(stuck) > 0 {
		r.blame("Waiting for a worker, the longest %s: %s.", r.lasting(oldest), few(stuck, namedInTable))
	}
}

// tasks names the tasks with instances in a state.
func (r *Report) tasks(state airflow.State) []string {
	if r.Overview == nil {
		return nil
	}
	var names []string
	for _, g := range r.Overview.Groups {
		if g.State == state {
			names = append(names, g.name())
		}
	}
	return names
}

// name is the task of a group, and which of its instances.
func (g *Group) name() string {
	switch {
	case len(g.Indexes) == 0:
		return g.TaskID
	case g.Count == 1:
		return fmt.Sprintf("%s[%d]", g.TaskID, g.Indexes[0])
	}
	return fmt.Sprintf("%s (%d instances: %s)", g.TaskID, g.Count, indexes(g.Indexes, g.Count))
}

// indexes are map indexes, of which only the first may be known.
func indexes(list []int, count int) string {
	text := strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ", "), "[]")
	if count > len(list) {
		text += ", …"
	}
	return text
}
