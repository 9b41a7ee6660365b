package collector

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// part is one group of facts. Its fetch is called by one goroutine at a time.
type part interface {
	// name is the value of the label collector.
	name() string
	// open reports whether Airflow answers to anyone what this part asks.
	open() bool
	// minAge is how old the part's value may grow before it is fetched again; 0 means each collection.
	minAge() time.Duration
	// fetch asks Airflow. Nothing of a value that comes with an error is used.
	// The facts are those of the parts of earlier stages; what they hold of
	// others is of an earlier collection.
	fetch(ctx context.Context, client *airflow.Client, known facts) (value, error)
}

// facts are what parts fetched last, and how that went, by name.
type facts map[string]fact

type fact struct {
	value value // of the newest success, nil before
	err   error // of the newest refresh
}

// latest is the value that a part fetched last. It is an error if the newest refresh failed.
func latest[V value](known facts, name string) (V, error) {
	f := known[name]
	v, ok := f.value.(V)
	if f.err == nil && !ok {
		return v, fmt.Errorf("%s was not asked", name)
	}
	return v, f.err
}

// value is what a part fetched; it is not changed afterwards, but see largeValue.
type value interface {
	emit(e *exposition)
	// truncated reports whether a limit cut what could be fetched.
	truncated() bool
}

// largeValue is a value that holds much which only the parts of later stages need. It is dropped at the end of a collection.
type largeValue interface{ drop() }

// partState is what is known of a part. It is guarded by Collector.mu.
type partState struct {
	part  part
	stage int // parts are asked when those of earlier stages have ended

	value     value       // of the newest success, nil before
	series    *exposition // the value, rendered
	fetchedAt time.Time   // when that was asked for

	attemptedAt time.Time       // start of the newest refresh, zero before the first
	asked       airflow.Version // who was known then
	ended       bool            // a refresh has ended
	duration    time.Duration   // of the newest refresh that ended
	err         error           // of the newest refresh that ended, or why none was tried
	definite    int             // definite errors in a row, see note
	running     bool            // a refresh is due and has not ended
}

// believed is how many definite errors in a row are believed to be the answer of next time, too.
const believed = 2

// due reports whether a part must be asked again, of an Airflow of a version.
// What failed is due at once, unless Airflow's answer is definite: the next one
// would be the same, but for another version. A twentieth of the minimum age is
// forgiven, or else scrapes that come a moment early would make it grow by a
// whole scrape interval.
func (s *partState) due(now time.Time, version airflow.Version) bool {
	if s.attemptedAt.IsZero() || s.err != nil && (s.definite < believed || !lasting(s.err) || s.asked != version) {
		return true
	}
	return now.Sub(s.attemptedAt) >= forgiving(s.part.minAge())
}

// note remembers how the collection ended in which the part was asked. What an
// Airflow answers that lets nobody in, as it lost its database, is not definite;
// nor is the one error of the moment in which it went, but for a missing right.
func (s *partState) note(o outcome) {
	switch {
	case s.err == nil, o != letIn, !lasting(s.err):
		s.definite = 0
	case classOf(s.err) == airflow.ClassForbidden:
		s.definite = believed
	default:
		s.definite++
	}
}

// forgiving is an interval that scrapes may undercut a little.
func forgiving(d time.Duration) time.Duration { return d - d/20 }

// lasting reports whether err is Airflow's own answer to what was asked, and not that of a proxy which does not reach it.
func lasting(err error) bool {
	switch classOf(err) {
	case airflow.ClassForbidden, airflow.ClassClient:
		return true
	case airflow.ClassServer:
		e, ok := errors.AsType[*airflow.Error](err)
		return ok && e.Status < http.StatusBadGateway
	}
	return false
}

// panicError is a bug that was caught.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// classPanic completes airflow's classes.
const classPanic airflow.Class = "panic"

// classOf is the class of a part's error.
func classOf(err error) airflow.Class {
	if _, ok := errors.AsType[*panicError](err); ok {
		return classPanic
	}
	return airflow.ClassOf(err)
}

// classes is the closed set of values of the label class.
func classes() []string {
	return []string{
		string(airflow.ClassDNS), string(airflow.ClassConnect), string(airflow.ClassTLS), string(airflow.ClassTimeout),
		string(airflow.ClassAuth), string(airflow.ClassForbidden), string(airflow.ClassRateLimited), string(airflow.ClassClient),
		string(airflow.ClassServer), string(airflow.ClassDecode), string(airflow.ClassRedirect), string(airflow.ClassTooLarge),
		string(classPanic), string(airflow.ClassInternal),
	}
}

// fetchSafely fetches and renders a part; a panic in either is an error, and leaves nothing half done.
func (c *Collector) fetchSafely(ctx context.Context, p part, known facts) (v value, series *exposition, err error) {
	err = c.telemetry.safely(func() error {
		fetched, err := p.fetch(ctx, c.client, known)
		if err != nil {
			return err
		}
		rendered := newExposition()
		fetched.emit(rendered)
		rendered.close()
		v, series = fetched, rendered
		return nil
	})
	return v, series, err
}
