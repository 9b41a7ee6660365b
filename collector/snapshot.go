package collector

import (
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// Snapshot is what is known at one moment.
type Snapshot struct {
	// Budget is how long the scrape that is answered was allowed to take; the caller sets it.
	Budget time.Duration

	at        time.Time
	up        bool
	skew      time.Duration
	skewKnown bool
	parts     []partSnapshot
	telemetry *Telemetry
	report    *reporter
}

// partSnapshot is one part as it was at that moment.
type partSnapshot struct {
	name        string
	value       value // nil: absent, unknown or too old
	fetchedAt   time.Time
	attemptedAt time.Time // zero: never
	duration    time.Duration
	failed      bool
	class       airflow.Class // of the failure
}

// snapshot copies what is known. Collector.mu must be held.
func (c *Collector) snapshot() *Snapshot {
	s := &Snapshot{at: time.Now(), up: c.up, telemetry: c.telemetry, report: &c.report}
	s.skew, s.skewKnown = c.client.ClockSkew()
	if c.flight != nil {
		s.up = c.acceptedCalls.Load() > c.flight.before
	}
	for _, p := range c.parts {
		s.parts = append(s.parts, p.snapshot(s.at, c.cfg.MaxAge))
	}
	return s
}

// snapshot is the part as it is now. One whose refresh is still under way when
// the scraper could not wait any longer has failed for that scraper.
func (s *partState) snapshot(now time.Time, maxAge time.Duration) partSnapshot {
	p := partSnapshot{name: s.part.name(), fetchedAt: s.fetchedAt, attemptedAt: s.attemptedAt, duration: s.duration}
	if s.value != nil && now.Sub(s.fetchedAt) <= s.part.minAge()+maxAge {
		p.value = s.value
	}
	switch {
	case s.running:
		p.failed, p.class = true, airflow.ClassTimeout
	case s.err != nil:
		p.failed, p.class = true, classOf(s.err)
	case s.value == nil:
		p.failed, p.class = true, airflow.ClassInternal // never asked: only after Close
	}
	return p
}

// render turns the values into series. A part that cannot be rendered is left out and flagged.
func (s *Snapshot) render() *exposition {
	e := newExposition()
	e.gauge(up, boolean(s.up))
	e.gauge(scrapeBudget, s.Budget.Seconds())
	if s.skewKnown {
		e.gauge(clockSkew, s.skew.Seconds())
	}
	for _, p := range s.parts {
		if p.value != nil {
			series, err := emitSafely(p.value)
			if err != nil {
				s.telemetry.failed(p.name, err)
				s.report.rendering(p.name, err)
				p.value, p.failed, p.class = nil, true, classOf(err)
			} else {
				e.merge(series)
			}
		}
		p.emit(e)
	}
	return e
}

// emit tells how the part is.
func (p *partSnapshot) emit(e *exposition) {
	e.gauge(collectorSuccess, boolean(!p.failed), p.name)
	if p.failed {
		e.gauge(collectorError, 1, p.name, string(p.class))
	}
	if !p.attemptedAt.IsZero() {
		e.gauge(collectorDuration, p.duration.Seconds(), p.name)
	}
	if !p.fetchedAt.IsZero() {
		e.gauge(collectorLastRefresh, seconds(p.fetchedAt), p.name)
	}
	if p.value != nil {
		e.gauge(collectorTruncated, boolean(p.value.truncated()), p.name)
	}
}
