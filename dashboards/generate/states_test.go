package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// said are the values of a label that the exporter's recorded expositions show for these metrics.
func said(t *testing.T, label string, metrics ...string) []string {
	t.Helper()
	files, err := filepath.Glob("../../collector/testdata/*.prom")
	if err != nil || len(files) == 0 {
		t.Fatalf("no expositions: %v", err)
	}
	value := regexp.MustCompile(`^(\w+)\{.*\b` + label + `="([^"]+)"`)
	var values []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if m := value.FindStringSubmatch(line); m != nil && slices.Contains(metrics, m[1]) && !slices.Contains(values, m[2]) {
				values = append(values, m[2])
			}
		}
	}
	return values
}

func TestEveryStateHasItsColour(t *testing.T) {
	values := said(t, "state", "airflow_unfinished_task_instances", "airflow_task_instances", "airflow_task_instances_finished_total",
		"airflow_dag_runs", "airflow_dag_last_run_state", "airflow_pool_slots")
	if len(values) < 12 {
		t.Fatalf("only %q are known", values)
	}
	var names []string
	for _, s := range states() {
		names = append(names, s.name)
	}
	for _, v := range values {
		if !slices.Contains(names, v) && v != "open" {
			t.Errorf("the state %s has no colour", v)
		}
	}
	// Every graph and table of states has all of them.
	eachPanel(t, func(_ shownBoard, p shownPanel) []string {
		byState := false
		for _, q := range p.Targets {
			byState = byState || strings.HasPrefix(q.Expr, "sum by (state)") || strings.Contains(q.Expr, "* sum by (state)")
		}
		if !byState {
			return nil
		}
		var coloured, missing []string
		for _, o := range p.FieldConfig.Overrides {
			coloured = append(coloured, o.Matcher.Options)
		}
		for _, n := range names {
			if !slices.Contains(coloured, n) {
				missing = append(missing, "the state "+n+" has no colour")
			}
		}
		return missing
	})
}

func TestEveryReasonHasItsMeaning(t *testing.T) {
	text, err := os.ReadFile("../../collector/reasons.go")
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, r := range reasons() {
		known = append(known, r.name)
		if !strings.Contains(string(text), `"`+r.name+`"`) {
			t.Errorf("the exporter does not say %s", r.name)
		}
	}
	for _, m := range regexp.MustCompile(`[:=] +"([a-z_]+)"`).FindAllStringSubmatch(string(text), -1) {
		if !slices.Contains(known, m[1]) {
			t.Errorf("the reason %s has no meaning", m[1])
		}
	}
	for _, v := range said(t, "reason", "airflow_task_instances_blocked") {
		if !slices.Contains(known, v) {
			t.Errorf("the reason %s has no meaning", v)
		}
	}
}
