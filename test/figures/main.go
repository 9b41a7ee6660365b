// Command figures reads the output of go test -v and compares the lines "FIGURE <id> <name>=<value> …" with their thresholds.
// It fails if a figure is beyond its threshold, missing, or has none.
//
// With -guards it takes away each guard of the exporter in turn, in a copy of its file, runs the tests, and fails if no
// figure notices.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func main() {
	guards := flag.String("guards", "", "take away the guards whose names match this `expression`, and see which figure notices")
	flag.Parse()
	err := error(nil)
	if *guards != "" {
		err = withoutGuards(*guards, os.Stdout)
	} else {
		err = run(os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

var (
	figure = regexp.MustCompile(`FIGURE (\w+)((?: \w+=\S+)+)`)
	failed = regexp.MustCompile(`^(?:\s*--- FAIL|FAIL\b|panic:)`)
	// noise is what go test -v says of tests that begin and end well.
	noise = regexp.MustCompile(`^\s*(?:=== |--- PASS|--- SKIP|FIGURE )`)
)

// read finds the figures, of those that come several times the worst, and which tests failed. It prints the figures as
// they come, and if a test failed all that the tests said.
func read(in io.Reader, out io.Writer) (seen map[string]float64, wrong []string, err error) {
	seen = map[string]float64{}
	least := map[string]bool{}
	for _, t := range thresholds() {
		least[t.key()] = t.least
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	var said strings.Builder
	for lines.Scan() {
		if !noise.MatchString(lines.Text()) {
			said.WriteString(lines.Text() + "\n")
		}
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
			before, ok := seen[key]
			if !ok || value != value || !least[key] && value > before || least[key] && value < before {
				seen[key] = value
			}
		}
	}
	if wrong != nil {
		_, _ = io.WriteString(out, said.String())
	}
	return seen, wrong, lines.Err()
}

// sizes are figures that only tell how much was tried.
var sizes = []string{"C11 runs", "C14 page_runs", "C18 scrape_runs"}

// run prints the figures as they come, and all lines of tests that fail.
func run(in io.Reader, out io.Writer) error {
	seen, wrong, err := read(in, out)
	if err != nil {
		return err
	}
	for _, t := range thresholds() {
		value, ok := seen[t.key()]
		if !ok {
			wrong = append(wrong, t.key()+" is missing")
		} else if verdict := t.verdict(value); verdict != "" {
			wrong = append(wrong, verdict)
		}
		delete(seen, t.key())
	}
	for _, key := range slices.Sorted(maps.Keys(seen)) {
		if !slices.Contains(sizes, key) {
			wrong = append(wrong, key+" has no threshold")
		}
	}
	if wrong != nil {
		return fmt.Errorf("not as promised:\n  %s", strings.Join(wrong, "\n  "))
	}
	return nil
}
