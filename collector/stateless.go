package collector

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// statelessListings is how many listings of instances without a state a collection may ask for.
const statelessListings = 3

// statelessRun is a run's instances without a state, as they were listed last.
type statelessRun struct {
	at     time.Time
	rows   []airflow.TaskInstance
	failed bool // they are too many for an answer, or one of them cannot be sent
}

// list lists the instances without a state of the queued, paused and stalled
// runs, those first that were listed longest ago. It reports whether some are missing.
func (p *blockedPart) list(ctx context.Context, client *airflow.Client, runs *dagRunsValue, now time.Time) (cut bool, err error) {
	listed := map[airflow.RunRef]statelessRun{}
	var due []airflow.DagRun
	for _, r := range runs.active {
		last, ok := p.listed[r.RunRef]
		if ok { // whether it is still so tells whether the run moves, even when it is not wanted now
			listed[r.RunRef] = last
		}
		if len(p.known(&r)) == 0 && !p.isStalled(r.RunRef) {
			continue
		}
		if !ok || now.Sub(last.at) >= p.cfg.Refresh {
			due = append(due, r)
		}
	}
	p.listed = listed
	slices.SortStableFunc(due, func(a, b airflow.DagRun) int {
		return cmp.Or(
			cmp.Compare(boolean(p.isStalled(b.RunRef)), boolean(p.isStalled(a.RunRef))), // reasons of the others are known
			listed[a.RunRef].at.Compare(listed[b.RunRef].at))
	})
	for range statelessListings {
		if len(due) == 0 {
			break
		}
		rows, named, err := client.StatelessTaskInstances(ctx, p.batch(due), p.maxRows)
		if err != nil && !answered(err) {
			return false, err
		}
		failed := err != nil
		byRun := map[airflow.RunRef][]airflow.TaskInstance{}
		for _, t := range rows {
			byRun[t.Run()] = append(byRun[t.Run()], t)
		}
		if len(named) == 0 {
			return true, nil
		}
		for _, ref := range named {
			last, ok := p.listed[ref]
			if ok && !failed && !last.failed && !sameInstances(last.rows, byRun[ref]) {
				p.quiet.moved(ref, now)
			}
			at := now
			if failed && len(named) > 1 { // which one is to blame tells a question about each
				at = time.Time{}
			}
			p.listed[ref] = statelessRun{at, byRun[ref], failed}
		}
		due = slices.DeleteFunc(due, func(r airflow.DagRun) bool { return slices.Contains(named, r.RunRef) })
	}
	for _, run := range p.listed {
		cut = cut || run.failed && (run.at.IsZero() || now.Sub(run.at) < p.keep())
	}
	return cut || len(due) > 0, nil
}

// batch are the runs to list together: one that spoilt a listing, or was in one, is listed alone.
func (p *blockedPart) batch(due []airflow.DagRun) []airflow.DagRun {
	if p.listed[due[0].RunRef].failed {
		return due[:1]
	}
	return slices.DeleteFunc(slices.Clone(due), func(r airflow.DagRun) bool { return p.listed[r.RunRef].failed })
}

// sameInstances compares two listings of a run, which come in any order.
func sameInstances(a, b []airflow.TaskInstance) bool {
	refs := func(rows []airflow.TaskInstance) map[airflow.TaskInstanceRef]airflow.RowID {
		m := map[airflow.TaskInstanceRef]airflow.RowID{}
		for i := range rows {
			m[rows[i].Ref()] = rows[i].ID
		}
		return m
	}
	return maps.Equal(refs(a), refs(b))
}
