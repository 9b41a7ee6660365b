package lint

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"go.yaml.in/yaml/v3"
)

var goldens = sync.OnceValues(func() ([]string, error) { return filepath.Glob("../../collector/testdata/*.prom") })

var exposition = sync.OnceValues(func() (*Exposition, error) {
	files, err := goldens()
	if err != nil {
		return nil, err
	}
	return Load(append(files, "unseen.prom", "target.prom")...)
})

func newLinter(t *testing.T) *Linter {
	t.Helper()
	x, err := exposition()
	if err != nil {
		t.Fatal(err)
	}
	return New(x)
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// alert is one without mistakes.
func alert() rulefmt.Rule {
	return rulefmt.Rule{
		Alert:  "Alert",
		Expr:   `max by (cluster) (airflow_up) == 0`,
		For:    model.Duration(5 * time.Minute),
		Labels: map[string]string{"severity": "warning", "component": "api"},
		Annotations: map[string]string{
			"summary":       "Airflow{{ with $labels.cluster }} {{ . }}{{ end }} does not answer.",
			"description":   "Nothing is known of it.",
			"runbook_url":   runbooks + "Alert.md",
			"dashboard_uid": "airflow-overview",
		},
	}
}

func alertOf(expr string) rulefmt.Rule {
	r := alert()
	r.Expr = expr
	return r
}

func rulesFile(t *testing.T, rules ...rulefmt.Rule) string {
	t.Helper()
	text, err := yaml.Marshal(rulefmt.RuleGroups{Groups: []rulefmt.RuleGroup{{Name: "group", Rules: rules}}})
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "rules.yml", string(text))
}

func messages(findings []Finding) []string {
	got := []string{}
	for _, f := range findings {
		got = append(got, f.Message)
	}
	return got
}
