package airflow_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// Some versions of Airflow 3 put bare text between the lines of JSON: it is a message like the others.
func TestBareTextInAStream(t *testing.T) {
	const stopped = "(Log stream stopped - End of log marker not found; logs may be incomplete.)"
	for name, tc := range map[string]struct {
		body  string
		lines []string
		class airflow.Class
	}{
		"the end of a stream":     {"{\"event\":\"x\"}\n" + stopped + "\n", []string{"x", stopped}, ""},
		"without its line break":  {"{\"event\":\"x\"}\n" + stopped, []string{"x", stopped}, ""},
		"between messages":        {"{\"event\":\"x\"}\nbare [1] 2\n{\"event\":\"y\"}\n", []string{"x", "bare [1] 2", "y"}, ""},
		"in the format of 2":      {"[2026-11-24T08:19:17.049+0000] {x.py:1} WARNING - y\n", []string{"y"}, ""},
		"numbers and words":       {"7\nnull\n[]\n", []string{"7", "null", "[]"}, ""},
		"a string":                {"\"x\\ny\"\n", []string{"x\ny"}, ""},
		"empty lines":             {"\n{\"event\":\"x\"}\r\n\n", []string{"x"}, ""},
		"nothing":                 {"", nil, ""},
		"half a message":          {"{\"event\":\"x\"\n", nil, airflow.ClassDecode},
		"two messages in a line":  {"{\"event\":\"x\"}{\"event\":\"y\"}\n", nil, airflow.ClassDecode},
		"half a string":           {"\"x\n", nil, airflow.ClassDecode},
		"a text above all bounds": {"x\n" + strings.Repeat("y", 5<<20), []string{"x"}, airflow.ClassTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			stream, err := logServer(t, "3.1.0", "application/x-ndjson", body(tc.body)).TaskInstanceAPI().Log(t.Context(), anInstance, 1, airflow.LogQuery{Stream: true})
			if err != nil {
				t.Fatal(err)
			}
			all, err := lines(t, stream)
			var got []string
			for _, line := range all {
				got = append(got, line.Text)
			}
			if !slices.Equal(got, tc.lines) {
				t.Errorf("got lines %q, want %q", got, tc.lines)
			}
			if tc.class == "" && err != nil || tc.class != "" && (err == nil || airflow.ClassOf(err) != tc.class) {
				t.Errorf("got %v, want class %q", err, tc.class)
			}
		})
	}
}
