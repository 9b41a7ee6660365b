package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
	"github.com/seed-9c0ac15d/airflow_exporter/collector/explain"
)

// viewer is an account of a server of these tests, in the environment.
var viewer = environment(map[string]string{"AIRFLOW_EXPORTER_USERNAME": "viewer", "AIRFLOW_EXPORTER_PASSWORD": "pw"})

// anAirflow is one that may be asked over the network.
func anAirflow(t *testing.T, version string) *airflowtest.Server {
	t.Helper()
	return airflowtest.Start(t, airflowtest.Options{Version: version, TCP: true, Users: []airflowtest.User{{Name: "viewer", Password: "pw", Rights: airflowtest.Viewer}}})
}

// Whatever stands before the command or behind it, and without one, flags mean the same.
func TestCommandsTakeFlagsOnBothSides(t *testing.T) {
	for _, tc := range []struct {
		args    string
		command string
		want    func(f flags) bool
	}{
		{"", commandServe, func(f flags) bool { return f.telemetryPath == "/metrics" && f.logLevel == "info" }},
		{"--airflow.url=a --web.listen-address=:1 --web.telemetry-path=/x", commandServe,
			func(f flags) bool {
				return f.airflowURL == "a" && f.telemetryPath == "/x" && (*f.web.WebListenAddresses)[0] == ":1"
			}},
		{"--web.enable-lifecycle --config.file=f --log.level=warn --config.check", commandServe,
			func(f flags) bool { return f.lifecycle && f.configFile == "f" && f.logLevel == "warn" && f.check }},
		{"--config.file=f serve --web.telemetry-path=/x --airflow.url=a", commandServe,
			func(f flags) bool { return f.configFile == "f" && f.airflowURL == "a" && f.telemetryPath == "/x" }},
		{"--config.file=f check --airflow.url=a", commandCheck, func(f flags) bool { return f.configFile == "f" && f.airflowURL == "a" && f.output == outputText }},
		{"--airflow.url=a explain etl - load 3 --no-wait", commandExplain, func(f flags) bool {
			e := f.explain
			return f.airflowURL == "a" && e.DagID == "etl" && e.RunID == explain.Newest && e.TaskID == "load" && *e.MapIndex == 3 && !e.Wait && e.LogLines == 20
		}},
		{"explain etl --log-lines=0 -o json", commandExplain, func(f flags) bool {
			e := f.explain
			return f.output == outputJSON && e.RunID == "" && e.TaskID == "" && e.MapIndex == nil && e.Wait && e.LogLines == 0
		}},
		{"explain -o json -- - -", commandExplain, func(f flags) bool { return f.explain.DagID == "-" && f.explain.RunID == explain.Newest }},
		{"--config.file - check", commandCheck, func(f flags) bool { return f.configFile == "-" }},
		{"check --config.file f --log.format json --output=json", commandCheck,
			func(f flags) bool { return f.configFile == "f" && f.output == outputJSON && f.logFormat == "json" }},
	} {
		f, err := parseFlags(strings.Fields(tc.args), io.Discard, io.Discard)
		if err != nil || f.command != tc.command || !tc.want(f) {
			t.Errorf("%q: got %+v, %v", tc.args, f, err)
		}
	}
}

