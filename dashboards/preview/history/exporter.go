package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

// exporter is the exporter of one Airflow, which asks it at each scrape.
type exporter struct {
	airflow   *airflow
	random    *rand.Rand
	ledger    *ledger // of Airflow
	telemetry *ledger // of the exporter itself
	parts     []*part
	up        bool
	slowest   float64 // how long the collection took that is under way
	process   process
	size      int // samples of the last scrape

	sights  sights
	blocked blockedState
}

// part is one group of facts that is asked for, fails and ages alone.
type part struct {
	name   string
	minAge int64
	needs  []string // parts without which it cannot be had
	first  string   // the endpoint that it asks first
	fetch  func(now int64) answer

	series      gauges
	truncated   bool
	fetchedAt   float64 // 0: never
	attemptedAt int64
	duration    float64
	class       string // of the error of its last refresh
}

// answer is what a part learnt.
type answer struct {
	series    gauges
	truncated bool
	seconds   float64
}

const (
	maxAge        = 120
	minute        = 60
	scrapeTimeout = 10.0
	scrapeMargin  = 0.5
)

// The names of the parts.
const (
	partHealth        = "health"
	partTaskInstances = "task_instances"
	partDagRuns       = "dag_runs"
	partDags          = "dags"
	partAttempts      = "attempts"
	partBlocked       = "blocked"
	partPools         = "pools"
	partImportErrors  = "import_errors"
)

// errorClasses are all that the exporter knows.
func errorClasses() []string {
	return []string{
		"dns", "connect", "tls", "timeout", "auth", "forbidden", "rate_limited", "client", "server", "decode", "redirect",
		"too_large", "panic", "internal",
	}
}

// newExporter starts an exporter that has not asked yet.
func newExporter(a *airflow, seed uint64) *exporter {
	e := &exporter{
		airflow: a, ledger: newLedger(), telemetry: newLedger(), sights: newSights(), blocked: newBlockedState(),
		random: rand.New(rand.NewPCG(seed, 2)), //nolint:gosec // the same numbers each time are wanted
	}
	e.parts = []*part{
		{name: partHealth, first: endpointVersion, fetch: e.fetchHealth},
		{name: partTaskInstances, first: endpointInstances, fetch: e.fetchTaskInstances},
		{name: partDagRuns, minAge: minute / 2, first: endpointRunsList, fetch: e.fetchDagRuns},
		{name: partDags, minAge: 5 * minute, first: endpointDags, fetch: e.fetchDags},
		{name: partAttempts, needs: []string{partTaskInstances, partDagRuns}, first: endpointInstancesList, fetch: e.fetchAttempts},
		{
			name: partBlocked, needs: []string{partHealth, partTaskInstances, partDagRuns, partDags},
			first: endpointDependencies, fetch: e.fetchBlocked,
		},
		{name: partPools, minAge: minute, first: endpointPools, fetch: e.fetchPools},
		{name: partImportErrors, minAge: minute, first: endpointImportErrors, fetch: e.fetchImportErrors},
	}
	for _, p := range e.parts {
		for _, class := range errorClasses() {
			e.telemetry.of("airflow_exporter_collector_errors", nil, false, "collector", p.name, "class", class)
		}
	}
	e.telemetry.of("airflow_exporter_panics", nil, false)
	e.logIn()
	return e
}

// scrape collects what is due and returns all that is known then.
func (e *exporter) scrape(now int64) []sample {
	e.collect(now)
	samples := make(gauges, 0, e.size+e.size/16)
	samples.add("airflow_up", boolean(e.up))
	samples.add("airflow_exporter_scrape_budget_seconds", scrapeTimeout-scrapeMargin)
	skew := 0.0
	if e.random.Float64() < 0.06 {
		skew = 1
	}
	samples.add("airflow_exporter_clock_skew_seconds", skew)
	for _, p := range e.parts {
		samples = p.expose(samples, float64(now)+e.slowest)
	}
	for _, family := range familiesByDag() {
		samples.add("airflow_exporter_dropped_series", 0, "family", family)
	}
	samples = e.ledger.expose(samples)
	samples = e.telemetry.expose(samples)
	samples = e.exposeProcess(samples, now)
	e.size = len(samples)
	samples.add("up", 1)
	samples.add("scrape_duration_seconds", microseconds(e.slowest+0.012))
	samples.add("scrape_samples_scraped", float64(e.size))
	return samples
}

