package collector

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// listing logs in, and lists so.
func listing(list string) func(*Options) {
	return func(o *Options) {
		as("viewer", "right")(o)
		o.Airflow.List = list
	}
}

// fillActive makes 60 running runs of 30 DAGs, with 30 task instances each: five run, 21 are scheduled, the others have no state.
func fillActive(db *airflowtest.Database) {
	for i := range 60 {
		for task := range 30 {
			ti := db.Add(airflowtest.Task(fmt.Sprint("dag", i%30), fmt.Sprint("run", i/30), fmt.Sprint("task", task)), 5)
			switch {
			case task < 5:
				ti.Start()
			case task < 26:
				ti.Schedule()
			}
		}
	}
}

// moveOn lets an instance end and another one begin in each second one of so many runs, and returns how many have ended.
func moveOn(db *airflowtest.Database, step, runs int) (ended int) {
	for run := step % 2; run < runs; run += 2 {
		var next, moves *airflowtest.TaskInstance
		for task := range 30 {
			ti := db.TaskInstance(airflowtest.Task(fmt.Sprint("dag", run%30), fmt.Sprint("run", run/30), fmt.Sprint("task", task)))
			switch {
			case ti.State == "running" && moves == nil:
				moves = ti
			case ti.State == "scheduled" && next == nil:
				next = ti
			}
		}
		if moves != nil && next != nil {
			moves.Succeed()
			next.Start()
			ended++
		}
	}
	return ended
}

// How long a collection takes depends on how far away Airflow is and on how many questions need the answer of another
// one: the count, then the pages of what is unfinished. All others share the concurrency.
func TestACollectionTakesAsLongAsItsRoundTrips(t *testing.T) {
	lengthy(t)
	const latency = 100 * time.Millisecond
	for _, version := range []string{"2.10.2", "2.11.2", "3.0.6", "3.3.2"} {
		for _, list := range []string{airflow.ListBatch, airflow.ListGet} {
			t.Run(version+" "+list, func(t *testing.T) {
				inWorld(t, airflowtest.Options{Version: version, Users: users}, listing(list), func(w *world) {
					w.airflow.Update(fillActive)
					w.airflow.Inject(nil, airflowtest.Delay(latency))
					w.scrapeFor(5 * time.Minute)
					var took, bound time.Duration
					for step := range 20 {
						w.airflow.Update(func(db *airflowtest.Database) { moveOn(db, step, 60) })
						w.airflow.ResetRequests()
						began := time.Now()
						w.scrape(10 * time.Second)
						took += time.Since(began)
						bound += latency * time.Duration(roundTrips(w.airflow.Requests(), latency, 4))
						time.Sleep(time.Until(began.Add(15 * time.Second)))
					}
					ratio := float64(took) / float64(bound)
					t.Logf("FIGURE cost wall_over_latency_bound=%.3f", ratio)
					if ratio > 1.15 {
						t.Errorf("a collection took %s on average, want at most 1.15 times %s", took/20, bound/20)
					}
				})
			})
		}
	}
}

// roundTrips is how many answers a collection has to wait for, one after the other, if so many questions may be asked at once.
func roundTrips(requests []airflowtest.Request, latency time.Duration, concurrency int) int {
	chain, ends := 0, time.Time{}
	for _, r := range requests {
		if strings.HasSuffix(r.Path, "/~/dagRuns/~/taskInstances") || isListing(r) {
			chain++
			ends = r.Time.Add(latency)
		}
	}
	others := 0
	for _, r := range requests {
		if !r.Time.Before(ends) {
			others++
		}
	}
	return chain + (others+concurrency-1)/concurrency
}

// Airflow 3 keeps connections open, and as many as are needed at once are enough for good; Airflow 2 closes each.
func TestConnectionsAreKept(t *testing.T) {
	for _, version := range []string{"2.10.2", "2.11.2", "3.0.6", "3.3.2"} {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version, Users: users}, as("viewer", "right"), func(w *world) {
				w.airflow.Update(fillActive)
				w.airflow.Inject(nil, airflowtest.Delay(100*time.Millisecond)) // or else one would be enough
				for step := range 20 {
					w.airflow.Update(func(db *airflowtest.Database) { moveOn(db, step, 60) })
					w.scrape(10 * time.Second)
					time.Sleep(15 * time.Second)
				}
				n, want := w.airflow.Connections(), 4
				if version[0] == '2' {
					want = len(w.airflow.Requests())
				}
				t.Logf("FIGURE cost connections_beyond_need=%d", n-want)
				if n != want {
					t.Errorf("%d connections in 20 collections, want %d", n, want)
				}
			})
		})
	}
}

