package airflow

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/time/rate"
)

// questions are all that the client asks, each with what came of it: texts, which become labels, and times.
func questions() []func(ctx context.Context, c *Client) (texts []string, times []time.Time, err error) {
	instances := func(rows []TaskInstance) (texts []string, times []time.Time) {
		for _, r := range rows {
			texts = append(texts, r.DagID, r.RunID, r.TaskID, r.Pool, string(r.State))
			times = append(times, r.QueuedWhen, r.ScheduledWhen, r.StartDate, r.EndDate)
		}
		return texts, times
	}
	type result = func(ctx context.Context, c *Client) ([]string, []time.Time, error)
	ref := TaskInstanceRef{"etl", "run", "load", -1}
	listed := func(byGet bool) result {
		return func(ctx context.Context, c *Client) ([]string, []time.Time, error) {
			var rows []TaskInstance
			for row, err := range c.TaskInstances(ctx, TaskInstanceQuery{States: []State{"running", "queued"}, Room: 50, ByGet: byGet}) {
				if err != nil {
					return nil, nil, err
				}
				rows = append(rows, row)
			}
			texts, times := instances(rows)
			return texts, times, nil
		}
	}
	return []result{
		listed(false), listed(true),
		func(ctx context.Context, c *Client) ([]string, []time.Time, error) {
			runs, err := c.DagRuns(ctx, DagRunQuery{States: []RunState{"running"}, Room: 50})
			var texts []string
			var times []time.Time
			for _, r := range runs {
				texts, times = append(texts, r.DagID, r.RunID, string(r.State)), append(times, r.StartDate, r.EndDate)
			}
			return texts, times, err
		},
		func(ctx context.Context, c *Client) ([]string, []time.Time, error) {
			dags, err := c.Dags(ctx, DagQuery{Tags: true})
			var texts []string
			for _, d := range dags {
				texts = append(append(texts, d.DagID), d.Tags...)
			}
			return texts, nil, err
		},
		func(ctx context.Context, c *Client) ([]string, []time.Time, error) {
			pools, err := c.Pools(ctx)
			var texts []string
			for _, p := range pools {
				texts = append(texts, p.Name)
			}
			return texts, nil, err
		},
		func(ctx context.Context, c *Client) ([]string, []time.Time, error) {
			_, err := c.ImportErrors(ctx)
			return nil, nil, err
		},
		func(ctx context.Context, c *Client) ([]string, []time.Time, error) {
			_, err := c.Health(ctx)
			return nil, nil, err
		},
		func(ctx context.Context, c *Client) ([]string, []time.Time, error) {
			_, err := c.Dependencies(ctx, ref)
			return nil, nil, err
		},
		func(ctx context.Context, c *Client) ([]string, []time.Time, error) {
			rows, err := c.Tries(ctx, ref)
			texts, times := instances(rows)
			return texts, times, err
		},
		func(ctx context.Context, c *Client) ([]string, []time.Time, error) {
			_, err := c.CountTaskInstances(ctx, "none")
			return nil, nil, err
		},
	}
}

// answering gives the same body to every question but that for the version, which it gives to that only if asVersion.
type answering struct {
	api       string
	body      []byte
	asVersion bool
	left      int // requests it answers
}

func (a *answering) RoundTrip(r *http.Request) (*http.Response, error) {
	if a.left--; a.left < 0 {
		return nil, io.ErrUnexpectedEOF
	}
	body, status := a.body, http.StatusOK
	if strings.HasSuffix(r.URL.Path, "/version") && !a.asVersion {
		body = []byte(`{"version": "3.3.2"}`)
		if a.api == "v1" {
			body = []byte(`{"version": "2.11.2"}`)
		}
		if !strings.HasSuffix(r.URL.Path, "/api/"+a.api+"/version") {
			status = http.StatusNotFound
		}
	}
	return &http.Response{
		StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: int64(len(body)),
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)),
	}, nil
}

// Whatever a server answers: no panic, no bug, an error that is one line, and nothing that is no label or no time.
func FuzzAnswers(f *testing.F) {
	err := filepath.WalkDir("testdata", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || len(text) > 8<<10 {
			return err
		}
		for question := range questions() {
			f.Add(uint8(question), strings.Contains(path, "testdata/2."), false, text)
		}
		return nil
	})
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{``, `{}`, `[]`, `null`, `{"version": "99999999999999999999.1"}`, `{"pools": [{"slots": NaN}], "total_entries": -1}`,
		`{"task_instances": [{"duration": 1e308}, {"start_date": "9999-99-99T00:00:00Z"}], "total_entries": 2}`, "{\"dags\": [{\"dag_id\": \"\xff\"}]}"} {
		f.Add(uint8(0), false, true, []byte(text))
		for question := range questions() {
			f.Add(uint8(question), false, false, []byte(text))
		}
	}
	base, err := url.Parse("http://127.0.0.1:1")
	if err != nil {
		f.Fatal(err)
	}
	known := map[bool]*server{}
	for airflow2, d := range map[bool]dialect{false: v2{}, true: v1{}} {
		v, err := parseVersion(d.api(), map[bool]string{false: "3.3.2", true: "2.11.2"}[airflow2])
		if err != nil {
			f.Fatal(err)
		}
		known[airflow2] = &server{Version: v, dialect: d}
	}
	all := questions()
	f.Fuzz(func(t *testing.T, question uint8, airflow2, asVersion bool, body []byte) {
		server := &answering{api: "v2", body: body, asVersion: asVersion, left: 20}
		if airflow2 {
			server.api = "v1"
		}
		// Without New, whose HTTP client takes longer to make than all the rest.
		c := &Client{cfg: DefaultConfig(), base: base, http: &http.Client{Transport: server}, limiter: rate.NewLimiter(rate.Inf, 0), slots: make(chan struct{}, 4)}
		if !asVersion { // to ask for it takes as long as all the rest
			c.current = known[airflow2]
		}
		texts, times, err := all[int(question)%len(all)](t.Context(), c)
		for _, s := range texts {
			if !utf8.ValidString(s) {
				t.Errorf("%q is no label", s)
			}
		}
		for _, at := range times {
			if !at.IsZero() && (at.Year() < 1 || at.Year() > 9999) {
				t.Errorf("%s is no time", at)
			}
		}
		if err == nil {
			return
		}
		incomplete := (*IncompleteError)(nil)
		if class := ClassOf(err); class == ClassInternal && !errors.As(err, &incomplete) {
			t.Errorf("%v: class %s", err, class)
		}
		if text := err.Error(); len(text) > 2000 || strings.ContainsAny(text, "\r\n") || !utf8.ValidString(text) {
			t.Errorf("%d bytes: %q", len(text), text)
		}
	})
}
