package collector

import (
	"context"
	"errors"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// attemptsValue is how far the ledger has come; its counts are series of their own.
type attemptsValue struct {
	waiting int // instances whose earlier attempts are still to be asked for
}

// attemptsPart keeps the ledger: it asks what finished in the runs that are
// due, and for the earlier attempts of instances of which only a later one was seen.
type attemptsPart struct {
	books       *books
	sweep       time.Duration
	fanout      int
	concurrency int
	maxRows     int
	telemetry   *Telemetry
	lastTotal   int // rows of the newest answer
}

func newAttemptsPart(cfg *Config, concurrency int, books *books, telemetry *Telemetry) *attemptsPart {
	return &attemptsPart{books: books, telemetry: telemetry, sweep: cfg.Sweep, fanout: cfg.Fanout, concurrency: concurrency, maxRows: cfg.MaxRows}
}

func (*attemptsPart) name() string          { return "attempts" }
func (*attemptsPart) open() bool            { return false }
func (*attemptsPart) minAge() time.Duration { return 0 }

// fetch asks nothing when it cannot know what to ask for.
func (p *attemptsPart) fetch(ctx context.Context, client *airflow.Client, known facts) (value, error) {
	unfinished, err := latest[*taskInstancesValue](known, (*taskInstancesPart)(nil).name())
	if err != nil {
		return nil, err
	}
	runs, err := latest[*dagRunsValue](known, (*dagRunsPart)(nil).name())
	if err != nil {
		return nil, err
	}
	if dags, ok := known[(*dagsPart)(nil).name()].value.(*dagsValue); ok {
		p.books.listDags(dags)
	}
	p.books.listRuns(runs, p.sweep)
	p.books.listUnfinished(unfinished)
	err = p.askRuns(ctx, client)
	if err == nil || othersMayFare(ctx, err) {
		err = errors.Join(err, p.askTries(ctx, client)) // one run that cannot be read stops no other
	}
	p.books.prune(airflowNow(client))
	if err != nil {
		return nil, first(err)
	}
	return &attemptsValue{p.books.waiting()}, nil
}

// first is the first of joined errors, a panic before others.
func first(err error) error {
	if bug, ok := errors.AsType[*panicError](err); ok {
		return bug
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()[0]
	}
	return err
}

// answered reports whether Airflow answered, though not with what was asked
// for, so that other questions may fare better.
func answered(err error) bool {
	if isIncomplete(err) {
		return true
	}
	e, ok := errors.AsType[*airflow.Error](err)
	return ok && e.Status != 0 && e.Class != airflow.ClassAuth && e.Class != airflow.ClassRateLimited
}

func isIncomplete(err error) bool {
	_, ok := errors.AsType[*airflow.IncompleteError](err)
	return ok
}

// definite reports whether asking again would get the same answer.
func definite(err error) bool {
	e, ok := errors.AsType[*airflow.Error](err)
	if !ok {
		return false
	}
	switch e.Status {
	case http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	}
	return e.Status >= 400 && e.Status < 500
}

// inquiry is some questions to ask together.
type inquiry struct {
	questions []airflow.RunQuestion
	whole     int // rows that were too many when these and others were asked; 0: none were
}

// askRuns asks what finished in the runs that are due.
func (p *attemptsPart) askRuns(ctx context.Context, client *airflow.Client) error {
	together, alone := p.books.questions(airflowNow(client), p.sweep)
	failures := p.fanout
	err := p.search(ctx, client, inquiry{questions: together}, &failures)
	for _, q := range alone[:min(len(alone), p.fanout)] {
		if err != nil && !othersMayFare(ctx, err) {
			return err
		}
		one := 1
		if failed := p.search(ctx, client, inquiry{questions: []airflow.RunQuestion{q}}, &one); err == nil {
			err = failed
		}
	}
	return err
}

// search asks questions together. When Airflow answers with an error, the run
// that is to blame is searched for in halves, until so many failures are spent.
func (p *attemptsPart) search(ctx context.Context, client *airflow.Client, q inquiry, failures *int) error {
	if len(q.questions) == 0 || *failures == 0 {
		return nil
	}
	left, err := p.ask(ctx, client, q)
	if err == nil {
		return nil
	}
	*failures--
	if !othersMayFare(ctx, err) {
		return err
	}
	if len(left) > 1 {
		whole := 0
		if short, ok := errors.AsType[*airflow.IncompleteError](err); ok {
			whole = short.Total
		}
		_ = p.search(ctx, client, inquiry{left[:len(left)/2], whole}, failures)
		_ = p.search(ctx, client, inquiry{left[len(left)/2:], whole}, failures)
		return err
	}
	p.books.failed(left[0].Run.RunRef, p.tooMany(err), airflowNow(client))
	return err
}

// othersMayFare reports whether other questions may fare better than the one
// that got this error: Airflow answered, or only the time that one question may take is over.
func othersMayFare(ctx context.Context, err error) bool {
	return answered(err) || ctx.Err() == nil && classOf(err) == airflow.ClassTimeout
}

// share is a context that ends when a quarter of the time that is left is over.
func share(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)/4)
}

