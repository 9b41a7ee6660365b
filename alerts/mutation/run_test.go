package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func put(t *testing.T, dir, name, text string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return file
}

// The promtool of this test only wants the comparison to be as it was.
func TestRunTellsWhatSurvives(t *testing.T) {
	dir := t.TempDir()
	o := options{
		rules: put(t, dir, "rules.yml", `
groups:
  - name: g
    rules:
      - {alert: A, expr: up == 0, for: 5m}
      - {alert: Untested, expr: up != 0}
`, 0o600),
		tests:      filepath.Dir(put(t, dir, "tests/a.yml", "rule_files: [x]\ntests:\n  - {alert_rule_test: [{alertname: A}]}\n", 0o600)),
		equivalent: put(t, dir, "equivalent.yml", "- {rule: A, mutation: without for, why: it is a test}\n- {rule: A, mutation: == becomes != in up == 0, why: it is a test}\n", 0o600),
		promtool:   put(t, dir, "promtool", "#!/bin/sh\ngrep -q 'up ==' \"$(dirname \"$3\")/rules.yml\"\n", 0o700),
	}
	v, err := run(t.Context(), &o, "")
	if err != nil {
		t.Fatal(err)
	}
	survivors := []mutation{
		{"A", "0 becomes 1 in up == 0"}, {"A", "for 5m twice as long"},
	}
	complaints := []string{"A: == becomes != in up == 0: called equivalent, but killed"}
	if !slices.Equal(v.survivors[:2], survivors) || !slices.Equal(v.complaints, complaints) || v.all != 6 || v.killed != 1 || v.equivalent != 1 {
		t.Errorf("%+v", v)
	}
	if len(v.survivors) != 4 || v.survivors[3].rule != "Untested" {
		t.Errorf("what has no tests does not survive: %+v", v.survivors)
	}

	v, err = run(t.Context(), &o, "^Unt")
	if err != nil || v.all != 2 || len(v.complaints) != 0 {
		t.Errorf("with -run: %+v %v", v, err)
	}

	o.promtool = put(t, dir, "promtool", "#!/bin/sh\necho never\nexit 1\n", 0o700)
	if _, err = run(t.Context(), &o, ""); err == nil || !strings.Contains(err.Error(), "the tests of A fail without a change:\nnever") {
		t.Errorf("tests that fail anyway: %v", err)
	}
	o.promtool = filepath.Join(dir, "none")
	if _, err = run(t.Context(), &o, ""); err == nil {
		t.Error("no promtool is no error")
	}
}

func TestVerdicts(t *testing.T) {
	mutants := []mutant{{rule: "A", text: "1"}, {rule: "A", text: "2"}, {rule: "B", text: "1"}}
	all := regexp.MustCompile("")
	why := map[mutation]string{{"A", "2"}: "so", {"C", "1"}: "so"}
	v := judge(mutants, map[int]struct{}{1: {}}, why, all)
	if v.killed != 2 || v.equivalent != 1 || len(v.survivors) != 0 || !slices.Equal(v.complaints, []string{"C: 1: called equivalent, but there is no such mutant"}) {
		t.Errorf("%+v", v)
	}
	for _, c := range []struct {
		v    verdict
		good bool
	}{
		{verdict{killed: 95, all: 100}, true},
		{verdict{killed: 94, all: 100}, false},
		{verdict{killed: 19, all: 100, equivalent: 80}, true},
		{verdict{killed: 100, all: 100, complaints: []string{"x"}}, false},
	} {
		if c.v.good() != c.good {
			t.Errorf("%+v is good: %v", c.v, !c.good)
		}
	}
}

func TestTheListOfEquivalentMutantsIsStrict(t *testing.T) {
	for _, text := range []string{
		"- {rule: A, mutation: x}\n",
		"- {rule: A, mutation: x, why: y}\n- {rule: A, mutation: x, why: z}\n",
		"- {rule: A, mutation: x, why: y, more: z}\n",
	} {
		if list, err := readEquivalent(put(t, t.TempDir(), "list.yml", text, 0o600)); err == nil {
			t.Errorf("%q is read as %v", text, list)
		}
	}
	if list, err := readEquivalent(put(t, t.TempDir(), "list.yml", "# none\n", 0o600)); err != nil || len(list) != 0 {
		t.Errorf("an empty list: %v %v", list, err)
	}
}

func TestWhatKilledLastIsRunFirst(t *testing.T) {
	o := newOrder(4)
	o.first(2)
	o.first(3)
	o.first(3)
	if got := o.now(); !slices.Equal(got, []int{3, 2, 0, 1}) {
		t.Errorf("got %v", got)
	}
}
