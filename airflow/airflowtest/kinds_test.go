package airflowtest_test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// Each kind has a name of its own, leaves a mark on some answer, and goes when it is removed.
func TestKinds(t *testing.T) {
	kinds := airflowtest.Kinds()
	if len(kinds) < 100 {
		t.Errorf("%d kinds", len(kinds))
	}
	names := map[string]bool{}
	for _, kind := range kinds {
		if names[kind.String()] {
			t.Errorf("two kinds are named %s", kind)
		}
		names[kind.String()] = true
		for _, version := range []string{"2.11.2", "3.3.2"} {
			t.Run(version+"/"+kind.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := start(t, airflowtest.Options{Version: version, ClampGet: 1}, fillMany(3))
					c.http.Timeout = time.Minute
					c.server.Update(func(db *airflowtest.Database) {
						for _, dag := range []string{"b", "c"} {
							db.PutPool(airflowtest.Pool{Name: dag, Slots: 1})
						}
					})
					marked := false
					for _, path := range pathsOf(version) {
						right := timed(c, path)
						remove := c.server.Inject(nil, kind.Fault)
						got := timed(c, path)
						remove()
						marked = marked || got != right
						after := timed(c, path)
						after.took = right.took // the handler of the fault may still hold the connection
						if after != right {
							t.Errorf("%s, %s: another answer after it", kind, path)
						}
						if kind.Harmless && (got.failed || got.status != right.status) {
							t.Errorf("%s, %s: %d, %v is called harmless", kind, path, got.status, got.failed)
						}
					}
					if !marked && !kind.Harmless && (!kind.Rows || version[0] != '2') {
						t.Errorf("%s: %s shows nothing of it", kind, version)
					}
				})
			})
		}
	}
}

// pathsOf are a list of task instances, a page of it by cursor (Airflow 3), and a page of a list by offset.
func pathsOf(version string) []string {
	if version[0] == '2' {
		return []string{"/api/v1/dags/~/dagRuns/~/taskInstances", "/api/v1/pools?limit=2&offset=1"}
	}
	return []string{listV2, listV2 + "?cursor=&limit=1", "/api/v2/pools?limit=2&offset=1"}
}

// outcome is what a client sees of an answer.
type outcome struct {
	failed bool
	status int
	body   string
	kind   string // content type
	size   int    // of the headers
	took   time.Duration
}

func timed(c *client, path string) outcome {
	began := time.Now()
	resp, err := c.http.Get(c.server.URL + path)
	if err != nil {
		return outcome{failed: true, took: time.Since(began)}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20)) // some have no end
	o := outcome{failed: err != nil, status: resp.StatusCode, body: string(body), kind: resp.Header.Get("Content-Type"), took: time.Since(began)}
	for key, values := range resp.Header {
		if key != "Date" {
			o.size += len(key) + len(values[0])
		}
	}
	return o
}
