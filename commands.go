package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"github.com/seed-9c0ac15d/airflow_exporter/collector/check"
	"github.com/seed-9c0ac15d/airflow_exporter/collector/explain"
)

// The commands.
const (
	commandServe   = "serve"
	commandCheck   = "check"
	commandExplain = "explain"
)

// The values of --output.
const (
	outputText = "text"
	outputJSON = "json"
)

// couldNotAsk is the exit status of commands that ask Airflow when they could not.
const couldNotAsk = 2

// flags are the command line.
type flags struct {
	command    string
	configFile string
	airflowURL string
	logLevel   string
	logFormat  string

	// Of serve:
	web           *web.FlagConfig
	telemetryPath string
	lifecycle     bool
	check         bool

	// Of the others:
	output  string
	explain explain.Options // all but the configuration
}

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

func parseFlags(args []string, stdout, stderr io.Writer) (flags, error) {
	var f flags
	app := kingpin.New(name, "Prometheus exporter for Apache Airflow 2.10+ and 3, by its stable REST API. The environment variables AIRFLOW_EXPORTER_USERNAME and AIRFLOW_EXPORTER_PASSWORD are its account.")
	app.UsageTemplate(kingpin.LongHelpTemplate).UsageWriter(stdout).ErrorWriter(stderr).HelpFlag.Short('h')
	app.Version(version.Print(name)).VersionFlag.NoEnvar()
	app.Flag("config.file", "Configuration file; see config.example.yml.").StringVar(&f.configFile)
	app.Flag("airflow.url", "Address of Airflow's web page; wins over airflow.url of the file.").StringVar(&f.airflowURL)
	app.Flag("log.level", "Lowest level to log: debug, info, warn, error.").Default("info").EnumVar(&f.logLevel, "debug", "info", "warn", "error")
	app.Flag("log.format", "Format of the log: logfmt, json.").Default("logfmt").EnumVar(&f.logFormat, "logfmt", "json")

	serve := app.Command(commandServe, "Answer Prometheus' scrapes. This is what happens without a command.").Default()
	f.web = kingpinflag.AddFlags(serve, ":10112")
	serve.Flag("web.telemetry-path", "Path of the metrics.").Default("/metrics").StringVar(&f.telemetryPath)
	serve.Flag("web.enable-lifecycle", "Let POST /-/reload reload the configuration.").BoolVar(&f.lifecycle)
	serve.Flag("config.check", "Check the configuration and exit.").BoolVar(&f.check)

	checks := app.Command(commandCheck, "Ask Airflow for all that the exporter is going to ask for, and tell what the account may read. "+
		"Exit status 0: all that is needed, 1: not all, 2: it could not be asked.")
	output(checks, &f)

	explains := app.Command(commandExplain, "Tell why a task instance or a DAG run does not go on, or how it failed. "+
		"Without a run, or with -, it is the one that was due last; without a task it is the run as a whole; of a mapped task without an index it is the instance that is worst off. "+
		"Exit status 0: nothing is wrong, 1: something is blocked or failed, 2: it could not be asked.")
	explains.Arg("dag", "dag_id.").Required().StringVar(&f.explain.DagID)
	explains.Arg("run", "dag_run_id; "+explain.Newest+" is the run that was due last, as without.").StringVar(&f.explain.RunID)
	explains.Arg("task", "task_id; without, the run as a whole.").StringVar(&f.explain.TaskID)
	explains.Arg("map_index", "Of a mapped task; without, the instance that is worst off.").SetValue(mapIndex{&f.explain.MapIndex})
	explains.Flag("log-lines", "Lines from the end of the log of the last attempt; 0: none.").Default("20").IntVar(&f.explain.LogLines)
	explains.Flag("try", "Show the log of this attempt; 0: of the last one that has a log.").Default("0").IntVar(&f.explain.Try)
	explains.Flag("wait", "Where Airflow does not tell for how long something has waited, look again after collector.blocked.after before asking it why.").Default("true").BoolVar(&f.explain.Wait)
	output(explains, &f)

	command, err := app.Parse(args)
	if err != nil {
		err = fmt.Errorf("%w, try --help", err)
		if parsed, _ := app.ParseContext(args); parsed != nil && parsed.SelectedCommand != nil && parsed.SelectedCommand != serve {
			return f, withStatus(couldNotAsk, err)
		}
		return f, err
	}
	f.command = command
	if command == commandExplain && f.explain.LogLines < 0 {
		return f, withStatus(couldNotAsk, fmt.Errorf("--log-lines: %d, want 0 or more", f.explain.LogLines))
	}
	if command == commandServe && !goodTelemetryPath(f.telemetryPath) {
		return f, fmt.Errorf("--web.telemetry-path: %q is not a path like /metrics", f.telemetryPath)
	}
	return f, nil
}

func output(command *kingpin.CmdClause, f *flags) {
	command.Flag("output", "text for people, json for programs.").Short('o').Default(outputText).EnumVar(&f.output, outputText, outputJSON)
}

func goodTelemetryPath(p string) bool {
	return strings.HasPrefix(p, "/") && path.Clean(p) == p && !strings.HasPrefix(p, "/-/") && !strings.ContainsAny(p, "{} ?#%")
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

// mapIndex is the value of an argument that may be missing.
type mapIndex struct{ index **int }

// Set implements kingpin.Value.
func (m mapIndex) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return fmt.Errorf("map_index: %q is not a whole number of 0 or more", s)
	}
	*m.index = &n
	return nil
}

// String implements kingpin.Value.
func (m mapIndex) String() string { return "" }

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
