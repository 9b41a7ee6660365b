package collector

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

const (
	// truthStep is the time between two scrapes: each part is due each time.
	truthStep = 5 * time.Minute
	// truthPage is the most that Airflow sends of a list by GET, and truthRows how
	// many rows the lists have at least: three pages.
	truthPage, truthRows = 5, 11
	// markHeader marks the requests that may meet a fault.
	markHeader = "X-Truth-Test"
)

// truthKind is a world of the truth test.
type truthKind struct {
	name, version, list string
}

var truthKinds = []truthKind{
	{"v1 batch", "2.11.2", airflow.ListBatch},
	{"v2 batch", "3.3.2", airflow.ListBatch},
	{"v2 get", "3.3.2", airflow.ListGet},
}

// truthWorld is an Airflow that two exporters ask at the same moments: one
// meets faults, the other one never does and tells the truth.
type truthWorld struct {
	*world
	kind   truthKind
	tested *Options
	truth  *world
	step   int
	begun  time.Time
	seen   []truthMoment      // what was true, step by step
	last   exposed            // what the tested one told last
	owed   map[string]float64 // what it lacks for good, by sample
}

// truthMoment is the truth at some time.
type truthMoment struct {
	at   time.Time
	said exposed
}

// inTruthWorld runs a test in such a world; tested, which may be nil, changes the exporter that meets faults.
func inTruthWorld(t *testing.T, kind truthKind, maxAge, tokenLifetime time.Duration, tested func(*Options), test func(w *truthWorld)) {
	t.Helper()
	inTruthWorldOf(t, airflowtest.Options{Users: users, TokenLifetime: tokenLifetime}, kind, maxAge, tested, test)
}

// inTruthWorldOf is inTruthWorld with an Airflow that has more options.
func inTruthWorldOf(t *testing.T, o airflowtest.Options, kind truthKind, maxAge time.Duration, tested func(*Options), test func(w *truthWorld)) {
	t.Helper()
	o.Version, o.ClampGet = kind.version, truthPage
	change := func(marked bool) func(*Options) {
		return func(o *Options) {
			as("viewer", "right")(o)
			o.Airflow.List = kind.list
			o.Airflow.RequestsPerSecond, o.Airflow.Burst = 1e6, 1e6 // a budget takes time, which makes the two differ
			o.Airflow.MaxResponseBytes = 1 << 20
			o.Config.MaxAge = maxAge
			o.Config.Histograms = HistogramsClassic
			if marked {
				if tested != nil {
					tested(o)
				}
				o.Airflow.HTTPClient.HTTPHeaders = &promconfig.Headers{Headers: map[string]promconfig.Header{markHeader: {Values: []string{"1"}}}}
			}
		}
	}
	var options *Options
	keep := func(o *Options) { change(true)(o); options = o }
	inWorld(t, o, keep, func(w *world) {
		tw := &truthWorld{world: w, kind: kind, tested: options, truth: w.restarted(change(false)), begun: time.Now()}
		w.airflow.Update(tw.fill)
		test(tw)
	})
}

func truthDag(i int) string { return fmt.Sprintf("dag%02d", i) }

