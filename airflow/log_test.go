package airflow_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// recordedLogs are the recorded answers about logs.
func recordedLogs(t *testing.T) (list []recording) {
	for _, r := range recordings(t) {
		if strings.Contains(r.path, "/logs/") {
			list = append(list, r)
		}
	}
	if len(list) < 15 {
		t.Fatalf("%d logs were recorded", len(list))
	}
	return list
}

// query is the question that gets an answer of this type.
func (r *recording) query() airflow.LogQuery {
	return airflow.LogQuery{Token: r.params.Get("token"), FullContent: r.params.Get("full_content") == "true", Stream: !strings.HasSuffix(r.contentType, "json") || strings.HasSuffix(r.contentType, "ndjson")}
}

// lines reads a log to its end.
func lines(t *testing.T, s *airflow.LogStream) (all []airflow.LogLine, err error) {
	t.Helper()
	for line, err := range s.Lines() {
		if err != nil {
			return all, err
		}
		all = append(all, line)
	}
	return all, nil
}

// Every recorded log is read, as lines and as text, and every recorded error has its class.
func TestRecordedLogs(t *testing.T) {
	for _, r := range recordedLogs(t) {
		t.Run(r.version+"/"+r.file, func(t *testing.T) {
			ref, _, try := r.parts(t)
			open := func() (*airflow.LogStream, error) {
				same := r.sameQuestion(t)
				return r.client(t, nil, func(q *http.Request) {
					same(q)
					accept := "application/json"
					if r.query().Stream {
						accept = r.contentType
					}
					if got := q.Header.Get("Accept"); got != accept {
						t.Errorf("asked for %s, want %s", got, accept)
					}
				}).Log(t.Context(), ref, try, r.query())
			}
			stream, err := open()
			if r.status != http.StatusOK {
				r.wantError(t, err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := lines(t, stream)
			if err != nil || len(got) == 0 && r.file != "op_get_log_continued.json" {
				t.Fatalf("%d lines, %v", len(got), err)
			}
			if stream, err = open(); err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(stream)
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.Close(); err != nil {
				t.Error(err)
			}
			r.compareLog(t, got, text, stream)
		})
	}
}

// compareLog compares a log that was read with what was recorded.
func (r *recording) compareLog(t *testing.T, got []airflow.LogLine, text []byte, stream *airflow.LogStream) {
	t.Helper()
	raw := load(t, r.version, r.file)
	switch r.contentType {
	case "text/plain":
		if !bytes.Equal(text, raw) {
			t.Error("the text is not what was sent")
		}
		want := strings.Split(strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\n"), "\n")[1:]
		if len(got) != len(want) || got[0].Host != "vm" {
			t.Errorf("%d lines from host %q, want %d", len(got), got[0].Host, len(want))
		}
	case "application/x-ndjson":
		raw := bytes.TrimSpace(raw) // the recording ends with an empty line
		if !bytes.Equal(bytes.TrimSpace(text), raw) {
			t.Errorf("the text is not what was sent:\n%s", text)
		}
		r.compareMessages(t, got, bytes.Split(raw, []byte("\n")))
	default:
		var body struct {
			Content json.RawMessage `json:"content"`
			Token   *string         `json:"continuation_token"`
		}
		if err := json.Unmarshal(raw, &body); err != nil {
			t.Fatal(err)
		}
		want := ""
		if body.Token != nil {
			want = *body.Token
		}
		if stream.Token() != want || stream.More() != (r.file == "op_get_log_running.json") {
			t.Errorf("token %q, more: %t, want token %q", stream.Token(), stream.More(), want)
		}
		if body.Content[0] == '"' {
			r.compareRepr(t, got, text, body.Content)
		} else {
			var messages []json.RawMessage
			if err := json.Unmarshal(body.Content, &messages); err != nil {
				t.Fatal(err)
			}
			raw := make([][]byte, len(messages))
			for i, m := range messages {
				raw[i] = m
			}
			r.compareMessages(t, got, raw)
		}
	}
}

// compareRepr compares a log of one host with the repr of it.
func (r *recording) compareRepr(t *testing.T, got []airflow.LogLine, text []byte, content json.RawMessage) {
	t.Helper()
	var want string
	if err := json.Unmarshal(content, &want); err != nil {
		t.Fatal(err)
	}
	host, log, _ := strings.Cut(strings.TrimSuffix(string(text), "\n"), "\n")
	quote := func(s string) string {
		q := "'"
		if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
			q = `"`
		}
		return q + strings.NewReplacer(`\`, `\\`, "\n", `\n`, q, `\`+q).Replace(s) + q
	}
	if have := "[(" + quote(host) + ", " + quote(log) + ")]"; have != want {
		t.Errorf("got  %s\nwant %s", have, want)
	}
	written := strings.Split(strings.TrimSuffix(log, "\n"), "\n")
	if log == "" {
		written = nil
	}
	if len(got) != len(written) {
		t.Fatalf("%d lines, want %d", len(got), len(written))
	}
	for i, line := range got {
		if line.Host != host || !strings.HasSuffix(written[i], line.Text) || line.Time.IsZero() && line.Text != written[i] {
			t.Errorf("got %+v of %s", line, written[i])
		}
	}
}

// compareMessages compares lines with messages of Airflow 3: nothing of a message is lost.
func (r *recording) compareMessages(t *testing.T, got []airflow.LogLine, messages [][]byte) {
	t.Helper()
	if len(got) != len(messages) {
		t.Fatalf("%d lines, want %d", len(got), len(messages))
	}
	for i, m := range messages {
		var want map[string]any
		if err := json.Unmarshal(m, &want); err != nil {
			t.Fatal(err)
		}
		line := got[i]
		have := map[string]any{"event": line.Text}
		if line.Level != "" {
			have["level"] = line.Level
		}
		if line.Logger != "" {
			have["logger"] = line.Logger
		}
		if file, number, ok := strings.Cut(line.Source, ":"); ok {
			n, err := strconv.Atoi(number)
			if err != nil {
				t.Error(err)
			}
			have["filename"], have["lineno"] = file, float64(n)
		}
		if stamp, ok := want["timestamp"]; ok {
			sameValue(t, "timestamp", line.Time, stamp)
			delete(want, "timestamp")
		}
		for key, value := range line.Fields {
			var v any
			if err := json.Unmarshal(value, &v); err != nil {
				t.Error(err)
			}
			have[key] = v
		}
		if len(have) != len(want) {
			t.Errorf("got %v, want %v", have, want)
		}
		for key, value := range want {
			sameValue(t, key, have[key], value)
		}
	}
}

// The two forms of the same log of Airflow 2 are the same text, and the same lines.
func TestBothFormsOfALog(t *testing.T) {
	read := func(file string) (text string, all []airflow.LogLine) {
		for _, r := range recordedLogs(t) {
			if r.file == file {
				ref, _, try := r.parts(t)
				api := r.client(t, nil, nil)
				for range 2 {
					stream, err := api.Log(t.Context(), ref, try, r.query())
					if err != nil {
						t.Fatal(err)
					}
					if text == "" {
						b, err := io.ReadAll(stream)
						if err != nil || stream.Close() != nil {
							t.Fatal(err)
						}
						text = string(b)
						continue
					}
					if all, err = lines(t, stream); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		return text, all
	}
	plain, plainLines := read("op_get_log_text.txt")
	quoted, quotedLines := read("op_get_log_json.json")
	if plain != quoted || plain == "" {
		t.Errorf("text/plain:\n%s\nJSON:\n%s", plain, quoted)
	}
	same := func(a, b airflow.LogLine) bool { return fmt.Sprint(a) == fmt.Sprint(b) }
	if !slices.EqualFunc(plainLines, quotedLines, same) {
		t.Errorf("%d lines and %d lines", len(plainLines), len(quotedLines))
	}
	line := plainLines[4]
	want := airflow.LogLine{Host: "vm", Time: time.Date(2026, 11, 24, 8, 19, 17, 49e6, time.UTC), Level: "info", Source: "local_task_job_runner.py:123", Text: "::group::Pre task execution logs"}
	if !line.Time.Equal(want.Time) {
		t.Errorf("written at %s", line.Time)
	}
	if line.Time = want.Time; !same(line, want) {
		t.Errorf("got  %+v\nwant %+v", line, want)
	}
}

// logServer answers every question for a log with one body.
func logServer(t *testing.T, version, contentType string, write func(w io.Writer)) *airflow.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/version") {
			send(map[bool]int{true: 200, false: 404}[strings.HasPrefix(r.URL.Path, "/api/v"+map[byte]string{'2': "1", '3': "2"}[version[0]])], "application/json", `{"version":"`+version+`"}`)(w, r)
			return
		}
		w.Header().Set("Content-Type", contentType)
		write(w)
	}))
	t.Cleanup(server.Close)
	return newClient(t, server.URL, func(c *airflow.Config) { c.MaxResponseBytes = 64 << 20 })
}

func body(text string) func(io.Writer) {
	return func(w io.Writer) { _, _ = io.WriteString(w, text) }
}

var anInstance = airflow.TaskInstanceRef{DagID: "d", RunID: "r", TaskID: "t", MapIndex: -1}

// What may come instead of a log, and what then becomes of it: some lines, an error, or both.
func TestLogsThatAreNotWhatTheySeem(t *testing.T) {
	for name, tc := range map[string]struct {
		version, contentType, body string
		stream                     bool
		lines                      []string
		class                      airflow.Class // empty: no error
	}{
		"two hosts":                {"2.11.2", "application/json", `{"content": "[('a', 'x\\ny'), (\"b\", \"it's\")]", "continuation_token": null}`, false, []string{"a x", "a y", "b it's"}, ""},
		"the token first":          {"2.11.2", "application/json", `{"continuation_token": "t", "content": "[('a', 'x')]"}`, false, []string{"a x"}, ""},
		"no host":                  {"2.11.2", "application/json", `{"content": "[(None, 'x')]"}`, false, []string{" x"}, ""},
		"lists for tuples":         {"2.11.2", "application/json", `{"content": "[['a', 'x'],]"}`, false, []string{"a x"}, ""},
		"a tuple of tuples":        {"2.11.2", "application/json", `{"content": "(('worker-1', 'x\\ny'),)", "continuation_token": "t"}`, false, []string{"worker-1 x", "worker-1 y"}, ""},
		"no tuple":                 {"2.11.2", "application/json", `{"content": "()"}`, false, nil, ""},
		"nothing":                  {"2.11.2", "application/json", `{"content": "[]"}`, false, nil, ""},
		"no list":                  {"2.11.2", "application/json", `{"content": "[2026] a log\nthat is no list"}`, false, []string{" [2026] a log", " that is no list"}, ""},
		"an empty log":             {"2.11.2", "application/json", `{"content": "[('a', '')]"}`, false, nil, ""},
		"cut off in a string":      {"2.11.2", "application/json", `{"content": "[('a', 'x\\ny`, false, []string{"a x"}, airflow.ClassDecode},
		"cut off in the list":      {"2.11.2", "application/json", `{"content": "[('a', 'x'", "continuation_token": null}`, false, nil, airflow.ClassDecode},
		"something after it":       {"2.11.2", "application/json", `{"content": "[('a', 'x')]"} {}`, false, []string{"a x"}, airflow.ClassDecode},
		"no content":               {"2.11.2", "application/json", `{"continuation_token": "t"}`, false, nil, airflow.ClassDecode},
		"an escape unknown":        {"2.11.2", "application/json", `{"content": "[('a', '\q')]"}`, false, nil, airflow.ClassDecode},
		"of another type":          {"2.11.2", "text/plain", `log`, false, nil, airflow.ClassDecode},
		"HTML":                     {"2.11.2", "text/html", `<html>`, true, nil, airflow.ClassDecode},
		"plain":                    {"2.11.2", "text/plain; charset=utf-8", "a\nx\n\ny\n\n", true, []string{"a x", "a ", "a y"}, ""},
		"plain, without an end":    {"2.11.2", "text/plain", "a\nx", true, []string{"a x"}, ""},
		"plain with words of JSON": {"2.11.2", "text/plain", "a\nNaN Infinity\n", true, []string{"a NaN Infinity"}, ""},
		"strings of Airflow 3":     {"3.3.2", "application/json", `{"content": ["[2026-11-24T08:19:17.049+0000] {x.py:1} WARNING - y", "z"], "continuation_token": "t"}`, false, []string{" y", " z"}, ""},
		"a message without event":  {"3.3.2", "application/json", `{"content": [{"event": 7}], "continuation_token": null}`, false, []string{" "}, ""},
		"a number":                 {"3.3.2", "application/json", `{"content": [7], "continuation_token": null}`, false, nil, airflow.ClassDecode},
		"cut off":                  {"3.3.2", "application/json", `{"content": [{"event": "x"},`, false, []string{" x"}, airflow.ClassDecode},
		"cut off after it":         {"3.3.2", "application/json", `{"content": [{"event": "x"}]`, false, []string{" x"}, airflow.ClassDecode},
		"content twice":            {"3.3.2", "application/json", `{"content": [{"event": "x"}], "content": []}`, false, []string{" x"}, airflow.ClassDecode},
		"nothing of Airflow 3":     {"3.3.2", "application/json", `{"continuation_token": null}`, false, nil, airflow.ClassDecode},
		"lines of JSON":            {"3.3.2", "application/x-ndjson", "{\"event\":\"x\"}\n{\"event\":\"y\"}\n", true, []string{" x", " y"}, ""},
		"half a line of JSON":      {"3.3.2", "application/x-ndjson", "{\"event\":\"x\"}\n{\"event\":", true, []string{" x"}, airflow.ClassDecode},
	} {
		t.Run(name, func(t *testing.T) {
			client := logServer(t, tc.version, tc.contentType, body(tc.body))
			stream, err := client.TaskInstanceAPI().Log(t.Context(), anInstance, 1, airflow.LogQuery{Stream: tc.stream})
			var got []string
			if err == nil {
				var all []airflow.LogLine
				all, err = lines(t, stream)
				for _, line := range all {
					got = append(got, line.Host+" "+line.Text)
				}
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
