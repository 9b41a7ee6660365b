package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/collector"
)

// judgeInstance says how one task instance is.
func (r *Report) judgeInstance(i *Instance) {
	if i.Details == nil {
		defer r.say("Its attempts, links and log cannot be asked for: no path of Airflow's API leads to an id with a slash.")
	}
	for _, w := range []func(*Instance) bool{r.judgeFailed, r.judgeWaiting, r.judgeUnderWay} {
		if w(i) {
			return
		}
	}
	switch i.State {
	case airflow.StateSuccess:
		r.say("It succeeded%s.", i.after())
	case airflow.StateSkipped:
		r.say("It was skipped: a branch, a trigger rule or the task itself wanted it so.")
	case airflow.StateRemoved:
		r.say("The task is not in the DAG any more: its file was changed after the run began.")
	default:
		r.say("It is %s, a state that this exporter does not know.", i.State)
	}
}

// after is how long the attempt took.
func (i *Instance) after() string {
	if !i.HasDuration || i.StartDate.IsZero() { // then the duration is that of another one
		return ""
	}
	return " after " + span(i.Duration)
}

// attempt is "attempt 2 of 3".
func (i *Instance) attempt() string {
	return fmt.Sprintf("attempt %d of %d", i.TryNumber, i.tries())
}

// tries is how many attempts there may be. Airflow's max_tries is one less, and grows when the instance is cleared.
func (i *Instance) tries() int { return max(i.MaxTries+1, i.TryNumber) }

// judgeFailed speaks of what failed, itself or before it.
func (r *Report) judgeFailed(i *Instance) bool {
	switch i.State {
	case airflow.StateFailed:
		left := "No attempt is left."
		switch {
		case i.TryNumber == 0:
			left = "It never ran: it was marked as failed, or its run was."
		case i.TryNumber <= i.MaxTries:
			more := "1 more attempt was"
			if n := i.tries() - i.TryNumber; n > 1 {
				more = fmt.Sprintf("%d more attempts were", n)
			}
			left = more + " allowed, but none is coming: the task itself wanted no other, or it was marked as failed."
		}
		r.blame("It failed %s: %s%s. %s", r.ago(i.EndDate), i.attempt(), i.after(), left)
		if i.TryNumber > 0 && i.StartDate.IsZero() {
			r.say("That attempt has no start: the worker never began it. Look at the executor.")
		}
	case airflow.StateUpstreamFailed:
		r.blame("It did not run, because a task before it failed.%s", r.failures(i))
	case airflow.StateUpForRetry:
		r.judgeRetry(i)
	default:
		return false
	}
	return true
}

// failures names what failed in the run, as far as it may be to blame.
func (r *Report) failures(i *Instance) string {
	if len(i.Failed) == 0 {
		return ""
	}
	var list []string
	for n := range i.Failed {
		list = append(list, instanceName(&i.Failed[n]))
	}
	return " Failed in this run: " + few(list, suggested) + "."
}

// judgeWaiting speaks of what waits for its turn.
func (r *Report) judgeWaiting(i *Instance) bool {
	switch i.State {
	case airflow.StateNone, airflow.StateScheduled:
	default:
		return false
	}
	if i.Why == nil {
		return true
	}
	if i.Why.blocks() {
		for _, reason := range i.Why.Reasons {
			if reason.Name != "" || reason.Reason == collector.ReasonNoneReported {
				r.blame("It waits: %s.", reason.sentence(r))
			}
		}
		switch {
		case len(i.Why.Upstream) > 0:
			r.say("It waits for %s.", r.waitsFor(i.Why.Upstream))
		case len(i.Failed) > 0 && i.Why.isAboutUpstream():
			r.say("%s", strings.TrimSpace(r.failures(i)))
		}
		return true
	}
	switch {
	case !unfinished(r.Run.State):
		r.blame("Its run has ended (%s), but it has not: nothing schedules it any more.", r.Run.State)
	case i.State == airflow.StateScheduled:
		r.say("It is scheduled, and waits to be sent to the executor. Why was not asked: %s.", i.Why.NotAsked)
	default:
		r.say("Its turn has not come. Why was not asked: %s.", i.Why.NotAsked)
	}
	return true
}