// fill makes Airflow as it is at first.
func (w *truthWorld) fill(db *airflowtest.Database) {
	midnight := db.Now().Truncate(24 * time.Hour)
	for i := range truthRows {
		db.PutPool(airflowtest.Pool{Name: fmt.Sprintf("pool%02d", i), Slots: 1000})
		db.PutImportError(airflowtest.ImportError{Filename: fmt.Sprintf("broken%02d.py", i)})
		w.putDag(db, i)
		if i != 1 {
			db.PutRun(airflowtest.DagRun{DagID: truthDag(i), RunID: "past", Type: "scheduled", State: "success", StartDate: midnight.Add(-time.Hour), EndDate: midnight.Add(-time.Minute), LogicalDate: midnight.Add(-24 * time.Hour), RunAfter: midnight})
		}
		db.PutRun(airflowtest.DagRun{DagID: truthDag(i), RunID: "long", Type: "scheduled", State: "running", LogicalDate: midnight, RunAfter: midnight})
		running := db.Add(airflowtest.Task(truthDag(i), "long", "works"), 0).Start()
		running.Pool = fmt.Sprintf("pool%02d", i)
	}
	db.PutRun(airflowtest.DagRun{DagID: truthDag(1), RunID: "lost", Type: "manual", State: "failed",
		RunAfter: db.Now().Add(-48 * time.Hour), StartDate: db.Now().Add(-48 * time.Hour), EndDate: db.Now().Add(-47 * time.Hour)})
	db.PutRun(airflowtest.DagRun{DagID: truthDag(2), RunID: "waits", Type: "manual", State: "queued"})
	db.Add(airflowtest.Task(truthDag(2), "waits", "null"), 0)
	db.PutDag(airflowtest.Dag{DagID: "unlisted", Stale: true})
	db.Add(airflowtest.Task("unlisted", "run", "works"), 0).Start()
	for i := range 3 {
		waits := db.Add(airflowtest.MappedTask(truthDag(3), "long", "waits", i), 0).Schedule()
		waits.Dependencies = []airflowtest.Dependency{{Name: "Task Concurrency", Reason: "1"}}
	}
}

func (w *truthWorld) putDag(db *airflowtest.Database, i int) {
	midnight := w.begun.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	db.PutDag(airflowtest.Dag{
		DagID: truthDag(i), Owners: []string{fmt.Sprintf("team%d", w.step)}, Tags: []string{"tag"}, Schedule: "0 0 * * *",
		NextLogicalDate: midnight, NextIntervalStart: midnight, NextIntervalEnd: midnight, NextRunAfter: midnight.Add(time.Duration(w.step) * time.Second),
	})
}

// move changes something of everything that is told, so that what is out of date shows.
func (w *truthWorld) move(db *airflowtest.Database) {
	w.step++
	now := db.Now()
	db.Health.Scheduler.Heartbeat = now
	db.Health.Triggerer.Heartbeat = now.Add(-time.Second)
	if db.Health.DagProcessor != nil {
		db.Health.DagProcessor.Heartbeat = now.Add(-2 * time.Second)
	}
	db.Health.Triggerer.Status = []string{airflowtest.Healthy, airflowtest.Unhealthy}[w.step%2]
	for i := range truthRows {
		db.Pool(fmt.Sprintf("pool%02d", i)).Slots = 1000 + w.step
		w.putDag(db, i)
	}
	if w.step%2 == 0 {
		db.PutImportError(airflowtest.ImportError{Filename: "flaky.py"})
		db.Add(airflowtest.Task(truthDag(7), "long", "null"), 0)
	} else {
		db.FixImportError(map[bool]string{true: "", false: "dags-folder"}[w.kind.version[0] == '2'], "flaky.py")
		db.Delete(airflowtest.Task(truthDag(7), "long", "null"))
	}
	reason := []string{"Task Concurrency", "Trigger Rule"}[w.step%2]
	for i := range 3 {
		db.TaskInstance(airflowtest.MappedTask(truthDag(3), "long", "waits", i)).Dependencies = []airflowtest.Dependency{{Name: reason, Reason: "1"}}
	}
	for _, i := range []int{0, 5, 10} {
		w.moveRuns(db, truthDag(i))
	}
}

