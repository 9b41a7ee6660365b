package collector

import (
	"flag"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

var walkSeed = flag.Uint64("walk.seed", 0, "which random walk to take")

// Whatever happens, and whenever it is looked at: after a long walk, each
// attempt was counted once, by the exporter that was there from the beginning and by those that came later.
func TestEachAttemptIsCountedOnce(t *testing.T) {
	t.Parallel()
	steps := 10_000
	if underRace {
		steps = 1_000 // races show soon; make test takes the long walk without the detector
	}
	for i, version := range dialects {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			ahead := func() time.Time { return time.Now().Add(7 * time.Minute) } // Airflow's clock is not ours
			inWorld(t, airflowtest.Options{Version: version, Clock: ahead}, generous, func(world *world) {
				w := &walk{
					world: world, rand: rand.New(rand.NewPCG(*walkSeed, uint64(i))), model: newModel(version[0] == '2'), clock: ahead,
					taken: map[string]int{}, known: map[airflowtest.Key]bool{}, unstarted: map[airflowtest.Key]bool{}, kept: map[airflowtest.Key]bool{}, late: map[string]bool{},
				}
				w.walk(steps)
			})
		})
	}
}

// generous lets the exporter ask more than it needs to; what it may ask by default is another test's.
func generous(o *Options) {
	o.Airflow.RequestsPerSecond, o.Airflow.Burst = 1000, 1000
	o.Config.Refresh = 0
	o.Config.Sweep = time.Minute
	o.Config.Blocked.Enabled = false // it changes what it asks about
}

func (w *walk) walk(steps int) {
	w.scrape(0)
	start := w.clock()
	time.Sleep(time.Millisecond)
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
		case dice < 141:
			w.intrude()
		default:
			w.step()
		}
		time.Sleep(time.Duration(w.rand.IntN(4000)) * time.Millisecond)
		if i == steps/3 || i == steps*2/3 {
			w.calm()
			w.others = append(w.others, later{w.restarted(generous), w.clock()})
			w.scrapeAll()
			time.Sleep(time.Millisecond)
		}
	}
	w.finish()
	w.equal("from the beginning", later{w.world, start})
	for _, o := range w.others {
		w.equal("started later", o)
	}
	if !underRace {
		w.covered()
	}
}

// finish lets every run come to its end.
func (w *walk) finish() {
	w.ending = true
	for range 100_000 {
		left := 0
		w.airflow.Update(func(db *airflowtest.Database) {
			for _, r := range db.Runs() {
				if r.Settle(); !hasEnded(r) {
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

// equal compares the counts of an exporter with those of the model.
func (w *walk) equal(who string, o later) {
	w.t.Helper()
	got, want := samples(o.scrape(0)), w.model.since(o.start)
	names := map[string]bool{}
	for name := range got {
		names[name] = true
	}
	for name := range want {
		names[name] = true
	}
	compared := 0
	for name := range names {
		switch {
		case strings.Contains(name, `"maybe"`) && o.world != w.world:
			continue // skipped without a date, perhaps before the start
		case strings.Contains(name, `"sensors"`) && (strings.Contains(name, "_wait_") || o.world != w.world):
			continue // what was deferred or rescheduled shows its first or its last start only
		case strings.Contains(name, `"`+rough+`"`):
			if got[name] > want[name] && !same(got[name], want[name]) {
				w.t.Errorf("%s: %s is %v, more than there were: %v", who, name, got[name], want[name])
			}
			continue
		}
		compared++
		if !same(got[name], want[name]) {
			w.t.Errorf("%s: %s is %v, want %v", who, name, got[name], want[name])
		}
	}
	if compared < 60 && !underRace {
		w.t.Errorf("%s: only %d series were compared", who, compared)
	}
}

// covered fails unless the walk took each way many times.
func (w *walk) covered() {
	var ways []string
	for from, to := range map[string][]string{
		"":                  {"scheduled", "success", "skipped", "upstream_failed"},
		"scheduled":         {"queued", ""},
		"queued":            {"running", ""},
		"running":           {"success", "failed", "skipped", "up_for_retry", "deferred", "up_for_reschedule", "restarting"},
		"restarting":        {""},
		"deferred":          {"scheduled"},
		"up_for_reschedule": {"scheduled"},
		"up_for_retry":      {"scheduled", ""},
		"success":           {""},
		"failed":            {""},
		"skipped":           {""},
		"upstream_failed":   {""},
	} {
		for _, state := range to {
			ways = append(ways, from+" → "+state)
		}
	}
	slices.Sort(ways)
	for _, way := range append(ways, "created again", "deleted") {
		if n := w.taken[way]; n < 10 {
			w.t.Errorf("%s: only %d times", way, n)
		}
	}
}
