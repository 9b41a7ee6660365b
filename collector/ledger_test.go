package collector

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// finished is the series of what a task of DAG "dag" finished as.
func finished(task, state string) string {
	return `airflow_task_instances_finished_total{dag_id="dag",state="` + state + `",task_id="` + task + `"}`
}

func retried(task string) string {
	return `airflow_task_retries_total{dag_id="dag",task_id="` + task + `"}`
}

// eachDialect begins with a run that is active, after a first scrape.
func eachDialect(t *testing.T, test func(w *world, change func(func(db *airflowtest.Database)))) {
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
				w.airflow.Update(func(db *airflowtest.Database) { db.Add(airflowtest.Task("dag", "other", "other"), 0).Start() })
				w.scrapeFor(time.Minute)
				test(w, func(f func(db *airflowtest.Database)) {
					w.airflow.Update(f)
					w.scrapeFor(90 * time.Second)
				})
				w.scrapeFor(2 * time.Minute)
			})
		})
	}
}

// A run that was deleted and created anew under its id lives twice, though its
// attempts have the same numbers.
func TestARunThatIsCreatedAgainCountsAgain(t *testing.T) {
	lengthy(t)
	key := func(task string) airflowtest.Key { return airflowtest.Task("dag", "run", task) }
	add := func(db *airflowtest.Database) {
		db.Add(key("good"), 0).Start()
		db.Add(key("bad"), 0).Fail()
		db.Add(key("again"), 2).Fail().Start()
		db.Add(key("branch"), 0).Skip()
		db.Add(key("below"), 0).FailUpstream()
	}
	end := func(db *airflowtest.Database) {
		db.TaskInstance(key("good")).Succeed()
		db.TaskInstance(key("again")).Succeed()
		db.Run("dag", "run").Settle()
	}
	for name, wait := range map[string]time.Duration{"at once": 0, "when it was missed": 2 * time.Minute, "when it is forgotten": time.Hour} {
		t.Run(name, func(t *testing.T) {
			eachDialect(t, func(w *world, change func(func(db *airflowtest.Database))) {
				for range 3 {
					change(add)
					change(end)
					change(func(db *airflowtest.Database) {
						db.DeleteRun("dag", "run")
						if wait == 0 {
							add(db)
						}
					})
					if wait == 0 {
						change(end)
						w.airflow.Update(func(db *airflowtest.Database) { db.DeleteRun("dag", "run") })
					}
					w.scrapeFor(wait)
				}
				w.scrapeFor(2 * time.Minute)
				n := "3"
				if wait == 0 {
					n = "6"
				}
				exposition := w.scrape(0)
				w.has(exposition, finished("good", "success")+" "+n, finished("bad", "failed")+" "+n, retried("again")+" "+n, finished("again", "success")+" "+n,
					finished("branch", "skipped")+" "+n, finished("below", "upstream_failed")+" "+n)
			})
		})
	}
}

// An instance of the first life got further than the one of the second has yet.
func TestALaterLifeBeginsWithTheFirstAttempt(t *testing.T) {
	key := airflowtest.Task("dag", "run", "task")
	eachDialect(t, func(w *world, change func(func(db *airflowtest.Database))) {
		change(func(db *airflowtest.Database) { db.Add(key, 3).Fail().Fail().Fail().Succeed() })
		change(func(db *airflowtest.Database) {
			db.DeleteRun("dag", "run")
			time.Sleep(time.Second)
			db.Add(key, 3).Fail().Start()
		})
		w.scrapeFor(2 * time.Minute)
		w.has(w.scrape(0), retried("task")+" 4", finished("task", "success")+" 1")
	})
}

