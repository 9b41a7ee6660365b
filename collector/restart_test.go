package collector

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// killTally counts over all kills.
type killTally struct {
	mu                         sync.Mutex
	killed, wrong, fell, twice int
}

// Airflow is killed at each request of a scrape, comes back at once or later,
// with its key or without: nothing wrong is told, and the next scrape tells everything.
func TestAnAirflowThatIsKilledAnywhere(t *testing.T) {
	t.Parallel()
	lengthy(t)
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	y := &killTally{}
	t.Run("kills", func(t *testing.T) {
		for _, kind := range truthKinds {
			for name, comeBack := range map[string]struct {
				atOnce, newKey bool
			}{"at once": {true, false}, "later": {false, false}, "with a new key": {true, true}} {
				t.Run(kind.name+"/"+name, func(t *testing.T) {
					t.Parallel()
					patient := func(o *Options) { o.Config.Fanout = 1000 }
					inTruthWorld(t, kind, 2*time.Minute, oneDay, patient, func(w *truthWorld) {
						w.settle()
						n := 0
						for _, pages := range w.pagesOf() {
							n += pages
						}
						for k := 1; k <= n; k += 1 + n/40 {
							w.kill(k, comeBack.atOnce, comeBack.newKey, y)
						}
					})
				})
			}
		}
	})
	fmt.Printf("FIGURE C18 wrong_samples=%d counters_that_fell=%d counted_twice=%d killed_at=%d\n", y.wrong, y.fell, y.twice, y.killed)
	if y.wrong+y.fell+y.twice > 0 || y.killed < 200 {
		t.Errorf("beyond what is promised: %+v", y)
	}
}

// kill stops Airflow at the k-th request of the next scrape.
func (w *truthWorld) kill(k int, atOnce, newKey bool, y *killTally) {
	w.t.Helper()
	seen, killed := 0, false // guarded by the list of faults
	remove := w.airflow.Inject(func(r *http.Request) bool {
		if r.Header.Get(markHeader) == "" {
			return false
		}
		if seen++; seen == k {
			killed = true
			w.airflow.Stop()
			if newKey {
				w.airflow.RotateKey()
			}
			if atOnce {
				w.must(w.airflow.Restart())
			}
		}
		return false
	}, airflowtest.Fault{})
	name := fmt.Sprintf("killed at request %d", k)
	w.blame(name, w.judgedBy(&judge{maxAge: 2 * time.Minute, mayFlag: partNames}, y))
	remove()
	if killed && !atOnce {
		w.must(w.airflow.Restart())
	}
	w.blame(name+", after it", w.judgedBy(&judge{maxAge: 2 * time.Minute}, y))
	y.mu.Lock()
	defer y.mu.Unlock()
	if killed {
		y.killed++
	}
}

// judgedBy is the verdict about the next scrape.
func (w *truthWorld) judgedBy(j *judge, y *killTally) verdict {
	said := w.next()
	v := j.compare(said, w.last, w.seen)
	y.mu.Lock()
	defer y.mu.Unlock()
	y.wrong += len(v.wrong)
	truth := w.seen[len(w.seen)-1].said
	for sample, right := range truth.of["attempts"] {
		if value := said.samples[sample]; value > right && !same(value, right) {
			y.twice++
		}
	}
	for sample, value := range w.last.of["attempts"] {
		if said.samples[sample] < value {
			y.fell++
		}
	}
	w.last = said
	return v
}

// load is an Airflow in which runs come and go, and what came to an end in it.
type load struct {
	airflow *airflowtest.Server
	step    int
	ended   map[string]float64 // by sample, without those of the last run
}

// move ends a run and begins another one.
func (l *load) move() {
	l.step++
	l.airflow.Update(func(db *airflowtest.Database) {
		id := func(n int) string { return fmt.Sprintf("run%05d", n) }
		if last := db.Run("busy", id(l.step-1)); last != nil {
			for _, ti := range last.Instances() {
				if ti.State == "running" {
					ti.Succeed()
				}
			}
			last.Settle()
			l.ended[`airflow_task_instances_finished_total{dag_id="busy",state="success",task_id="mapped"}`] += 3
			l.ended[`airflow_task_instances_finished_total{dag_id="busy",state="success",task_id="again"}`]++
			l.ended[`airflow_dag_runs_finished_total{dag_id="busy",run_type="manual",state="success"}`]++
			l.ended[`airflow_task_duration_seconds_count{dag_id="busy",state="success"}`] += 4
			l.ended[`airflow_dag_run_duration_seconds_count{dag_id="busy",state="success"}`]++
		}
		db.PutRun(airflowtest.DagRun{DagID: "busy", RunID: id(l.step), Type: "manual", State: "running"})
		for i := range 3 {
			db.Add(airflowtest.MappedTask("busy", id(l.step), "mapped", i), 0).Start()
		}
		again := db.Add(airflowtest.Task("busy", id(l.step), "again"), 3).Start()
		again.Fail()
		again.Start()
		l.ended[`airflow_task_retries_total{dag_id="busy",task_id="again"}`]++
	})
}

