package lint

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

func TestAlertsTestsRunbooksAndDashboardsBelongTogether(t *testing.T) {
	for _, gap := range gaps(t, "..") {
		t.Error(gap)
	}
}

// gaps compares the rules in a directory with the tests, runbooks and dashboards beside them.
func gaps(t *testing.T, dir string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "airflow.rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	parsed, errs := rulefmt.Parse(text, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	alerts := map[string][]rulefmt.Rule{}
	for _, g := range parsed.Groups {
		for _, r := range g.Rules {
			if r.Alert != "" {
				alerts[r.Alert] = append(alerts[r.Alert], r)
			}
		}
	}
	found := untested(t, dir, alerts)
	found = append(found, runbookGaps(t, dir, alerts)...)
	return append(found, dashboardGaps(t, dir, alerts)...)
}

type ruleTests struct {
	Tests []struct {
		Alerts []struct {
			Name     string `yaml:"alertname"`
			Expected []struct {
				Labels map[string]string `yaml:"exp_labels"`
			} `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	} `yaml:"tests"`
}

func untested(t *testing.T, dir string, alerts map[string][]rulefmt.Rule) []string {
	t.Helper()
	fires, silent := map[string][]map[string]string{}, map[string]bool{}
	for _, file := range glob(t, filepath.Join(dir, "tests", "*.yml")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var rt ruleTests
		if err := yaml.Unmarshal(text, &rt); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, group := range rt.Tests {
			for _, a := range group.Alerts {
				silent[a.Name] = silent[a.Name] || len(a.Expected) == 0
				for _, e := range a.Expected {
					fires[a.Name] = append(fires[a.Name], e.Labels)
				}
			}
		}
	}
	var found []string
	for _, name := range slices.Sorted(maps.Keys(alerts)) {
		for _, r := range alerts[name] {
			if !slices.ContainsFunc(fires[name], func(got map[string]string) bool { return includes(got, r.Labels) }) {
				found = append(found, fmt.Sprintf("no test expects the alert %s %v", name, r.Labels))
			}
		}
		if !silent[name] {
			found = append(found, fmt.Sprintf("no test expects no alert %s", name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(silent)) {
		if alerts[name] == nil {
			found = append(found, fmt.Sprintf("tests name the alert %s, which no rule has", name))
		}
	}
	return found
}

// includes compares what is not a template.
func includes(got, want map[string]string) bool {
	for name, value := range want {
		if !strings.Contains(value, "{{") && got[name] != value {
			return false
		}
	}
	return true
}

func runbookGaps(t *testing.T, dir string, alerts map[string][]rulefmt.Rule) []string {
	t.Helper()
	var found []string
	there := map[string]bool{}
	for _, file := range glob(t, filepath.Join(dir, "runbooks", "*.md")) {
		name := strings.TrimSuffix(filepath.Base(file), ".md")
		there[name] = true
		if alerts[name] == nil {
			found = append(found, fmt.Sprintf("the runbook %s belongs to no alert", name))
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := headings(string(text)); !slices.Equal(got, []string{"## Meaning", "## Impact", "## Diagnosis", "## Mitigation"}) {
			found = append(found, fmt.Sprintf("the runbook %s has the headings %q", name, got))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(alerts)) {
		if !there[name] {
			found = append(found, fmt.Sprintf("the alert %s has no runbook", name))
		}
	}
	return found
}

// headings are those below the title.
func headings(text string) []string {
	var found []string
	inBlock := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "```") {
			inBlock = !inBlock
		}
		if !inBlock && strings.HasPrefix(line, "##") {
			found = append(found, line)
		}
	}
	return found
}

// dashboardGaps looks for the dashboards once there are any.
func dashboardGaps(t *testing.T, dir string, alerts map[string][]rulefmt.Rule) []string {
	t.Helper()
	boards := filepath.Join(dir, "..", "dashboards")
	if _, err := os.Stat(boards); err != nil {
		return nil
	}
	var found []string
	for _, name := range slices.Sorted(maps.Keys(alerts)) {
		for _, r := range alerts[name] {
			uid := r.Annotations["dashboard_uid"]
			text, err := os.ReadFile(filepath.Join(boards, uid+".json"))
			if err != nil {
				found = append(found, fmt.Sprintf("the alert %s names the dashboard %s, which is not there", name, uid))
				continue
			}
			var board struct{ UID string }
			if err := json.Unmarshal(text, &board); err != nil {
				t.Fatal(err)
			}
			if board.UID != uid {
				found = append(found, fmt.Sprintf("the dashboard %s.json has the uid %q", uid, board.UID))
			}
		}
	}
	return found
}

func TestGapsAreFound(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("alerts/airflow.rules.yml", `
groups:
  - name: g
    rules:
      - {alert: Good, expr: up == 0, labels: {severity: info}, annotations: {dashboard_uid: here}}
      - {alert: Good, expr: up == 1, labels: {severity: critical}, annotations: {dashboard_uid: here}}
      - {alert: Bare, expr: up == 0, annotations: {dashboard_uid: gone}}
      - {alert: Odd, expr: up == 0, labels: {component: '{{ $labels.x }}'}, annotations: {dashboard_uid: other}}
`)
	put("alerts/tests/a.yml", `
tests:
  - alert_rule_test:
      - {alertname: Good, exp_alerts: [{exp_labels: {severity: info}}]}
      - {alertname: Good, exp_alerts: []}
      - {alertname: Odd, exp_alerts: [{exp_labels: {component: y}}]}
      - {alertname: Gone, exp_alerts: []}
`)
	const sections = "## Meaning\n## Impact\n## Diagnosis\n```sh\n## no heading\n```\n## Mitigation\n"
	put("alerts/runbooks/Good.md", "# Good\n"+sections)
	put("alerts/runbooks/Odd.md", sections+"## More\n")
	put("alerts/runbooks/Former.md", sections)
	put("dashboards/here.json", `{"uid": "here"}`)
	put("dashboards/other.json", `{"uid": "another"}`)
	want := []string{
		"no test expects the alert Bare map[]",
		"no test expects no alert Bare",
		"no test expects the alert Good map[severity:critical]",
		"no test expects no alert Odd",
		"tests name the alert Gone, which no rule has",
		"the runbook Former belongs to no alert",
		`the runbook Odd has the headings ["## Meaning" "## Impact" "## Diagnosis" "## Mitigation" "## More"]`,
		"the alert Bare has no runbook",
		"the alert Bare names the dashboard gone, which is not there",
		`the dashboard other.json has the uid "another"`,
	}
	if got := gaps(t, filepath.Join(dir, "alerts")); !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
}
