//go:build e2e && bench

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	benchHistory = flag.String("history", "10000,100000,1000000", "how many task instances have finished, from few to many")
	benchScrapes = flag.Int("scrapes", 20, "how many scrapes are measured; those of five minutes hold all that is asked now and then")
	benchWarmup  = flag.Int("warmup", 28, "how many scrapes come before those at most")
	benchEvery   = flag.Duration("every", 15*time.Second, "the scrape interval")
	benchPages   = flag.Int("pages", 8, "how many pages are measured of an exporter that lists all of them")
	benchTable   = flag.String("table", "", "the file whose table is replaced")
)

// TestSideBySide measures the exporter and what others use in its place, on the same database in one run.
func TestSideBySide(t *testing.T) {
	ctx, begin := t.Context(), time.Now()
	step := func(format string, args ...any) {
		t.Logf("%4.0f s: "+format, append([]any{time.Since(begin).Seconds()}, args...)...)
	}
	r := results{date: begin}
	var err error
	if r.microbenchmarks, err = runBenchmarks(ctx, shared.root); err != nil {
		t.Fatal(err)
	}
	b, err := startBench(ctx, shared)
	t.Cleanup(b.close)
	if err != nil {
		t.Fatal(err)
	}
	if r.about, err = b.about(ctx); err != nil {
		t.Fatal(err)
	}
	b.meter = startMeter(t, b.airflow)
	step("Airflow answers")
	for text := range strings.SplitSeq(*benchHistory, ",") {
		history, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		seeding := time.Now()
		if err := b.seed(ctx, history); err != nil {
			t.Fatal(err)
		}
		step("%d task instances have finished; that took %.0f s", history, time.Since(seeding).Seconds())
		e := b.startExporter(t)
		c, err := b.steady(ctx, t, e)
		if err != nil {
			t.Fatal(err)
		}
		if c.wait, err = b.otherUser(ctx, e); err != nil {
			t.Fatal(err)
		}
		e.stop(syscall.SIGTERM, 10*time.Second)
		r.load = max(r.load, loadAverage())
		step("a scrape costs %+v", c)
		r.histories, r.ours = append(r.histories, history), append(r.ours, c)
	}
	if r.cursor, err = b.pages(ctx, "cursor"); err != nil {
		t.Fatal(err)
	}
	step("by cursor it costs %+v", r.cursor)
	if r.offset, err = b.pages(ctx, "offset"); err != nil {
		t.Fatal(err)
	}
	step("by offset it costs %+v", r.offset)
	if r.plugin, err = b.plugin(ctx); err != nil {
		t.Fatal(err)
	}
	step("the plugin costs %+v", r.plugin)
	t.Logf("\n%s", r.table())
	if *benchTable != "" {
		if err := r.write(*benchTable); err != nil {
			t.Error(err)
		}
	}
	for _, target := range r.targets() {
		if !target.met {
			t.Errorf("missed: %s: %s", target.what, target.figure)
		}
	}
}

