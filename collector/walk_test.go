package collector

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// walk is a random walk of an Airflow.
type walk struct {
	*world
	rand   *rand.Rand
	model  *model
	runs   int
	fault  func() // ends the faults
	down   bool
	ending bool               // nothing is cleared any more
	last   map[string]float64 // of the newest scrape
	others []*world           // exporters that started later
}

// task_ids say what their tasks are: retries, and whether they are mapped.
var walkTasks = []string{"plain0", "plain1", "retry2", "mapped1", "empty", "maybe"}

func (w *walk) addRun() {
	w.runs++
	dag, run := fmt.Sprintf("dag%d", w.runs%5), fmt.Sprintf("scheduled__%d", w.runs/2)
	w.airflow.Update(func(db *airflowtest.Database) {
		state := "running"
		if w.rand.IntN(4) == 0 {
			state = "queued"
		}
		date := db.Now().Add(-time.Duration(w.rand.IntN(90)) * time.Hour) // some are backfills
		db.PutRun(airflowtest.DagRun{DagID: dag, RunID: run, State: state, Type: "scheduled", LogicalDate: date, RunAfter: date})
		for _, task := range walkTasks {
			if task == walkTasks[0] || w.rand.IntN(3) > 0 {
				db.Add(airflowtest.Task(dag, run, task), retriesOf(task))
			}
		}
	})
}

func retriesOf(task string) int {
	n, _ := strconv.Atoi(task[len(task)-1:])
	return n
}

// step makes one random move.
func (w *walk) step() {
	w.airflow.Update(func(db *airflowtest.Database) {
		var active []*airflowtest.DagRun
		for _, r := range db.Runs() {
			if r.State == "queued" || r.State == "running" || !w.ending && w.rand.IntN(40) == 0 {
				active = append(active, r)
			}
		}
		if len(active) == 0 {
			return
		}
		r := active[w.rand.IntN(len(active))]
		instances := r.Instances()
		if len(instances) == 0 {
			return
		}
		if r.State == "queued" {
			r.Start()
			return
		}
		ti := instances[w.rand.IntN(len(instances))]
		ended := r.State != "running"
		before := ti.State
		if !w.move(db, ti, ended) {
			return
		}
		if ti.State == airflowtest.NoStatus || ti.State == "restarting" {
			w.model.cleared(ti, before)
		} else {
			w.model.moved(ti)
		}
		r.Settle()
	})
}

// move is one that Airflow could make now; false: none.
func (w *walk) move(db *airflowtest.Database, ti *airflowtest.TaskInstance, runEnded bool) bool {
	dice := w.rand.IntN(100)
	if ti.State != airflowtest.NoStatus && ti.State != "restarting" && (runEnded || dice < 3 && !w.ending) {
		if ti.State == "failed" && ti.TryNumber <= ti.MaxTries {
			return false // whether it could be retried is not in its history
		}
		if !byAttempt(ti) {
			return false // that it had finished is then told nowhere
		}
		ti.Clear()
		return true
	}
	if runEnded {
		return false
	}
	switch ti.State {
	case airflowtest.NoStatus:
		switch {
		case ti.TaskID == "empty":
			ti.PassThrough()
		case strings.HasPrefix(ti.TaskID, "mapped") && ti.MapIndex < 0:
			db.Expand(ti.Key, 1+w.rand.IntN(3))
			return false
		case ti.TryNumber > 0: // what a clear put an end to is found with the attempt that follows
			ti.Schedule()
		case dice < 10:
			ti.FailUpstream()
		case dice < 20:
			ti.Skip()
		case dice < 25 && ti.TaskID == "maybe" && ti.EndDate.IsZero():
			ti.SkipEmpty()
		default:
			ti.Schedule()
		}
	case "scheduled":
		ti.Enqueue()
	case "queued":
		ti.Start()
	case "running":
		switch {
		case dice < 35:
			ti.Fail()
		case dice < 40:
			ti.FailWithoutRetry()
		case dice < 50:
			ti.Defer()
		case dice < 25:
			ti.Reschedule()
		case dice < 64:
			ti.Skip()
		default:
			ti.Succeed()
		}
	case "up_for_retry", "up_for_reschedule", "deferred":
		ti.Schedule()
	case "restarting":
		ti.Clear()
	default:
		if strings.HasPrefix(ti.TaskID, "mapped") && dice < 10 && !w.ending { // the task grows
			n := 0
			for _, other := range db.Run(ti.DagID, ti.RunID).Instances() {
				if other.TaskID == ti.TaskID {
					n++
				}
			}
			db.Add(airflowtest.MappedTask(ti.DagID, ti.RunID, ti.TaskID, n), retriesOf(ti.TaskID))
		}
		return false
	}
	return true
}

// trouble lets things go wrong for a while, or ends it.
func (w *walk) trouble() {
	if w.down {
		if err := w.airflow.Restart(); err != nil {
			w.t.Fatal(err)
		}
		w.down = false
		return
	}
	if w.fault != nil {
		w.fault()
		w.fault = nil
		return
	}
	if w.rand.IntN(3) == 0 {
		w.airflow.Stop()
		w.down = true
		return
	}
	faults := []airflowtest.Fault{airflowtest.Status(500, nil, ""), airflowtest.Reset(), airflowtest.Truncate(600), airflowtest.Status(503, nil, "")}
	chance := rand.New(rand.NewPCG(w.rand.Uint64(), 2)) // the matches come one after the other, but in any order
	w.fault = w.airflow.Inject(func(*http.Request) bool { return chance.IntN(4) == 0 }, faults[w.rand.IntN(len(faults))])
}

