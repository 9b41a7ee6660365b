package collector

import "time"

// scope is what a collection may ask.
type scope int

const (
	askEverything  scope = iota
	askHealthFirst       // the rest only when health answers
	askHealthOnly
	askOneLogin // health, and one call that needs a login
)

// outcome is how a collection went as a whole.
type outcome int

const (
	accepted    outcome = iota // an answer came to a call that needs a login
	refused                    // none came, and credentials or rights were refused
	unreachable                // none came, for any other reason
)

// failuresBeforeBackoff is how many collections in a row may fail before Airflow is left in peace.
const failuresBeforeBackoff = 5

// refusedSteps are the waits between attempts with credentials that are
// refused, so that no account is locked; the last one goes on for ever.
var refusedSteps = []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute}

// backoff asks less of an Airflow that keeps failing.
type backoff struct {
	failures int
	last     outcome
	step     int       // of refusedSteps
	next     time.Time // when a login may be tried again
}

// scope decides what the collection that starts now may ask.
func (b *backoff) scope(now time.Time) scope {
	switch {
	case b.failures < failuresBeforeBackoff:
		return askEverything
	case b.last == unreachable:
		return askHealthFirst
	case now.Before(b.next):
		return askHealthOnly
	}
	return askOneLogin
}

// note remembers how the collection of the given scope ended.
func (b *backoff) note(now time.Time, s scope, o outcome) {
	if o == accepted {
		*b = backoff{}
		return
	}
	if s == askHealthOnly {
		return // no login was tried
	}
	b.failures++
	b.last = o
	if o == refused && b.failures >= failuresBeforeBackoff {
		b.next = now.Add(refusedSteps[min(b.step, len(refusedSteps)-1)])
		b.step++
	}
}
