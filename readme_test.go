package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/seed-9c0ac15d/airflow_exporter/collector"
)

var update = flag.Bool("update", false, "write what is generated into README.md")

// The README's table of metrics is the one in code: go test -run TestReadme -update . writes it.
func TestReadmeMetricTableIsGenerated(t *testing.T) {
	var b strings.Builder
	b.WriteString("| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n")
	for _, m := range collector.Metrics() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Type, strings.Join(m.Labels, ", "), m.Help)
	}
	readmeHas(t, "metrics", b.String())
}

// What the README shows of the commands is what their own tests get.
func TestReadmeShowsWhatTheCommandsSay(t *testing.T) {
	for marker, golden := range map[string]string{
		"check":       "collector/check/testdata/no_pools_v2.txt",
		"explain":     "collector/explain/testdata/pool_full_v2.txt",
		"explain run": "collector/explain/testdata/run_v2.txt",
	} {
		text, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		readmeHas(t, marker, "```text\n"+string(text)+"```\n")
	}
}

// readmeHas compares, or with -update replaces, what stands between two markers.
func readmeHas(t *testing.T, marker, want string) {
	t.Helper()
	begin, end := "<!-- "+marker+" begin -->\n", "<!-- "+marker+" end -->\n"
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(readme), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("README.md has lost the markers %q", marker)
	}
	if got == want {
		return
	}
	if !*update {
		t.Fatalf("README.md does not show the newest %s; run: go test -run TestReadme -update .\nwant:\n%s", marker, want)
	}
	if err := os.WriteFile("README.md", []byte(before+begin+want+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
