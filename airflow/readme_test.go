package airflow_test

import (
	"os"
	"strings"
	"testing"
)

// The code that the README and the package's documentation show is that of the examples, which run.
func TestCodeInTextsIsThatOfExamples(t *testing.T) {
	examples := map[string]bool{"…": true}
	for _, line := range linesOf(t, "example_test.go") {
		examples[strings.TrimSpace(line)] = true
	}
	shown, inCode := 0, false
	for _, line := range linesOf(t, "README.md") {
		if strings.HasPrefix(line, "```") {
			inCode = line == "```go"
			continue
		}
		if inCode {
			shown++
			if !examples[strings.TrimSpace(line)] {
				t.Errorf("README.md: no example has %q", line)
			}
		}
	}
	for _, line := range linesOf(t, "doc.go") {
		if code, ok := strings.CutPrefix(line, "//\t"); ok {
			shown++
			if !examples[code] {
				t.Errorf("doc.go: no example has %q", code)
			}
		}
	}
	if shown < 15 {
		t.Errorf("only %d lines of code were found", shown)
	}
}

func linesOf(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}
