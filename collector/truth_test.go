package collector

import (
	"flag"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// truthEndpoints are what the exporter asks for, with the parts that go without it.
var truthEndpoints = []struct {
	name     string
	concerns []string
}{
	{"version", []string{"health", "blocked"}},
	{"health", []string{"health", "blocked"}},
	{"token", []string{"task_instances", "dag_runs", "dags", "attempts", "blocked", "pools", "import_errors"}},
	{"count", []string{"task_instances", "attempts", "blocked"}},
	{"unfinished", []string{"task_instances", "attempts", "blocked"}},
	{"finished", []string{"attempts"}},
	{"tries", []string{"attempts"}},
	{"stateless", []string{"blocked"}},
	{"dependencies", []string{"blocked"}},
	{"runs", []string{"dag_runs", "attempts", "blocked"}},
	{"ended runs", []string{"dag_runs", "attempts", "blocked"}},
	{"failed runs", []string{"dag_runs"}},
	{"last runs", []string{"dag_runs"}},
	{"dags", []string{"dags", "blocked"}},
	{"dag", []string{"dags", "blocked"}},
	{"pools", []string{"pools"}},
	{"importErrors", []string{"import_errors"}},
}

// excused is why what a fault makes of an answer is believed, empty if it is not.
func excused(world truthKind, kind airflowtest.Kind, endpoint string) string {
	name := kind.String()
	lacksRows := strings.Contains(name, "lost row") || name == "no rows"
	switch {
	case endpoint == "count" && kind.Total && !strings.Contains(name, "null") && !strings.Contains(name, "negative"):
		return "the number is all that there is in the answer"
	case endpoint == "dependencies" && lacksRows:
		return "an answer without a count"
	case endpoint == "last runs" && lacksRows:
		return "a server may send fewer rows than were asked for"
	case endpoint == "tries" && name == "null state":
		return "an attempt that has not begun has none"
	case endpoint == "tries" && strings.HasPrefix(name, "status 4") && !strings.Contains(name, "401") && !strings.Contains(name, "429"):
		return "a definite answer settles the debt: the attempt counts without its times"
	case world.list == airflow.ListGet && lacksRows && slices.Contains([]string{"unfinished", "finished", "stateless", "runs", "ended runs", "failed runs"}, endpoint):
		return "a page by cursor comes without a count"
	}
	return ""
}

var everyCase = flag.Bool("truth.all", false, "let each fault strike each page of each world, which takes minutes")

// tally counts over all cases.
type tally struct {
	mu                               sync.Mutex
	cases, wrong, gaps, flags, kinds int
}

func (y *tally) add(v verdict) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.wrong += len(v.wrong)
	y.gaps += len(v.gaps)
	y.flags += len(v.flags)
}

// Whatever goes wrong with whatever is asked for: each sample is the truth, or
// absent with a flag; and when it is over, everything is told again.
func TestTruth(t *testing.T) {
	t.Parallel()
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	kinds := airflowtest.Kinds()
	total := &tally{kinds: len(kinds)}
	t.Run("cases", func(t *testing.T) {
		for turn, kind := range truthKinds {
			for i, endpoint := range truthEndpoints {
				if endpoint.name == "token" && kind.version[0] == '2' {
					continue
				}
				maxAge := []time.Duration{2 * time.Minute, 12 * time.Minute}[i%2]
				t.Run(kind.name+"/"+endpoint.name, func(t *testing.T) {
					t.Parallel()
					inTruthWorld(t, kind, maxAge, truthStep-time.Minute, nil, func(w *truthWorld) {
						w.tryAll(inTurn(kinds, turn), endpoint.name, endpoint.concerns, total)
					})
				})
			}
		}
	})
	fmt.Printf("FIGURE C1 wrong_samples=%d cases=%d\n", total.wrong, total.cases)
	fmt.Printf("FIGURE C2 unflagged_gaps=%d false_flags=%d\n", total.gaps, total.flags)
	if total.cases < 400 && !underRace || len(kinds) < 40 {
		t.Errorf("%d cases of %d kinds, want at least 400 of 40", total.cases, len(kinds))
	}
}

