package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// marked is the header that tells Airflow by which configuration it is asked.
const marked = "X-Configuration"

// badConfigurations are ways to spoil a good one, which is marked as bad.
func badConfigurations(t *testing.T) []func(good, path string) error {
	t.Helper()
	text := func(change func(good string) string) func(good, path string) error {
		return func(good, path string) error { return os.WriteFile(path, []byte(change(good)), 0o600) }
	}
	more := func(s string) func(good, path string) error {
		return text(func(good string) string { return strings.Replace(good, "airflow:\n", "airflow:\n  "+s+"\n", 1) })
	}
	instead := func(s string) func(good, path string) error { return text(func(string) string { return s }) }
	return []func(good, path string) error{
		more("no_such_key: 1"), more("concurrency: many"), more("concurrency: 0"), more("requests_per_second: 1"), // the latter is there already
		more("username: me"), more("password: pw"), more("username: me\n  password_file: nowhere"), more("list: all"), more("external_url: nowhere"), more("max_response_bytes: 1"),
		text(func(good string) string { return good + "---\nairflow: {}\n" }),
		text(func(good string) string { return good + "\tx: [\n" }),
		text(func(good string) string { return good[:len(good)/2] }),
		text(func(good string) string { return strings.Replace(good, "url: http", "url: ftp", 1) }),
		text(func(good string) string {
			return strings.Replace(good, "  http_client:", "  http_client:\n    tls_config: {ca_file: nowhere}", 1)
		}),
		text(func(good string) string {
			return strings.Replace(good, "  http_client:", "  http_client:\n    oauth2: {client_id: a, client_secret: b, token_url: 'http://idp.example.org'}", 1)
		}),
		text(func(good string) string { return good + "dags: {include: '('}\n" }),
		text(func(good string) string { return strings.Replace(good, "refresh: 0s", "refresh: -1s", 1) }),
		text(func(good string) string {
			return strings.Replace(good, "refresh: 0s", "refresh: 0", 1) + "  max_series: 1\n"
		}),
		instead(""), instead("airflow: {}"), instead("[]"), instead("\x00\xff\x00"), instead("airflow: *nothing"),
		func(_, path string) error { return os.Remove(path) },
		func(_, path string) error { // nobody can read a directory
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Mkdir(path, 0o700)
		},
	}
}

// scraper scrapes all the time, and compares each scrape with the one before.
type scraper struct {
	scrapes, failed, fell, twice int
	before                       map[string]float64
}

func (s *scraper) scrape(t *testing.T, url string, ended func() map[string]float64) (samples map[string]float64) {
	status, body, _ := request(t, "GET", url+"/metrics")
	s.scrapes++
	samples = samplesOf(body)
	if status != http.StatusOK || samples["airflow_up"] != 1 {
		s.failed++
		t.Errorf("a scrape failed: %d, airflow_up %v", status, samples["airflow_up"])
	}
	most := ended()
	for sample, value := range samples {
		family, _, _ := strings.Cut(sample, "{")
		counts := strings.HasSuffix(family, "_total") || strings.HasSuffix(family, "_count") || strings.HasSuffix(family, "_sum") || strings.HasSuffix(family, "_bucket")
		if before, ok := s.before[sample]; counts && ok && value < before {
			s.fell++
			t.Errorf("%s fell from %v to %v", sample, before, value)
		}
		if right, ok := most[sample]; ok && value > right {
			s.twice++
			t.Errorf("%s is %v, and there were %v", sample, value, right)
		}
	}
	for sample := range s.before {
		if _, ok := samples[sample]; !ok && strings.HasPrefix(sample, "airflow_dag_runs_finished_total") {
			s.fell++
			t.Errorf("%s is missing", sample)
		}
	}
	s.before = samples
	return samples
}

func samplesOf(exposition string) map[string]float64 {
	samples := map[string]float64{}
	for line := range strings.Lines(exposition) {
		i := strings.LastIndexByte(strings.TrimSpace(line), ' ')
		if i < 0 || line[0] == '#' {
			continue
		}
		if value, err := strconv.ParseFloat(strings.TrimSpace(line[i:]), 64); err == nil {
			samples[line[:i]] = value
		}
	}
	return samples
}

// busyAirflow is one in which runs come to their end.
type busyAirflow struct {
	*airflowtest.Server
	mu    sync.Mutex
	runs  int
	ended map[string]float64
}

