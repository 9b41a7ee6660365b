package collector

import (
	"bytes"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

var update = flag.Bool("update", false, "write the golden expositions")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is an Airflow, and an exporter that asks it, on one fake clock.
type world struct {
	t         testing.TB
	airflow   *airflowtest.Server
	collector *Collector
	registry  *prometheus.Registry
	check     func(exposition string) // of each scrape; nil: none
	log       bytes.Buffer
}

// inWorld runs a test in a bubble of fake time.
func inWorld(t *testing.T, o airflowtest.Options, change func(*Options), test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, airflow: airflowtest.Start(t, o)}
		w.start(change)
		test(w)
		w.onlyRead()
		if t.Failed() && w.log.Len() > 0 {
			t.Logf("the log of the exporter:\n%s", &w.log)
		}
	})
}

// onlyRead checks that Airflow was asked for nothing but lists, single facts and a login.
func (w *world) onlyRead() {
	for _, r := range w.airflow.Requests() {
		list, login := strings.HasSuffix(r.Path, "/list"), strings.HasSuffix(r.Path, "/auth/token")
		if r.Method != http.MethodGet && (r.Method != http.MethodPost || !list && !login) {
			w.t.Errorf("the exporter wrote: %s %s", r.Method, r.Path)
		}
	}
}

// restarted is another exporter that asks the same Airflow.
func (w *world) restarted(change func(*Options)) *world {
	other := &world{t: w.t, airflow: w.airflow}
	other.start(change)
	return other
}

func (w *world) start(change func(*Options)) {
	w.t.Helper()
	w.startWith(NewLedger(), change)
}

// startWith starts an exporter with a ledger that may hold something.
func (w *world) startWith(ledger *Ledger, change func(*Options)) {
	w.t.Helper()
	w.registry = prometheus.NewRegistry()
	options := Options{Config: DefaultConfig(), Dags: DefaultDagsConfig(), Airflow: airflow.DefaultConfig(), Telemetry: NewTelemetry(), Ledger: ledger, Logger: level.NewFilter(log.NewLogfmtLogger(&w.log), level.AllowWarn())}
	options.Airflow.URL = w.airflow.URL
	options.Airflow.DialContext = w.airflow.DialContext
	options.Airflow.AllowInsecureHTTP = true // the connection is in memory
	if change != nil {
		change(&options)
	}
	c, err := New(options)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	options.Telemetry.Loaded(true, time.Now())
	w.collector = c
	w.registry.MustRegister(options.Telemetry)
}

// as logs in with an account.
func as(user, password string) func(*Options) {
	return func(o *Options) {
		o.Airflow.Username = user
		o.Airflow.Password = secret(password)
	}
}

// scrape is what a Prometheus with this scrape timeout gets; 0: it sends no header.
func (w *world) scrape(timeout time.Duration) string {
	w.t.Helper()
	r := httptest.NewRequest("GET", "/metrics", nil)
	if timeout > 0 {
		r.Header.Set(budgetHeader, strconv.FormatFloat(timeout.Seconds(), 'f', -1, 64))
	}
	recorder := httptest.NewRecorder()
	w.collector.ServeMetrics(recorder, r, w.registry)
	if recorder.Code != 200 {
		w.t.Fatalf("the scrape got %d: %s", recorder.Code, recorder.Body)
	}
	if w.check != nil {
		w.check(recorder.Body.String())
	}
	return recorder.Body.String()
}

// golden compares a whole exposition with its file.
func (w *world) golden(name, got string) {
	w.t.Helper()
	path := filepath.Join("testdata", name+".prom")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			w.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	if got != string(want) {
		w.t.Errorf("the exposition is not that of %s (go test -update writes it):\n%s", path, difference(string(want), got))
	}
}

// difference lists the lines that only one of two texts has.
func difference(want, got string) string {
	var b strings.Builder
	lines := func(s string) map[string]bool {
		m := map[string]bool{}
		for line := range strings.Lines(s) {
			m[line] = true
		}
		return m
	}
	for line := range strings.Lines(want) {
		if !lines(got)[line] {
			b.WriteString("- " + line)
		}
	}
	for line := range strings.Lines(got) {
		if !lines(want)[line] {
			b.WriteString("+ " + line)
		}
	}
	return b.String()
}

// has fails the test unless each sample is a line of the exposition.
func (w *world) has(exposition string, samples ...string) {
	w.t.Helper()
	for _, s := range samples {
		if !strings.Contains(exposition, "\n"+s+"\n") {
			family, _, _ := strings.Cut(s, "{")
			family, _, _ = strings.Cut(family, " ")
			var near strings.Builder
			for line := range strings.Lines(exposition) {
				if strings.HasPrefix(line, family) {
					near.WriteString(line)
				}
			}
			w.t.Errorf("want %s, got\n%s", s, near.String())
		}
	}
}

// value is the value of one sample.
func (w *world) value(exposition, sample string) float64 {
	w.t.Helper()
	for line := range strings.Lines(exposition) {
		if v, ok := strings.CutPrefix(line, sample+" "); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
			if err != nil {
				w.t.Fatal(err)
			}
			return f
		}
	}
	w.t.Fatalf("no sample %s", sample)
	return 0
}

