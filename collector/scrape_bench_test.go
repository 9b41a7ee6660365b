package collector

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	promodel "github.com/prometheus/common/model"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// What a scrape costs that finds what the one before found, beside what the usual way takes for the same series: const
// metrics that a registry gathers.
func BenchmarkScrape(b *testing.B) {
	server := airflowtest.Start(b, airflowtest.Options{Version: "3.3.2"})
	server.Update(fillMany(manyDags))
	w := &world{t: b, airflow: server}
	w.start(func(o *Options) {
		o.Config.SeedHold, o.Config.Refresh = 0, 0
		o.Airflow.RequestsPerSecond, o.Airflow.Burst = 1e6, 1e6
	})
	w.scrape(time.Minute)
	server.Update(func(db *airflowtest.Database) { comeAndGo(db, 0) })
	w.scrape(time.Minute)
	w.collector.cfg.Refresh = time.Hour
	exposition := w.scrape(time.Minute)
	series := float64(len(seriesOf(exposition)))
	measure := func(b *testing.B, scrape func()) {
		scrape()
		before := cpuTime(b)
		for b.Loop() {
			scrape()
		}
		b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N)/series, "CPU-ns/series")
	}
	r := httptest.NewRequest("GET", "/metrics", nil)
	b.Run("kept families", func(b *testing.B) {
		measure(b, func() { w.collector.ServeMetrics(discard{http.Header{}}, r, w.registry) })
	})
	registry := prometheus.NewRegistry()
	registry.MustRegister(newUsualCollector(b, exposition))
	handler := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	b.Run("const metrics", func(b *testing.B) {
		measure(b, func() { handler.ServeHTTP(discard{http.Header{}}, r) })
	})
}

// discard is a scraper that forgets.
type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

// usualCollector makes const metrics anew for each scrape, as exporters do.
type usualCollector struct {
	families map[string]*dto.MetricFamily
	descs    map[string]*prometheus.Desc
	labels   map[*dto.Metric][]string // their values
}

func newUsualCollector(b *testing.B, exposition string) usualCollector {
	b.Helper()
	parser := expfmt.NewTextParser(promodel.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(exposition))
	if err != nil {
		b.Fatal(err)
	}
	u := usualCollector{families, map[string]*prometheus.Desc{}, map[*dto.Metric][]string{}}
	for name, family := range families {
		var names []string
		for _, m := range family.GetMetric() {
			names = nil
			for _, l := range m.GetLabel() {
				names = append(names, l.GetName())
				u.labels[m] = append(u.labels[m], l.GetValue())
			}
		}
		u.descs[name] = prometheus.NewDesc(name, family.GetHelp(), names, nil)
	}
	return u
}

// Describe implements prometheus.Collector.
func (u usualCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range u.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (u usualCollector) Collect(ch chan<- prometheus.Metric) {
	for name, family := range u.families {
		for _, m := range family.GetMetric() {
			switch family.GetType() {
			case dto.MetricType_HISTOGRAM:
				buckets := map[float64]uint64{}
				for _, bucket := range m.GetHistogram().GetBucket() {
					buckets[bucket.GetUpperBound()] = bucket.GetCumulativeCount()
				}
				h, err := prometheus.NewConstHistogram(u.descs[name], m.GetHistogram().GetSampleCount(), m.GetHistogram().GetSampleSum(), buckets, u.labels[m]...)
				if err != nil {
					panic(err)
				}
				ch <- h
			case dto.MetricType_SUMMARY: // of the Go runtime
			case dto.MetricType_COUNTER:
				ch <- prometheus.MustNewConstMetric(u.descs[name], prometheus.CounterValue, m.GetCounter().GetValue(), u.labels[m]...)
			default:
				ch <- prometheus.MustNewConstMetric(u.descs[name], prometheus.GaugeValue, m.GetGauge().GetValue(), u.labels[m]...)
			}
		}
	}
}

// cpuTime is what this process has used: on a machine that others use, too, the time on the wall says little.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