// tooMany tells a listing that no answer can hold from one whose rows moved.
func (p *attemptsPart) tooMany(err error) bool {
	short, ok := errors.AsType[*airflow.IncompleteError](err)
	return ok && short.Total > p.maxRows
}

// ask returns the questions that got no complete answer. What did not fit is
// asked for once more, with room; more than an answer should hold only if it
// cannot be asked for in smaller portions, as on Airflow 2 the runs of one DAG and date.
func (p *attemptsPart) ask(ctx context.Context, client *airflow.Client, q inquiry) (left []airflow.RunQuestion, err error) {
	left, err = p.askOnce(ctx, client, q.questions, roomFor(p.lastTotal, p.maxRows))
	short, ok := errors.AsType[*airflow.IncompleteError](err)
	portion := ok && (len(left) == 1 || q.whole > 0 && short.Total >= q.whole)
	if !ok || short.Clamped || short.Total > p.maxRows && !portion {
		return left, err
	}
	p.lastTotal = short.Total
	return p.askOnce(ctx, client, left, roomFor(short.Total, max(p.maxRows, short.Total)))
}

func (p *attemptsPart) askOnce(ctx context.Context, client *airflow.Client, questions []airflow.RunQuestion, room int) (left []airflow.RunQuestion, err error) {
	ctx, cancel := share(ctx)
	defer cancel()
	at := airflowNow(client)
	open := make(map[airflow.RunRef]airflow.RunQuestion, len(questions))
	for _, q := range questions {
		open[q.Run.RunRef] = q
	}
	done := func(questions []airflow.RunQuestion) {
		p.books.answered(questions, at)
		for _, q := range questions {
			delete(open, q.Run.RunRef)
		}
	}
	for t, failed := range client.FinishedTaskInstances(ctx, questions, room, done) {
		if failed != nil {
			err = failed
			break
		}
		p.books.finished(&t)
	}
	for _, q := range questions {
		if _, ok := open[q.Run.RunRef]; ok {
			left = append(left, q)
		}
	}
	return left, err
}

// askTries asks for the earlier attempts of as many instances as the fan-out allows.
func (p *attemptsPart) askTries(ctx context.Context, client *airflow.Client) error {
	var g errgroup.Group // the zero value: one failure stops no other
	g.SetLimit(p.concurrency)
	for _, ref := range p.books.debts(p.fanout, airflowNow(client)) {
		g.Go(func() error {
			err := p.telemetry.safely(func() error {
				rows, err := client.Tries(ctx, ref)
				if err != nil && !definite(err) {
					return err
				}
				p.books.settle(ref, rows)
				return nil
			})
			if err != nil {
				p.books.postpone(ref, airflowNow(client))
			}
			return err
		})
	}
	return g.Wait()
}

func (v *attemptsValue) truncated() bool { return v.waiting > 0 }

func (*attemptsValue) emit(*exposition) {}