// lacks fails the test if a line of the exposition begins so.
func (w *world) lacks(exposition string, prefixes ...string) {
	w.t.Helper()
	for _, p := range prefixes {
		if strings.Contains(exposition, "\n"+p) {
			w.t.Errorf("%s should be absent", p)
		}
	}
}

// asked counts the requests to paths that end so.
func (w *world) asked(suffix string) int {
	n := 0
	for _, r := range w.airflow.Requests() {
		if strings.HasSuffix(r.Path, suffix) {
			n++
		}
	}
	return n
}

// listings counts the batch lists of unfinished task instances.
func (w *world) listings() int {
	n := 0
	for _, r := range w.airflow.Requests() {
		if isListing(r) {
			n++
		}
	}
	return n
}

// isListing tells a batch list of unfinished task instances from one of finished ones.
func isListing(r airflowtest.Request) bool {
	return r.Method == "POST" && strings.HasSuffix(r.Path, "/taskInstances/list") && strings.Contains(r.Body, `"running"`)
}

// putDags adds the DAGs of populate, whose schedules begin at the next midnight:
// a daily one, one that is held back by its only run, and one that only assets trigger.
func putDags(db *airflowtest.Database, version string) {
	midnight := db.Now().Truncate(24 * time.Hour).Add(24 * time.Hour)
	db.PutDag(airflowtest.Dag{
		DagID: "etl", Owners: []string{"warehouse", "alice"}, Tags: []string{"nightly", "größe", "core"}, Schedule: "0 0 * * *",
		NextLogicalDate: midnight, NextIntervalStart: midnight, NextIntervalEnd: midnight, NextRunAfter: midnight,
	})
	held := airflowtest.Dag{
		DagID: "sensors", Tags: []string{"core"}, Every: time.Hour, MaxActiveRuns: 1,
		NextLogicalDate: midnight.Add(-time.Hour), NextIntervalStart: midnight.Add(-time.Hour), NextIntervalEnd: midnight,
	}
	if strings.HasPrefix(version, "3.2") || strings.HasPrefix(version, "3.3") {
		held.NextRunAfter = midnight // these do not forget it
	}
	db.PutDag(held)
	db.PutDag(airflowtest.Dag{DagID: "idle", Paused: true, Owners: []string{}, Schedule: map[bool]string{true: "Dataset", false: "Asset"}[version[0] == '2']})
	db.PutDag(airflowtest.Dag{DagID: "removed", Stale: true})
}

// populate fills Airflow with unfinished task instances in every state, over
// some minutes, and with finished ones that no gauge may count.
func populate(server *airflowtest.Server, version string) {
	step := func(change func(db *airflowtest.Database)) {
		server.Update(change)
		time.Sleep(time.Minute)
	}
	step(func(db *airflowtest.Database) {
		db.PutPool(airflowtest.Pool{Name: `we"ird\pool`, Slots: 3})
		db.PutPool(airflowtest.Pool{Name: "empty", Slots: 0})
		putDags(db, version)
		db.PutImportError(airflowtest.ImportError{Filename: "broken.py"})
		db.PutImportError(airflowtest.ImportError{Filename: `we"ird\\file.py`})
		for i, run := range []string{"monday", "tuesday"} {
			db.Add(airflowtest.Task("etl", run, "done"), 0).Succeed()
			db.Add(airflowtest.Task("etl", run, "lost"), 0).Fail()
			db.Add(airflowtest.Task("etl", run, "extract"), 2).Start()
			db.Add(airflowtest.MappedTask("etl", run, "map", i), 0).Start()
			db.Add(airflowtest.Task("etl", run, "report"), 0)
		}
		second := db.Add(airflowtest.Task("etl", "monday", "transform"), 1)
		second.Pool, second.PoolSlots, second.Queue = `we"ird\pool`, 2, "gpu"
		second.Fail()
	})
	step(func(db *airflowtest.Database) {
		db.TaskInstance(airflowtest.Task("etl", "monday", "transform")).Start()
		db.TaskInstance(airflowtest.Task("etl", "monday", "extract")).Fail()
		db.TaskInstance(airflowtest.Task("etl", "tuesday", "extract")).Fail().Enqueue()
		db.Add(airflowtest.Task("sensors", "s", "deferred"), 0).Defer()
		db.Add(airflowtest.Task("sensors", "s", "poke"), 0).Reschedule()
	})
	step(func(db *airflowtest.Database) {
		waits := db.Add(airflowtest.Task("größe", "日本", "wait"), 0)
		waits.Pool = "empty"
		waits.Schedule()
		db.Add(airflowtest.Task("größe", "日本", "queued"), 0).Enqueue()
		db.Put(airflowtest.TaskInstance{Key: airflowtest.Task("sensors", "s", "restarts"), State: "restarting", TryNumber: 1})
		if strings.HasPrefix(version, "3.3") {
			db.Add(airflowtest.Task("sensors", "s", "approve"), 0).AwaitInput()
		}
	})
}

// isFinishedListing tells the others from those.
func isFinishedListing(r *http.Request) bool {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/taskInstances/list") {
		return false
	}
	body, err := io.ReadAll(r.Body)
	return err == nil && strings.Contains(string(body), `"success"`)
}

// lengthy leaves a test to the run without the race detector, which would take minutes for it.
func lengthy(t *testing.T) {
	t.Helper()
	if underRace {
		t.Skip("the race detector would take minutes")
	}
}
