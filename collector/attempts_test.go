package collector

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// sample is the value of a series in an exposition, empty if it is not there.
func sample(exposition, series string) string {
	_, rest, ok := strings.Cut(exposition, "\n"+series+" ")
	if !ok {
		return ""
	}
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

var dialects = []string{"2.11.2", "3.3.2"}

// increase() needs a sample before the first count: even a task that is never
// seen unfinished is there at 0, for as long as a scrape interval may last.
func TestTheFirstFailureIsVisibleToIncrease(t *testing.T) {
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
				w.airflow.Update(func(db *airflowtest.Database) { db.Add(airflowtest.Task("dag", "run", "other"), 0).Start() })
				w.scrape(0)
				time.Sleep(15 * time.Second)
				w.airflow.Update(func(db *airflowtest.Database) {
					db.Add(airflowtest.Task("dag", "run", "quick"), 0).Fail()
					db.Add(airflowtest.Task("dag", "run", "again"), 1).Fail()
				})
				for _, series := range []string{
					`airflow_task_instances_finished_total{dag_id="dag",state="failed",task_id="quick"}`,
					`airflow_task_retries_total{dag_id="dag",task_id="again"}`,
					`airflow_task_duration_seconds_count{dag_id="dag",state="failed"}`,
				} {
					seen := map[string]time.Duration{} // for how long, by value
					for range 6 * 4 {
						seen[sample(w.scrape(0), series)] += 15 * time.Second
						time.Sleep(15 * time.Second)
					}
					delete(seen, "")
					if last := sample(w.scrape(0), series); last == "0" || last == "" {
						t.Errorf("%s is %q in the end", series, last)
					}
					if strings.Contains(series, "quick") && seen["0"] < time.Minute {
						t.Errorf("%s was 0 for %s only: %v", series, seen["0"], seen)
					}
				}
			})
		})
	}
}

// Many runs, a long history, all kinds of moves: what is asked depends on what is active.
func TestRequestsDoNotGrowWithTheHistory(t *testing.T) {
	lengthy(t)
	const runs = 60
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
				w.airflow.Update(func(db *airflowtest.Database) {
					for i := range 600 { // the history
						db.Add(airflowtest.Task(fmt.Sprint("dag", i%30), fmt.Sprint("old", i), "task"), 0).Succeed()
						db.Run(fmt.Sprint("dag", i%30), fmt.Sprint("old", i)).Settle()
					}
					for i := range runs {
						for task := range 3 {
							db.Add(airflowtest.Task(fmt.Sprint("dag", i%30), fmt.Sprint("run", i/30), fmt.Sprint("task", task)), 5).Start()
						}
					}
				})
				w.scrape(0)
				total := 0
				const scrapes = 200
				for i := range scrapes {
					time.Sleep(15 * time.Second)
					moved := map[string]bool{}
					w.airflow.Update(func(db *airflowtest.Database) {
						for k := range 6 {
							run := (i*6 + k) % runs
							ti := db.TaskInstance(airflowtest.Task(fmt.Sprint("dag", run%30), fmt.Sprint("run", run/30), fmt.Sprint("task", k%3)))
							switch ti.State {
							case "running":
								ti.Fail()
							case "up_for_retry":
								ti.Start()
							case "failed":
								ti.Clear()
							default:
								continue
							}
							moved[fmt.Sprint(run)] = true
						}
					})
					w.airflow.ResetRequests()
					w.scrape(0)
					n := len(w.airflow.Requests())
					total += n
					fanned := w.asked("/tries") + w.asked("/dependencies")
					// Due at most: those that moved, and the sweep of all of them in 20 scrapes, with luck of the spread.
					due := len(moved) + runs/4
					if limit := 12 + 1 + (due+19)/20; n-fanned > limit || fanned > 2*10 {
						t.Errorf("scrape %d: %d requests, %d of them about one instance, want at most %d others", i, n, fanned, limit)
					}
				}
				t.Logf("%.1f requests a scrape", float64(total)/scrapes)
				if mean := float64(total) / scrapes; mean > 12 {
					t.Errorf("%.1f requests a scrape", mean)
				}
			})
		})
	}
}

// More debts than the fan-out allows wait, and that is told.
func TestDebtsWaitForTheNextCollection(t *testing.T) {
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
				w.airflow.Update(func(db *airflowtest.Database) { db.Add(airflowtest.Task("dag", "run", "other"), 0).Start() })
				w.scrape(0)
				time.Sleep(time.Minute)
				w.airflow.Update(func(db *airflowtest.Database) {
					for i := range 25 {
						ti := db.Add(airflowtest.MappedTask("dag", "run", "task", i), 3)
						ti.Fail()
						ti.Fail()
						ti.Start()
					}
				})
				for i, want := range []string{"1", "1", "0", "0"} {
					w.airflow.ResetRequests()
					w.has(w.scrape(0), `airflow_exporter_collector_truncated{collector="attempts"} `+want)
					if n := w.asked("/tries"); n > 10 || (i == 3) != (n == 0) {
						t.Errorf("scrape %d: %d calls", i, n)
					}
					time.Sleep(15 * time.Second)
				}
				time.Sleep(time.Minute)
				w.has(w.scrape(0), `airflow_task_retries_total{dag_id="dag",task_id="task"} 50`, `airflow_task_duration_seconds_count{dag_id="dag",state="failed"} 50`)
			})
		})
	}
}

