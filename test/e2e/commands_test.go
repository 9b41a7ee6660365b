//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// command runs a command of the exporter with these settings, and returns its exit status and what it said.
func (s settings) command(t *testing.T, args ...string) (status int, output string) {
	t.Helper()
	config := filepath.Join(t.TempDir(), "config.yml")
	s.write(t, config)
	cmd := exec.CommandContext(t.Context(), shared.binary, append(args, "--config.file="+config)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &out, []string{}
	err := cmd.Run()
	exit, failed := errors.AsType[*exec.ExitError](err)
	if err != nil && !failed {
		t.Fatal(err)
	}
	if failed {
		status = exit.ExitCode()
	}
	return status, out.String()
}

// whichever is status 0 or 1: it depends on how long ago something happened.
const whichever = -1

// wants fails the test unless a command ended so and said all of that.
func wants(t *testing.T, name string, status, want int, output string, said ...string) {
	t.Helper()
	if status != want && (want != whichever || status > 1) {
		t.Errorf("%s: status %d, want %d", name, status, want)
	}
	for _, text := range said {
		if !strings.Contains(output, text) {
			t.Errorf("%s: want %q", name, text)
		}
	}
	if t.Failed() {
		t.Logf("%s:\n%s", name, output)
	}
}

// testCheck checks accounts of the frozen zoo, whose task instances may not change by that.
func testCheck(t *testing.T, a *installation) {
	before, err := a.taskInstances(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	status, output := account(a, "viewer").command(t, "check")
	wants(t, "viewer", status, 0, output, "Ready: the account may read all", a.version)
	if strings.Contains(output, "not tried") {
		t.Errorf("there is something to ask about for each question:\n%s", output)
	}
	cfg := account(a, "viewer")
	cfg.list = "get"
	status, output = cfg.command(t, "check")
	wants(t, "list: get", status, 0, output, "Ready: the account may read all")

	cfg = account(a, "viewer")
	cfg.password = "not-this-one"
	status, output = cfg.command(t, "check")
	wants(t, "wrong password", status, 2, output, "Could not ask")
	if strings.Contains(output, cfg.password) {
		t.Error("the password was said")
	}
	cfg = account(a, "viewer")
	cfg.url += "/wrong"
	status, output = cfg.command(t, "check")
	wants(t, "wrong path", status, 2, output, "Could not ask")

	if a.isV1() {
		status, output = account(a, "nopools").command(t, "check")
		wants(t, "no right on pools", status, 1, output, "missing right: can read on Pools", "explain")
		status, output = account(a, "exporter").command(t, "check")
		wants(t, "least rights", status, 0, output, "missing right: can read on Task Logs", "Ready. Only airflow_exporter explain would miss: log of one.")
		status, output = account(a, "nobody").command(t, "check")
		wants(t, "no rights", status, 2, output, "403", "Could not ask")
	}
	a.unchanged(t, before)
}

// testExplain explains what is in the frozen zoo, whose task instances may not change by that.
func testExplain(t *testing.T, a *installation) {
	before, err := a.taskInstances(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cfg := account(a, "viewer")
	cfg.collector = []string{"blocked:", "  after: 1s"}
	for _, tc := range []struct {
		args   string
		status int
		said   []string
	}{
		{"zoo_pools - waits", 1, []string{"pool_slots: Pool Slots Available", "zoo_one, 0 of 1 slots open: 1 running"}},
		{"zoo_pools - too_large", 1, []string{"pool_slots: Pool Slots Available", "this one takes 3"}},
		{"zoo_pools - no_such_pool", 1, []string{"missing_pool: Pool Slots Available", "zoo_missing, which does not exist"}},
		{"zoo_turns zoo~1", 1, []string{"as many as max_active_runs (1) allows", "zoo~0"}},
		{"zoo_turns zoo~0 second", 1, []string{"dag_concurrency: Task Instance Slots Available"}},
		{"zoo_paused", 1, []string{"The DAG is paused"}},
		{"zoo_wide", 1, []string{"150 scheduled", "pool_slots (asked about 1)"}},
		{"zoo_mapped - running", 0, []string{"2 running [0, 1]", "the one that is worst off", "It is running"}},
		{"zoo_mapped - running 1", 0, []string{"running[1]"}},
		{"zoo_mapped - running 7", 2, []string{"Airflow has no map index 7"}},
		{"zoo_mapped - not_expanded", 0, []string{"asking could change it"}},
		{"zoo_states", 1, []string{"Failed: failed.", "Failed, and waiting to be tried again: up_for_retry.", "upstream_failed"}},
		{"zoo_states - none", 0, []string{"asking could change it"}},
		{"zoo_states - queued", whichever, []string{"State      queued for"}},
		{"zoo_states - running", 0, []string{"It is running for", "The log of attempt 1"}},
		{"zoo_states - second_attempt", 0, []string{"attempt 2 of 2", "1    failed"}},
		{"zoo_states - up_for_retry", 1, []string{"attempt 1 of 4", "fails, on purpose"}},
		{"zoo_states - up_for_reschedule", 0, []string{"between two pokes", "PythonSensor"}},
		{"zoo_states - deferred", whichever, []string{"DateTimeTrigger"}}, // the triggerer is frozen
		{"zoo_states - success", 0, []string{"It succeeded"}},
		{"zoo_states - failed", 1, []string{"It failed", "attempt 1 of 1", "fails, on purpose"}},
		{"zoo_states - upstream_failed", 1, []string{"Failed in this run: failed."}},
		{"zoo_ünïcode_数据 - täsk_задача", 0, []string{"It is running for"}},
		{"zoo_states nope", 2, []string{`its newest runs are "zoo~0"`}},
		{"zoo_states - nope", 2, []string{"its tasks are"}},
		{"nope", 2, []string{`Airflow has no DAG "nope"`}},
	} {
		args := append([]string{"explain"}, strings.Fields(tc.args)...)
		status, output := cfg.command(t, args...)
		wants(t, tc.args, status, tc.status, output, tc.said...)
	}
	_, first := cfg.command(t, "explain", "zoo_limits", "zoo~0")
	_, second := cfg.command(t, "explain", "zoo_limits", "zoo~1")
	if !strings.Contains(first+second, "dag_concurrency, task_concurrency") && !strings.Contains(first+second, "task_concurrency, dag_concurrency") {
		t.Errorf("want both limits in one of the runs of zoo_limits:\n%s\n%s", first, second)
	}
	status, output := cfg.command(t, "explain", "zoo_states", "-", "failed", "--output=json")
	wants(t, "as JSON", status, 1, output, `"exit_status": 1`, `"state": "failed"`, "fails, on purpose")
	a.unchanged(t, before)
}
