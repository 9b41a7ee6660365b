package explain

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/collector"
)

// Asking Airflow for the dependencies of an instance can change it, when its
// turn has not come. So the exporter's own rule holds here: only scheduled
// instances that have been so for collector.blocked.after, and those without a
// state of runs in which nothing has moved for long, while the scheduler is
// healthy and looks at them. Who looks once does not know all of that. On
// Airflow 2 no date tells since when an instance is scheduled, and none tells
// anywhere since when the DAG is not paused or the scheduler healthy. Then a
// second look, collector.blocked.after later, must find all as it was.

// decision is whether an instance may be asked about.
type decision int

const (
	askNot   decision = iota
	askLater          // after a second look
	askNow
)

// decide applies the rule, and says why not.
func (g *gatherer) decide(t *airflow.TaskInstance) (decision, string) {
	r, cfg := g.report, &g.options.Collector.Blocked
	scheduler, known := r.Health["scheduler"]
	switch {
	case t.State != airflow.StateScheduled && t.State != airflow.StateNone:
		return askNot, ""
	case len(g.knownReasons()) > 0:
		return askNot, "its reason is known without asking"
	case r.Run.State != airflow.RunRunning:
		return askNot, fmt.Sprintf("its run has ended (%s)", r.Run.State)
	case !cfg.Enabled:
		return askNot, "collector.blocked.enabled is false"
	case !known:
		return askNot, "it is not known whether the scheduler is healthy"
	case !scheduler.Healthy:
		return askNot, "Airflow calls its scheduler unhealthy: what waits then waits for it"
	case r.Dag.Stale:
		return askNot, "the DAG is in no file that Airflow can import, so the scheduler does not look at it"
	case r.Run.RunType == "backfill" && g.isV1():
		return askNot, "the run belongs to the command airflow dags backfill, not to the scheduler"
	case t.State == airflow.StateScheduled:
		return g.decideScheduled(t)
	}
	return g.decideStateless(t)
}

func (g *gatherer) decideScheduled(t *airflow.TaskInstance) (decision, string) {
	after := g.options.Collector.Blocked.After
	switch age := g.report.At.Sub(t.ScheduledWhen); {
	case t.ScheduledWhen.IsZero():
		return askLater, "Airflow 2 does not tell since when it is scheduled"
	case age < after:
		return askNot, fmt.Sprintf("it has been scheduled for less than %s (collector.blocked.after), and may go on by itself", span(after))
	}
	return askNow, ""
}

// decideStateless wants a run in which nothing moves.
func (g *gatherer) decideStateless(t *airflow.TaskInstance) (decision, string) {
	if !g.options.Collector.Blocked.Stalled {
		return askNot, "collector.blocked.stalled is false"
	}
	if t.TryNumber > 0 || !t.StartDate.IsZero() || !t.EndDate.IsZero() {
		return askNot, "it was cleared, and Airflow does not tell when: its turn may not have come, and asking could change it"
	}
	if g.total > len(g.rows) {
		return askNot, "its run has more task instances than were looked at: something may move in it, and asking could change it"
	}
	newest := g.report.Run.StartDate
	for i := range g.rows {
		row := &g.rows[i]
		if row.State != airflow.StateNone && !row.State.Finished() {
			return askNot, fmt.Sprintf("others of its run go on (%s is %s): its turn has not come, and asking could change it", row.TaskID, row.State)
		}
		if row.EndDate.After(newest) {
			newest = row.EndDate
		}
	}
	if age := g.report.At.Sub(newest); newest.IsZero() || age < collector.StalledAfter {
		return askNot, fmt.Sprintf("something moved in its run %s ago: the scheduler may not have looked at it, and asking could change it", span(age))
	}
	return askLater, "no date tells for how long the scheduler has looked at it"
}

// knownReasons are those that all that waits in the run shares, and that need not be asked for.
func (g *gatherer) knownReasons() []Reason {
	r := g.report
	var known []Reason
	if r.Run.State == airflow.RunQueued {
		known = append(known, Reason{Reason: collector.ReasonRunNotRunning, Text: "the run is queued, not running"})
	}
	if r.Dag.Paused && (r.Run.State == airflow.RunQueued || r.Run.State == airflow.RunRunning) {
		known = append(known, Reason{Reason: collector.ReasonDagPaused, Text: "the DAG is paused"})
	}
	return known
}

// waiting are those of what is to be explained that wait for the scheduler,
// those that have waited longest first.
func (g *gatherer) waiting() []*airflow.TaskInstance {
	var list []*airflow.TaskInstance
	if i := g.report.Instance; i != nil {
		list = append(list, &i.TaskInstance)
	}
	for i := range g.rows {
		if g.report.Overview != nil {
			list = append(list, &g.rows[i])
		}
	}
	list = slices.DeleteFunc(list, func(t *airflow.TaskInstance) bool {
		return t.State != airflow.StateScheduled && t.State != airflow.StateNone
	})
	slices.SortStableFunc(list, func(a, b *airflow.TaskInstance) int { return worstFirst(*a, *b) })
	return list
}

