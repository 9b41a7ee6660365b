package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// mebibytes is how much memory the exporter may take at most, and mebibytesOfSeries for 40,000 series, 10,000 unfinished
// instances and as many series of counters that still hold back: 63 to 66 were seen, with 15 of the program itself.
const (
	mebibytes         = 128
	mebibytesOfSeries = 70
)

// process is the binary, running.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	url string
}

// startProcess starts the binary on a free port, so that each scrape asks Airflow.
func startProcess(t *testing.T, binary, airflow, more string) *process {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yml")
	text := "airflow: {url: '" + airflow + "', requests_per_second: 10000, burst: 10000}\ncollector: {refresh: 0s" + more + "}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "--web.listen-address=127.0.0.1:0", "--config.file="+file, "--web.enable-lifecycle")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address := make(chan string, 1)
	var read sync.WaitGroup
	read.Go(func() {
		lines := bufio.NewScanner(stderr)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				address <- m[1]
			}
		}
		close(address)
	})
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		read.Wait()
		_ = cmd.Wait()
		http.DefaultClient.CloseIdleConnections()
	})
	a, ok := <-address
	if !ok {
		t.Fatal("the binary ended")
	}
	return &process{t: t, cmd: cmd, url: "http://" + a}
}

// scrape returns the samples, by their text up to the value.
func (p *process) scrape() map[string]float64 {
	p.t.Helper()
	status, body, _ := request(p.t, "GET", p.url+"/metrics")
	if status != http.StatusOK {
		p.t.Fatalf("%d\n%s", status, body)
	}
	samples := map[string]float64{}
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		i := strings.LastIndexByte(line, ' ')
		if i < 0 || line[0] == '#' {
			continue
		}
		value, err := strconv.ParseFloat(line[i+1:], 64)
		if err != nil {
			p.t.Fatal(err)
		}
		samples[line[:i]] = value
	}
	return samples
}

// peak is the most memory that the process had so far, in MiB.
func (p *process) peak() float64 {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kib float64
	if _, err := fmt.Sscanf(rest, "%f kB", &kib); err != nil {
		p.t.Fatal(err)
	}
	return kib / 1024
}

// company adds 1000 DAGs with 5 runs of 20 instances each, 100,000 in all, of which so many are unfinished.
func company(db *airflowtest.Database, unfinished int) {
	now := db.Now()
	for d := range 1000 {
		dag := fmt.Sprintf("team_%02d.pipeline_%03d", d%40, d)
		db.PutDag(airflowtest.Dag{DagID: dag, Tags: []string{"tier1"}, Schedule: "@hourly", NextRunAfter: now.Add(time.Hour)})
		for r := range 5 {
			due := now.Add(-time.Duration(r) * time.Hour)
			run := airflowtest.DagRun{DagID: dag, RunID: "scheduled__" + due.Format(time.RFC3339), Type: "scheduled", State: "success",
				LogicalDate: due, RunAfter: due, StartDate: due, EndDate: due.Add(10 * time.Minute)}
			open := max(0, min(20, unfinished/1000-20*r)) // of this run
			if open > 0 {
				run.State, run.EndDate = "running", time.Time{}
			}
			db.PutRun(run)
			for i := range 20 {
				ti := airflowtest.TaskInstance{Key: airflowtest.Task(dag, run.RunID, fmt.Sprintf("load_table_%02d", i)), State: "success", TryNumber: 1,
					QueuedWhen: due, ScheduledWhen: due, StartDate: due, EndDate: due.Add(time.Minute), Duration: new(60.0)}
				if i < open {
					ti.State, ti.EndDate, ti.Duration = "running", time.Time{}, nil
				}
				db.Put(ti)
			}
		}
	}
}

// newNames is an answer with so many running instances, whose names no answer had before.
func newNames(step, rows int) string {
	var b bytes.Buffer
	pad := ""
	if step%10 < 2 { // ids have 250 characters at most
		pad = strings.Repeat("x", 230)
	}
	b.WriteString(`{"task_instances": [`)
	for i := range rows {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, `{"id": "%d-%d", "dag_id": "dag_%03d_%04d%s", "dag_run_id": "run", "task_id": "task_%03d_%06d%s", "map_index": -1, "state": "running",
			"try_number": 1, "max_tries": 0, "start_date": "2026-01-01T00:00:00Z", "pool": "default_pool", "pool_slots": 1, "queue": "default"}`, step, i, step, i/20, pad, step, i, pad)
	}
	fmt.Fprintf(&b, `], "total_entries": %d}`, rows)
	return b.String()
}

// reload lets all parts be asked again at the next scrape, as time would.
func (p *process) reload() {
	p.t.Helper()
	if status, body, _ := request(p.t, "POST", p.url+"/-/reload"); status != http.StatusOK {
		p.t.Fatalf("%d %s", status, body)
	}
}

