package collector

import (
	"context"
	"errors"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// dagRunsValue is the runs that are queued or running, and those that ended lately.
type dagRunsValue struct {
	at       time.Time // when it was asked, on Airflow's clock
	active   []airflow.DagRun
	noQueued bool             // there are too many: active has the running ones only
	ended    []airflow.DagRun // since the listing before, and a little longer
	endedAt  time.Time        // until when those that ended are complete: at, unless there are too many
}

// endedListings is how many listings of runs that ended a collection may ask for.
const endedListings = 6

// dagRunsPart lists the active runs and those that ended since the newest
// listing that reached the ledger. It is asked every 30 s, not more often: a
// listing of active runs costs Airflow 2 as much as that of task instances,
// and the ledger learns from the latter which of the known runs moved. All
// that waits for it is a run that began in between.
type dagRunsPart struct {
	maxRows   int
	books     *books
	lastTotal int
	window    time.Duration // of a listing of runs that ended; 0: as long as need be
}

func newDagRunsPart(maxRows int, books *books) *dagRunsPart {
	return &dagRunsPart{maxRows: maxRows, books: books}
}

func (*dagRunsPart) name() string          { return "dag_runs" }
func (*dagRunsPart) open() bool            { return false }
func (*dagRunsPart) minAge() time.Duration { return 30 * time.Second }

// fetch asks for active runs first: one that ends in between is then in both
// listings, and not in none.
func (p *dagRunsPart) fetch(ctx context.Context, client *airflow.Client, _ facts) (value, error) {
	v := &dagRunsValue{at: airflowNow(client)}
	if err := p.listActive(ctx, client, v); err != nil {
		return nil, err
	}
	v.endedAt = v.at
	since := p.books.runsEndedSince()
	if since.IsZero() {
		return v, nil // what ended before the start does not count
	}
	if err := p.listEnded(ctx, client, v, since); err != nil {
		return nil, err
	}
	return v, nil
}

// listActive does without the queued runs, in which nothing ends, when there are too many.
func (p *dagRunsPart) listActive(ctx context.Context, client *airflow.Client, v *dagRunsValue) (err error) {
	v.active, err = p.list(ctx, client, airflow.DagRunQuery{States: []airflow.RunState{airflow.RunQueued, airflow.RunRunning}})
	if isIncomplete(err) {
		v.noQueued = true
		v.active, err = p.list(ctx, client, airflow.DagRunQuery{States: []airflow.RunState{airflow.RunRunning}})
	}
	p.lastTotal = len(v.active)
	return err
}

// listEnded lists the runs that ended since, window by window when they are too
// many for one answer: after an outage, or when someone ended thousands at once.
// What is left is listed next time.
func (p *dagRunsPart) listEnded(ctx context.Context, client *airflow.Client, v *dagRunsValue, since time.Time) error {
	q := airflow.DagRunQuery{States: []airflow.RunState{airflow.RunSuccess, airflow.RunFailed}, EndedSince: since}
	for range endedListings {
		q.EndedUntil = time.Time{}
		if end := q.EndedSince.Add(p.window); p.window > 0 && end.Before(v.at) {
			q.EndedUntil = end
		}
		runs, err := p.list(ctx, client, q)
		if short, ok := errors.AsType[*airflow.IncompleteError](err); ok {
			p.narrow(v.at.Sub(q.EndedSince), short)
			continue
		}
		if err != nil {
			return err
		}
		v.ended = append(v.ended, runs...)
		if q.EndedUntil.IsZero() {
			p.window = 0
			return nil
		}
		q.EndedSince = q.EndedUntil
		if len(runs) < p.maxRows/8 {
			p.window *= 8 // what made it narrow may be behind, or still ahead
		}
	}
	v.endedAt = q.EndedSince
	return nil
}

// narrow makes the window so small that half of an answer should hold its runs.
func (p *dagRunsPart) narrow(all time.Duration, short *airflow.IncompleteError) {
	if p.window == 0 || p.window > all {
		p.window = all
	}
	share := float64(p.maxRows) / float64(2*max(short.Total, 1))
	p.window = max(time.Duration(float64(p.window)*min(share, 0.5)), time.Millisecond)
}

// list asks once more when there was too little room. Those that ended within
// a moment cannot be asked for in smaller portions.
func (p *dagRunsPart) list(ctx context.Context, client *airflow.Client, q airflow.DagRunQuery) ([]airflow.DagRun, error) {
	q.Room = roomFor(p.lastTotal, p.maxRows)
	runs, err := client.DagRuns(ctx, q)
	incomplete, ok := errors.AsType[*airflow.IncompleteError](err)
	moment := !q.EndedUntil.IsZero() && q.EndedUntil.Sub(q.EndedSince) <= time.Millisecond
	if !ok || incomplete.Clamped || incomplete.Total > p.maxRows && !moment {
		return runs, err
	}
	q.Room = roomFor(incomplete.Total, max(p.maxRows, incomplete.Total))
	return client.DagRuns(ctx, q)
}

func (v *dagRunsValue) truncated() bool { return v.noQueued || v.endedAt.Before(v.at) }

func (*dagRunsValue) emit(*exposition) {}