// The rows of task instances that a collection gets are those that are unfinished, those that have finished since the last
// one, at most twice, and some that have finished before, however many have ever: of questions that are asked together
// the one that reaches back furthest counts, which is that of a run in which nothing moves, if there is one.
func TestRowsDoNotGrowWithTheHistory(t *testing.T) {
	lengthy(t)
	const steps, interval = 20, 15 * time.Second
	for _, tc := range []struct {
		version, list string
		moving        int // of 60 runs, each every 30 s
		back          time.Duration
	}{
		{"2.10.2", airflow.ListBatch, 60, overlap + 2*interval},
		{"2.11.2", airflow.ListBatch, 60, overlap + 2*interval},
		{"2.11.2", airflow.ListBatch, 30, overlap + DefaultConfig().Sweep},
		{"3.0.6", airflow.ListBatch, 60, overlap + 2*interval},
		{"3.3.2", airflow.ListBatch, 60, overlap + 2*interval},
		{"3.3.2", airflow.ListBatch, 30, overlap + DefaultConfig().Sweep},
		{"3.3.2", airflow.ListGet, 30, overlap + 2*interval}, // one question for each run
	} {
		t.Run(fmt.Sprintf("%s %s, %d runs move", tc.version, tc.list, tc.moving), func(t *testing.T) {
			var rows [2]int
			for i, history := range []int{0, 1200} {
				inWorld(t, airflowtest.Options{Version: tc.version, Users: users}, listing(tc.list), func(w *world) {
					w.airflow.Update(func(db *airflowtest.Database) { fillHistory(db, history) })
					time.Sleep(24 * time.Hour)
					w.airflow.Update(fillActive)
					w.scrapeFor(6 * time.Minute)
					ended, unfinished := 0, 0
					for step := range 2 * steps {
						if step == steps { // as many have ended before
							w.airflow.ResetRequests()
							ended, unfinished = 0, 0
						}
						w.airflow.Update(func(db *airflowtest.Database) {
							ended += moveOn(db, step, tc.moving)
							unfinished += countUnfinished(db)
						})
						w.scrape(10 * time.Second)
						time.Sleep(interval)
					}
					rows[i] = instanceRows(w.airflow.Requests())
					bound := unfinished + ended*(2+int(tc.back/interval))
					t.Logf("FIGURE cost rows_over_bound=%.3f", float64(rows[i])/float64(bound))
					if rows[i] > bound || ended != steps*tc.moving/2 {
						t.Errorf("%d rows, while %d ended; want at most %d", rows[i], ended, bound)
					}
				})
			}
			t.Logf("FIGURE cost rows_of_history=%d", rows[1]-rows[0])
			if rows[0] != rows[1] {
				t.Errorf("%d rows without a history, %d with one", rows[0], rows[1])
			}
		})
	}
}

// fillHistory makes runs that have ended, with 20 task instances each.
func fillHistory(db *airflowtest.Database, instances int) {
	for i := range instances {
		db.Add(airflowtest.Task(fmt.Sprint("dag", i%30), fmt.Sprint("old", i/600), fmt.Sprint("task", i/30%20)), 0).Succeed()
	}
	for _, r := range db.Runs() {
		r.Settle()
	}
}

func countUnfinished(db *airflowtest.Database) (n int) {
	for _, ti := range db.TaskInstances() {
		if ti.State == "running" || ti.State == "scheduled" {
			n++
		}
	}
	return n
}

// instanceRows counts the rows of the lists of task instances.
func instanceRows(requests []airflowtest.Request) (n int) {
	for _, r := range requests {
		if strings.HasSuffix(r.Path, "/taskInstances") || strings.HasSuffix(r.Path, "/taskInstances/list") {
			n += r.Rows
		}
	}
	return n
}
