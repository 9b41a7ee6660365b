package explain

import (
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// retrySoon is how long the scheduler may take for an attempt that is due.
const retrySoon = time.Minute

// retryDue is when the next attempt is due, zero when Airflow does not tell.
func (i *Instance) retryDue() time.Time {
	if i.State != airflow.StateUpForRetry || i.Task == nil || i.Task.RetryDelay == nil || i.Task.RetryBackoff || i.EndDate.IsZero() {
		return time.Time{}
	}
	return i.EndDate.Add(*i.Task.RetryDelay)
}

func (r *Report) judgeRetry(i *Instance) {
	failed := "It failed " + r.ago(i.EndDate) + ": " + i.attempt() + i.after() + "."
	due := i.retryDue()
	switch {
	case !due.IsZero() && due.After(r.At):
		r.blame("%s It is due to be tried again %s.", failed, r.ago(due))
	case !due.IsZero() && (r.At.Sub(due) < retrySoon || r.Dag.Paused || r.Dag.Stale || !unfinished(r.Run.State)):
		r.blame("%s It was due to be tried again %s.", failed, r.ago(due))
	case !due.IsZero():
		r.blame("%s It was due to be tried again %s: look at the scheduler.", failed, r.ago(due))
	case i.Task != nil && i.Task.RetryDelay != nil:
		r.blame("%s It is tried again after its retry_delay (%s), which grows with each attempt (retry_exponential_backoff).", failed, span(*i.Task.RetryDelay))
	default:
		r.blame("%s It is tried again after the retry_delay of the task.", failed)
	}
}
