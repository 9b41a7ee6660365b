package explain

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// around asks for all that helps to understand one instance. What is not told
// is left out.
func (g *gatherer) around(ctx context.Context, i *Instance) {
	g.attempts(ctx, i)
	if holdsPool(i.State) {
		g.pool(ctx, i)
	}
	if g.needsRun(i) {
		g.failures(i)
	}
	if i.State == airflow.StateUpForRetry {
		g.task(ctx, i)
	}
	if i.Details == nil {
		return // no path leads to its log
	}
	if g.options.LogLines > 0 {
		g.chooseLog(ctx, i)
	}
	g.links(ctx, i)
}

// attempts lists the attempts, the present one among them.
func (g *gatherer) attempts(ctx context.Context, i *Instance) {
	var tries []airflow.TaskInstance
	if i.Details != nil {
		if err := within(ctx, patience, func(ctx context.Context) (err error) {
			tries, err = g.client.Tries(ctx, i.Ref())
			return err
		}); err != nil && !isStatus(err, http.StatusNotFound) {
			g.unknown("the earlier attempts", err)
		}
	}
	for _, t := range tries {
		if t.TryNumber > 0 && t.TryNumber != i.TryNumber {
			i.Attempts = append(i.Attempts, t)
		}
	}
	if i.TryNumber > 0 {
		i.Attempts = append(i.Attempts, i.present(tries))
	}
	slices.SortStableFunc(i.Attempts, func(a, b airflow.TaskInstance) int { return cmp.Compare(a.TryNumber, b.TryNumber) })
}

// present is the row of the attempt whose number the instance has. One that
// waits to start shows dates of the attempt before; one that was cleared keeps
// the number of the last attempt: then the history knows more.
func (i *Instance) present(tries []airflow.TaskInstance) airflow.TaskInstance {
	now := i.TaskInstance
	switch i.State {
	case airflow.StateNone, airflow.StateUpstreamFailed, airflow.StateSkipped, airflow.StateRemoved:
		for _, t := range tries {
			if t.TryNumber == i.TryNumber && t.State != airflow.StateNone {
				return t
			}
		}
	case airflow.StateScheduled, airflow.StateQueued:
		if slices.ContainsFunc(tries, func(t airflow.TaskInstance) bool {
			return t.TryNumber < i.TryNumber && t.StartDate.Equal(now.StartDate)
		}) {
			now.StartDate = time.Time{}
		}
		now.EndDate, now.HasDuration = time.Time{}, false
	case airflow.StateRunning, airflow.StateDeferred:
		now.EndDate, now.HasDuration = time.Time{}, false
	}
	return now
}

// holdsPool reports whether slots of a pool matter to an instance in this state.
func holdsPool(s airflow.State) bool {
	switch s {
	case airflow.StateNone, airflow.StateScheduled, airflow.StateQueued, airflow.StateRunning, airflow.StateDeferred:
		return true
	}
	return false
}

func (g *gatherer) pool(ctx context.Context, i *Instance) {
	var pools []airflow.Pool
	if err := within(ctx, patience, func(ctx context.Context) (err error) {
		pools, err = g.client.Pools(ctx)
		return err
	}); err != nil {
		g.unknown("the slots of its pool", err)
		return
	}
	n := slices.IndexFunc(pools, func(p airflow.Pool) bool { return p.Name == i.TaskInstance.Pool })
	if i.NoPool = n < 0; !i.NoPool {
		i.Pool = &pools[n]
	}
}

// failures are the instances of the run that failed: one that waits for them or
// could not run because of them may be downstream of any that ended before.
func (g *gatherer) failures(i *Instance) {
	for _, t := range g.rows {
		if t.State == airflow.StateFailed && (i.State != airflow.StateUpstreamFailed || i.EndDate.IsZero() || !t.EndDate.After(i.EndDate)) {
			i.Failed = append(i.Failed, t)
		}
	}
	slices.SortStableFunc(i.Failed, func(a, b airflow.TaskInstance) int {
		return cmp.Or(a.EndDate.Compare(b.EndDate), cmp.Compare(a.TaskID, b.TaskID), cmp.Compare(a.MapIndex, b.MapIndex))
	})
}

// task learns when the next attempt is due.
func (g *gatherer) task(ctx context.Context, i *Instance) {
	err := within(ctx, patience, func(ctx context.Context) error {
		t, err := g.client.Task(ctx, i.DagID, i.TaskID)
		if err == nil {
			i.Task = &t
		}
		return err
	})
	if err != nil && !isStatus(err, http.StatusNotFound) { // the newest version of the DAG may not have it
		g.unknown("when it is tried again", err)
	}
}

func (g *gatherer) links(ctx context.Context, i *Instance) {
	var links map[string]*string
	if err := within(ctx, patience, func(ctx context.Context) (err error) {
		links, err = g.api.ExtraLinks(ctx, i.Ref())
		return err
	}); err != nil {
		if !isStatus(err, http.StatusNotFound) {
			g.unknown("the extra links", err)
		}
		return
	}
	for name, url := range links {
		if url != nil && *url != "" {
			i.Links = append(i.Links, Link{name, *url})
		}
	}
	slices.SortFunc(i.Links, func(a, b Link) int { return cmp.Compare(a.Name, b.Name) })
}
