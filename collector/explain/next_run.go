package explain

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// missedAfter is how long a run may be due and not created, as in the alert AirflowDagScheduleMissed.
const missedAfter = 10 * time.Minute

// ActiveRuns are the active runs of a DAG beside the one that is explained.
type ActiveRuns struct {
	Others int
	More   bool            // there are more
	Oldest *airflow.DagRun // of the others; nil: there is none, or it is not known
	// OfSchedule is how many active runs count against max_active_runs, the explained one among them.
	OfSchedule int
}

// lookAtActiveRuns learns what else of the DAG goes on, for who named no run:
// an alert may be about another one than the newest.
func (g *gatherer) lookAtActiveRuns(ctx context.Context) {
	r := g.report
	runs, err := g.latestRuns(ctx, []airflow.RunState{airflow.RunQueued, airflow.RunRunning}, countedRuns)
	if err != nil {
		g.unknown("the other active runs of the DAG", err)
		return
	}
	a := &ActiveRuns{More: len(runs) == countedRuns}
	for i := range runs {
		run := &runs[i]
		if run.RunType != "backfill" {
			a.OfSchedule++
		}
		if run.RunRef == r.Run.RunRef {
			continue
		}
		a.Others++
		if !a.More && (a.Oldest == nil || begun(run).Before(begun(a.Oldest))) {
			a.Oldest = run
		}
	}
	r.Active = a
}

// begun is since when a run is active, as far as Airflow tells.
func begun(run *airflow.DagRun) time.Time {
	for _, t := range []time.Time{run.StartDate, run.QueuedAt} {
		if !t.IsZero() {
			return t
		}
	}
	return run.RunAfter
}

// full reports whether no further run may be created, by what is known.
func (r *Report) full() bool {
	return r.Active != nil && r.Dag.MaxActiveRuns > 0 && r.Active.OfSchedule >= r.Dag.MaxActiveRuns
}

// missed reports whether the scheduler should have created a run and has not.
func (r *Report) missed() bool {
	due := r.Dag.NextRunAfter
	switch {
	case due.IsZero(), r.At.Sub(due) < missedAfter, r.Dag.Paused, r.named() || r.Instance != nil:
		return false
	case r.Run == nil:
		return true
	case r.Active == nil, r.Active.More, r.full(): // more may be as many as are allowed
		return false
	}
	return r.Run.RunType != "scheduled" || !r.Run.RunAfter.Equal(due) // else it was created after the DAG was asked for
}

// named reports whether the run was named, not chosen.
func (r *Report) named() bool { return r.Run != nil && !r.Newest }

func (r *Report) judgeNextRun() {
	switch {
	case !r.missed():
	case r.Dag.Stale:
		r.blame("The next run was due %s, and none is created: the DAG is in no file that Airflow can import.", r.ago(r.Dag.NextRunAfter))
	default:
		r.blame("The next run was due %s, and Airflow has not created it: look at the scheduler.", r.ago(r.Dag.NextRunAfter))
	}
}

// nextRunText is what Airflow tells of the next run, empty for nothing.
func (r *Report) nextRunText() string {
	d := r.Dag
	most := fmt.Sprintf("none is created while as many runs are active as max_active_runs (%d) allows", d.MaxActiveRuns)
	var text string
	switch {
	case d.HeldBack():
		return most
	case d.NextRunAfter.IsZero():
		return ""
	case d.NextRunAfter.After(r.At):
		text = "due " + r.ago(d.NextRunAfter)
	default:
		text = "was due " + r.ago(d.NextRunAfter)
	}
	switch {
	case d.Paused:
		text += "; none is created while the DAG is paused"
	case r.full():
		text += "; " + most
	}
	return text
}

// writeActiveRuns writes which other runs of the DAG are active, and how to look at one.
func (r *Report) writeActiveRuns(t *text) {
	a := r.Active
	if a == nil || a.Others == 0 {
		return
	}
	t.gap()
	if oldest := a.Oldest; oldest == nil {
		t.line("Other active runs: %d or more; to look at one: airflow_exporter explain %s RUN", a.Others, shellWord(r.Dag.DagID))
	} else {
		t.line("Other active runs: %d, the oldest %s, %s %s; to look at it: airflow_exporter explain %s %s",
			a.Others, oldest.RunID, oldest.State, r.lasting(begun(oldest)), shellWord(r.Dag.DagID), shellWord(oldest.RunID))
	}
}

var plainWord = regexp.MustCompile(`^[\p{L}\p{N}_.:+@%/][\p{L}\p{N}_.:+@%/-]*$`)

// shellWord is a name as a shell takes it.
func shellWord(name string) string {
	if plainWord.MatchString(name) {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}
