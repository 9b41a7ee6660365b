package collector

import (
	"context"
	"flag"
	"fmt"
	"io"
	stdlog "log"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

const (
	// soakWarmUp is longer than anything is remembered; see floorAge.
	soakWarmUp = floorAge + 24*time.Hour
	// soakKeep is how many runs of a DAG Airflow keeps, and soakLife how many steps a DAG lives that comes and goes.
	soakKeep, soakLife = 3, 4
)

// soakPauses are the times between scrapes, in turn: not all parts are due each time.
var soakPauses = []time.Duration{15 * time.Second, 15 * time.Second, 30 * time.Second, 3 * time.Minute, 17 * time.Minute}

// soakWorld is an Airflow in which everything comes and goes, and nothing grows.
type soakWorld struct {
	*world
	random  *rand.Rand
	step    int
	kinds   []airflowtest.Kind
	open    atomic.Int64 // connections to Airflow
	faults  int          // that struck
	version string
}

func inSoakWorld(t *testing.T, kind truthKind, test func(w *soakWorld)) {
	t.Helper()
	s := &soakWorld{version: kind.version, random: rand.New(rand.NewPCG(1, 2)), kinds: airflowtest.Kinds()} // it is the same each time
	change := func(o *Options) {
		as("viewer", "right")(o)
		o.Airflow.List = kind.list
		o.Airflow.MaxResponseBytes = 1 << 20
		o.Config.Histograms = map[bool]string{true: HistogramsClassic, false: HistogramsNative}[kind.version[0] == '2']
		dial := o.Airflow.DialContext
		o.Airflow.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			s.open.Add(1)
			return &countedConn{Conn: conn, open: &s.open}, nil
		}
	}
	inWorld(t, airflowtest.Options{Version: kind.version, Users: users, ClampGet: truthPage}, change, func(w *world) {
		s.world = w
		test(s)
	})
}

// countedConn is a connection that counts as open until it is closed.
type countedConn struct {
	net.Conn
	open   *atomic.Int64
	closed atomic.Bool
}

func (c *countedConn) Close() error {
	if !c.closed.Swap(true) {
		c.open.Add(-1)
	}
	return c.Conn.Close()
}

// next lets some time pass and scrapes, every fifth time with a fault, if what it is to strike is asked for.
func (w *soakWorld) next() string {
	time.Sleep(soakPauses[w.step%len(soakPauses)])
	w.step++
	w.airflow.Update(w.move)
	w.airflow.ResetRequests()
	w.log.Reset()
	if w.random.IntN(5) > 0 {
		return w.scrape(10 * time.Second)
	}
	kind := w.kinds[w.random.IntN(len(w.kinds))]
	endpoint := truthEndpoints[w.random.IntN(len(truthEndpoints))].name
	var struck atomic.Bool
	remove := w.airflow.Inject(func(r *http.Request) bool {
		if endpointOf(r) != endpoint {
			return false
		}
		struck.Store(true)
		return true
	}, kind.Fault)
	defer remove()
	said := w.scrape(10 * time.Second)
	if struck.Load() {
		w.faults++
	}
	return said
}

// move lets a run end and another one begin, and now and then a DAG, a pool's instance or a broken file come and go.
func (w *soakWorld) move(db *airflowtest.Database) {
	w.moveRuns(db, fmt.Sprintf("dag%d", w.step%2))
	w.moveDag(db)
	if w.step%7 == 0 {
		db.PutImportError(airflowtest.ImportError{Filename: fmt.Sprintf("broken%d.py", w.step)})
		db.FixImportError(map[bool]string{true: "", false: "dags-folder"}[w.airflowIs2()], fmt.Sprintf("broken%d.py", w.step-7))
	}
}

func (w *soakWorld) airflowIs2() bool { return strings.HasPrefix(w.version, "2") }

// moveRuns ends the instances of a DAG in all the ways there are, and begins a run.
func (w *soakWorld) moveRuns(db *airflowtest.Database, dag string) {
	for _, r := range db.Runs() {
		if r.DagID == dag && r.State == "running" {
			w.moveRun(r)
		}
	}
	id := fmt.Sprintf("run%d", w.step)
	due := db.Now()
	db.PutRun(airflowtest.DagRun{DagID: dag, RunID: id, Type: []string{"scheduled", "manual"}[w.random.IntN(2)], State: "running", LogicalDate: due, RunAfter: due})
	db.Add(airflowtest.Task(dag, id, "quick"), 0).Succeed()
	db.Add(airflowtest.Task(dag, id, "waits"), 0).Schedule().Dependencies = []airflowtest.Dependency{{Name: "Task Concurrency", Reason: "1"}}
	db.Add(airflowtest.Task(dag, id, "null"), 0)
	db.Add(airflowtest.Task(dag, id, "empty"), 0).SkipEmpty()
	for i := range 1 + w.random.IntN(3) {
		db.Add(airflowtest.MappedTask(dag, id, "mapped", i), 0).Start()
	}
	again := db.Add(airflowtest.Task(dag, id, "again"), 3).Start()
	again.Fail()
	again.Start()
	if last := db.Run(dag, fmt.Sprintf("run%d", w.step-2*soakKeep)); last != nil {
		db.DeleteRun(dag, last.RunID)
	}
}

