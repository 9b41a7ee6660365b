package terminal_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/seed-9c0ac15d/airflow_exporter/collector/terminal"
)

var lines = map[string]string{
	"plain größe 日本":            "plain größe 日本",
	"\x1b[31mred\x1b]0;title\a": `\x1b[31mred\x1b]0;title\a`,
	"a\r\nb\tc\x00\x7f":         `a\r\nb c\x00\x7f`,
	"\u009b2J":                  `\u009b2J`,
	"\u202egpj.exe\u2028":       `\u202egpj.exe\u2028`,
	"\xff\xfe broken":           `\xff\xfe broken`,
	"\U000e0041":                `\U000e0041`,
}

func TestLinesHoldNothingThatATerminalObeys(t *testing.T) {
	for text, want := range lines {
		if got := terminal.Line(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestJSONHoldsNothingThatATerminalObeys(t *testing.T) {
	for text := range lines {
		var b strings.Builder
		if err := terminal.JSON(&b, map[string]string{"text": text}); err != nil {
			t.Fatal(err)
		}
		for _, r := range b.String() {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Errorf("%q: %q is in %q", text, r, b.String())
			}
		}
		var back map[string]string
		if err := json.Unmarshal([]byte(b.String()), &back); err != nil {
			t.Fatal(err)
		}
		if want := strings.ToValidUTF8(text, "\ufffd"); back["text"] != want && !strings.Contains(text, "\xff") {
			t.Errorf("got %q back, want %q", back["text"], want)
		}
	}
}
