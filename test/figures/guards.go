package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// guard is a line of defence, how to take it away, and the figure that must notice.
type guard struct {
	name     string
	file     string // below the root of the repository
	old, new string // old is there once
	pkg, run string // of go test
	figure   string // "C5 overrun_milliseconds"
	endless  bool   // without it the tests have no end
}

// withoutGuards takes away each guard whose name matches the expression, one after the other.
func withoutGuards(expression string, out io.Writer) error {
	chosen, err := regexp.Compile(expression)
	if err != nil {
		return err
	}
	var wrong []error
	tried := 0
	for _, g := range guards() {
		if !chosen.MatchString(g.name) {
			continue
		}
		tried++
		noticed, err := g.tryWithout()
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", g.name, err))
			noticed = "NOT NOTICED: " + err.Error()
		}
		_, _ = fmt.Fprintf(out, "%-32s %s\n", g.name, noticed)
	}
	_, _ = fmt.Fprintf(out, "%d of %d guards are noticed when they are missing\n", tried-len(wrong), tried)
	if tried == 0 {
		return fmt.Errorf("no guard matches %s", expression)
	}
	return errors.Join(wrong...)
}

// tryWithout runs the tests without the guard, and tells how the figure noticed.
func (g guard) tryWithout() (noticed string, err error) {
	var limit threshold
	for _, t := range thresholds() {
		if t.key() == g.figure {
			limit = t
		}
	}
	if limit.id == "" {
		return "", fmt.Errorf("the figure %s has no threshold", g.figure)
	}
	dir, err := os.MkdirTemp("", "guards")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	overlay, err := g.overlay(dir)
	if err != nil {
		return "", err
	}
	output, _ := g.test("") // a part of a test may fail because too little was tried
	seen, _, err := read(bytes.NewReader(output), io.Discard)
	if err != nil {
		return "", err
	}
	if value, ok := seen[g.figure]; !ok || limit.verdict(value) != "" {
		return "", fmt.Errorf("with the guard, %s is %v (there: %v): see what is wrong with that first", g.figure, value, ok)
	}
	output, failure := g.test(overlay)
	if bytes.Contains(output, []byte("[build failed]")) || bytes.Contains(output, []byte("[setup failed]")) {
		return "", fmt.Errorf("it does not build: %s", output)
	}
	if seen, _, err = read(bytes.NewReader(output), io.Discard); err != nil {
		return "", err
	}
	value, ok := seen[g.figure]
	switch verdict := limit.verdict(value); {
	case ok && verdict != "":
		return verdict, nil
	case !ok && failure != nil && g.diedOf(output) != "":
		return g.figure + " is missing, since the tests died: " + g.diedOf(output), nil
	case !ok:
		return "", fmt.Errorf("%s is missing, though the tests ended: %w", g.figure, failure)
	}
	return "", fmt.Errorf("%s is %v, which is within its threshold", g.figure, value)
}

// test runs the tests, with the files that the overlay replaces, if any.
func (g guard) test(overlay string) (output []byte, err error) {
	cmd := exec.Command("go", "test", "-v", "-timeout", "4m", "-run", g.run, g.pkg)
	if overlay != "" { // some tests build the program
		cmd.Env = append(os.Environ(), "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+overlay))
	}
	return cmd.CombinedOutput()
}

// diedOf is why a test program ended before its tests did; empty if it did not, or if it only took too long, as any does
// on a busy machine.
func (g guard) diedOf(output []byte) string {
	for line := range strings.Lines(string(output)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "panic: test timed out") && !g.endless {
			return ""
		}
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "signal: ") {
			return line
		}
	}
	return ""
}

// overlay writes the file without the guard, and what go test -overlay wants to know of it.
func (g guard) overlay(dir string) (string, error) {
	path, err := filepath.Abs(g.file)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%w (run it in the root of the repository)", err)
	}
	if n := strings.Count(string(text), g.old); n != 1 {
		return "", fmt.Errorf("%s has %q %d times, want it once", g.file, g.old, n)
	}
	changed := filepath.Join(dir, "changed.go")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(text), g.old, g.new, 1)), 0o600); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o600)
}
