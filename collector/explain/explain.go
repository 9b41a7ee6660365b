// Package explain tells people why a task instance or a DAG run does not go on,
// or how it failed: facts from Airflow first, then what follows from them.
package explain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/collector"
)

const (
	// patience is how long one question may take, but for the log.
	patience = 15 * time.Second
	// logPatience is how long the log may take: its end is read after all before it.
	logPatience = 30 * time.Second
	// room is how many task instances of a run are looked at.
	room = 2000
	// maxGroups is how many groups of a run programs are told.
	maxGroups = 20
)

// Newest in place of a run id is the run that was due last.
const Newest = "-"

// Options say what to explain, and how.
type Options struct {
	Airflow   airflow.Config
	Collector collector.Config

	DagID    string
	RunID    string // empty or Newest: the run that was due last
	TaskID   string // empty: the run as a whole
	MapIndex *int   // nil: of a mapped task, the one that is worst off

	LogLines int // from the end of the log
	Try      int // of which attempt; 0: the last one that has a log
	// Wait lets the second look be taken that some questions need; see asking.go.
	Wait bool
	// Waiting is told when that takes a while. Nil: nobody.
	Waiting func(time.Duration)
}

// Run finds out. The error names the key of the configuration that is wrong;
// what Airflow does not answer is in the report.
func Run(ctx context.Context, o Options) (*Report, error) {
	switch {
	case o.Try < 0:
		return nil, fmt.Errorf("--try: %d, want the number of an attempt", o.Try)
	case o.Try > 0 && o.TaskID == "":
		return nil, errors.New("--try: the log of an attempt is that of a task: name the run and the task, too")
	}
	client, err := airflow.New(o.Airflow)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	if err := client.CheckFiles(); err != nil {
		return nil, err
	}
	g := &gatherer{options: o, client: client, api: client.TaskInstanceAPI()}
	g.report = &Report{URL: client.URL()}
	g.gather(ctx)
	g.report.judge()
	return g.report, nil
}

// gatherer asks Airflow and fills in the report.
type gatherer struct {
	options Options
	client  *airflow.Client
	api     *airflow.TaskInstanceAPI
	report  *Report

	rows      []airflow.TaskInstance // of the run; nil until they were asked for
	total     int
	confirmed map[airflow.TaskInstanceRef]struct{} // that did not move between two looks
}

// gather looks, asks why what waits does so, and then for all that helps to understand it.
func (g *gatherer) gather(ctx context.Context) {
	if err := g.look(ctx); err != nil {
		g.report.Err = err
		return
	}
	if err := g.lookAgain(ctx); err != nil {
		g.report.Err = err
		return
	}
	g.ask(ctx)
	if g.report.Instance != nil {
		g.around(ctx, g.report.Instance)
	}
}

// look learns where things stand. An error means that nothing can be explained.
func (g *gatherer) look(ctx context.Context) error {
	r := g.report
	*r = Report{URL: r.URL}
	g.rows, g.total = nil, 0
	err := within(ctx, patience, func(ctx context.Context) (err error) {
		r.Version, err = g.client.Version(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if err := within(ctx, patience, func(ctx context.Context) (err error) {
		r.Health, err = g.client.Health(ctx)
		return err
	}); err != nil {
		g.unknown("the health of the scheduler", err)
	}
	if err := g.lookAtDag(ctx); err != nil {
		return err
	}
	if err := g.lookAtRun(ctx); err != nil || r.Run == nil {
		return err
	}
	if g.options.TaskID != "" {
		return g.lookAtTask(ctx)
	}
	if err := g.list(ctx); err != nil {
		return err
	}
	r.Overview = &Overview{Total: g.total, Looked: len(g.rows)}
	return nil
}

// now is the time on Airflow's clock, on which its dates are.
func (g *gatherer) now() time.Time {
	skew, _ := g.client.ClockSkew()
	return time.Now().Round(0).Add(-skew)
}

// within calls f with a bound on its time.
func within(ctx context.Context, limit time.Duration, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return f(ctx)
}

// unknown notes what could not be learnt; the rest is told all the same.
func (g *gatherer) unknown(what string, err error) {
	g.report.Unknown = append(g.report.Unknown, Unknown{what, err})
}

// isStatus reports whether Airflow answered with this status.
func isStatus(err error, status int) bool {
	e, ok := errors.AsType[*airflow.Error](err)
	return ok && e.Status == status
}
