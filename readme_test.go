package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/seed-9c0ac15d/airflow_exporter/collector"
)

var update = flag.Bool("update", false, "write the generated table into README.md")

const (
	tableBegin = "<!-- metrics begin -->\n"
	tableEnd   = "<!-- metrics end -->\n"
)

// The README's table of metrics is the one in code: go test -run TestReadme -update . writes it.
func TestReadmeMetricTableIsGenerated(t *testing.T) {
	var b strings.Builder
	b.WriteString("| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n")
	for _, m := range collector.Metrics() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Type, strings.Join(m.Labels, ", "), m.Help)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(readme), tableBegin)
	got, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatal("README.md has lost the markers around its table of metrics")
	}
	if got == b.String() {
		return
	}
	if !*update {
		t.Fatalf("README.md's table is not that of the code; run: go test -run TestReadme -update .\nwant:\n%s", b.String())
	}
	if err := os.WriteFile("README.md", []byte(before+tableBegin+b.String()+tableEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