// lookAgain takes the second look, if one is needed and wanted.
func (g *gatherer) lookAgain(ctx context.Context) error {
	if i := g.report.Instance; i != nil && g.needsRun(i) {
		if err := g.list(ctx); err != nil {
			g.unknown("the other task instances of the run", err)
			return nil
		}
	}
	before := map[airflow.TaskInstanceRef]airflow.TaskInstance{}
	for _, t := range g.waiting() {
		if decision, _ := g.decide(t); decision == askLater {
			before[t.Ref()] = *t
		}
	}
	if len(before) == 0 || !g.options.Wait {
		return nil
	}
	after := g.options.Collector.Blocked.After
	if g.options.Waiting != nil {
		g.options.Waiting(after)
	}
	select {
	case <-time.After(after):
	case <-ctx.Done():
		return ctx.Err()
	}
	run := g.report.Run.RunRef
	if err := g.look(ctx); err != nil {
		return err
	}
	if g.report.Run == nil || g.report.Run.RunRef != run {
		return nil // there is a newer one
	}
	if i := g.report.Instance; i != nil && g.needsRun(i) {
		if err := g.list(ctx); err != nil {
			g.unknown("the other task instances of the run", err)
			return nil
		}
	}
	g.confirmed = map[airflow.TaskInstanceRef]struct{}{}
	for _, t := range g.waiting() {
		last, ok := before[t.Ref()]
		if decision, _ := g.decide(t); ok && decision == askLater && unmoved(t, &last) {
			g.confirmed[t.Ref()] = struct{}{}
		}
	}
	return nil
}

// unmoved reports whether two looks at an instance saw the same.
func unmoved(a, b *airflow.TaskInstance) bool {
	return a.ID == b.ID && a.State == b.State && a.TryNumber == b.TryNumber && a.MaxTries == b.MaxTries &&
		a.StartDate.Equal(b.StartDate) && a.EndDate.Equal(b.EndDate) && a.ScheduledWhen.Equal(b.ScheduledWhen)
}

// needsRun reports whether what is to be said of an instance depends on the others of its run.
func (g *gatherer) needsRun(i *Instance) bool {
	return i.State == airflow.StateNone || i.State == airflow.StateUpstreamFailed
}

// ask asks why instances wait, as many as a collection of the exporter would:
// one of each task, and no more than half of those without a state.
func (g *gatherer) ask(ctx context.Context) {
	fanout := g.options.Collector.Fanout
	whys := map[airflow.TaskInstanceRef]*Why{}
	asked, stateless := 0, 0
	tasks := map[string]struct{}{}
	for _, t := range g.waiting() {
		why := &Why{Reasons: g.knownReasons()}
		whys[t.Ref()] = why
		decision, reason := g.decide(t)
		_, confirmed := g.confirmed[t.Ref()]
		_, again := tasks[t.TaskID+"/"+string(t.State)]
		switch {
		case decision == askNot:
			why.NotAsked = reason
		case decision == askLater && !confirmed && g.confirmed == nil:
			why.NotAsked = reason + ", and the second look that asking needs was not taken"
		case decision == askLater && !confirmed:
			why.NotAsked = "it moved between two looks"
		case again && g.report.Overview != nil, asked == fanout, t.State == airflow.StateNone && stateless == max(fanout/2, 1):
			why.NotAsked = othersAsked
		default:
			asked++
			if t.State == airflow.StateNone {
				stateless++
			}
			tasks[t.TaskID+"/"+string(t.State)] = struct{}{}
			g.askOne(ctx, t, why)
		}
	}
	if g.report.Instance != nil {
		g.report.Instance.Why = whys[g.report.Instance.Ref()]
	}
	if g.report.Overview != nil {
		g.group(whys)
	}
}

func (g *gatherer) askOne(ctx context.Context, t *airflow.TaskInstance, why *Why) {
	var dependencies []airflow.Dependency
	err := within(ctx, patience, func(ctx context.Context) (err error) {
		dependencies, err = g.client.Dependencies(ctx, t.Ref())
		return err
	})
	switch {
	case isStatus(err, http.StatusNotFound):
		why.NotAsked = "Airflow does not find it by its path any more"
		return
	case err != nil:
		why.NotAsked = "Airflow did not answer"
		g.unknown(fmt.Sprintf("why %s waits", t.TaskID), err)
		return
	}
	why.Asked = true
	for _, d := range dependencies {
		if reason, ok := collector.ReasonOfDependency(d); ok {
			why.Reasons = append(why.Reasons, Reason{Reason: reason, Name: d.Name, Text: d.Reason})
		}
	}
	g.upstream(ctx, why)
	if len(why.Reasons) == 0 {
		why.Reasons = []Reason{{Reason: collector.ReasonNoneReported, Text: noneReported}}
	}
}

// noneReported is what it means that Airflow names no reason.
const noneReported = "Airflow names no reason; left is what it does not look at: the slots of the executor, [core] parallelism, others with a higher priority, a scheduler that is busy"

// othersAsked is said of those for which one of the same task, or enough others, were asked about.
const othersAsked = "others were asked about"
