package collector

import "time"

// maxHeld is how many counts are held back at most, 8 bytes each. So many come
// together only when no scrape completes for long, and then none is spoilt.
const maxHeld = 1_000_000

// series is one label set. What it counts is held back until a scrape has
// delivered it at 0 and all scrapers had the time to come: increase() cannot
// see the first sample of a series.
type series struct {
	key       string
	count     func(float64)
	number    int       // in the order of birth
	delivered time.Time // zero: not yet
	open      bool
	held      []float64
}

// add counts into a series of v, now or when it is released. Ledger.mu must be held.
func (l *Ledger) add(x float64, v *vector, labels ...string) {
	s := l.of(v, labels...)
	if !s.open && l.held >= maxHeld {
		l.publish(s)
	}
	if s.open {
		s.count(x)
		l.version++
		return
	}
	s.held = append(s.held, x)
	l.held++
}

// publish counts what a series held back, which holds nothing back from now on. Ledger.mu must be held.
func (l *Ledger) publish(s *series) {
	held := s.held
	l.withdraw(s) // first: what is counted twice is worse than what is lost
	s.open = true
	l.version++
	for _, x := range held {
		s.count(x)
	}
}

// withdraw drops what a series held back. Ledger.mu must be held.
func (l *Ledger) withdraw(s *series) {
	l.held -= len(s.held)
	s.held = nil
	delete(l.fresh, s)
}

// release counts what was held back long enough.
func (l *Ledger) release(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.fresh {
		if s.delivered.IsZero() || now.Sub(s.delivered) < l.hold {
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
		if s.delivered.IsZero() && s.number <= births {
			s.delivered = now
		}
	}
}
