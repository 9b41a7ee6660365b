package collector

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// maxHeld is how many counts are held back at most, 8 bytes each. So many come
// together only when no scrape completes for long, and then none is spoilt.
const maxHeld = 1_000_000

// series is one label set. What it counts is held back until a scrape has
// delivered it at 0 and all scrapers had the time to come: increase() cannot
// see the first sample of a series.
type series struct {
	key       string
	counter   *dto.Metric         // as it was told last; nil: it is
	histogram prometheus.Observer // of a vector
	pending   *pending            // nil: nothing is held back any more
}

// pending is what a series holds back.
type pending struct {
	number    int       // of the series in the order of birth
	delivered time.Time // zero: not yet
	held      []float64
}

// count counts at once. Ledger.mu must be held.
func (s *series) count(x float64) {
	if s.histogram != nil {
		s.histogram.Observe(x)
		return
	}
	s.counter = added(s.counter, x)
}

// add counts into a series of v, now or when it is released. Ledger.mu must be held.
func (l *Ledger) add(x float64, v *vector, labels ...string) {
	s := l.of(v, labels...)
	if s.pending != nil && l.held >= maxHeld {
		l.publish(s)
	}
	if s.pending == nil {
		s.count(x)
		l.version++
		return
	}
	s.pending.held = append(s.pending.held, x)
	l.held++
}

// publish counts what a series held back, which holds nothing back from now on. Ledger.mu must be held.
func (l *Ledger) publish(s *series) {
	held := l.withdraw(s) // first: what is counted twice is worse than what is lost
	l.version++
	if s.histogram == nil && len(held) > 1 { // each step would be a counter of its own
		sum := 0.0
		for _, x := range held {
			sum += x
		}
		held = []float64{sum}
	}
	for _, x := range held {
		s.count(x)
	}
}

// withdraw takes what a series held back, which holds nothing back any more. Ledger.mu must be held.
func (l *Ledger) withdraw(s *series) []float64 {
	if s.pending == nil {
		return nil
	}
	held := s.pending.held
	l.held -= len(held)
	s.pending = nil
	delete(l.fresh, s)
	return held
}

// release counts what was held back long enough.
func (l *Ledger) release(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.fresh {
		if p := s.pending; p.delivered.IsZero() || now.Sub(p.delivered) < l.hold {
			continue
		}
		l.publish(s)
	}
}

// births is how many series there were so far. Those will be in an answer that is rendered from now on.
func (l *Ledger) births() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.born
}

// deliver notes that an answer reached a scraper that has the first so many series.
func (l *Ledger) deliver(births int, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.fresh {
		if p := s.pending; p.delivered.IsZero() && p.number <= births {
			p.delivered = now
		}
	}
}
