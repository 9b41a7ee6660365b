package explain

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// missing is an error for what Airflow does not have, or does not show the account.
type missing struct {
	what string // "the DAG etl"
	hint string
	err  error
}

func (m *missing) Error() string {
	if m.hint == "" {
		return fmt.Sprintf("Airflow has no %s, or the account may not read it", m.what)
	}
	return fmt.Sprintf("Airflow has no %s, or the account may not read it; %s", m.what, m.hint)
}

func (m *missing) Unwrap() error { return m.err }

// allRunStates are those of runs that are listed to find the newest.
var allRunStates = []airflow.RunState{airflow.RunQueued, airflow.RunRunning, airflow.RunSuccess, airflow.RunFailed}

const (
	// suggested is how many names an error suggests.
	suggested = 5
	// countedRuns is how many running runs of a DAG are counted.
	countedRuns = 100
)

func (g *gatherer) lookAtDag(ctx context.Context) error {
	if slices.Contains([]string{"", "~", ".", ".."}, g.options.DagID) { // these paths lead elsewhere
		return &missing{what: fmt.Sprintf("DAG %q", g.options.DagID)}
	}
	err := within(ctx, patience, func(ctx context.Context) error {
		dag, err := g.client.Dag(ctx, g.options.DagID)
		if err == nil {
			g.report.Dag = &dag
		}
		return err
	})
	g.report.At = g.now()
	if isStatus(err, http.StatusNotFound) || airflow.ClassOf(err) == airflow.ClassForbidden && g.isV2() { // so 3 answers to who may not read all DAGs, even if there is none
		return &missing{what: fmt.Sprintf("DAG %q", g.options.DagID), hint: g.nearestDags(ctx), err: err}
	}
	if err != nil {
		return err
	}
	g.report.Page = g.dagPage()
	return nil
}

// lookAtRun finds the run; there may be none in a DAG.
func (g *gatherer) lookAtRun(ctx context.Context) error {
	r := g.report
	if g.options.RunID == "" || g.options.RunID == Newest {
		runs, err := g.latestRuns(ctx, allRunStates, 1)
		if err != nil || len(runs) == 0 {
			return err
		}
		r.Run, r.Newest = &runs[0], true
	} else if err := g.namedRun(ctx, airflow.RunRef{DagID: g.options.DagID, RunID: g.options.RunID}); err != nil {
		return err
	}
	r.Page = g.runPage()
	if r.Newest {
		g.lookAtActiveRuns(ctx)
	}
	if r.Run.State != airflow.RunQueued {
		return nil
	}
	running, err := g.latestRuns(ctx, []airflow.RunState{airflow.RunRunning}, countedRuns)
	if err != nil {
		g.unknown("how many runs of the DAG are running", err)
		return nil
	}
	r.Running = &Running{Count: len(running), More: len(running) == countedRuns}
	for _, run := range running {
		if r.Running.Oldest.StartDate.IsZero() || run.StartDate.Before(r.Running.Oldest.StartDate) {
			r.Running.Oldest = run
		}
	}
	return nil
}

func (g *gatherer) latestRuns(ctx context.Context, states []airflow.RunState, n int) (runs []airflow.DagRun, err error) {
	err = within(ctx, patience, func(ctx context.Context) (err error) {
		runs, _, err = g.client.LatestDagRuns(ctx, g.options.DagID, states, n)
		return err
	})
	return runs, err
}

// namedRun finds a run by its id, or says which ones there are.
func (g *gatherer) namedRun(ctx context.Context, ref airflow.RunRef) error {
	err := within(ctx, patience, func(ctx context.Context) error {
		run, err := g.client.DagRun(ctx, ref)
		if err == nil {
			g.report.Run = &run
		}
		return err
	})
	if !isStatus(err, http.StatusNotFound) {
		return err
	}
	runs, _ := g.latestRuns(ctx, allRunStates, countedRuns) // without them there is no hint
	if i := slices.IndexFunc(runs, func(r airflow.DagRun) bool { return r.RunRef == ref }); i >= 0 {
		g.report.Run = &runs[i] // an id to which no path leads
		return nil
	}
	m := &missing{what: fmt.Sprintf("run %q of the DAG %q", ref.RunID, ref.DagID), err: err}
	if len(runs) > 0 {
		m.hint = "its newest runs are " + names(runs, func(r airflow.DagRun) string { return r.RunID })
	}
	return m
}

// names are the first few of some names, for a hint.
func names[T any](list []T, name func(T) string) string {
	var quoted []string
	for _, item := range list[:min(suggested, len(list))] {
		quoted = append(quoted, fmt.Sprintf("%q", name(item)))
	}
	if len(list) > suggested {
		quoted = append(quoted, "…")
	}
	return strings.Join(quoted, ", ")
}

