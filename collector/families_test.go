package collector

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
)

// readyFamilies are families that a registry checks as if each series were a metric of its own.
type readyFamilies []*dto.MetricFamily

type readyMetric struct {
	desc   *prometheus.Desc
	metric *dto.Metric
}

// checkedFamilies are these with all checks of a pedantic registry.
func checkedFamilies(t *testing.T, families []*dto.MetricFamily) prometheus.Gatherer {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(readyFamilies(families)); err != nil {
		t.Fatal(err)
	}
	return registry
}

func (f readyFamilies) each(do func(*prometheus.Desc, *dto.MetricFamily)) {
	for _, family := range f {
		var names []string
		for _, l := range family.GetMetric()[0].GetLabel() {
			names = append(names, l.GetName())
		}
		do(prometheus.NewDesc(family.GetName(), family.GetHelp(), names, nil), family)
	}
}

// Describe implements prometheus.Collector.
func (f readyFamilies) Describe(ch chan<- *prometheus.Desc) {
	f.each(func(d *prometheus.Desc, _ *dto.MetricFamily) { ch <- d })
}

// Collect implements prometheus.Collector.
func (f readyFamilies) Collect(ch chan<- prometheus.Metric) {
	f.each(func(d *prometheus.Desc, family *dto.MetricFamily) {
		for _, m := range family.GetMetric() {
			ch <- readyMetric{d, m}
		}
	})
}

// Desc implements prometheus.Metric.
func (m readyMetric) Desc() *prometheus.Desc { return m.desc }

// Write implements prometheus.Metric.
func (m readyMetric) Write(out *dto.Metric) error {
	proto.Merge(out, m.metric)
	return nil
}

// A series that two parts tell is told once, and is an error, as in a registry.
func TestSeriesOfTwoParts(t *testing.T) {
	e := newExposition()
	for range 2 {
		part := newExposition()
		part.gauge(poolSlots, 1, "default_pool", "open")
		part.gauge(dagPaused, 0, "etl")
		e.include(part)
	}
	f := newFit()
	f.whole = e.included
	for name, gather := range map[string]func() ([]*dto.MetricFamily, error){"without a DAG": e.gather, "by DAG": f.gathered} {
		families, err := gather()
		if err == nil || len(families) != 1 || len(families[0].GetMetric()) != 1 {
			t.Errorf("%s: got %v, %v; want one series and an error", name, families, err)
		}
	}
}