// calm ends all trouble and scrapes until every debt must be settled.
func (w *walk) calm() {
	for w.down || w.fault != nil {
		w.trouble()
	}
	for range 25 {
		w.scrapeAll()
		time.Sleep(30 * time.Second)
	}
	w.has(w.scrape(0), `airflow_exporter_collector_success{collector="attempts"} 1`, `airflow_exporter_collector_truncated{collector="attempts"} 0`)
	time.Sleep(time.Second)
}

// interfere deletes some runs of which all is counted, and clears others as a whole.
func (w *walk) interfere() {
	w.calm()
	w.airflow.Update(func(db *airflowtest.Database) {
		for _, r := range db.Runs() {
			pending := slices.ContainsFunc(r.Instances(), func(ti *airflowtest.TaskInstance) bool {
				return (ti.State == airflowtest.NoStatus || ti.State == "restarting") && len(ti.History) > 0 || ti.State == "skipped" && ti.EndDate.IsZero()
			})
			ended := r.State == "success" || r.State == "failed"
			if (!pending || ended) && w.rand.IntN(3) == 0 {
				db.DeleteRun(r.DagID, r.RunID)
			} else if ended && w.rand.IntN(10) == 0 && !slices.ContainsFunc(r.Instances(), func(ti *airflowtest.TaskInstance) bool { return ti.State == "skipped" && ti.EndDate.IsZero() }) {
				r.Clear()
			}
		}
	})
}

// scrapeAll scrapes, and sees that no counter falls.
func (w *walk) scrapeAll() {
	for _, o := range w.others {
		o.scrape(0)
	}
	now := samples(w.scrape(0))
	for name, value := range w.last {
		if value > now[name] {
			w.t.Fatalf("%s fell from %v to %v", name, value, now[name])
		}
	}
	w.last = now
}

// equal compares the counts of an exporter with those of the model since then.
func (w *walk) equal(who string, o *world, since map[string]int, ignore func(string) bool) {
	w.t.Helper()
	got := samples(o.scrape(0))
	want := map[string]float64{}
	for name, n := range w.model.counts {
		if n -= since[name]; n != 0 {
			want[name] = float64(n)
		}
	}
	names := maps.Clone(got)
	maps.Copy(names, want)
	bad := 0
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if got[name] != want[name] && !ignore(name) {
			bad++
			w.t.Errorf("%s: %s is %v, want %v", who, name, got[name], want[name])
		}
	}
	if bad == 0 && len(want) < 10 {
		w.t.Errorf("%s: only %d series were counted", who, len(want))
	}
}

// finish lets every run come to its end.
func (w *walk) finish() {
	w.ending = true
	for range 100_000 {
		left := 0
		w.airflow.Update(func(db *airflowtest.Database) {
			for _, r := range db.Runs() {
				if r.Settle(); r.State == "running" || r.State == "queued" {
					left++
				}
			}
		})
		if left == 0 {
			break
		}
		w.step()
		time.Sleep(100 * time.Millisecond)
		if w.rand.IntN(20) == 0 {
			w.scrapeAll()
			time.Sleep(time.Millisecond)
		}
	}
	w.calm()
}

// Whatever happens, and whenever it is looked at: after a long walk, each
// attempt was counted once, by the exporter that was there from the beginning and by those that came later.
func TestEachAttemptIsCountedOnce(t *testing.T) {
	const steps = 10_000
	for seed, version := range dialects {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			inWorld(t, airflowtest.Options{Version: version}, generous, func(world *world) {
				w := &walk{world: world, rand: rand.New(rand.NewPCG(uint64(seed), 1)), model: newModel()}
				w.walk(steps)
			})
		})
	}
}

// generous lets the exporter ask more than it needs to; what it may ask by default is another test's.
func generous(o *Options) {
	o.Airflow.RequestsPerSecond, o.Airflow.Burst = 1000, 1000
	o.Config.Refresh = 0
	o.Config.Blocked.Enabled = false // it changes what it asks about
}

func (w *walk) walk(steps int) {
	w.scrape(0)
	time.Sleep(time.Millisecond)
	var since []map[string]int
	for i := range steps {
		switch dice := w.rand.IntN(1000); {
		case dice < 25:
			w.addRun()
		case dice < 125:
			w.scrapeAll()
			time.Sleep(time.Millisecond)
		case dice < 135:
			w.trouble()
		case dice < 137:
			w.interfere()
		default:
			w.step()
		}
		time.Sleep(time.Duration(w.rand.IntN(4000)) * time.Millisecond)
		if i == steps/2 {
			w.calm()
			since = append(since, maps.Clone(w.model.counts))
			w.others = append(w.others, w.restarted(generous))
			w.scrapeAll()
			time.Sleep(time.Millisecond)
		}
	}
	w.finish()
	w.equal("from the beginning", w.world, nil, func(string) bool { return false })
	for i, o := range w.others {
		w.equal("started later", o, since[i], func(name string) bool { return strings.Contains(name, `task_id="maybe"`) })
	}
}