// list lists the task instances of the run, once.
func (g *gatherer) list(ctx context.Context) error {
	if g.rows != nil {
		return nil
	}
	return within(ctx, patience, func(ctx context.Context) (err error) {
		g.rows, g.total, err = g.client.RunTaskInstances(ctx, *g.report.Run, room)
		if g.rows == nil {
			g.rows = []airflow.TaskInstance{}
		}
		return err
	})
}

// lookAtTask finds the instance to explain: that of the task, the one with the
// index, or of a mapped task the one that is worst off.
func (g *gatherer) lookAtTask(ctx context.Context) error {
	ref := airflow.RunRef{DagID: g.options.DagID, RunID: g.report.Run.RunID}.Task(g.options.TaskID)
	if g.options.MapIndex != nil {
		ref.MapIndex = *g.options.MapIndex
	}
	found, err := g.get(ctx, ref)
	if err != nil || found {
		return err
	}
	if err := g.list(ctx); err != nil { // it is mapped, or no path leads to it, or it is not there
		return err
	}
	var instances []airflow.TaskInstance
	for _, t := range g.rows {
		if t.TaskID == ref.TaskID {
			instances = append(instances, t)
		}
	}
	if len(instances) == 0 {
		return g.noSuchTask(ref)
	}
	return g.chooseIndex(ctx, instances)
}

// get asks for one instance, which may not be there.
func (g *gatherer) get(ctx context.Context, ref airflow.TaskInstanceRef) (found bool, err error) {
	if strings.Contains(ref.DagID+ref.RunID+ref.TaskID, "/") {
		return false, nil
	}
	var details airflow.TaskInstanceDetails
	err = within(ctx, patience, func(ctx context.Context) (err error) {
		details, err = g.api.Get(ctx, ref)
		return err
	})
	if isStatus(err, http.StatusNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	g.report.Instance = &Instance{TaskInstance: details.TaskInstance, Details: &details, Page: g.instancePage(details.Ref())}
	g.report.Page = g.report.Instance.Page
	return true, nil
}

func (g *gatherer) noSuchTask(ref airflow.TaskInstanceRef) error {
	what := fmt.Sprintf("task %q in the run %q of the DAG %q", ref.TaskID, ref.RunID, ref.DagID)
	tasks := map[string]struct{}{}
	var ids []string
	for _, t := range g.rows {
		if _, again := tasks[t.TaskID]; !again {
			tasks[t.TaskID] = struct{}{}
			ids = append(ids, t.TaskID)
		}
	}
	slices.Sort(ids)
	m := &missing{what: what}
	switch {
	case len(ids) > 0:
		m.hint = "its tasks are " + names(ids, func(id string) string { return id })
	case g.report.Run.State == airflow.RunQueued:
		m.hint = "the run is queued, and the scheduler has not made its task instances yet"
	}
	return m
}

// chooseIndex takes the instance of the index that was named, or the one that is worst off.
func (g *gatherer) chooseIndex(ctx context.Context, instances []airflow.TaskInstance) error {
	slices.SortStableFunc(instances, worstFirst)
	chosen := instances[0]
	named := g.options.MapIndex != nil
	if named {
		i := slices.IndexFunc(instances, func(t airflow.TaskInstance) bool { return t.MapIndex == *g.options.MapIndex })
		if i < 0 {
			return g.noSuchIndex(instances)
		}
		chosen = instances[i]
	}
	if chosen.MapIndex >= 0 {
		g.report.Mapped = &Mapped{States: countStates(instances), Chosen: chosen.MapIndex, Named: named}
	}
	found, err := g.get(ctx, chosen.Ref())
	if err != nil || found {
		return err
	}
	g.report.Instance = &Instance{TaskInstance: chosen, Page: g.instancePage(chosen.Ref())}
	g.report.Page = g.report.Instance.Page
	return nil
}

func (g *gatherer) noSuchIndex(instances []airflow.TaskInstance) error {
	t := instances[0]
	m := &missing{what: fmt.Sprintf("map index %d of the task %q in the run %q of the DAG %q", *g.options.MapIndex, t.TaskID, t.RunID, t.DagID)}
	indexes := make([]int, len(instances))
	for i := range instances {
		indexes[i] = instances[i].MapIndex
	}
	switch {
	case slices.Max(indexes) >= 0:
		m.hint = fmt.Sprintf("there are %d to %d", slices.Min(indexes), slices.Max(indexes))
	default:
		m.hint = "the task is not mapped, or not expanded yet: leave the index out"
	}
	return m
}