// moveRuns ends the newest run of a DAG and begins another one, in which an
// instance has already failed once, unseen.
func (w *truthWorld) moveRuns(db *airflowtest.Database, dag string) {
	if last := db.Run(dag, fmt.Sprintf("run%d", w.step-1)); last != nil {
		for _, ti := range last.Instances() {
			if ti.State == "running" {
				ti.Succeed()
			}
		}
		last.Settle()
	}
	db.DeleteRun(dag, fmt.Sprintf("run%d", w.step-8))
	id := fmt.Sprintf("run%d", w.step)
	db.PutRun(airflowtest.DagRun{DagID: dag, RunID: id, Type: "manual", State: "running"})
	db.Add(airflowtest.Task(dag, id, "quick"), 0).Succeed()
	for i := range 1 + w.step%3 {
		db.Add(airflowtest.MappedTask(dag, id, "mapped", i), 0).Start()
	}
	again := db.Add(airflowtest.Task(dag, id, "again"), 3).Start()
	again.Fail()
	again.Start()
	again.StartDate = db.Now()
	db.Add(airflowtest.Task(dag, id, "skipped"), 0).Skip()
}

// next lets a step pass and scrapes both. The moment is the same for both.
func (w *truthWorld) next() (said exposed) {
	w.t.Helper()
	time.Sleep(time.Until(w.begun.Add(time.Duration(w.step+1) * truthStep)))
	w.airflow.Update(w.move)
	at := time.Now()
	w.seen = append(w.seen, truthMoment{at, parseExposition(w.t, w.truth.scrape(2*time.Minute))})
	if passed := time.Since(at); passed != 0 {
		w.t.Fatalf("the truth took %s: the two exporters do not see the same", passed)
	}
	w.seen = w.seen[max(0, len(w.seen)-4):]
	return parseExposition(w.t, w.scrape(2*time.Minute))
}

// settle scrapes until everything is known.
func (w *truthWorld) settle() {
	for range 12 {
		w.last = w.next()
	}
	now := w.seen[len(w.seen)-1].said
	for name, part := range now.parts {
		if !part.success || part.truncated {
			w.t.Fatalf("%s is not complete without a fault: %+v", name, part)
		}
	}
}

// endpointOf names what a request asks for.
func endpointOf(r *http.Request) string {
	path, query := r.URL.Path, r.URL.Query()
	last := path[strings.LastIndex(path, "/")+1:]
	switch last {
	case "version", "health", "token", "tries", "dependencies", "pools", "importErrors", "dags":
		return last
	case "list":
		return listName(strings.Contains(path, "taskInstances"), bodyOf(r))
	case "taskInstances":
		switch {
		case query.Get("limit") == "0":
			return "count"
		case strings.Contains(path, "/dagRuns/~/"):
			return "unfinished"
		case query.Get("state") == "none":
			return "stateless"
		}
		return "finished"
	case "dagRuns":
		if !strings.Contains(path, "/dags/~/") {
			return "last runs"
		}
		return listName(false, strings.Join(query["state"], " "))
	}
	if strings.HasSuffix(path, "/dags/"+last) {
		return "dag"
	}
	return "?" + path
}

func listName(instances bool, states string) string {
	switch {
	case instances && strings.Contains(states, "running"):
		return "unfinished"
	case instances && strings.Contains(states, "success"):
		return "finished"
	case instances:
		return "stateless"
	case strings.Contains(states, "queued"):
		return "runs"
	case strings.Contains(states, "success"):
		return "ended runs"
	}
	return "failed runs"
}

// bodyOf reads the body of a request, and leaves it to be read again.
func bodyOf(r *http.Request) string {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return ""
	}
	r.Body = io.NopCloser(bytes.NewReader(b))
	return string(b)
}

// asking matches the requests of the tested exporter for something.
func asking(endpoint string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Header.Get(markHeader) != "" && endpointOf(r) == endpoint }
}

// pagesOf counts the requests of the tested exporter in a step, by what they ask for.
func (w *truthWorld) pagesOf() map[string]int {
	w.airflow.ResetRequests()
	w.last = w.next()
	pages := map[string]int{}
	for _, r := range w.airflow.Requests() {
		if r.Header.Get(markHeader) == "" {
			continue
		}
		request, err := http.NewRequest(r.Method, r.Path+"?"+r.Query.Encode(), strings.NewReader(r.Body))
		if err != nil {
			w.t.Fatal(err)
		}
		pages[endpointOf(request)]++
	}
	return pages
}
