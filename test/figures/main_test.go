package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// good are figures at their thresholds.
func good() string {
	var b strings.Builder
	for _, t := range thresholds() {
		_, _ = fmt.Fprintf(&b, "    a_test.go:1: FIGURE %s %s=%v\n", t.id, t.name, t.value)
	}
	return b.String()
}

func TestFiguresAreComparedWithTheirThresholds(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"at the thresholds": {good(), ""},
		"beyond":            {good() + "FIGURE C1 wrong_samples=1\n", "C1 wrong_samples is 1, want at most 0"},
		"too few":           {strings.Replace(good(), "cases=400", "cases=399", 1), "C1 cases is 399, want at least 400"},
		"the worst counts":  {"FIGURE C5 overrun_milliseconds=101\n" + good(), "C5 overrun_milliseconds is 101, want at most 100"},
		"missing":           {strings.Replace(good(), "secret_hits", "hits", 1), "C11 secret_hits is missing"},
		"no threshold":      {good() + "FIGURE C99 luck=7\n", "C99 luck has no threshold"},
		"no number":         {good() + "FIGURE C1 wrong_samples=few\n", `parsing "few"`},
		"not a number":      {good() + "FIGURE C1 wrong_samples=NaN\n", "C1 wrong_samples is NaN"},
		"a test that fails": {good() + "--- FAIL: TestTruth (1.00s)\n", "--- FAIL: TestTruth"},
	} {
		err := run(strings.NewReader(c.in), io.Discard)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}
