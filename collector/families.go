package collector

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// gatherAll gathers what a collector collects, with all checks of a registry.
func gatherAll(from prometheus.Collector) ([]*dto.MetricFamily, error) {
	registry := prometheus.NewRegistry()
	if err := registry.Register(from); err != nil {
		return nil, err
	}
	return registry.Gather()
}

// keptFamilies are what a collector told last. A registry takes most of the time of a scrape, so what has not changed is
// not gathered again. What is kept is handed to several scrapes, and never changed.
type keptFamilies struct {
	mu      sync.Mutex // guards what follows, and lets one scrape gather for all
	version uint64
	list    []*dto.MetricFamily
}

// of returns what a collector tells in a version, of which there is none that is 0.
func (k *keptFamilies) of(version uint64, from prometheus.Collector) ([]*dto.MetricFamily, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.version == version {
		return k.list, nil
	}
	list, err := gatherAll(from)
	if err == nil {
		k.version, k.list = version, list
	}
	return list, err
}

// gatherers gather one after the other, as prometheus.Gatherers do, but for families that have none in common, which it
// need not take apart: a second one of a name is left out, and an error.
type gatherers []prometheus.Gatherer

// Gather implements prometheus.Gatherer.
func (g gatherers) Gather() ([]*dto.MetricFamily, error) {
	var all []*dto.MetricFamily
	var wrong prometheus.MultiError
	for _, from := range g {
		list, err := from.Gather()
		wrong.Append(err)
		all = append(all, list...)
	}
	slices.SortStableFunc(all, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	all = slices.CompactFunc(all, func(a, b *dto.MetricFamily) bool {
		if a.GetName() != b.GetName() {
			return false
		}
		wrong.Append(fmt.Errorf("the family %s comes twice", a.GetName()))
		return true
	})
	return all, wrong.MaybeUnwrap()
}
