package collector

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// walk is a random walk of an Airflow.
type walk struct {
	*world
	rand   *rand.Rand
	model  *model
	clock  func() time.Time // Airflow's
	runs   int
	fault  func() // ends the faults
	down   bool
	ending bool               // nothing is cleared any more
	last   map[string]float64 // of the newest scrape
	others []later
	taken  map[string]int // moves, by state before and after

	known     map[airflowtest.Key]bool // cleared, and the attempt before was counted
	unstarted map[airflowtest.Key]bool // finished without having started
	kept      map[airflowtest.Key]bool // and kept the dates of an attempt: seen when the run ends
	late      map[string]bool          // runs of which something was cleared when all that remained was their floor
}

// later is an exporter that started later.
type later struct {
	*world
	start time.Time
}

// The DAGs of which not all can be told by everyone.
const (
	rough  = "rough"  // its runs are deleted whatever is still to be found out about them
	reborn = "reborn" // its runs are deleted and created again
)

// task_ids say what their tasks are: retries, and whether they are mapped.
var walkTasks = []string{"plain0", "plain1", "retry2", "mapped1", "sensor1", "empty", "maybe"}

func (w *walk) addRun() {
	w.runs++
	dag := []string{"dag0", "dag1", "dag2", "dag3", rough, reborn}[w.runs%6]
	w.airflow.Update(func(db *airflowtest.Database) { w.fillRun(db, dag, fmt.Sprintf("scheduled__%d", w.runs/2)) })
}

func (w *walk) fillRun(db *airflowtest.Database, dag, run string) {
	state := "running"
	if w.rand.IntN(4) == 0 {
		state = "queued"
	}
	date := db.Now().Add(-time.Duration(w.rand.IntN(90)) * time.Hour) // some are backfills
	db.PutRun(airflowtest.DagRun{DagID: dag, RunID: run, State: state, Type: "scheduled", LogicalDate: date, RunAfter: date})
	for _, task := range walkTasks {
		if dag == reborn && (retriesOf(task) > 0 || task == "maybe") || task != walkTasks[0] && w.rand.IntN(3) == 0 {
			continue
		}
		ti := db.Add(airflowtest.Task(dag, run, task), retriesOf(task))
		if task == "sensor1" {
			ti.Pool = "sensors"
		}
		if dag == rough {
			ti.Pool = rough
		}
	}
}

func retriesOf(task string) int {
	n, _ := strconv.Atoi(task[len(task)-1:])
	return n
}

func runOf(ti *airflowtest.TaskInstance) string { return ti.DagID + "/" + ti.RunID }

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
		before := ti.State
		if !w.move(db, ti) {
			return
		}
		w.note(ti, before, db.Now())
		r.Settle()
	})
}

// note tells the model of a move.
func (w *walk) note(ti *airflowtest.TaskInstance, before string, now time.Time) {
	w.taken[before+" → "+ti.State]++
	if ti.State == airflowtest.NoStatus || ti.State == "restarting" {
		w.model.cleared(ti, before, now)
		return
	}
	delete(w.known, ti.Key)
	if ti.State == "running" {
		delete(w.unstarted, ti.Key)
		delete(w.kept, ti.Key)
	}
	if ti.State == "scheduled" || ti.State == "queued" {
		return
	}
	w.unstarted[ti.Key] = before != "running" && (ti.State == "skipped" || ti.State == "upstream_failed")
	w.model.moved(ti, before, now)
}

// move is one that Airflow could make now; false: none.
func (w *walk) move(db *airflowtest.Database, ti *airflowtest.TaskInstance) bool {
	dice := w.rand.IntN(100)
	run := db.Run(ti.DagID, ti.RunID)
	ended := run.State != "running"
	if ti.State != airflowtest.NoStatus && ti.State != "restarting" && (ended || (dice < 4 || dice < 30 && ti.State == "up_for_retry") && !w.ending) {
		if !w.mayClear(run, ti) || w.unstarted[ti.Key] { // that it had finished is told nowhere if no one has looked, nor whose dates it has
			return false
		}
		w.clear(run, ti)
		return true
	}
	if ended {
		return false
	}
	switch ti.State {
	case airflowtest.NoStatus:
		return w.begin(db, ti, dice)
	case "scheduled":
		ti.Enqueue()
	case "queued":
		ti.Start()
	case "running":
		switch {
		case dice < 30:
			ti.Fail()
		case dice < 35:
			ti.FailWithoutRetry()
		case dice < 45:
			ti.Skip()
		case ti.TaskID != "sensor1" || dice < 70:
			ti.Succeed()
		case dice < 85:
			ti.Defer()
		default:
			ti.Reschedule()
		}
	case "up_for_retry", "up_for_reschedule", "deferred":
		ti.Schedule()
	case "restarting":
		ti.Clear()
	default:
		if strings.HasPrefix(ti.TaskID, "mapped") && dice < 10 && !w.ending { // the task grows
			n := 0
			for _, other := range run.Instances() {
				if other.TaskID == ti.TaskID {
					n++
				}
			}
			grown := db.Add(airflowtest.MappedTask(ti.DagID, ti.RunID, ti.TaskID, n), retriesOf(ti.TaskID))
			grown.Pool = ti.Pool
		}
		return false
	}
	return true
}

