package collector

import (
	"slices"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// choose takes over which DAGs are wanted, and drops the others. What ended of
// those that were not wanted before does not count.
func (b *books) choose(dags selection) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dags != dags {
		b.former = append(b.former, formerSelection{b.dags, b.listedAt})
	}
	b.dags = dags
	b.forget()
}

// formerSelection is which DAGs were wanted until then.
type formerSelection struct {
	dags  selection
	until time.Time
}

// startOf is from when on runs of a DAG count: since the start, or since the DAG is wanted.
func (b *books) startOf(dagID string) time.Time {
	start := b.start
	for _, f := range b.former {
		if !f.dags.has(dagID) && f.until.After(start) {
			start = f.until
		}
	}
	return start
}

// listDags forgets the DAGs that are gone: those that the listing says are, and,
// should that have been missed, those that are missing from two of them and have no active runs.
func (b *books) listDags(v *dagsValue) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !v.at.After(b.dagsAt) {
		return
	}
	b.dagsAt = v.at
	paused := len(v.paused())
	b.ledger.expect(len(v.dags)-paused, paused)
	gone := slices.Clone(v.gone)
	active := map[string]bool{}
	for ref, r := range b.runs {
		active[ref.DagID] = active[ref.DagID] || !r.ended
	}
	missed := map[string]int{}
	known := b.ledger.dagIDs()
	b.last.addIDs(known)
	for id := range known {
		if _, here := v.dags[id]; here || active[id] {
			continue
		}
		if missed[id] = b.missed[id] + 1; missed[id] == goneAfter {
			gone = append(gone, id)
			delete(missed, id)
		}
	}
	b.missed = missed
	b.forget(gone...)
}

// forget drops DAGs that are gone, and those that are not wanted, with their series.
// books.mu must be held.
func (b *books) forget(dagIDs ...string) {
	if len(dagIDs) == 0 && b.dags == (selection{}) {
		return
	}
	listed := make(map[string]struct{}, len(dagIDs))
	for _, id := range dagIDs {
		listed[id] = struct{}{}
	}
	gone := func(dagID string) bool { return has(listed, dagID) || !b.dags.has(dagID) }
	for ref, r := range b.runs {
		if !gone(ref.DagID) {
			continue
		}
		delete(b.runs, ref)
		if r.ended && !r.gone { // it is listed for a while, and must not count again
			b.floors[ref] = r.settled(b.listedAt)
		}
	}
	b.ledger.forget(gone)
	b.last.forget(gone)
}

// lose treats a run that is in no listing any more as one that ended: should
// it exist after all, its examination will show what it did.
func (b *books) lose(ref airflow.RunRef, r *run) {
	if !r.listed {
		if !b.hasOpen(r) {
			delete(b.runs, ref)
		}
		return
	}
	r.ended, r.gone, r.examinedAt = true, true, time.Time{}
	for _, i := range r.instances {
		if i.unknown {
			i.owed, i.unknown = 0, false
		}
	}
}

func (b *books) hasOpen(r *run) bool {
	for key := range r.instances {
		if _, ok := b.open[key.of(r.info.RunRef)]; ok {
			return true
		}
	}
	return false
}