func (w *soakWorld) moveRun(r *airflowtest.DagRun) {
	for _, ti := range r.Instances() {
		switch {
		case ti.State == "running" && w.random.IntN(2) == 0:
			ti.Fail()
		case ti.State == "running":
			ti.Succeed()
		case ti.State == "scheduled", ti.State == "up_for_retry":
			ti.Start()
		case ti.State == "" && w.random.IntN(3) == 0:
			ti.FailUpstream()
		}
	}
	r.Settle()
}

// moveDag lets a DAG of a new name come, and an old one go with all it has.
func (w *soakWorld) moveDag(db *airflowtest.Database) {
	born := fmt.Sprintf("temp%d", w.step)
	if w.step%2 == 0 {
		db.PutDag(airflowtest.Dag{DagID: born, Tags: []string{born}, Schedule: "@hourly", NextRunAfter: db.Now().Add(time.Hour)})
	}
	for _, r := range db.Runs() {
		var at int
		if _, err := fmt.Sscanf(r.DagID, "temp%d", &at); err == nil {
			w.moveRun(r)
			if w.step-at == soakLife {
				db.DeleteDag(r.DagID)
			}
		}
	}
	if w.step%2 == 0 {
		db.Add(airflowtest.Task(born, "run", "task"+born), 1).Start()
	}
}

// soakState is what a long run must not let grow.
type soakState struct {
	heap, goroutines, connections, series int
}

// measure waits until idle connections are closed, and counts what is left.
func (w *soakWorld) measure(said string) soakState {
	time.Sleep(5 * time.Minute)
	w.airflow.ResetRequests()
	w.log.Reset()
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return soakState{int(m.HeapAlloc), runtime.NumGoroutine(), int(w.open.Load()), len(seriesOf(said))}
}

// soakScrapes is how often the exporter is scraped in all; the world without a warm-up would learn nothing.
var soakScrapes = flag.Int("soak", 20_000, "how many scrapes the soak test makes, of both versions of Airflow together")

// Whatever comes and goes, and whatever goes wrong, for weeks: nothing grows.
func TestSoak(t *testing.T) {
	lengthy(t)
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	defer stdlog.SetOutput(stdlog.Writer())
	stdlog.SetOutput(io.Discard) // net/http tells there what a server sends unasked
	var scrapes, faults, goroutines, connections int
	var beyond int64
	for _, kind := range truthKinds[:2] {
		inSoakWorld(t, kind, func(w *soakWorld) {
			began, said := time.Now(), ""
			for time.Since(began) < soakWarmUp {
				w.next()
			}
			for range len(w.kinds) { // the buffers of the largest answers are there
				said = w.next()
			}
			before := w.measure(said)
			for w.step < *soakScrapes/2 {
				said = w.next()
			}
			after := w.measure(said)
			grown := max(after.heap-before.heap, 0)
			t.Logf("%s: %d scrapes, %d faults in %s, from %+v to %+v", kind.name, w.step, w.faults, time.Since(began), before, after)
			over := grown - max(before.heap/20, 2<<20)
			if beyond = max(beyond, int64(over)); over > 0 {
				t.Errorf("the heap grew by %d bytes", grown)
			}
			if after.series > before.series+before.series/5 {
				t.Errorf("%d series, before %d", after.series, before.series)
			}
			scrapes, faults = scrapes+w.step, faults+w.faults
			goroutines = max(goroutines, after.goroutines-before.goroutines)
			connections = max(connections, after.connections-before.connections)
		})
	}
	if 10*faults < scrapes {
		t.Errorf("%d faults in %d scrapes", faults, scrapes)
	}
	if goroutines > 3 || connections > 3 {
		t.Errorf("%d goroutines and %d connections more", goroutines, connections)
	}
	t.Logf("FIGURE C20 scrapes=%d faults=%d heap_beyond_bytes=%d goroutines=%d connections=%d", scrapes, faults, beyond, goroutines, connections)
}
