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

const someTests = `
rule_files: [../airflow.rules.yml]
group_eval_order: [records, others, alerts]
tests:
  - name: of One
    input_series: [{series: b, values: 0x10}]
    alert_rule_test:
      - {alertname: One, eval_time: 5m, exp_alerts: [&one {exp_labels: {x: y}}]}
      - {alertname: Two, eval_time: 5m, exp_alerts: []}
  - name: of Two
    alert_rule_test:
      - {alertname: Two, eval_time: 6m, exp_alerts: [*one]}
    promql_expr_test:
      - {expr: 'g:h:i', eval_time: 6m}
      - {expr: 'ALERTS{alertname="One"}', eval_time: 6m}
  - name: of the record
    promql_expr_test:
      - {expr: 'a:b:c + on () g:h:i', eval_time: 6m}
      - {expr: 'b', eval_time: 6m}
`

// kept are the checks that are left, by the name of the test.
func kept(t *testing.T, cases []testCase) map[string][]string {
	t.Helper()
	checks := map[string][]string{}
	for _, c := range cases {
		maps.Copy(checks, keptIn(t, c.text))
	}
	return checks
}

func keptIn(t *testing.T, file []byte) map[string][]string {
	t.Helper()
	var read struct {
		Files []string `yaml:"rule_files"`
		Order []string `yaml:"group_eval_order"`
		Tests []struct {
			Name   string
			Alerts []struct{ Alertname string } `yaml:"alert_rule_test"`
			Exprs  []struct{ Expr string }      `yaml:"promql_expr_test"`
		}
	}
	if err := yaml.Unmarshal(file, &read); err != nil {
		t.Fatalf("%v\n%s", err, file)
	}
	checks := map[string][]string{"files": read.Files, "order": read.Order}
	for _, test := range read.Tests {
		for _, a := range test.Alerts {
			checks[test.Name] = append(checks[test.Name], a.Alertname)
		}
		for _, e := range test.Exprs {
			checks[test.Name] = append(checks[test.Name], e.Expr)
		}
	}
	return checks
}

func TestOnlyTheTestsOfTheRuleAreKept(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "some.yml"), []byte(someTests), 0o600); err != nil {
		t.Fatal(err)
	}
	tests, err := readTests(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		rules string
		want  map[string][]string
	}{
		"One": {"One a:b:c b d:e:f", map[string][]string{
			"order": {"records", "alerts"}, "of One": {"One"}, "of Two": {`ALERTS{alertname="One"}`}}},
		"Two": {"Three Two g:h:i h", map[string][]string{
			"order": {"records", "others"}, "of One": {"Two"}, "of Two": {"Two"}}},
		"d:e:f": {"One a:b:c b d:e:f", map[string][]string{
			"order": {"records", "alerts"}, "of One": {"One"}, "of Two": {`ALERTS{alertname="One"}`}}},
		"a:b:c": {"One a:b:c b d:e:f g:h:i h", map[string][]string{
			"order": {"records", "alerts"}, "of One": {"One"}, "of Two": {`ALERTS{alertname="One"}`}, "of the record": {"a:b:c + on () g:h:i"}}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := suiteFor(testSet(t), tests, name)
			if err != nil {
				t.Fatal(err)
			}
			if got := sorted(s.rules); got != c.rules {
				t.Errorf("rules: got %s, want %s", got, c.rules)
			}
			c.want["files"] = []string{"rules.yml"}
			if got := kept(t, s.cases); !maps.EqualFunc(got, c.want, slices.Equal) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if name == "One" && !strings.Contains(string(s.cases[0].text), "values: 0x10}") {
				t.Errorf("values are not as they were:\n%s", s.cases[0].text)
			}
		})
	}
	s, err := suiteFor(testSet(t), tests, "Three")
	if err != nil || len(s.cases) != 0 {
		t.Errorf("tests of what has none: %v %v", s.cases, err)
	}
}