// under scrapes every 15 s while runs come and go.
func (l *load) under(w *world, d time.Duration) (last exposed) {
	for range d / (15 * time.Second) {
		l.move()
		time.Sleep(10 * time.Second)
		last = parseExposition(w.t, w.scrape(0))
		time.Sleep(5 * time.Second)
	}
	return last
}

// Airflow is upgraded and downgraded in place, while runs come and go: every end of them counts once.
func TestUpgradesInPlaceUnderLoad(t *testing.T) {
	fell, twice, lost, late := 0, 0, 0, 0
	for n, versions := range [][]string{{"2.11.2", "3.3.2"}, {"3.3.2", "2.11.2"}, {"2.11.2", "3.3.2", "2.11.2"}, {"2.10.2", "2.11.2", "3.0.6", "3.3.2", "2.11.2"}} {
		t.Run(strings.Join(versions, " to "), func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: versions[0], Users: users}, as("viewer", "right"), func(w *world) {
				l := &load{airflow: w.airflow, ended: map[string]float64{}}
				before := map[string]float64{}
				w.check = func(exposition string) {
					now := parseExposition(t, exposition)
					for sample, value := range before {
						if now.samples[sample] < value {
							fell++
							t.Errorf("%v: %s fell from %v to %v", versions, sample, value, now.samples[sample])
						}
					}
					for sample, right := range l.ended {
						if now.samples[sample] > right {
							twice++
							t.Errorf("%v: %s is %v, want at most %v", versions, sample, now.samples[sample], right)
						}
					}
					before = now.of["attempts"]
				}
				w.scrape(0)
				for i, version := range versions {
					if i > 0 {
						if n < 3 { // no one sees the last ones go
							w.airflow.Stop()
							l.under(w, 2*time.Minute) // the scheduler goes on
						}
						w.must(w.airflow.Upgrade(version))
					}
					time.Sleep(15 * time.Second)
					w.scrape(0) // which finds out, while it asks
					time.Sleep(15 * time.Second)
					said := parseExposition(t, w.scrape(0))
					for _, part := range partNames {
						if p := said.parts[part]; !p.success {
							late++
							t.Errorf("%v, in the second scrape of %s: %s: %+v", versions, version, part, p)
						}
					}
					l.under(w, 10*time.Minute)
				}
				w.scrapeFor(10 * time.Minute)
				said := parseExposition(t, w.scrape(0))
				for sample, right := range l.ended {
					if said.samples[sample] != right {
						lost++
						t.Errorf("%v: %s is %v, want %v", versions, sample, said.samples[sample], right)
					}
				}
				if len(l.ended) != 6 || l.step < 80 {
					t.Errorf("%d steps: %v", l.step, l.ended)
				}
			})
		})
	}
	fmt.Printf("FIGURE C18 counters_that_fell=%d counted_twice=%d lost_in_upgrades=%d late_after_upgrades=%d\n", fell, twice, lost, late)
}

// An exporter that is restarted begins at 0 and counts nothing that the one before it has counted.
func TestARestartedExporterCountsNothingTwice(t *testing.T) {
	twice, compared := 0, 0
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
				l := &load{airflow: w.airflow, ended: map[string]float64{}}
				told := map[string]float64{} // by all exporters that there were
				current := w
				for life := range 6 {
					current.scrape(0)
					said := l.under(current, time.Duration(3+life)*time.Minute)
					if life%2 == 0 {
						said = parseExposition(t, current.lastScrape(2*time.Minute)) // it comes to know all that ended
					}
					for sample := range l.ended {
						told[sample] += said.samples[sample]
					}
					current.collector.Close()
					current = w.restarted(nil)
				}
				for sample, right := range l.ended {
					compared++
					if told[sample] > right {
						twice++
						t.Errorf("%s, %s: %v were told, and there were %v", version, sample, told[sample], right)
					}
					if told[sample] < right/2 {
						t.Errorf("%s, %s: only %v were told, and there were %v", version, sample, told[sample], right)
					}
				}
			})
		})
	}
	if compared < 12 {
		t.Errorf("%d samples compared", compared)
	}
	fmt.Printf("FIGURE C18 counted_twice=%d\n", twice)
}
