package airflow_test

import (
	"errors"
	"io"
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

// A token is continued, once; Airflow would ignore it together with a stream, so it is not asked.
func TestContinuingALog(t *testing.T) {
	for version, text := range map[string]string{
		"2.11.2": `{"content": "[('a', 'x')]", "continuation_token": "eyJlbmRfb2ZfbG9nIjpmYWxzZSwibG9nX3BvcyI6N30.signature"}`,
		"3.3.2":  `{"content": [{"event": "x"}], "continuation_token": "more"}`,
	} {
		api := logServer(t, version, "application/json", body(text)).TaskInstanceAPI()
		stream, err := api.Log(t.Context(), anInstance, 1, airflow.LogQuery{})
		if err != nil {
			t.Fatal(err)
		}
		if stream.Token() != "" || stream.More() {
			t.Errorf("%s: a token before it was read", version)
		}
		if _, err := lines(t, stream); err != nil || stream.Token() == "" || !stream.More() {
			t.Errorf("%s: token %q, more: %t, %v", version, stream.Token(), stream.More(), err)
		}
		_, err = api.Log(t.Context(), anInstance, 1, airflow.LogQuery{Token: stream.Token(), Stream: true})
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "LogQuery.Token") || !strings.Contains(err.Error(), version) {
			t.Errorf("%s: %v", version, err)
		}
	}
}

// Who reads a log of Airflow 3 as it is gets one JSON value a line, whatever a message is.
func TestEveryMessageIsALineOfJSON(t *testing.T) {
	const want = "\"a\\nb\"\n{\"event\":\"x\",\"level\":null,\"lineno\":null,\"filename\":\"f\"}\n\"it's bare\"\n"
	for contentType, text := range map[string]string{
		"application/json":     `{"content":["a\nb",{"event":"x", "level":null, "lineno":null, "filename":"f"},"it's bare"],"continuation_token":null}`,
		"application/x-ndjson": "\"a\\nb\"\n{\"event\":\"x\", \"level\":null, \"lineno\":null, \"filename\":\"f\"}\nit's bare\n",
	} {
		api := logServer(t, "3.0.6", contentType, body(text)).TaskInstanceAPI()
		q := airflow.LogQuery{Stream: contentType != "application/json"}
		stream, err := api.Log(t.Context(), anInstance, 1, q)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(stream)
		if err != nil || stream.Close() != nil || string(got) != want {
			t.Errorf("got  %s\nwant %s, %v", got, want, err)
		}
		if stream, err = api.Log(t.Context(), anInstance, 1, q); err != nil {
			t.Fatal(err)
		}
		all, err := lines(t, stream)
		if err != nil || len(all) != 3 || all[0].Text != "a\nb" || all[2].Text != "it's bare" {
			t.Fatalf("got %v, %v", all, err)
		}
		if m := all[1]; m.Text != "x" || m.Level != "" || m.Source != "" || len(m.Fields) != 3 || string(m.Fields["level"]) != "null" {
			t.Errorf("got %+v: what is null is lost", m)
		}
	}
}

// The text of Airflow 2 has hosts on lines of their own, which nothing tells from the log.
func TestHostsInTheTextOfALog(t *testing.T) {
	stream, err := logServer(t, "2.11.2", "text/plain", body("a\nx\nb\ny\n")).TaskInstanceAPI().Log(t.Context(), anInstance, 1, airflow.LogQuery{Stream: true})
	if err != nil {
		t.Fatal(err)
	}
	all, err := lines(t, stream)
	var got []string
	for _, line := range all {
		got = append(got, line.Host+" "+line.Text)
	}
	if want := []string{"a x", "a b", "a y"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, want %q, %v", got, want, err)
	}
}

// Airflow 3.0.0 and 3.0.1 send lines of JSON to who asks for text, and to nobody else.
func TestStreamsOfEveryVersion(t *testing.T) {
	for version, accept := range map[string]string{
		"2.10.2": "text/plain", "2.11.2": "text/plain", "3.0.0": "text/plain", "3.0.1": "text/plain",
		"3.0.2": "application/x-ndjson", "3.1.0": "application/x-ndjson", "3.3.2": "application/x-ndjson",
	} {
		server, api := theirs(t, version)
		stream, err := api.Log(t.Context(), plainTask, 1, airflow.LogQuery{Stream: true})
		if err != nil {
			t.Errorf("%s: %v", version, err)
			continue
		}
		all, err := lines(t, stream)
		if err != nil || len(all) < 2 || all[len(all)-2].Text != "it's loading" || all[len(all)-1].Text != "more" {
			t.Errorf("%s: %v, %v", version, all, err)
		}
		requests := server.Requests()
		if got := requests[len(requests)-1].Header.Get("Accept"); got != accept {
			t.Errorf("%s: asked for %s, want %s", version, got, accept)
		}
	}
	_, err := logServer(t, "3.0.1", "text/plain", body("vm\nx\n")).TaskInstanceAPI().Log(t.Context(), anInstance, 1, airflow.LogQuery{Stream: true})
	if airflow.ClassOf(err) != airflow.ClassDecode || err == nil {
		t.Errorf("a text taken for lines of JSON: %v", err)
	}
}

// A loop that ends early gives its connection back, and a stream that was closed says so.
func TestClosingALog(t *testing.T) {
	client := logServer(t, "3.3.2", "application/x-ndjson", body(strings.Repeat("{\"event\":\"x\"}\n", 1000)))
	for range 20 { // more than there are connections
		stream, err := client.TaskInstanceAPI().Log(t.Context(), anInstance, 1, airflow.LogQuery{Stream: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range stream.Lines() {
			if err != nil {
				t.Error(err)
			}
			break
		}
		if _, err := stream.Read(make([]byte, 1)); err == nil {
			t.Error("a closed stream was read")
		}
	}
}
