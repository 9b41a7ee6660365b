package collector

import (
	"context"
	"errors"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// dagRunsValue is the runs that are queued or running, and those that ended lately.
type dagRunsValue struct {
	at     time.Time // when it was asked, on Airflow's clock
	active []airflow.DagRun
	ended  []airflow.DagRun // since the listing before, and a little longer
}

// dagRunsPart lists the active runs and those that ended since the newest
// listing that reached the ledger. It is asked every 30 s, not more often: a
// listing of active runs costs Airflow 2 as much as that of task instances,
// and the ledger learns from the latter which of the known runs moved. All
// that waits for it is a run that began in between.
type dagRunsPart struct {
	maxRows   int
	books     *books
	lastTotal int
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
	var err error
	v.active, err = p.list(ctx, client, airflow.DagRunQuery{States: []airflow.RunState{airflow.RunQueued, airflow.RunRunning}})
	if err != nil {
		return nil, err
	}
	p.lastTotal = len(v.active)
	since := p.books.runsListedAt()
	if since.IsZero() {
		return v, nil // what ended before the start does not count
	}
	v.ended, err = p.list(ctx, client, airflow.DagRunQuery{
		States: []airflow.RunState{airflow.RunSuccess, airflow.RunFailed}, EndedSince: since.Add(-overlap),
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

// list asks once more when there was too little room.
func (p *dagRunsPart) list(ctx context.Context, client *airflow.Client, q airflow.DagRunQuery) ([]airflow.DagRun, error) {
	q.Room = roomFor(p.lastTotal, p.maxRows)
	runs, err := client.DagRuns(ctx, q)
	incomplete, ok := errors.AsType[*airflow.IncompleteError](err)
	if !ok || incomplete.Clamped || incomplete.Total > p.maxRows {
		return runs, err
	}
	q.Room = roomFor(incomplete.Total, p.maxRows)
	return client.DagRuns(ctx, q)
}

func (*dagRunsValue) truncated() bool  { return false }
func (*dagRunsValue) emit(*exposition) {}