// startExporter starts the exporter as it is by default, behind the meter.
func (b *bench) startExporter(t *testing.T) *exporter {
	t.Helper()
	config := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "airflow:\n  url: %s\n  username: viewer\n  password: viewer\n", b.meter.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := b.rig.startExporter(t.Context(), config)
	if e != nil && e.process != nil {
		t.Cleanup(func() {
			if !e.ended() {
				e.stop(syscall.SIGTERM, 10*time.Second)
			}
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// get is a scrape by a Prometheus with a scrape timeout of ten seconds.
func (e *exporter) get(ctx context.Context) (exposition []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "10")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	exposition, err = io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("/metrics: %s: %.300s", resp.Status, exposition)
	}
	return exposition, err
}

// countSeries counts the lines of an exposition that are samples.
func countSeries(exposition []byte) (n float64) {
	for line := range bytes.Lines(exposition) {
		if line[0] != '#' {
			n++
		}
	}
	return n
}

// wantSuccess wants all parts of the exporter to have got their answers.
func wantSuccess(exposition []byte) error {
	for line := range bytes.Lines(exposition) {
		if bytes.HasPrefix(line, []byte("airflow_exporter_collector_success{")) && bytes.HasSuffix(line, []byte(" 0\n")) {
			return fmt.Errorf("a part failed: %s", line)
		}
	}
	return nil
}

// learning reports whether the exporter is still finding out what it asks for once.
func learning(exposition []byte) bool {
	for _, part := range []string{"attempts", "dag_runs"} {
		if bytes.Contains(exposition, []byte(`airflow_exporter_collector_truncated{collector="`+part+`"} 1`)) {
			return true
		}
	}
	return false
}

// steady is the mean cost of a scrape when the exporter knows what it asks for once, while the world moves on.
func (b *bench) steady(ctx context.Context, t *testing.T, e *exporter) (cost, error) {
	tick := time.NewTicker(*benchEvery)
	defer tick.Stop()
	warm := 0
	for known := false; !known && warm < *benchWarmup; warm++ {
		exposition, err := e.get(ctx)
		if err != nil {
			return cost{}, err
		}
		known = warm >= 3 && !learning(exposition)
		<-tick.C
		if err := b.step(ctx, *benchEvery); err != nil {
			return cost{}, err
		}
	}
	t.Logf("%d scrapes to begin with", warm)
	if _, err := b.meter.take(); err != nil {
		return cost{}, err
	}
	var sum cost
	failures := 0
	for range *benchScrapes {
		c, err := b.measure(ctx, b.airflow.procs["api-server"], e.process, func() (cost, error) {
			exposition, err := e.get(ctx)
			if failed := wantSuccess(exposition); failed != nil {
				t.Log(failed)
				failures++
			}
			return cost{series: countSeries(exposition)}, err
		})
		if err != nil {
			return c, err
		}
		sum = sum.plus(c)
		<-tick.C
		if err := b.step(ctx, *benchEvery); err != nil {
			return c, err
		}
	}
	if failures > *benchScrapes/4 {
		return sum, fmt.Errorf("%d of %d scrapes lack something: the machine has too much else to do", failures, *benchScrapes)
	}
	seen := b.meter.seen()
	passed, err := b.meter.take()
	if err != nil {
		return sum, err
	}
	questions, err := b.questions(ctx, seen, *benchScrapes)
	mean := sum.plus(passed).times(1 / float64(*benchScrapes))
	mean.memory, mean.questions = e.peakMemory(), questions
	return mean, err
}

// otherUser is how long another user of the API waits at most in a few scrapes.
func (b *bench) otherUser(ctx context.Context, e *exporter) (longest time.Duration, err error) {
	for range 4 {
		wait, err := longestWait(ctx, b.airflow.url(), func() error {
			_, err := e.get(ctx)
			return err
		})
		if err != nil {
			return 0, err
		}
		longest = max(longest, wait)
		time.Sleep(*benchEvery)
		if err := b.step(ctx, *benchEvery); err != nil {
			return 0, err
		}
	}
	_, err = b.meter.take()
	return longest, err
}

// pages is what a collection of bench/pages.py costs, extrapolated from some pages.
func (b *bench) pages(ctx context.Context, kind string) (cost, error) {
	var said struct {
		Rows, Series, Seconds, CPU float64
		Memory                     int64
	}
	c, err := b.measure(ctx, b.airflow.procs["api-server"], nil, func() (cost, error) {
		cmd := b.airflow.cmd("python", filepath.Join(b.rig.root, "test", "e2e", "bench", "pages.py"), b.meter.URL, "viewer", "viewer", kind, strconv.Itoa(*benchPages))
		cmd.Env = append(cmd.Env, "PYTHONPATH="+b.peers)
		out, err := cmd.Output()
		if err != nil {
			return cost{}, fmt.Errorf("pages.py: %w", err)
		}
		return cost{}, json.Unmarshal(out, &said)
	})
	if err != nil {
		return c, err
	}
	var all float64
	if err := b.pg.query(ctx, b.airflow.db, "select count(*) from task_instance", &all); err != nil {
		return c, err
	}
	passed, err := b.meter.take()
	c = c.plus(passed)
	c.exporter, c.wall = seconds(said.CPU), seconds(said.Seconds)
	c = c.times(all / said.Rows)
	c.extrapolated = true
	return c, err
}

// plugin is what a scrape of airflow-exporter costs, which runs in the API server. The first one, which fills caches, does not count.
func (b *bench) plugin(ctx context.Context) (cost, error) {
	server, url, err := b.startPlugin(ctx)
	if server != nil {
		defer server.stop(syscall.SIGTERM, 20*time.Second)
	}
	if err != nil {
		return cost{}, err
	}
	scrape := func() (cost, error) {
		status, body, err := request(ctx, http.MethodGet, url+"/admin/metrics/")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("/admin/metrics/: %d: %.300s", status, body)
		}
		return cost{requests: 1, bytes: float64(len(body)), series: countSeries(body)}, err
	}
	if _, err := scrape(); err != nil {
		return cost{}, err
	}
	c, err := b.measure(ctx, server, nil, scrape)
	if err != nil {
		return c, err
	}
	c.wait, err = longestWait(ctx, url, func() error {
		_, err := scrape()
		return err
	})
	return c, err
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