// inTurn are the kinds that it is this world's turn to meet: all that are about
// the rows of lists, and of the others every third one, if there is no time for all.
func inTurn(kinds []airflowtest.Kind, turn int) []airflowtest.Kind {
	var list []airflowtest.Kind
	for i, kind := range kinds {
		if *everyCase || kind.Rows || kind.Total || i%len(truthKinds) == turn {
			list = append(list, kind)
		}
	}
	return list
}

// tryAll lets each kind of fault strike what is asked of an endpoint, the first, a middle and the last time.
func (w *truthWorld) tryAll(kinds []airflowtest.Kind, endpoint string, concerns []string, total *tally) {
	w.settle()
	n := w.pagesOf()[endpoint]
	if n == 0 {
		w.t.Fatalf("%s is not asked for", endpoint)
	}
	pages := []string{"first", "middle", "last", "all"}
	if n < 3 {
		pages = []string{"first", "last", "all"}
	}
	if n < 2 {
		pages = pages[:1]
	}
	for p, page := range pages {
		for i, kind := range kinds {
			if !*everyCase && (i%len(pages) != p || underRace && i/len(pages)%24 != 0) || excused(w.kind, kind, endpoint) != "" {
				continue
			}
			fault := kind.Fault
			switch page {
			case "first":
				fault = fault.Nth(1)
			case "middle":
				fault = fault.Nth((n + 1) / 2)
			case "last":
				fault = fault.Nth(n)
			}
			w.try(kind, fault, endpoint+", "+page, w.mayFlag(kind, concerns), total)
		}
	}
}

// mayFlag are the parts that a fault at an endpoint may keep from being told.
func (w *truthWorld) mayFlag(kind airflowtest.Kind, concerns []string) []string {
	name := kind.String()
	switch {
	case kind.Harmless:
		return nil
	case strings.Contains(name, "Retry-After 60"), strings.Contains(name, "Retry-After 0"):
		return partNames
	case strings.Contains(name, "hang"), strings.Contains(name, "for ever"): // it takes the time of those that come later
		return append(slices.Clone(concerns), "attempts", "blocked")
	}
	return concerns
}

// try makes one case: a scrape with the fault, and one after it.
func (w *truthWorld) try(kind airflowtest.Kind, fault airflowtest.Fault, where string, mayFlag []string, total *tally) {
	total.mu.Lock()
	total.cases++
	total.mu.Unlock()
	maxAge := w.collector.cfg.MaxAge
	remove := w.airflow.Inject(asking(strings.Split(where, ",")[0]), fault)
	w.report(kind, where, "with the fault", &judge{maxAge: maxAge, mayFlag: mayFlag}, total)
	remove()
	w.report(kind, where, "after it", &judge{maxAge: maxAge}, total)
}

func (w *truthWorld) report(kind airflowtest.Kind, where, when string, j *judge, total *tally) {
	said := w.next()
	j.owed = w.owed
	v := j.compare(said, w.last, w.seen)
	w.last = said
	if j.mayFlag == nil { // what was lost for good is one mistake, not one of all later cases
		w.owed = map[string]float64{}
		for sample, right := range w.seen[len(w.seen)-1].said.of["attempts"] {
			if lost := right - said.samples[sample]; lost != 0 {
				w.owed[sample] = lost
			}
		}
	}
	total.add(v)
	if v.empty() {
		return
	}
	short := func(list []string) string {
		slices.Sort(list)
		return fmt.Sprintf("%d %q", len(list), list[:min(2, len(list))])
	}
	w.t.Errorf("%s at %s, %s:\n  wrong %s\n  gaps %s\n  false flags %s", kind, where, when, short(v.wrong), short(v.gaps), short(v.flags))
}