func (a *busyAirflow) endRun() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended[`airflow_task_instances_finished_total{dag_id="busy",state="success",task_id="task"}`]++
	a.ended[`airflow_dag_runs_finished_total{dag_id="busy",run_type="manual",state="success"}`]++
	a.Update(func(db *airflowtest.Database) {
		run := func(n int) string { return fmt.Sprintf("run%05d", n) }
		if a.runs > 0 {
			db.TaskInstance(airflowtest.Task("busy", run(a.runs), "task")).Succeed()
			db.Run("busy", run(a.runs)).Settle()
		} else {
			clear(a.ended)
		}
		a.runs++
		db.PutRun(airflowtest.DagRun{DagID: "busy", RunID: run(a.runs), Type: "manual", State: "running"})
		db.Add(airflowtest.Task("busy", run(a.runs), "task"), 0).Start()
	})
}

func (a *busyAirflow) counts() map[string]float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	counts := map[string]float64{}
	for sample, n := range a.ended {
		counts[sample] = n
	}
	return counts
}

// Fifty bad configurations among fifty good ones, while two Prometheus scrape
// all the time and runs come to their end: the last good one stays in force, no
// scrape fails, and each end counts once.
func TestBadReloadsUnderLoad(t *testing.T) {
	reloads := 50
	if underRace {
		reloads = 10
	}
	a := &busyAirflow{Server: airflowtest.Start(t, airflowtest.Options{Version: "3.3.2", TCP: true}), ended: map[string]float64{}}
	a.endRun()
	path := filepath.Join(t.TempDir(), "config.yml")
	configuration := func(name string) string {
		return "airflow:\n  url: " + a.URL + "\n  requests_per_second: 1000000\n  burst: 1000000\n  http_client:\n    http_headers: {" + marked + ": {values: [" + name + "]}}\n" +
			"collector:\n  refresh: 0s\n  seed_hold: 0s\n"
	}
	put := func(name string) {
		if err := os.WriteFile(path, []byte(configuration(name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("first")
	p := start(t, nil, "--config.file="+path, "--web.enable-lifecycle")
	done := make(chan struct{})
	scrapers := []*scraper{{}, {}, {}} // the last one is ours
	scrapers[2].scrape(t, p.url, a.counts)
	var others sync.WaitGroup
	for _, s := range scrapers[:2] {
		others.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					s.scrape(t, p.url, func() map[string]float64 { return nil }) // what has ended since is not known to it
				}
			}
		})
	}
	// inForce reports whether the next scrapes are by a configuration, and tell how the last reload went.
	inForce := func(name, successful string) bool {
		a.ResetRequests()
		scrapers[2].scrape(t, p.url, a.counts) // may join a collection whose requests were made before
		samples := scrapers[2].scrape(t, p.url, a.counts)
		by := map[string]bool{}
		for _, r := range a.Requests() {
			by[r.Header.Get(marked)] = true
		}
		return by[name] && !by["bad"] && fmt.Sprint(samples["airflow_exporter_config_last_reload_successful"]) == successful
	}
	bad, kept := badConfigurations(t), 0
	for i := range reloads {
		a.endRun()
		name := "good" + strconv.Itoa(i)
		put(name)
		if status, _, _ := request(t, "POST", p.url+"/-/reload"); status != http.StatusOK || !inForce(name, "1") {
			t.Errorf("good reload %d: %d, or it is not in force", i, status)
		}
		a.endRun()
		if err := bad[i%len(bad)](configuration("bad"), path); err != nil {
			t.Fatal(err)
		}
		status, _, _ := request(t, "POST", p.url+"/-/reload")
		if status == http.StatusInternalServerError && inForce(name, "0") {
			kept++
		} else {
			t.Errorf("bad reload %d (kind %d): %d, or the good one is not in force", i, i%len(bad), status)
		}
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 { // a collector that is new asks for everything
		put("last")
		request(t, "POST", p.url+"/-/reload")
		scrapers[2].scrape(t, p.url, a.counts)
	}
	close(done)
	others.Wait()
	want, lost := a.counts(), 0
	samples := scrapers[2].scrape(t, p.url, a.counts)
	for sample, right := range want {
		if samples[sample] != right {
			lost++
			t.Errorf("%s is %v in the end, want %v", sample, samples[sample], right)
		}
	}
	sum := scraper{}
	for _, s := range scrapers {
		sum.scrapes, sum.failed, sum.fell, sum.twice = sum.scrapes+s.scrapes, sum.failed+s.failed, sum.fell+s.fell, sum.twice+s.twice
	}
	if kept != reloads || len(want) != 2 || sum.scrapes < 4*reloads {
		t.Errorf("%d of %d bad reloads left the good one in force; %d scrapes; %v", kept, reloads, sum.scrapes, want)
	}
	t.Logf("FIGURE C18 bad_reloads_kept=%d failed_scrapes=%d counters_that_fell=%d counted_twice=%d lost_by_reloads=%d scrape_runs=%d", kept, sum.failed, sum.fell, sum.twice, lost, sum.scrapes)
	if err := p.end(t); err != nil {
		t.Error(err)
	}
}