// An instance that was cleared may finish without running, and then keeps the number and the dates of the attempt before.
func TestAClearedInstanceFinishesWithoutRunning(t *testing.T) {
	key := func(task string) airflowtest.Key { return airflowtest.Task("dag", "run", task) }
	for name, seen := range map[string]bool{"the attempt was seen": true, "the attempt is in the history only": false} {
		t.Run(name, func(t *testing.T) {
			eachDialect(t, func(w *world, change func(func(db *airflowtest.Database))) {
				again := func(db *airflowtest.Database) {
					db.TaskInstance(key("upstream")).Clear().Fail()
					db.TaskInstance(key("below")).Clear().FailUpstream()
					if seen { // whether it has skipped itself or was skipped cannot be told otherwise
						db.TaskInstance(key("rule")).Clear().SkipByRule()
					}
					db.TaskInstance(key("branch")).Clear().Skip()
					db.Run("dag", "run").Start().Settle()
				}
				change(func(db *airflowtest.Database) {
					for _, task := range []string{"upstream", "below", "rule", "branch"} {
						db.Add(key(task), 0).Succeed()
					}
					db.Run("dag", "run").Settle()
					if !seen {
						time.Sleep(time.Second)
						again(db)
					}
				})
				if seen {
					change(again)
				}
				w.scrapeFor(2 * time.Minute)
				if seen {
					w.has(w.scrape(0), finished("rule", "skipped")+" 1")
				}
				w.has(w.scrape(0), finished("upstream", "success")+" 1", finished("upstream", "failed")+" 1",
					finished("below", "success")+" 1", finished("below", "upstream_failed")+" 1", finished("rule", "success")+" 1",
					finished("branch", "success")+" 1", finished("branch", "skipped")+" 1", `airflow_task_duration_seconds_count{dag_id="dag",state="success"} 4`)
			})
		})
	}
}

// A listing that was short once does not keep a run from being read as a whole when it ends.
func TestAShortListingIsForgotten(t *testing.T) {
	key := func(task string) airflowtest.Key { return airflowtest.Task("dag", "run", task) }
	eachDialect(t, func(w *world, change func(func(db *airflowtest.Database))) {
		change(func(db *airflowtest.Database) {
			db.Add(key("upstream"), 0).Succeed()
			db.Add(key("below"), 0).Succeed()
			db.Add(key("last"), 0).Start()
		})
		w.scrapeFor(10 * time.Minute) // the dates are so old that only the question at the end reaches them
		heal := w.airflow.Inject(isFinishedListing, airflowtest.Rewrite(oneMore))
		change(func(db *airflowtest.Database) {
			db.TaskInstance(key("upstream")).Clear().Fail()
			db.TaskInstance(key("below")).Clear().FailUpstream()
		})
		w.scrapeFor(6 * time.Minute)
		w.has(w.scrape(0), `airflow_exporter_collector_error{class="too_large",collector="attempts"} 1`)
		heal()
		change(func(db *airflowtest.Database) {
			db.TaskInstance(key("last")).Succeed()
			db.Run("dag", "run").Settle()
		})
		w.scrapeFor(2 * time.Minute)
		w.has(w.scrape(0), finished("below", "upstream_failed")+" 1", finished("upstream", "failed")+" 1", finished("last", "success")+" 1")
	})
}

// What had been deferred when the exporter started, and is on its way to a worker again, starts no second time.
func TestADeferredAttemptStartsOnce(t *testing.T) {
	for _, version := range dialects {
		inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
			key := airflowtest.Task("dag", "run", "sensor")
			w.airflow.Update(func(db *airflowtest.Database) { db.Add(key, 0).Start() })
			time.Sleep(time.Minute)
			w.airflow.Update(func(db *airflowtest.Database) { db.TaskInstance(key).Defer().Schedule().Enqueue() })
			w.scrapeFor(time.Minute)
			w.airflow.Update(func(db *airflowtest.Database) {
				db.TaskInstance(key).Start()
				db.Add(airflowtest.Task("dag", "run", "new"), 0).Start()
			})
			w.scrapeFor(2 * time.Minute)
			w.has(w.scrape(0), `airflow_task_instances_started_total{pool="default_pool",queue="default"} 1`)
		})
	}
}

// Cleared once more, it finishes so once more: Airflow 3 tells by its id, Airflow 2 does not.
func TestFinishingTwiceWithoutRunning(t *testing.T) {
	key := func(task string) airflowtest.Key { return airflowtest.Task("dag", "run", task) }
	eachDialect(t, func(w *world, change func(func(db *airflowtest.Database))) {
		change(func(db *airflowtest.Database) {
			db.Add(key("upstream"), 0).Fail()
			db.Add(key("below"), 0).FailUpstream()
			db.Run("dag", "run").Settle()
		})
		change(func(db *airflowtest.Database) {
			db.TaskInstance(key("upstream")).Clear().Fail()
			db.TaskInstance(key("below")).Clear().FailUpstream()
			db.Run("dag", "run").Start().Settle()
		})
		w.scrapeFor(2 * time.Minute)
		n := "2"
		if strings.Contains(w.scrape(0), `api="v1"`) {
			n = "1"
		}
		w.has(w.scrape(0), finished("upstream", "failed")+" 2", finished("below", "upstream_failed")+" "+n)
	})
}

