package collector

import (
	"maps"
	"slices"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// choose takes over which DAGs are wanted, and drops the others.
func (b *books) choose(dags selection) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dags = dags
	b.forget()
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
	b.ledger.expect(len(v.dags))
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
	maps.DeleteFunc(b.runs, func(ref airflow.RunRef, _ *run) bool { return gone(ref.DagID) })
	maps.DeleteFunc(b.floors, func(ref airflow.RunRef, _ floor) bool { return gone(ref.DagID) })
	b.ledger.forget(gone)
	b.last.forget(gone)
}