// expose tells how a part is, and what it knows unless that is too old.
func (p *part) expose(samples gauges, now float64) gauges {
	shown := p.fetchedAt > 0 && (p.class == "" || now-p.fetchedAt <= float64(p.minAge+maxAge))
	if shown {
		samples = append(samples, p.series...)
		samples.add("airflow_exporter_collector_truncated", boolean(p.truncated), "collector", p.name)
	}
	samples.add("airflow_exporter_collector_success", boolean(p.class == ""), "collector", p.name)
	if p.class != "" {
		samples.add("airflow_exporter_collector_error", 1, "collector", p.name, "class", p.class)
	}
	samples.add("airflow_exporter_collector_duration_seconds", p.duration, "collector", p.name)
	if p.fetchedAt > 0 {
		samples.add("airflow_exporter_collector_last_refresh_timestamp_seconds", p.fetchedAt, "collector", p.name)
	}
	return samples
}

// due reports whether a part is to be asked again; a twentieth of its minimum age is forgiven.
func (p *part) due(now int64) bool {
	if p.attemptedAt == 0 || p.class != "" && p.class != "server" {
		return true
	}
	return float64(now-p.attemptedAt) >= 0.95*float64(p.minAge)
}

// collect asks for what is due. The parts that need others come after them.
func (e *exporter) collect(now int64) {
	down := e.airflow.story.apiDown.has(now)
	e.up, e.slowest = !down, 0
	began := 0.0 // when the second stage does
	for _, p := range e.parts {
		if !p.due(now) {
			continue
		}
		p.attemptedAt = now
		start := float64(now) + 0.001
		if len(p.needs) > 0 {
			start += began
		}
		glitch := e.glitch(now, p.name)
		switch needed := e.failed(p.needs); {
		case down:
			p.class, p.duration = "connect", e.request(p.first, "error", 0, 0)
		case glitch.part != "" && glitch.code == "error":
			p.class, p.duration = glitch.class, scrapeTimeout-scrapeMargin-e.random.Float64()/10
			e.observe(p.first, glitch.code, 0, p.duration)
		case glitch.part != "":
			p.class, p.duration = glitch.class, e.request(p.first, glitch.code, 0, 0)
		case needed != "":
			p.class, p.duration = needed, 0.0001
		default:
			a := p.fetch(now)
			p.class, p.series, p.truncated, p.duration, p.fetchedAt = "", a.series, a.truncated, a.seconds, milliseconds(start)
		}
		if p.class != "" {
			e.telemetry.of("airflow_exporter_collector_errors", nil, false, "collector", p.name, "class", p.class).value++
		}
		p.duration = microseconds(p.duration)
		e.slowest = max(e.slowest, start-float64(now)+p.duration)
		if len(p.needs) == 0 && p.first != endpointPools && p.first != endpointImportErrors {
			began = max(began, p.duration)
		}
	}
}

func milliseconds(t float64) float64 { return math.Round(t*1e3) / 1e3 }

func microseconds(t float64) float64 { return math.Round(t*1e6) / 1e6 }

// failed is the class of the error of the first of some parts that has one.
func (e *exporter) failed(names []string) string {
	for _, p := range e.parts {
		if p.class != "" && slices.Contains(names, p.name) {
			return p.class
		}
	}
	return ""
}

func (e *exporter) glitch(now int64, name string) glitch {
	for _, g := range e.airflow.story.glitches {
		if g.at == now && g.part == name {
			return g
		}
	}
	return glitch{}
}

// familiesByDag are those whose series may be dropped for want of room.
func familiesByDag() []string {
	return []string{
		"airflow_dag_at_max_active_runs", "airflow_dag_info", "airflow_dag_last_run_duration_seconds",
		"airflow_dag_last_run_end_timestamp_seconds", "airflow_dag_last_run_state", "airflow_dag_last_success_duration_seconds",
		"airflow_dag_last_success_timestamp_seconds", "airflow_dag_next_run_timestamp_seconds", "airflow_dag_paused",
		"airflow_dag_run_duration_seconds", "airflow_dag_run_start_delay_seconds", "airflow_dag_runs", "airflow_dag_runs_finished_total",
		"airflow_dag_runs_oldest_timestamp_seconds", "airflow_dag_runs_stalled", "airflow_dag_schedule_interval_seconds",
		"airflow_pool_used_slots", "airflow_task_duration_seconds", "airflow_task_instances", "airflow_task_instances_blocked",
		"airflow_task_instances_finished_total", "airflow_task_instances_oldest_timestamp_seconds", "airflow_task_instances_retrying",
		"airflow_task_retries_total",
	}
}