// One 404 may be a proxy's word: the attempts that it hides are asked for once more.
func TestOneStray404HidesNoAttempt(t *testing.T) {
	key := airflowtest.Task("dag", "run", "task")
	eachDialect(t, func(w *world, change func(func(db *airflowtest.Database))) {
		w.airflow.Inject(airflowtest.On("GET", "/tries"), airflowtest.Status(404, nil, "").First(1))
		change(func(db *airflowtest.Database) {
			db.Add(key, 0).Succeed().Clear()
			db.TaskInstance(key).Succeed()
			db.Run("dag", "run").Settle()
		})
		w.scrapeFor(2 * time.Minute)
		exposition := w.scrape(0)
		w.has(exposition, finished("task", "success")+" 2", `airflow_task_duration_seconds_count{dag_id="dag",state="success"} 2`)
		w.lacks(exposition, retried("task"))
	})
}

// In a run that began before the exporter, an attempt that Airflow does not tell about may have ended at any time.
func TestAttemptsFromBeforeTheStartThatNoPathLeadsToDoNotCount(t *testing.T) {
	key := airflowtest.Task("dag", "a/b", "task")
	inWorld(t, airflowtest.Options{Version: "2.11.2"}, nil, func(w *world) {
		w.airflow.Update(func(db *airflowtest.Database) { db.Add(key, 5).Fail().Fail().Clear() }) // it has no state at the start
		time.Sleep(time.Minute)
		w.scrapeFor(time.Minute)
		w.airflow.Update(func(db *airflowtest.Database) { db.TaskInstance(key).Start() })
		w.scrapeFor(3 * time.Minute)
		exposition := w.scrape(0)
		w.has(exposition, `airflow_exporter_collector_truncated{collector="attempts"} 0`)
		w.lacks(exposition, retried("task"))
		w.airflow.Update(func(db *airflowtest.Database) { db.TaskInstance(key).Fail() })
		w.scrapeFor(3 * time.Minute)
		w.has(w.scrape(0), retried("task")+" 1")
	})
}

// What Airflow refuses to tell is asked for again, from where it was last answered.
func TestARefusedQuestionIsNotAnswered(t *testing.T) {
	lengthy(t)
	key := airflowtest.Task("dag", "run", "task")
	for _, status := range []int{403, 404, 429, 500} {
		eachDialect(t, func(w *world, _ func(func(db *airflowtest.Database))) {
			w.airflow.Update(func(db *airflowtest.Database) { db.Add(key, 0).Start() })
			w.scrapeFor(time.Minute)
			heal := w.airflow.Inject(isFinishedListing, airflowtest.Status(status, nil, ""))
			w.airflow.Update(func(db *airflowtest.Database) { db.TaskInstance(key).Succeed() })
			w.scrapeFor(20 * time.Minute)
			w.has(w.scrape(0), `airflow_exporter_collector_success{collector="attempts"} 0`)
			heal()
			w.scrapeFor(10 * time.Minute)
			w.has(w.scrape(0), finished("task", "success")+" 1", `airflow_exporter_collector_success{collector="attempts"} 1`)
		})
	}
}

// Counters and histograms never fall, however long they are not scraped or nothing happens.
func TestHistogramsNeverFall(t *testing.T) {
	lengthy(t)
	eachDialect(t, func(w *world, _ func(func(db *airflowtest.Database))) {
		last := map[string]float64{}
		for i := range 400 { // more different durations than a native histogram keeps buckets for
			w.airflow.Update(func(db *airflowtest.Database) {
				ti := db.Add(airflowtest.MappedTask("dag", "run", "task", i), 0).Start()
				ti.StartDate = ti.StartDate.Add(-time.Duration(math.Pow(1.05, float64(i))) * time.Millisecond)
				ti.Succeed()
			})
			time.Sleep(20 * time.Minute)
			now := samples(w.scrape(0))
			for name, value := range last {
				if now[name] < value {
					t.Fatalf("%s fell from %v to %v", name, value, now[name])
				}
			}
			last = now
		}
		w.scrapeFor(2 * time.Minute)
		w.has(w.scrape(0), `airflow_task_duration_seconds_count{dag_id="dag",state="success"} 400`)
	})
}

// The same Airflow under a URL that is written otherwise is the same Airflow.
func TestATrailingSlashKeepsTheBooks(t *testing.T) {
	ledger := NewLedger()
	books := ledger.open("http://airflow.example.org/prefix")
	if ledger.open("http://airflow.example.org/prefix/") != books {
		t.Error("a slash at the end makes it another Airflow")
	}
	if ledger.open("http://airflow.example.org/other") == books {
		t.Error("another path is no other Airflow")
	}
}
