//go:build e2e && bench

package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A cost is what one scrape took, or the mean of several.
type cost struct {
	server, database, exporter time.Duration // CPU
	wall                       time.Duration
	requests, rows, bytes      float64 // that Airflow answered
	statements                 float64 // of SQL
	series                     float64
	memory                     int64 // of the exporter at most, in bytes
	wait                       time.Duration
	questions                  []question // of which it consists
	extrapolated               bool
}

// airflows is what Airflow and its database spend.
func (c cost) airflows() time.Duration { return c.server + c.database }

// times is a cost so many times.
func (c cost) times(n float64) cost {
	for _, d := range []*time.Duration{&c.server, &c.database, &c.exporter, &c.wall} {
		*d = time.Duration(float64(*d) * n)
	}
	for _, f := range []*float64{&c.requests, &c.rows, &c.bytes, &c.statements, &c.series} {
		*f *= n
	}
	return c
}

func (c cost) plus(o cost) cost {
	o.server, o.database, o.exporter, o.wall = o.server+c.server, o.database+c.database, o.exporter+c.exporter, o.wall+c.wall
	o.requests, o.rows, o.bytes, o.statements, o.series = o.requests+c.requests, o.rows+c.rows, o.bytes+c.bytes, o.statements+c.statements, o.series+c.series
	return o
}

// cpu is what the process, its descendants and those that have ended have computed. The kernel counts in nanoseconds and
// tells in ticks of 10 ms, so differences of the same process add up.
func (p *process) cpu() time.Duration {
	ticks := 0
	for _, pid := range append(descendants(p.pid()), p.pid()) {
		stat, err := readStat(fmt.Sprintf("/proc/%d", pid))
		if err != nil {
			continue // its parent has waited for it in the meantime
		}
		for _, field := range stat[11:15] { // utime, stime, cutime, cstime
			n, _ := strconv.Atoi(field)
			ticks += n
		}
	}
	return time.Duration(ticks) * time.Second / 100
}

// peakMemory is the most that the process had resident, in bytes.
func (p *process) peakMemory() int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid()))
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	var kib int64
	_, _ = fmt.Sscan(rest, &kib)
	return kib << 10
}

// A meter stands between an exporter and Airflow and counts what goes through.
type meter struct {
	*httptest.Server
	open    atomic.Int64 // requests that wait for their answers
	mu      sync.Mutex
	answers []answer
	asked   []asked
}

type answer struct {
	gzipped bool
	body    []byte
}

func startMeter(t *testing.T, a *installation) *meter {
	t.Helper()
	target, err := url.Parse(a.url())
	if err != nil {
		t.Fatal(err)
	}
	m := &meter{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(resp *http.Response) error {
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				return err
			}
			resp.Body = io.NopCloser(bytes.NewReader(body))
			m.mu.Lock()
			defer m.mu.Unlock()
			m.answers = append(m.answers, answer{resp.Header.Get("Content-Encoding") == "gzip", body})
			return nil
		},
	}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.open.Add(1)
		defer m.open.Add(-1)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		m.mu.Lock()
		m.asked = append(m.asked, asked{r.Method, r.URL.RequestURI(), r.Header.Clone(), body})
		m.mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(m.Close)
	return m
}

// seen is what was asked since the last take.
func (m *meter) seen() []asked {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.asked)
}

// take counts the answers since the last time. Rows are the elements of the lists that answers consist of.
func (m *meter) take() (c cost, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.answers {
		c.requests++
		c.bytes += float64(len(a.body))
		var r io.Reader = bytes.NewReader(a.body)
		if a.gzipped {
			if r, err = gzip.NewReader(r); err != nil {
				return c, err
			}
		}
		var members map[string]json.RawMessage
		if err := json.NewDecoder(r).Decode(&members); err != nil {
			return c, err
		}
		for _, member := range members {
			var rows []json.RawMessage
			if json.Unmarshal(member, &rows) == nil {
				c.rows += float64(len(rows))
			}
		}
	}
	m.answers, m.asked = nil, nil
	return c, nil
}

// resetStatements and statements count those of the database, but for what begins and ends transactions and sessions.
func (b *bench) resetStatements(ctx context.Context) error {
	_, err := b.pg.exec(ctx, "postgres", "select pg_stat_statements_reset()")
	return err
}

func (b *bench) statements(ctx context.Context) (n float64, err error) {
	err = b.pg.query(ctx, "postgres", fmt.Sprintf(`select coalesce(sum(calls), 0) from pg_stat_statements s join pg_database d on d.oid = s.dbid
		where datname = '%s' and query !~* '^(begin|commit|rollback|set|show|select pg_catalog.version|select current_schema)'`, b.airflow.db), &n)
	return n, err
}

// measure is what server, database and exporter spend while what is done is done, and until a second after the last answer.
func (b *bench) measure(ctx context.Context, server, exporter *process, do func() (cost, error)) (cost, error) {
	if err := b.resetStatements(ctx); err != nil {
		return cost{}, err
	}
	time.Sleep(500 * time.Millisecond) // what was done before has ended
	processes := []*process{server, b.pg.proc, exporter}
	var before, spent [3]time.Duration
	for i, p := range processes {
		if p != nil {
			before[i] = p.cpu()
		}
	}
	begin := time.Now()
	c, err := do()
	if err != nil {
		return c, err
	}
	c.wall = time.Since(begin)
	for b.meter.open.Load() > 0 {
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(time.Second)
	for i, p := range processes {
		if p != nil {
			spent[i] = p.cpu() - before[i]
		}
	}
	c.server, c.database = spent[0], spent[1]
	if exporter != nil {
		c.exporter, c.memory = spent[2], exporter.peakMemory()
	}
	c.statements, err = b.statements(ctx)
	return c, err
}

// longestWait asks for the version of Airflow again and again while do does what it does, and tells how long one answer
// took at most.
func longestWait(ctx context.Context, url string, do func() error) (time.Duration, error) {
	done := make(chan error, 1)
	go func() { done <- do() }()
	var longest time.Duration
	for {
		begin := time.Now()
		status, _, err := request(ctx, http.MethodGet, url+"/api/v2/version")
		if err != nil || status != http.StatusOK {
			return 0, fmt.Errorf("the version: %d: %w", status, err)
		}
		longest = max(longest, time.Since(begin))
		select {
		case err := <-done:
			return longest, err
		case <-time.After(20 * time.Millisecond):
		}
	}
}