// How much memory the binary takes for a large Airflow, for answers that want
// to fill it, and for a million names.
func TestMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	if underRace {
		t.Skip("the program that is measured has no race detector")
	}
	binary := filepath.Join(t.TempDir(), "airflow_exporter")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	highest := 0.0
	measured := func(t *testing.T, p *process) {
		t.Helper()
		peak := p.peak()
		if highest = max(highest, peak); peak > mebibytes {
			t.Errorf("%.0f MiB, want at most %d", peak, mebibytes)
		}
		t.Logf("%.0f MiB", peak)
	}
	for _, unfinished := range []int{4000, 100_000} { // all of these are above collector.max_rows, and counted only
		t.Run(fmt.Sprintf("%d of 100000 instances are unfinished", unfinished), func(t *testing.T) {
			airflow := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2", TCP: true})
			airflow.Update(func(db *airflowtest.Database) { company(db, unfinished) })
			p := startProcess(t, binary, airflow.URL, "")
			for range 4 {
				if n := p.scrape()[`airflow_unfinished_task_instances{state="running"}`]; int(n) != unfinished {
					t.Errorf("%v are running", n)
				}
				p.reload()
			}
			measured(t, p)
		})
	}
	t.Run("40000 series", func(t *testing.T) {
		airflow := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2", TCP: true})
		airflow.Update(func(db *airflowtest.Database) { company(db, 10_000) })
		p := startProcess(t, binary, airflow.URL, "")
		lines := 0
		for range 6 {
			lines = len(p.scrape())
		}
		t.Logf("FIGURE C10 peak_rss_mebibytes_with_40000_series=%.1f series_of_100000_instances=%d", p.peak(), lines)
		if lines < 39_000 || p.peak() > mebibytesOfSeries {
			t.Errorf("%.0f MiB for %d series, want at most %d for 39000 or more", p.peak(), lines, mebibytesOfSeries)
		}
	})
	longest := 0.0 // answer that is no listing
	t.Run("hostile answers", func(t *testing.T) {
		airflow := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2", TCP: true})
		p := startProcess(t, binary, airflow.URL, "")
		for _, fault := range []airflowtest.Fault{airflowtest.EndlessBody(), airflowtest.EndlessArray(), airflowtest.EndlessString(), airflowtest.GzipBomb(1 << 28), airflowtest.HugeHeader(12 << 20)} {
			for _, path := range []string{"/taskInstances/list", "/dags", "/pools", "/importErrors", "/version"} {
				before := bytesRead(p.scrape(), path)
				p.reload()
				remove := airflow.Inject(airflowtest.On("", path), fault.First(1))
				after := p.scrape()
				remove()
				p.reload()
				if !strings.HasSuffix(path, "list") && path != "/dags" && path != "/importErrors" { // those may be long
					longest = max(longest, bytesRead(after, path)-before)
				}
			}
		}
		before := bytesRead(p.scrape(), "/pools")
		p.reload()
		remove := airflow.Inject(airflowtest.On("", "/pools"), airflowtest.Rewrite(func([]byte) []byte { return manyPools(16 << 20) }).First(1))
		longest = max(longest, bytesRead(p.scrape(), "/pools")-before)
		remove()
		p.reload()
		if failed := p.scrape()[`airflow_exporter_collector_errors_total{class="too_large",collector="task_instances"}`]; failed < 3 {
			t.Errorf("%v answers were too large", failed)
		}
		measured(t, p)
	})
	var series int
	t.Run("a million names", func(t *testing.T) {
		const limit, rows, steps = 2000, 4000, 250
		airflow := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2", TCP: true})
		p := startProcess(t, binary, airflow.URL, fmt.Sprintf(", max_series: %d", limit))
		for step := range steps {
			body := newNames(step, rows)
			remove := airflow.Inject(airflowtest.On("POST", "/taskInstances/list"), airflowtest.Status(http.StatusOK, http.Header{"Content-Type": {"application/json"}}, body))
			samples := p.scrape()
			remove()
			series = max(series, byDag(samples))
			if n := dropped(samples); n < rows || samples["airflow_exporter_panics_total"] != 0 {
				t.Fatalf("step %d: %v series dropped, %v panics", step, n, samples["airflow_exporter_panics_total"])
			}
			if step%4 == 3 {
				p.reload()
			}
		}
		if series > limit {
			t.Errorf("%d series, want at most %d", series, limit)
		}
		measured(t, p)
	})
	t.Logf("FIGURE C10 peak_rss_mebibytes=%.1f series=%d mebibytes_of_an_answer=%.2f", highest, series, longest/(1<<20))
	if longest > 9<<20 {
		t.Errorf("%.0f bytes were read of an answer", longest)
	}
}

// manyPools is a right answer of at least so many bytes.
func manyPools(size int) []byte {
	b := []byte(`{"pools": [`)
	n := 0
	for ; len(b) < size; n++ {
		b = fmt.Appendf(b, `{"name": "pool %d", "slots": 1, "occupied_slots": 0, "running_slots": 0, "queued_slots": 0, "open_slots": 1, "scheduled_slots": 0,
			"deferred_slots": 0, "include_deferred": false, "description": null}, `, n)
	}
	return fmt.Appendf(b[:len(b)-2], `], "total_entries": %d}`, n)
}

// bytesRead is how much was read of the answers to questions with a path that ends so.
func bytesRead(samples map[string]float64, path string) (n float64) {
	for name, value := range samples {
		if strings.HasPrefix(name, "airflow_exporter_api_response_bytes_total{") && strings.Contains(name, path+`"`) {
			n += value
		}
	}
	return n
}

// byDag counts the series that collector.max_series bounds.
func byDag(samples map[string]float64) (n int) {
	for name := range samples {
		if strings.Contains(name, `dag_id="`) {
			n++
		}
	}
	return n
}

// dropped is how many series had no room.
func dropped(samples map[string]float64) (n float64) {
	for name, value := range samples {
		if strings.HasPrefix(name, "airflow_exporter_dropped_series{") {
			n += value
		}
	}
	return n
}