// What no path of Airflow 2 leads to is counted by its numbers.
func TestAttemptsThatCannotBeAskedForAreRetries(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "2.11.2"}, nil, func(w *world) {
		w.airflow.Update(func(db *airflowtest.Database) { db.Add(airflowtest.Task("dag", "a/b", "other"), 0).Start() })
		w.scrape(0)
		time.Sleep(time.Minute)
		w.airflow.Update(func(db *airflowtest.Database) {
			db.Add(airflowtest.Task("dag", "a/b", "task"), 3).Fail().Fail().Start()
		})
		w.scrapeFor(3 * time.Minute)
		exposition := w.scrape(0)
		w.has(exposition, `airflow_task_retries_total{dag_id="dag",task_id="task"} 2`, `airflow_exporter_collector_truncated{collector="attempts"} 0`)
		w.lacks(exposition, "airflow_task_duration_seconds")
		if n := w.asked("/tries"); n != 2 {
			t.Errorf("%d calls, want 2: once may be a proxy's word", n)
		}
	})
}

// A row that Airflow cannot send spoils the question about its run, and no other.
func TestABadRowOfAFinishedInstanceSparesOtherRuns(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		task := func(run int) airflowtest.Key { return airflowtest.Task("dag", fmt.Sprint("run", run), "task") }
		w.airflow.Update(func(db *airflowtest.Database) {
			for i := range 40 {
				db.Add(task(i), 0).Start()
			}
		})
		w.scrape(0)
		time.Sleep(15 * time.Second)
		w.airflow.Update(func(db *airflowtest.Database) {
			for i := range 40 {
				db.TaskInstance(task(i)).Succeed()
			}
			db.TaskInstance(task(17)).NullColumn = "max_tries"
		})
		w.scrapeFor(2 * time.Minute)
		series := `airflow_task_instances_finished_total{dag_id="dag",state="success",task_id="task"} `
		w.has(w.scrape(0), series+"39", `airflow_exporter_collector_error{class="server",collector="attempts"} 1`)
		w.airflow.ResetRequests()
		time.Sleep(15 * time.Second)
		w.scrape(0)
		if n := w.asked("/taskInstances/list"); n > 3 {
			t.Errorf("%d listings, want one of all and one of the bad row", n)
		}
		w.airflow.Update(func(db *airflowtest.Database) { db.TaskInstance(task(17)).NullColumn = "" })
		w.scrapeFor(75 * time.Second) // it is left alone for a minute
		w.has(w.scrape(0), series+"40", `airflow_exporter_collector_success{collector="attempts"} 1`)
	})
}

// A new configuration neither loses nor repeats a count.
func TestTheLedgerOutlivesAReload(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		ledger := w.collector.ledger
		again := func(change func(*Config)) {
			next := w.restarted(func(o *Options) {
				o.Ledger = ledger
				if change != nil {
					change(&o.Config)
				}
			})
			w.collector, w.registry = next.collector, next.registry
		}
		key := airflowtest.Task("dag", "run", "task")
		w.airflow.Update(func(db *airflowtest.Database) { db.Add(key, 5).Start() })
		w.scrapeFor(2 * time.Minute)
		for range 3 {
			w.airflow.Update(func(db *airflowtest.Database) { db.TaskInstance(key).Fail().Start() })
			again(nil)
			w.scrapeFor(2 * time.Minute)
		}
		w.has(w.scrape(0), `airflow_task_retries_total{dag_id="dag",task_id="task"} 3`, `airflow_task_duration_seconds_count{dag_id="dag",state="failed"} 3`,
			`airflow_task_duration_seconds_bucket{dag_id="dag",state="failed",le="300"} 3`)
		again(func(c *Config) { c.Histograms = HistogramsNative })
		exposition := w.scrape(0)
		w.has(exposition, `airflow_task_retries_total{dag_id="dag",task_id="task"} 3`)
		w.lacks(exposition, "airflow_task_duration_seconds")
	})
}

// A DAG that is gone takes its series along.
func TestForgetDropsADAG(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		w.airflow.Update(func(db *airflowtest.Database) {
			db.Add(airflowtest.Task("gone", "run", "task"), 1).Start()
			db.Add(airflowtest.Task("stays", "run", "task"), 1).Start()
		})
		w.scrape(0)
		books := w.collector.ledger.open(w.airflow.URL)
		books.mu.Lock()
		books.forget("gone")
		books.mu.Unlock()
		families, err := w.collector.ledger.Gather()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, f := range families {
			n += len(f.GetMetric())
		}
		if n != 5 { // success and failed of the other and of its runs, and starts in the pool
			t.Errorf("%d series are left, want 5", n)
		}
	})
}

// Parts that no other needs do not hold the others up.
func TestHangingPoolsDoNotStopTheCounters(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		key := airflowtest.Task("dag", "run", "task")
		w.airflow.Update(func(db *airflowtest.Database) { db.Add(key, 0).Start() })
		w.scrapeFor(time.Minute)
		w.airflow.Inject(airflowtest.On("", "/pools"), airflowtest.Hang())
		w.scrapeFor(5 * time.Minute)
		w.airflow.Update(func(db *airflowtest.Database) { db.TaskInstance(key).Succeed() })
		w.scrapeFor(10 * time.Minute)
		w.has(w.scrape(0), `airflow_task_instances_finished_total{dag_id="dag",state="success",task_id="task"} 1`,
			`airflow_exporter_collector_success{collector="attempts"} 1`, `airflow_exporter_collector_success{collector="pools"} 0`)
	})
}
