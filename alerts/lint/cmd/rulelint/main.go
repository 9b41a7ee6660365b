// Command rulelint checks the PromQL of rules (.yml), dashboards (.json) and
// runbooks (.md) against the exporter's golden expositions.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed-9c0ac15d/airflow_exporter/alerts/lint"
)

func main() {
	golden := flag.String("golden", "../collector/testdata/*.prom,lint/unseen.prom,lint/target.prom", "expositions, patterns with commas between them")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: rulelint [flags] rules.yml … dashboard.json … runbook.md …")
		flag.PrintDefaults()
	}
	flag.Parse()
	findings, err := run(strings.Split(*golden, ","), flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "rulelint:", err)
		os.Exit(2)
	}
	for _, f := range findings {
		fmt.Println(f)
	}
	if len(findings) > 0 {
		os.Exit(1)
	}
}

func run(goldens, files []string) ([]lint.Finding, error) {
	var expositions []string
	for _, pattern := range goldens {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("no file matches %s", pattern)
		}
		expositions = append(expositions, found...)
	}
	exposition, err := lint.Load(expositions...)
	if err != nil {
		return nil, err
	}
	return lint.New(exposition).Files(files...)
}