// begin is the move of an instance without a state.
func (w *walk) begin(db *airflowtest.Database, ti *airflowtest.TaskInstance, dice int) bool {
	cleared := ti.TryNumber > 0 || !ti.EndDate.IsZero()
	switch {
	case ti.TaskID == "empty":
		ti.PassThrough()
	case strings.HasPrefix(ti.TaskID, "mapped") && ti.MapIndex < 0:
		db.Expand(ti.Key, 1+w.rand.IntN(3))
		return false
	case dice < 15 && (!cleared || !w.late[runOf(ti)]):
		w.kept[ti.Key] = cleared
		ti.FailUpstream()
	case dice < 25:
		ti.Skip()
	case dice < 40 && (!cleared || w.known[ti.Key] && !w.late[runOf(ti)] && !w.skippedItself(ti)):
		w.kept[ti.Key] = cleared
		ti.SkipByRule()
	case dice < 50 && ti.TaskID == "maybe" && !cleared && ti.TryNumber == 0:
		ti.SkipEmpty()
	default:
		ti.Schedule()
	}
	return true
}

// skippedItself reports whether one that is skipped again looks no different to Airflow 2.
func (w *walk) skippedItself(ti *airflowtest.TaskInstance) bool {
	return w.model.v1 && w.model.fate(ti).state == "skipped"
}

// mayClear is false where a clear hides what is a written blind spot.
func (w *walk) mayClear(run *airflowtest.DagRun, ti *airflowtest.TaskInstance) bool {
	return ti.DagID != reborn && (!w.kept[ti.Key] || hasEnded(run)) &&
		(ti.State != "failed" || ti.TryNumber > ti.MaxTries) && // whether it could be retried is not in its history
		(ti.State != "skipped" || !ti.EndDate.IsZero())
}

func (w *walk) clear(run *airflowtest.DagRun, ti *airflowtest.TaskInstance) {
	w.noteLate(run)
	ti.Clear()
}

// noteLate notes whether of a run that is cleared only its floor may be left.
func (w *walk) noteLate(run *airflowtest.DagRun) {
	if hasEnded(run) && w.clock().Sub(run.EndDate) > 5*time.Minute {
		w.late[run.DagID+"/"+run.RunID] = true
	}
}

func hasEnded(r *airflowtest.DagRun) bool { return r.State == "success" || r.State == "failed" }

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
	faults := []airflowtest.Fault{
		airflowtest.Status(500, nil, ""), airflowtest.Reset(), airflowtest.Truncate(600), airflowtest.Status(503, nil, ""),
		airflowtest.Status(403, nil, ""), airflowtest.Status(404, nil, ""), airflowtest.Status(422, nil, ""), airflowtest.Status(429, nil, ""),
		airflowtest.Rewrite(oneMore),
	}
	fault := w.rand.IntN(len(faults))
	definite := fault >= 4 && fault <= 7                // an answer about the attempts of an instance, which is believed
	chance := rand.New(rand.NewPCG(w.rand.Uint64(), 2)) // the matches come one after the other, but in any order
	w.fault = w.airflow.Inject(func(r *http.Request) bool {
		return chance.IntN(4) == 0 && (!definite || !strings.HasSuffix(r.URL.Path, "/tries"))
	}, faults[fault])
}

var totalEntries = regexp.MustCompile(`"total_entries": ?(\d+)`)

// oneMore lets a listing lack one of the rows that it claims to have.
func oneMore(body []byte) []byte {
	return totalEntries.ReplaceAllFunc(body, func(entry []byte) []byte {
		n, _ := strconv.Atoi(totalEntries.FindStringSubmatch(string(entry))[1])
		return fmt.Appendf(nil, `"total_entries": %d`, n+1)
	})
}

