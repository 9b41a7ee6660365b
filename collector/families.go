package collector

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
)

// Gauges and counters are made as they are handed to an encoder. A registry, which makes them of metrics of its own each
// time and checks them all again, takes more time than all else in a scrape, and metrics with labels of their own most of
// the memory. What was handed out may be in use by several scrapes, and is never changed.

func sortedFamily(id metricID, kind dto.MetricType, series []*dto.Metric) *dto.MetricFamily {
	return &dto.MetricFamily{Name: proto.String(table[id].Name), Help: proto.String(table[id].Help), Type: kind.Enum(), Metric: series}
}

// gaugesByFamily are series of gauges that are told together.
type gaugesByFamily [metricCount][]*dto.Metric

func (g *gaugesByFamily) add(samples []gaugeSample) {
	for i := range samples {
		g[samples[i].id] = append(g[samples[i].id], samples[i].metric)
	}
}

// families sorts the series as a registry does. One that several parts tell is a bug: it is told once, and an error.
func (g *gaugesByFamily) families() (all []*dto.MetricFamily, err error) {
	var wrong prometheus.MultiError
	for id, series := range g {
		if len(series) == 0 {
			continue
		}
		slices.SortStableFunc(series, compareLabels)
		once := slices.CompactFunc(series, func(a, b *dto.Metric) bool { return compareLabels(a, b) == 0 })
		if n := len(series) - len(once); n > 0 {
			wrong.Append(fmt.Errorf("%d series of %s come twice", n, table[id].Name))
		}
		all = append(all, sortedFamily(metricID(id), dto.MetricType_GAUGE, once))
	}
	return all, wrong.MaybeUnwrap()
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
