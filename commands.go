package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/collector/check"
	"github.com/seed-9c0ac15d/airflow_exporter/collector/explain"
)

// The commands.
const (
	commandServe   = "serve"
	commandCheck   = "check"
	commandExplain = "explain"
)

// The exit statuses beside 0 and 1.
const (
	couldNotAsk = 2 // of commands that ask Airflow
	wrongUsage  = 2 // of all
)

// statusError ends the program with a status of its own.
type statusError struct {
	status int
	err    error // nil: all is said
}

func (e *statusError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *statusError) Unwrap() error { return e.err }

// withStatus is err, if there is one, with an exit status.
func withStatus(status int, err error) error {
	if err == nil {
		return nil
	}
	return &statusError{status, err}
}

// run is the program.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	f, err := parseFlags(args, stdout, stderr)
	if err != nil {
		return err
	}
	if f.command == commandServe {
		return serve(ctx, f, getenv, stdout, stderr)
	}
	r, err := askAirflow(ctx, f, getenv, stderr)
	if err != nil {
		return withStatus(couldNotAsk, err)
	}
	return tell(r, f.output, stdout)
}

// report is what a command has to say.
type report interface {
	WriteText(w io.Writer) error
	WriteJSON(w io.Writer) error
	Status() int
}

// askAirflow asks what the command wants to know.
func askAirflow(ctx context.Context, f flags, getenv func(string) string, stderr io.Writer) (report, error) {
	cfg, err := loadConfig(f, getenv)
	if err != nil {
		return nil, err
	}
	if f.command == commandCheck {
		return check.Run(ctx, check.Options{Airflow: cfg.Airflow, Collector: cfg.Collector})
	}
	o := f.explain
	o.Airflow, o.Collector = cfg.Airflow, cfg.Collector
	o.Waiting = func(d time.Duration) {
		_, _ = fmt.Fprintf(stderr, "%s: looking again in %s before asking Airflow why it waits (--no-wait leaves that out)\n", name, d)
	}
	return explain.Run(ctx, o)
}

// tell writes a report and returns its status.
func tell(r report, output string, stdout io.Writer) error {
	write := r.WriteText
	if output == outputJSON {
		write = r.WriteJSON
	}
	if err := write(stdout); err != nil {
		return withStatus(couldNotAsk, err)
	}
	if status := r.Status(); status != 0 {
		return &statusError{status: status}
	}
	return nil
}

// statusOf is the exit status of an error of run, and what is to be said about it.
func statusOf(err error) (status int, text string) {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.status, e.Error()
	}
	return 1, err.Error()
}
