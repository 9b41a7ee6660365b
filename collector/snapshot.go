package collector

import (
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// Snapshot is what is known at one moment.
type Snapshot struct {
	// Budget is how long the scrape that is answered was allowed to take; the caller sets it.
	Budget time.Duration

	up        bool
	skew      time.Duration
	skewKnown bool
	parts     []partSnapshot
	limit     *gaugeLimit
}

// partSnapshot is one part as it was at that moment.
type partSnapshot struct {
	name      string
	series    *exposition // nil: absent, unknown or too old
	truncated bool
	fetchedAt time.Time
	ended     bool // duration is known
	duration  time.Duration
	failed    bool
	class     airflow.Class // of the failure
}

// snapshot copies what is known. Collector.mu must be held.
func (c *Collector) snapshot() *Snapshot {
	s := &Snapshot{up: c.up, limit: c.ledger.gauges}
	now := time.Now()
	s.skew, s.skewKnown = c.client.ClockSkew()
	if c.flight != nil {
		s.up = c.wasLetIn(c.flight)
	}
	for _, p := range c.parts {
		s.parts = append(s.parts, p.snapshot(now, c.cfg.MaxAge))
	}
	return s
}

// snapshot is the part as it is now. One whose refresh is still under way when
// the scraper could not wait any longer has failed for that scraper. The last
// good value of a part that failed is shown for a while.
func (s *partState) snapshot(now time.Time, maxAge time.Duration) partSnapshot {
	p := partSnapshot{name: s.part.name(), fetchedAt: s.fetchedAt, ended: s.ended, duration: s.duration}
	switch {
	case s.running:
		p.failed, p.class = true, airflow.ClassTimeout
	case s.err != nil:
		p.failed, p.class = true, classOf(s.err)
	case s.value == nil:
		p.failed, p.class = true, airflow.ClassInternal // never asked: only after Close
	}
	if s.value != nil && (!p.failed || now.Sub(s.fetchedAt) <= s.part.minAge()+maxAge) {
		p.series, p.truncated = s.series, s.value.truncated()
	}
	return p
}

// render turns what is known into series.
func (s *Snapshot) render() *exposition {
	e := newExposition()
	e.gauge(up, boolean(s.up))
	e.gauge(scrapeBudget, s.Budget.Seconds())
	if s.skewKnown {
		e.gauge(clockSkew, s.skew.Seconds())
	}
	for _, p := range s.parts {
		if p.series != nil {
			e.include(p.series)
		}
		p.emit(e)
	}
	s.limit.emit(e)
	return e
}

// emit tells how the part is.
func (p *partSnapshot) emit(e *exposition) {
	e.gauge(collectorSuccess, boolean(!p.failed), p.name)
	if p.failed {
		e.gauge(collectorError, 1, p.name, string(p.class))
	}
	if p.ended {
		e.gauge(collectorDuration, p.duration.Seconds(), p.name)
	}
	if !p.fetchedAt.IsZero() {
		e.gauge(collectorLastRefresh, seconds(p.fetchedAt), p.name)
	}
	if p.series != nil {
		e.gauge(collectorTruncated, boolean(p.truncated), p.name)
	}
}
