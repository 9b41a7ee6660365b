// Command figures reads the output of go test -v and compares the lines "FIGURE <id> <name>=<value> …" with their thresholds.
// It fails if a figure is beyond its threshold, missing, or has none.
package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// threshold is the largest, or with least the smallest, value that is good.
type threshold struct {
	id, name string
	value    float64
	least    bool
}

// thresholds are what the exporter promises.
func thresholds() []threshold {
	return []threshold{
		{id: "C1", name: "wrong_samples", value: 0},
		{id: "C1", name: "cases", value: 400, least: true},
		{id: "C2", name: "unflagged_gaps", value: 0},
		{id: "C2", name: "false_flags", value: 0},
		{id: "C5", name: "overrun_milliseconds", value: 100},
		{id: "C7", name: "collections_of_50_scrapes", value: 1},
		{id: "C11", name: "secret_hits", value: 0},
		{id: "C11", name: "kinds", value: 16, least: true},
		{id: "C15", name: "slowest_cut_seconds", value: 6},
		{id: "C15", name: "half_requests", value: 500, least: true},
	}
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

var (
	figure = regexp.MustCompile(`FIGURE (\w+)((?: \w+=\S+)+)`)
	failed = regexp.MustCompile(`^(?:\s*--- FAIL|FAIL\b|panic:)`)
)

// run prints the figures as they come, and all lines of tests that fail.
func run(in io.Reader, out io.Writer) error {
	seen := map[string]float64{}
	var wrong []string
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		if failed.MatchString(lines.Text()) {
			wrong = append(wrong, lines.Text())
		}
		m := figure.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		_, _ = fmt.Fprintln(out, m[0])
		for pair := range strings.FieldsSeq(m[2]) {
			name, text, _ := strings.Cut(pair, "=")
			value, err := strconv.ParseFloat(text, 64)
			if err != nil {
				wrong = append(wrong, fmt.Sprintf("%s %s: %v", m[1], pair, err))
				continue
			}
			key := m[1] + " " + name
			if before, ok := seen[key]; !ok || value > before || value != value {
				seen[key] = value // of a test that has several worlds the worst
			}
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	for _, t := range thresholds() {
		key := t.id + " " + t.name
		value, ok := seen[key]
		switch {
		case !ok:
			wrong = append(wrong, key+" is missing")
		case t.least && value < t.value:
			wrong = append(wrong, fmt.Sprintf("%s is %v, want at least %v", key, value, t.value))
		case !t.least && !(value <= t.value): // NaN is not
			wrong = append(wrong, fmt.Sprintf("%s is %v, want at most %v", key, value, t.value))
		}
		delete(seen, key)
	}
	for _, key := range slices.Sorted(maps.Keys(seen)) {
		if !strings.HasSuffix(key, "runs") {
			wrong = append(wrong, key+" has no threshold")
		}
	}
	if wrong != nil {
		return fmt.Errorf("not as promised:\n  %s", strings.Join(wrong, "\n  "))
	}
	return nil
}
