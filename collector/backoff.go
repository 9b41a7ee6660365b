package collector

import (
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// scope is what a collection may ask.
type scope int

const (
	askEverything  scope = iota
	askHealthFirst       // what needs a login only when health answers
	askLoginFirst        // one part that needs a login, the others only when it was let in
	askHealthOnly        // nothing that needs a login
)

// outcome is how a collection went as a whole.
type outcome int

const (
	letIn       outcome = iota // Airflow accepted who asks
	refused                    // it did not
	unreachable                // nothing tells whether it would
)

// failuresBeforeBackoff is how many collections in a row may fail before Airflow is left in peace.
const failuresBeforeBackoff = 5

// refusalsBeforeBackoff is how many collections in a row may be refused before no login is tried for a while: a second
// one, since a restart can refuse who is right, and no third, since directories lock accounts after three or five.
const refusalsBeforeBackoff = 2

// refusedSteps are the waits between attempts with credentials that are
// refused, so that no account is locked; the last one goes on for ever.
var refusedSteps = []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute}

// backoff asks less of an Airflow that keeps failing, or that was never seen to accept the credentials.
type backoff struct {
	trusted  bool // the credentials were accepted, and not refused since
	failures int  // in a row
	refusals int  // since the credentials were accepted
	last     outcome
	step     int             // of refusedSteps
	next     time.Time       // when a login may be tried again
	secrets  airflow.Secrets // that were accepted or refused last
}

// scope decides what the collection that starts now may ask. Secrets that are
// new are tried at once, but once.
func (b *backoff) scope(now time.Time, secrets airflow.Secrets) scope {
	switch {
	case b.refusals >= refusalsBeforeBackoff && now.Before(b.next) && secrets == b.secrets:
		return askHealthOnly
	case b.failures >= failuresBeforeBackoff && b.last == unreachable:
		return askHealthFirst
	case !b.trusted || secrets != b.secrets:
		return askLoginFirst
	}
	return askEverything
}

// note remembers how the collection of the given scope ended.
func (b *backoff) note(now time.Time, s scope, secrets airflow.Secrets, o outcome) {
	if o == letIn {
		*b = backoff{trusted: true, secrets: secrets}
		return
	}
	if s == askHealthOnly {
		return // no login was tried
	}
	b.failures++
	b.last = o
	if o != refused {
		return
	}
	b.secrets = secrets
	b.trusted = false
	b.refusals++
	if b.refusals >= refusalsBeforeBackoff {
		b.next = now.Add(refusedSteps[min(b.step, len(refusedSteps)-1)])
		b.step++
	}
}
