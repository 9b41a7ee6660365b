package airflow_test

import (
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// However long a log is, no more of it is kept than a line.
func TestLongLogsDoNotFillMemory(t *testing.T) {
	const (
		size = 48 << 20
		most = 12 << 20
	)
	line := strings.Repeat("x", 1000)
	repeat := func(head, line, foot string) func(io.Writer) {
		return func(w io.Writer) {
			_, _ = io.WriteString(w, head)
			for n := 0; n < size; n += len(line) {
				if _, err := io.WriteString(w, line); err != nil {
					return
				}
			}
			_, _ = io.WriteString(w, foot)
		}
	}
	message := `{"event":"` + line + `"}`
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	for name, tc := range map[string]struct {
		version, contentType string
		stream               bool
		write                func(io.Writer)
	}{
		"JSON of Airflow 2": {"2.11.2", "application/json", false, repeat(`{"content": "[('vm', '`, line+`\\n`, `')]", "continuation_token": "t"}`)},
		"text of Airflow 2": {"2.11.2", "text/plain", true, repeat("vm\n", line+"\n", "\n")},
		"JSON of Airflow 3": {"3.3.2", "application/json", false, repeat(`{"content":[`+message, ","+message, `],"continuation_token":null}`)},
		"lines of JSON":     {"3.3.2", "application/x-ndjson", true, repeat("", message+"\n", "")},
	} {
		stream, err := logServer(t, tc.version, tc.contentType, tc.write).TaskInstanceAPI().Log(t.Context(), anInstance, 1, airflow.LogQuery{Stream: tc.stream})
		if err != nil {
			t.Fatal(err)
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		before, highest, n := m.HeapAlloc, uint64(0), 0
		for line, err := range stream.Lines() {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n%2000 == 0 {
				runtime.ReadMemStats(&m)
				highest = max(highest, m.HeapAlloc)
			}
			if len(line.Text) != 1000 {
				t.Fatalf("%s: a line of %d bytes", name, len(line.Text))
			}
		}
		if grown := int64(highest) - int64(before); grown > most || n < size/1100 {
			t.Errorf("%s: %d lines took %d MiB", name, n, grown>>20)
		}
	}
}

// A log above the bound of all answers, and a message above that of a row, are errors of their own; a long line is not.
func TestLogsAboveTheirBounds(t *testing.T) {
	for name, tc := range map[string]struct {
		version, contentType string
		stream               bool
		body                 string
		lines                int
		class                airflow.Class
	}{
		"a long log":     {"2.11.2", "text/plain", true, "vm\n" + strings.Repeat(strings.Repeat("x", 1023)+"\n", 65<<10), 64 << 10, airflow.ClassTooLarge},
		"a long line":    {"2.11.2", "text/plain", true, "vm\n" + strings.Repeat("x", 2<<20) + "\n", 3, ""},
		"a long message": {"3.3.2", "application/x-ndjson", true, `{"event":"` + strings.Repeat("x", 5<<20) + `"}`, 0, airflow.ClassTooLarge},
	} {
		client := logServer(t, tc.version, tc.contentType, body(tc.body))
		stream, err := client.TaskInstanceAPI().Log(t.Context(), anInstance, 1, airflow.LogQuery{Stream: tc.stream})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, e := range stream.Lines() {
			if err = e; e == nil {
				n++
			}
		}
		if tc.class == "" && err != nil || tc.class != "" && (err == nil || airflow.ClassOf(err) != tc.class) || n > tc.lines || n < tc.lines*9/10 {
			t.Errorf("%s: %d lines, %v", name, n, err)
		}
	}
}