// judgeUnderWay speaks of what an executor, a worker or the triggerer has.
func (r *Report) judgeUnderWay(i *Instance) bool {
	queue := cmp.Or(i.Queue, "default")
	switch i.State {
	case airflow.StateQueued:
		if age := r.At.Sub(i.QueuedWhen); !i.QueuedWhen.IsZero() && age >= queuedTooLong {
			r.blame("It has been queued for %s: the executor has it, and no worker took it. Look at whether a worker listens to the queue %s and has room.", span(age), queue)
			break
		}
		r.say("It is queued: the executor has it, and it waits for a worker of the queue %s.", queue)
	case airflow.StateRunning:
		r.say("It is running%s, %s.", r.running(i), i.attempt())
	case airflow.StateRestarting:
		r.say("It was cleared while it was running, and starts anew when its process has ended.")
	case airflow.StateUpForReschedule:
		r.say("It is a sensor between two pokes, of which the last ended %s: what it waits for has not come.", r.ago(i.EndDate))
	case airflow.StateAwaitingInput:
		r.blame("It waits for the answer of a person: see its page.")
	case airflow.StateDeferred:
		r.judgeDeferred(i)
	default:
		return false
	}
	return true
}

func (r *Report) running(i *Instance) string {
	if i.StartDate.IsZero() {
		return ""
	}
	return " for " + span(r.At.Sub(i.StartDate))
}

func (r *Report) judgeDeferred(i *Instance) {
	trigger := "a trigger"
	if i.Details != nil && i.Details.Trigger != nil && i.Details.Trigger.Classpath != "" {
		trigger = "the trigger " + i.Details.Trigger.Classpath
	}
	waits := trigger + " waits in its place"
	if at := i.since(); !at.IsZero() {
		waits = trigger + " has waited in its place for " + span(r.At.Sub(at))
	}
	t, ok := r.Health["triggerer"]
	switch {
	case r.Health == nil:
		r.say("It is deferred: %s.", waits)
	case !ok:
		r.blame("It is deferred: %s, but Airflow knows of no triggerer to run it. Start one: airflow triggerer.", waits)
	case !t.Healthy:
		r.blame("It is deferred: %s, but Airflow calls its triggerer unhealthy. Start it again.", waits)
	default:
		r.say("It is deferred: %s, and the triggerer is healthy.", waits)
	}
}

// blocks reports whether reasons are known for which it waits.
func (w *Why) blocks() bool { return len(w.Reasons) > 0 }

// isAboutUpstream reports whether it waits for tasks before it in its run.
func (w *Why) isAboutUpstream() bool {
	return slices.ContainsFunc(w.Reasons, func(r Reason) bool {
		return r.Reason == "trigger_rule" || r.Reason == "mapped_dependency" || r.Reason == "not_yet_mapped"
	})
}

// summary are the reasons in a few words.
func (w *Why) summary(r *Report) string {
	var list []string
	for _, reason := range w.Reasons {
		list = append(list, reason.sentence(r))
	}
	return strings.Join(list, "; ")
}

// meanings are what the reasons mean, and what to do about them.
var meanings = map[string]string{
	collector.ReasonMissingPool: "its pool does not exist: create it, or mend the DAG",
	"dag_concurrency":           "as many task instances of the DAG are running as its max_active_tasks allows",
	"task_concurrency":          "as many instances of the task are running as its max_active_tis_per_dag or max_active_tis_per_dagrun allows",
	"trigger_rule":              "the tasks before it are not as its trigger rule wants",
	"depends_on_past":           "the same task in an earlier run has not succeeded (depends_on_past, wait_for_downstream): mend that run first",
	"date":                      "the date of its run lies in the future",
	"mapped_dependency":         "a mapped task before it has not succeeded",
	"not_yet_mapped":            "it is not expanded yet: what it maps over is not there",
	"not_yet_rescheduled":       "the next poke of the sensor is not due",
	"previously_skipped":        "a branch before it chose to skip it",
	"backfill":                  "its run belongs to a backfill",
	collector.ReasonPoolSlots:   "its pool has too few open slots",
	collector.ReasonOther:       "a check that is not Airflow's own holds it back",
}

// sentence says a reason in our words.
func (reason *Reason) sentence(r *Report) string {
	switch text := meanings[reason.Reason]; {
	case reason.Name == "":
		return reason.Text
	case reason.Reason == collector.ReasonPoolSlots && r.Instance != nil && r.Instance.Pool != nil:
		p := r.Instance.Pool
		return fmt.Sprintf("the pool %s has %d of %d slots open, and it wants %d", p.Name, p.Open, p.Slots, r.Instance.PoolSlots)
	case text != "":
		return text
	}
	return reason.Reason
}
