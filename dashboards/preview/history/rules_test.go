package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func parseRules(t *testing.T, text string) ruleFile {
	t.Helper()
	var f ruleFile
	if err := yaml.Unmarshal([]byte(text), &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func recordsOf(f ruleFile) []string {
	var names []string
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			names = append(names, g.Name+" "+g.Interval+" "+r.Record)
		}
	}
	return names
}

func TestRulesComeAfterThoseThatTheyUse(t *testing.T) {
	f := parseRules(t, `
groups:
  - name: one
    rules:
      - {record: "a:third", expr: 'a:second / a:first'}
      - {record: "a:first", expr: 'rate(a_total[5m])'}
  - name: two
    interval: 5m
    rules:
      - {record: "a:second", expr: 'sum_over_time(a:first[1h]) + a:firstborn'}
      - {record: "a:firstborn", expr: 'b'}
      - {alert: A, expr: 'a:third > 1'}
`)
	rounds, err := f.rounds()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{{"one  a:first", "two 5m a:firstborn"}, {"two 5m a:second"}, {"one  a:third"}}
	if len(rounds) != len(want) {
		t.Fatalf("%d rounds, want %d", len(rounds), len(want))
	}
	for n, round := range rounds {
		if got := recordsOf(round); !slices.Equal(got, want[n]) {
			t.Errorf("round %d has %q, want %q", n+1, got, want[n])
		}
	}
}

func TestRulesInACircleAreRefused(t *testing.T) {
	f := parseRules(t, `groups: [{name: g, rules: [{record: "a:x", expr: "a:y"}, {record: "a:y", expr: "a:x + 1"}]}]`)
	if _, err := f.rounds(); err == nil {
		t.Error("rules that use each other have rounds")
	}
}

func TestAnAlertBecomesTwoRecords(t *testing.T) {
	r := rule{Alert: "Late", Expr: "x > 1\n", For: "2m", KeepFiringFor: "1h", Labels: map[string]string{"severity": "info", "component": "{{ $labels.component }}"}}
	firing, state, err := r.asRecords()
	if err != nil {
		t.Fatal(err)
	}
	// Results at the minutes 0, 1 and 2 make it fire at 2, and one hour after the last of them it still does.
	const active = "count_over_time((\nx > 1\n)[180s:1m]) >= 3"
	if want := "clamp(max_over_time((" + active + ")[3660s:1m]), 1, 1)"; firing.Record != "ALERTS" || firing.Expr != want {
		t.Errorf("%s is %s, want %s", firing.Record, firing.Expr, want)
	}
	if want := map[string]string{"alertname": "Late", "alertstate": "firing", "severity": "info"}; !maps.Equal(firing.Labels, want) {
		t.Errorf("ALERTS has the labels %v, want %v", firing.Labels, want)
	}
	const begin = "time() - 120 + 0 * (" + active + ") unless max_over_time((" + active + ")[3660s:1m] offset 1m)"
	if want := "max_over_time((" + begin + ")[86400s:1m]) and max_over_time((" + active + ")[3660s:1m])"; state.Record != "ALERTS_FOR_STATE" || state.Expr != want {
		t.Errorf("%s is %s, want %s", state.Record, state.Expr, want)
	}
	if want := map[string]string{"alertname": "Late", "severity": "info"}; !maps.Equal(state.Labels, want) {
		t.Errorf("ALERTS_FOR_STATE has the labels %v, want %v", state.Labels, want)
	}
}

func TestAlertsThatCannotBeRecordsAreRefused(t *testing.T) {
	for text, r := range map[string]rule{
		"template": {Alert: "A", Expr: "x", Labels: map[string]string{"team": "{{ $labels.owner }}"}},
		"for":      {Alert: "A", Expr: "x", For: "90s"},
		"keep":     {Alert: "A", Expr: "x", KeepFiringFor: "1d"},
	} {
		f := ruleFile{Groups: []ruleGroup{{Rules: []rule{r}}}}
		if _, err := f.alerts(); err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "alert A") {
			t.Errorf("%s: the error is %v", text, err)
		}
	}
}

func TestOurRulesAreWrittenWhole(t *testing.T) {
	const path = "../../../alerts/airflow.rules.yml"
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := writeRules(root, path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]ruleFile{}
	for _, name := range []string{"round-1.yml", "round-2.yml", "alerts.yml"} {
		file, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		written[name] = parseRules(t, string(file))
	}
	expressions := map[string]int{} // by round, of records and their expressions
	alerts := 0
	for n, name := range []string{"round-1.yml", "round-2.yml"} {
		for _, g := range written[name].Groups {
			for _, r := range g.Rules {
				expressions[r.Record+r.Expr+g.Interval] = n + 1
			}
		}
	}
	for _, g := range parseRules(t, string(text)).Groups {
		for _, r := range g.Rules {
			if r.Alert != "" {
				alerts++
			} else if expressions[r.Record+r.Expr+g.Interval] == 0 {
				t.Errorf("%s is not written as it is", r.Record)
			}
		}
	}
	made := written["alerts.yml"].Groups[0].Rules
	if alerts < 20 || len(made) != 2*alerts {
		t.Errorf("%d rules are made of %d alerts, want two of each", len(made), alerts)
	}
	for _, r := range made {
		if strings.Contains(r.Expr, "{{") || slices.ContainsFunc(slices.Collect(maps.Values(r.Labels)), func(v string) bool { return strings.Contains(v, "{{") }) {
			t.Errorf("%v has a template", r.Labels)
		}
	}
	if _, err := root.Stat("round-3.yml"); err == nil {
		t.Error("there is a third round, and the documentation of writeRules says two")
	}
}