// quiet ends all trouble and scrapes until all that came about is counted.
func (w *walk) quiet(interval time.Duration, scrapes int) {
	for w.down || w.fault != nil {
		w.trouble()
	}
	good := 0
	for range 10 * scrapes {
		if good++; !w.scrapeAll() {
			good = 0
		}
		time.Sleep(interval)
		if good == scrapes {
			return
		}
	}
	w.t.Fatal("the exporters do not come to rest")
}

// calm is so long that of the runs that ended only their floors are left.
func (w *walk) calm() { w.quiet(time.Minute, 14) }

// interfere deletes some runs of which all is counted, creates some of them again, and clears others as a whole.
func (w *walk) interfere() {
	w.calm()
	w.airflow.Update(func(db *airflowtest.Database) {
		for _, r := range db.Runs() {
			pending := slices.ContainsFunc(r.Instances(), func(ti *airflowtest.TaskInstance) bool {
				return w.kept[ti.Key] || (ti.State == airflowtest.NoStatus || ti.State == "restarting") && len(ti.History) > 0 || ti.State == "skipped" && ti.EndDate.IsZero()
			})
			ended := hasEnded(r)
			switch {
			case r.DagID == reborn:
				if ended && w.rand.IntN(2) == 0 {
					w.recreate(db, r)
				}
			case (!pending || ended) && w.rand.IntN(3) == 0:
				db.DeleteRun(r.DagID, r.RunID)
			case ended && w.rand.IntN(10) == 0 && !slices.ContainsFunc(r.Instances(), func(ti *airflowtest.TaskInstance) bool { return !w.mayClear(r, ti) }):
				w.noteLate(r)
				r.Clear()
			}
		}
	})
}

func (w *walk) recreate(db *airflowtest.Database, r *airflowtest.DagRun) {
	w.taken["created again"]++
	w.model.forget(r)
	db.DeleteRun(r.DagID, r.RunID)
	w.fillRun(db, r.DagID, r.RunID)
}

// intrude clears some instances when all is counted, and nothing forgotten yet; runs
// of one DAG are created again, and of another deleted whatever there is to be found out.
func (w *walk) intrude() {
	w.airflow.Update(func(db *airflowtest.Database) {
		for _, r := range db.Runs() {
			if r.DagID == rough && w.rand.IntN(4) == 0 {
				w.taken["deleted"]++
				db.DeleteRun(r.DagID, r.RunID)
			}
		}
	})
	w.quiet(40*time.Second, 4)
	w.airflow.Update(func(db *airflowtest.Database) {
		for _, r := range db.Runs() {
			ended := hasEnded(r)
			if ended && r.DagID == reborn && w.rand.IntN(4) == 0 {
				w.recreate(db, r)
				continue
			}
			if ended && db.Now().Sub(r.EndDate) > 5*time.Minute || w.late[r.DagID+"/"+r.RunID] {
				continue
			}
			for _, ti := range r.Instances() {
				finished := ti.State == "success" || ti.State == "failed" || ti.State == "skipped" || ti.State == "upstream_failed"
				if finished && w.mayClear(r, ti) && w.rand.IntN(3) == 0 {
					before := ti.State
					w.clear(r, ti)
					w.known[ti.Key] = true
					w.note(ti, before, db.Now())
				}
			}
		}
	})
}

// scrapeAll scrapes, and sees that no counter falls. It reports whether each exporter counted all that it could find.
func (w *walk) scrapeAll() (settled bool) {
	exposition := w.scrape(0)
	settled = isSettled(exposition)
	for _, o := range w.others {
		settled = isSettled(o.scrape(0)) && settled
	}
	now := samples(exposition)
	for name, value := range w.last {
		if value > now[name] {
			w.t.Fatalf("%s fell from %v to %v", name, value, now[name])
		}
	}
	w.last = now
	return settled
}

func isSettled(exposition string) bool {
	return strings.Contains(exposition, "\nairflow_up 1\n") &&
		strings.Contains(exposition, `airflow_exporter_collector_success{collector="dag_runs"} 1`) &&
		strings.Contains(exposition, `airflow_exporter_collector_success{collector="attempts"} 1`) &&
		strings.Contains(exposition, `airflow_exporter_collector_truncated{collector="attempts"} 0`)
}
