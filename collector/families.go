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

// family is a metric family of the table, whose series it sorts as a registry does.
func family(id metricID, kind dto.MetricType, series []*dto.Metric) *dto.MetricFamily {
	slices.SortFunc(series, compareLabels)
	return sortedFamily(id, kind, series)
}

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

func (g *gaugesByFamily) families() (all []*dto.MetricFamily) {
	for id, series := range g {
		if len(series) > 0 {
			all = append(all, family(metricID(id), dto.MetricType_GAUGE, series))
		}
	}
	return all
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