// Status 2 is for who could not ask, whatever the reason, and for each command line that is wrong; 1 is what serve ends with.
func TestExitStatus(t *testing.T) {
	server := anAirflow(t, "3.3.2")
	server.Update(func(db *airflowtest.Database) {
		db.Add(airflowtest.Task("etl", "one", "load"), 0).Fail()
		db.Run("etl", "one").Settle()
		db.PutRun(airflowtest.DagRun{DagID: "etl", RunID: "newest", RunAfter: db.Now().Add(time.Minute)})
	})
	for args, want := range map[string]int{
		"check --airflow.url=" + server.URL:                      0,
		"check --airflow.url=http://127.0.0.1:1":                 2,
		"check":                                                  2,
		"check --no-such-flag":                                   2,
		"check --output=xml":                                     2,
		"check --web.listen-address=:1":                          2,
		"check --config.file=/no/such/file":                      2,
		"explain":                                                2,
		"explain etl - load x":                                   2,
		"explain etl --log-lines=-1":                             2,
		"explain etl --log-lines=1":                              2,
		"explain --airflow.url=" + server.URL + " etl":           0,
		"explain --airflow.url=" + server.URL + " etl one":       1,
		"explain --airflow.url=" + server.URL + " etl two":       2,
		"explain --airflow.url=" + server.URL + " elt":           2,
		"explain --airflow.url=" + server.URL + " ~":             2,
		"--no-such-flag":                                         2,
		"nonsense":                                               2,
		"serve --no-such-flag":                                   2,
		"--web.telemetry-path=metrics":                           2,
		"--web.listen-address=:1 check":                          2,
		"--config.check check":                                   2,
		"":                                                       1,
		"--config.file=/no/such/file":                            1,
		"--config.check --airflow.url=nonsense":                  1,
		"--airflow.url=" + server.URL + "/wrong check":           2,
		"check --airflow.url=http://viewer:pw@airflow.test:8080": 2,
	} {
		var out bytes.Buffer
		status, text := 0, ""
		if err := run(t.Context(), strings.Fields(args), viewer, &out, io.Discard); err != nil {
			status, text = statusOf(err)
		}
		if status != want || (status != 0 && text == "") != (out.Len() > 0 && status != 0) {
			t.Errorf("%s: status %d, want %d; said %q and\n%s", args, status, want, text, out.String())
		}
	}
}

// An argument that is there and empty is that of a variable that was not set: the newest run is not what was meant.
func TestEmptyArgumentsAreRefused(t *testing.T) {
	for want, args := range map[string][]string{
		"dag is empty (is a shell variable unset?)":                                                        {"explain", ""},
		"run is empty (is a shell variable unset?); use - for the newest one":                              {"explain", "etl", "", "load"},
		"task is empty (is a shell variable unset?); leave it out for the run as a whole":                  {"explain", "--config.file", "", "etl", "-", ""},
		"map_index is empty (is a shell variable unset?); leave it out for the instance that is worst off": {"explain", "etl", "-", "load", ""},
	} {
		_, err := parseFlags(args, io.Discard, io.Discard)
		if err == nil {
			t.Errorf("%q: no error", args)
			continue
		}
		if status, text := statusOf(err); status != 2 || text != want {
			t.Errorf("%q: status %d, %q, want 2, %q", args, status, text, want)
		}
	}
}

// What is wrong with a command line is said in the words that were typed, and of the command that was meant.
func TestUsageErrorsNameTheCommand(t *testing.T) {
	for args, want := range map[string]string{
		"--web.listen-address=:1 check":              "--web.listen-address belongs to serve: leave it out for check",
		"--web.listen-address :1 check -o json":      "--web.listen-address belongs to serve: leave it out for check",
		"check --web.telemetry-path=/x":              "--web.telemetry-path belongs to serve: leave it out for check",
		"--config.check --config.file=f explain etl": "--config.check belongs to serve: leave it out for explain",
		"explain etl --no-web.enable-lifecycle":      "--no-web.enable-lifecycle belongs to serve: leave it out for explain",
		"check --no-such-flag":                       "unknown long flag '--no-such-flag', try check --help",
		"explain etl - load -":                       `map_index: "-" is not a whole number of 0 or more, try explain --help`,
		"check --output -":                           "enum value must be one of text,json, got '-', try check --help",
		"--web.listen-address=:1 chek":               "unexpected chek, try --help",
		"--no-such-flag":                             "unknown long flag '--no-such-flag', try --help",
	} {
		if _, err := parseFlags(strings.Fields(args), io.Discard, io.Discard); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", args, err, want)
		}
	}
}

func TestCheckWritesJSON(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.3.2"} {
		server := anAirflow(t, version)
		var out bytes.Buffer
		if err := run(t.Context(), []string{"check", "--airflow.url=" + server.URL, "--output=json"}, viewer, &out, io.Discard); err != nil {
			t.Fatal(err)
		}
		var report struct {
			ExitStatus int    `json:"exit_status"`
			Version    string `json:"version"`
		}
		if err := json.Unmarshal(out.Bytes(), &report); err != nil || report.Version != version || report.ExitStatus != 0 {
			t.Errorf("got %+v, %v", report, err)
		}
	}
}
