package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"github.com/seed-9c0ac15d/airflow_exporter/collector/explain"
)

// The values of --output.
const (
	outputText = "text"
	outputJSON = "json"
)

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

// parseFlags reads the command line. What is wrong with it is status 2, whatever the command.
func parseFlags(args []string, stdout, stderr io.Writer) (flags, error) {
	var f flags
	app := newApp(&f, stdout, stderr, os.Exit)
	return f, withStatus(wrongUsage, f.parse(app, args))
}

// newApp declares the command line. exit ends the program after help.
func newApp(f *flags, stdout, stderr io.Writer, exit func(status int)) *kingpin.Application {
	app := kingpin.New(name, "Prometheus exporter for Apache Airflow 2.10+ and 3, by its stable REST API. The environment variables AIRFLOW_EXPORTER_USERNAME and AIRFLOW_EXPORTER_PASSWORD are its account.")
	app.UsageTemplate(usageTemplate).UsageWriter(stdout).ErrorWriter(stderr).HelpFlag.Short('h')
	app.Terminate(func(status int) {
		if status != 0 { // help about what does not exist
			status = wrongUsage
		}
		exit(status)
	})
	app.Version(version.Print(name)).VersionFlag.NoEnvar()
	app.Flag("config.file", "Configuration file; see config.example.yml.").StringVar(&f.configFile)
	app.Flag("airflow.url", "Address of Airflow's web page; wins over airflow.url of the file.").StringVar(&f.airflowURL)
	app.Flag("log.level", "Lowest level to log: debug, info, warn, error. Only serve logs.").Default("info").EnumVar(&f.logLevel, "debug", "info", "warn", "error")
	app.Flag("log.format", "Format of the log: logfmt, json.").Default("logfmt").EnumVar(&f.logFormat, "logfmt", "json")

	serve := app.Command(commandServe, "Answer Prometheus' scrapes. This is what happens without a command.").Default().HelpLong(serveHelp)
	f.web = kingpinflag.AddFlags(serve, ":10112")
	serve.Flag("web.telemetry-path", "Path of the metrics.").Default("/metrics").StringVar(&f.telemetryPath)
	serve.Flag("web.enable-lifecycle", "Let POST /-/reload reload the configuration.").BoolVar(&f.lifecycle)
	serve.Flag("config.check", "Check the configuration and exit.").BoolVar(&f.check)

	checks := app.Command(commandCheck, "Ask Airflow for all that the exporter is going to ask for, and tell what the account may read.").HelpLong(checkHelp)
	output(checks, f)

	explains := app.Command(commandExplain, "Tell why a task instance or a DAG run does not go on, or how it failed. "+
		"Without a run, or with -, it is the one that was due last; without a task it is the run as a whole; of a mapped task without an index it is the instance that is worst off.").HelpLong(explainHelp)
	explains.Arg("dag", "dag_id.").Required().SetValue(argument{"dag", "", &f.explain.DagID})
	explains.Arg("run", "dag_run_id; "+explain.Newest+" is the run that was due last, as without.").
		SetValue(argument{"run", "use " + explain.Newest + " for the newest one", &f.explain.RunID})
	explains.Arg("task", "task_id; without, the run as a whole.").
		SetValue(argument{"task", "leave it out for the run as a whole", &f.explain.TaskID})
	explains.Arg("map_index", "Of a mapped task; without, the instance that is worst off.").SetValue(mapIndex{&f.explain.MapIndex})
	explains.Flag("log-lines", "Lines from the end of the log of the last attempt; 0: none.").Default("20").IntVar(&f.explain.LogLines)
	explains.Flag("try", "Show the log of this attempt; 0: of the last one that has a log.").Default("0").IntVar(&f.explain.Try)
	explains.Flag("wait", "Where Airflow does not tell for how long something has waited, look again after collector.blocked.after before asking it why.").Default("true").BoolVar(&f.explain.Wait)
	output(explains, f)
	return app
}

func output(command *kingpin.CmdClause, f *flags) {
	command.Flag("output", "text for people, json for programs.").Short('o').Default(outputText).EnumVar(&f.output, outputText, outputJSON)
}

func (f *flags) parse(app *kingpin.Application, args []string) error {
	args = hideDashes(args)
	command, err := app.Parse(args)
	if err != nil {
		return usageError(app, args, err)
	}
	f.command = command
	f.configFile, f.airflowURL = showDashes(f.configFile), showDashes(f.airflowURL)
	if command == commandExplain && f.explain.LogLines < 0 {
		return fmt.Errorf("--log-lines: %d, want 0 or more", f.explain.LogLines)
	}
	if command == commandServe && !goodTelemetryPath(f.telemetryPath) {
		return fmt.Errorf("--web.telemetry-path: %q is not a path like /metrics", f.telemetryPath)
	}
	return nil
}

func goodTelemetryPath(p string) bool {
	return strings.HasPrefix(p, "/") && path.Clean(p) == p && !strings.HasPrefix(p, "/-/") && !strings.ContainsAny(p, "{} ?#%")
}

// usageError says what is wrong with a command line that kingpin does not take.
func usageError(app *kingpin.Application, args []string, err error) error {
	if empty, ok := errors.AsType[*emptyError](err); ok {
		return empty
	}
	command := asking(app, args)
	if command == "" {
		return fmt.Errorf("%s, try --help", showDashes(err.Error()))
	}
	serve := app.GetCommand(commandServe)
	for _, arg := range args {
		flag, long := strings.CutPrefix(arg, "--")
		flag, _, _ = strings.Cut(flag, "=")
		if long && (serve.GetFlag(flag) != nil || serve.GetFlag(strings.TrimPrefix(flag, "no-")) != nil) {
			return fmt.Errorf("--%s belongs to %s: leave it out for %s", flag, commandServe, command)
		}
	}
	return fmt.Errorf("%s, try %s --help", showDashes(err.Error()), command)
}

// asking is the command that asks Airflow, if the command line has one. Behind a flag of serve, which is the default, it
// is to kingpin a word that it did not expect.
func asking(app *kingpin.Application, args []string) string {
	parsed, _ := app.ParseContext(args)
	if parsed == nil || parsed.SelectedCommand == nil {
		return ""
	}
	command := parsed.SelectedCommand.FullCommand()
	if next := parsed.Peek(); command == commandServe && next.Type == kingpin.TokenArg {
		command = next.Value
	}
	if slices.Contains([]string{commandCheck, commandExplain}, command) {
		return command
	}
	return ""
}
