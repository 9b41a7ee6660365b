package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// committed are the dashboards as people import them, by their uid.
func committed(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../*.json")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string][]byte{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[strings.TrimSuffix(filepath.Base(file), ".json")] = text
	}
	return texts
}

func TestTheCommittedDashboardsAreThoseOfTheGenerator(t *testing.T) {
	texts := committed(t)
	var names []string
	for _, b := range boards() {
		names = append(names, b.UID)
		want, err := encode(b)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(texts[b.UID], want) {
			t.Errorf("%s.json is stale: make dashboards", b.UID)
		}
	}
	for name := range texts {
		if !slices.Contains(names, name) {
			t.Errorf("%s.json is of no board of the generator", name)
		}
	}
}

func TestWhatIsStaleIsWrittenAndToldOnce(t *testing.T) {
	dir := t.TempDir()
	if err := run(dir); err == nil || !strings.Contains(err.Error(), "airflow-dag.json") {
		t.Errorf("all are missing: %v", err)
	}
	if err := run(dir); err != nil {
		t.Errorf("all are there: %v", err)
	}
	path := filepath.Join(dir, sloUID+".json")
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(dir); err == nil || !strings.Contains(err.Error(), "["+path+"]") {
		t.Errorf("one was changed by hand: %v", err)
	}
	if kept, err := os.ReadFile(path + ".orig"); err != nil || string(kept) != "{}" {
		t.Errorf("%q, %v: what was changed by hand is lost", kept, err)
	}
	text, err := os.ReadFile(path)
	if err != nil || len(text) < 1000 {
		t.Errorf("%d bytes, %v: it was not written anew", len(text), err)
	}
}

// findings are what Grafana's schema has to say of a dashboard: what it does not know, what has the wrong type, what is missing.
func findings(text []byte) []string {
	plugins.RegisterDefaultPlugins()
	var d dashboard.Dashboard //nolint:staticcheck // see build
	err := d.UnmarshalJSONStrict(text)
	if err == nil {
		return nil
	}
	errs, ok := err.(cog.BuildErrors) //nolint:errorlint // an empty list comes as an error, too
	if !ok {
		return []string{err.Error()}
	}
	var all []string
	for _, e := range errs {
		all = append(all, e.Error())
	}
	return all
}

func TestDashboardsAreOfTheSchema(t *testing.T) {
	for uid, text := range committed(t) {
		for _, f := range findings(text) {
			t.Errorf("%s: %s", uid, f)
		}
	}
}

func TestTheSchemaFindsMistakes(t *testing.T) {
	text := string(committed(t)[tasksUID])
	for _, c := range []struct{ name, from, to, want string }{
		{"an unknown field", `"graphTooltip": 1`, `"graphTooltip": 1, "rows": []`, "rows"},
		{"a wrong type", `"schemaVersion": 42`, `"schemaVersion": "42"`, "schemaVersion"},
		{"an option that is missing", `"calculate": false,`, ``, ""}, // it has a default: see the conventions
		{"an option of a panel that is required", `"wideLayout": true,`, ``, "wideLayout"},
		{"an option of a panel that is unknown", `"wideLayout": true`, `"wideLayout": true, "wide": true`, "wide"},
	} {
		if !strings.Contains(text, c.from) {
			t.Fatalf("%s: %q is not in the dashboard", c.name, c.from)
		}
		got := strings.Join(findings([]byte(strings.Replace(text, c.from, c.to, 1))), "\n")
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
