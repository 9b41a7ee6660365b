package collector

import (
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// Telemetry is what the exporter counts of itself. It outlives a reload, so
// that its counters never fall. It is a prometheus.Collector.
type Telemetry struct {
	requests   *prometheus.CounterVec
	durations  *prometheus.HistogramVec
	bytes      *prometheus.CounterVec
	errors     *prometheus.CounterVec
	panics     prometheus.Counter
	successful prometheus.Gauge
	reloaded   prometheus.Gauge
}

// NewTelemetry returns counters at 0.
func NewTelemetry() *Telemetry {
	return &Telemetry{
		requests: prometheus.NewCounterVec(counterOpts(apiRequests), table[apiRequests].Labels),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: table[apiRequestDuration].Name, Help: table[apiRequestDuration].Help,
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, table[apiRequestDuration].Labels),
		bytes:      prometheus.NewCounterVec(counterOpts(apiResponseBytes), table[apiResponseBytes].Labels),
		errors:     prometheus.NewCounterVec(counterOpts(collectorErrors), table[collectorErrors].Labels),
		panics:     prometheus.NewCounter(counterOpts(panics)),
		successful: prometheus.NewGauge(gaugeOpts(reloadSuccessful)),
		reloaded:   prometheus.NewGauge(gaugeOpts(reloadTimestamp)),
	}
}

func counterOpts(id metricID) prometheus.CounterOpts {
	return prometheus.CounterOpts{Name: table[id].Name, Help: table[id].Help}
}

func gaugeOpts(id metricID) prometheus.GaugeOpts {
	return prometheus.GaugeOpts{Name: table[id].Name, Help: table[id].Help}
}

func (t *Telemetry) all() []prometheus.Collector {
	return []prometheus.Collector{t.requests, t.durations, t.bytes, t.errors, t.panics, t.successful, t.reloaded}
}

// Describe implements prometheus.Collector.
func (t *Telemetry) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range t.all() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (t *Telemetry) Collect(ch chan<- prometheus.Metric) {
	for _, c := range t.all() {
		c.Collect(ch)
	}
}

// Loaded is told of each attempt to load the configuration.
func (t *Telemetry) Loaded(ok bool, at time.Time) {
	t.successful.Set(boolean(ok))
	if ok {
		t.reloaded.Set(seconds(at))
	}
}

// seed makes the error counters of a part exist at 0, so that increase() sees the first error.
func (t *Telemetry) seed(collector string) {
	for _, class := range classes() {
		t.errors.WithLabelValues(collector, class)
	}
}

func (t *Telemetry) failed(collector string, err error) {
	t.errors.WithLabelValues(collector, string(classOf(err))).Inc()
}

// safely calls f. A panic is counted, and is an error: nothing may end the
// process, so each goroutine begins here.
func (t *Telemetry) safely(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			t.panics.Inc()
			err = &panicError{r, debug.Stack()}
		}
	}()
	return f()
}

func (t *Telemetry) observe(r airflow.Request) {
	code := "error"
	if r.Status != 0 {
		code = strconv.Itoa(r.Status)
	}
	t.requests.WithLabelValues(r.Endpoint, code).Inc()
	t.durations.WithLabelValues(r.Endpoint).Observe(r.Duration.Seconds())
	t.bytes.WithLabelValues(r.Endpoint).Add(float64(r.Bytes))
}
