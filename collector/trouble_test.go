package collector

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// The scheduler does not look at the runs of a DAG whose file broke, nor Airflow 2's at backfills: asking would be first.
func TestRunsThatTheSchedulerDoesNotLookAtAreNotAskedAbout(t *testing.T) {
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
				w.airflow.Update(func(db *airflowtest.Database) {
					db.PutDag(airflowtest.Dag{DagID: "broken", Stale: true})
					db.Add(airflowtest.Task("broken", "run", "null"), 0).AskingWrites = "upstream_failed"
					db.Add(airflowtest.Task("breaks", "run", "null"), 0).AskingWrites = "upstream_failed"
					if version == "2.11.2" {
						db.PutRun(airflowtest.DagRun{DagID: "dag", RunID: "backfill__1", Type: "backfill", State: "running"})
						db.Add(airflowtest.Task("dag", "backfill__1", "null"), 0).AskingWrites = "upstream_failed"
					}
				})
				w.scrapeFor(4 * time.Minute)
				w.airflow.Update(func(db *airflowtest.Database) { db.Dag("breaks").Stale = true })
				w.scrapeFor(20 * time.Minute)
				if n := w.asked("/dependencies"); n != 0 {
					t.Errorf("%d calls", n)
				}
				w.lacks(w.scrape(0), "airflow_dag_runs_stalled")
			})
		})
	}
}

// A row without a state that Airflow cannot send spoils its run, and nothing else.
func TestABadRowWithoutAStateSparesOtherRuns(t *testing.T) {
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
				w.airflow.Update(func(db *airflowtest.Database) {
					for _, dag := range []string{"dag", "bad"} {
						db.PutRun(airflowtest.DagRun{DagID: dag, RunID: "queued", State: "queued"})
						db.Add(airflowtest.Task(dag, "queued", "good"), 0)
					}
					db.TaskInstance(airflowtest.Task("bad", "queued", "good")).NullColumn = "max_tries"
					db.Add(airflowtest.Task("dag", "run", "scheduled"), 0).Schedule()
					db.Add(airflowtest.Task("dag", "stalled", "stuck"), 0)
				})
				w.scrapeFor(20 * time.Minute)
				w.has(w.scrape(0), blockedBy("scheduled", "none_reported"), blockedBy("stuck", "none_reported"), `airflow_dag_runs_stalled{dag_id="dag"} 1`,
					`airflow_exporter_collector_success{collector="blocked"} 1`, `airflow_exporter_collector_truncated{collector="blocked"} 1`)
				w.has(w.scrape(0), blockedBy("good", "dag_run_not_running"))
			})
		})
	}
}

// Nothing that is asked about one instance holds up the others: neither a call that hangs nor one that breaks.
func TestOneCallThatHangsSparesTheOthers(t *testing.T) {
	for name, fault := range map[string]airflowtest.Fault{"hangs": airflowtest.Hang(), "breaks": airflowtest.Reset(), "garbage": airflowtest.LoginPage()} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
				w.airflow.Update(func(db *airflowtest.Database) {
					db.Add(airflowtest.Task("dag", "run", "bad"), 0).Schedule()
					db.Add(airflowtest.Task("dag", "run", "good"), 0).Schedule()
				})
				w.airflow.Inject(airflowtest.On("", "/bad/dependencies"), fault)
				w.scrapeFor(10 * time.Minute)
				shown := 0
				for range 40 {
					if strings.Contains(w.scrape(10*time.Second), blockedBy("good", "none_reported")) {
						shown++
					}
					time.Sleep(15 * time.Second)
				}
				if shown < 36 {
					t.Errorf("the reason of the other one was there in %d of 40 scrapes", shown)
				}
			})
		})
	}
}

// However many runs are queued, a stalled one is told of in every scrape.
func TestStalledRunsComeFirst(t *testing.T) {
	for _, list := range []string{airflow.ListBatch, airflow.ListGet} {
		t.Run(list, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: "3.3.2"}, func(o *Options) { o.Airflow.List = list }, func(w *world) {
				w.airflow.Update(func(db *airflowtest.Database) {
					for i := range 300 {
						db.PutRun(airflowtest.DagRun{DagID: "dag", RunID: fmt.Sprint("q", i), State: "queued"})
						db.Add(airflowtest.Task("dag", fmt.Sprint("q", i), "t"), 0)
					}
					db.Add(airflowtest.Task("z", "stalled", "stuck"), 0)
				})
				w.scrapeFor(10 * time.Minute)
				for range 40 {
					w.has(w.scrape(0), `airflow_dag_runs_stalled{dag_id="z"} 1`, `airflow_task_instances_blocked{dag_id="z",reason="none_reported",task_id="stuck"} 1`)
					time.Sleep(15 * time.Second)
				}
			})
		})
	}
}

// A question about one run that hangs does not stop the counting of the others.
func TestOneQuestionThatHangsSparesTheOthers(t *testing.T) {
	const runs = 50
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
				key := func(i int) airflowtest.Key {
					return airflowtest.Task(fmt.Sprintf("dag%02d", i), fmt.Sprintf("run%02d", i), "t")
				}
				w.airflow.Update(func(db *airflowtest.Database) {
					for i := range runs {
						db.Add(key(i), 0).Start()
					}
				})
				w.scrapeFor(time.Minute)
				w.airflow.Inject(func(r *http.Request) bool {
					if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/taskInstances/list") {
						return false
					}
					body, err := io.ReadAll(r.Body)
					return err == nil && strings.Contains(string(body), `"success"`) && strings.Contains(string(body), `"dag00"`)
				}, airflowtest.Hang())
				w.airflow.Update(func(db *airflowtest.Database) {
					for i := range runs {
						db.TaskInstance(key(i)).Succeed()
						db.Run(key(i).DagID, key(i).RunID).Settle()
					}
				})
				w.scrapeFor(30 * time.Minute)
				exposition, counted := w.scrape(0), 0
				for i := range runs {
					if sample(exposition, fmt.Sprintf(`airflow_task_instances_finished_total{dag_id="dag%02d",state="success",task_id="t"}`, i)) == "1" {
						counted++
					}
				}
				if counted < runs-1 {
					t.Errorf("%d of %d are counted", counted, runs)
				}
			})
		})
	}
}

// Of runs that began and ended in an outage every attempt counts, also when they are listed bit by bit.
func TestEarlyAttemptsOfRunsThatEndedInAnOutage(t *testing.T) {
	const runs = 200
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, few(40), func(w *world) {
				w.airflow.Update(func(db *airflowtest.Database) { db.Add(airflowtest.Task("dag", "other", "other"), 0).Start() })
				w.scrapeFor(time.Minute)
				run := func(i int) string { return fmt.Sprint("run", i) }
				w.airflow.Update(func(db *airflowtest.Database) {
					for i := range runs {
						db.Add(airflowtest.Task("dag", run(i), "early"), 0).Succeed()
						db.Add(airflowtest.Task("dag", run(i), "late"), 0).Start()
					}
				})
				time.Sleep(10 * time.Minute)
				for i := range runs {
					w.airflow.Update(func(db *airflowtest.Database) {
						db.TaskInstance(airflowtest.Task("dag", run(i), "late")).Succeed()
						db.Run("dag", run(i)).Settle()
					})
					time.Sleep(2 * time.Second)
				}
				w.scrapeFor(20 * time.Minute)
				w.has(w.scrape(0), finished("early", "success")+fmt.Sprint(" ", runs), finished("late", "success")+fmt.Sprint(" ", runs))
			})
		})
	}
}

// The ledger's times follow the wall clock, and with it Airflow's, when that is put right.
func TestAirflowsTimeIsOfTheWallClock(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		if now := airflowNow(w.collector.client); strings.Contains(now.String(), " m=") {
			t.Errorf("%s goes by the monotonic clock", now)
		}
	})
}

// What is gone is forgotten even if no one was there when it went: after a reload, and while attempts could not be counted.
func TestWhatIsGoneIsForgottenInTheEnd(t *testing.T) {
	for name, absence := range map[string]func(w *world){
		"reload": func(w *world) {
			next := w.restarted(func(o *Options) { o.Ledger = w.collector.ledger })
			w.collector, w.registry = next.collector, next.registry
		},
		"failure": func(w *world) {
			heal := w.airflow.Inject(airflowtest.On("POST", "/taskInstances/list"), airflowtest.Status(403, nil, ""))
			w.scrapeFor(20 * time.Minute)
			heal()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
				w.airflow.Update(func(db *airflowtest.Database) { lively(db, "gone"); lively(db, "stays") })
				w.scrapeFor(2 * time.Minute)
				w.airflow.Update(func(db *airflowtest.Database) { finishRun(db, "gone") })
				w.scrapeFor(12 * time.Minute)
				w.airflow.Update(func(db *airflowtest.Database) { db.Dag("gone").Stale = true })
				absence(w)
				w.scrapeFor(20 * time.Minute)
				if left := naming(w.scrape(0), "gone"); len(left) > 0 {
					t.Errorf("it is still named in %v", left)
				}
				if len(naming(w.scrape(0), "stays")) < 10 {
					t.Error("the other one is gone, too")
				}
			})
		})
	}
}

// A run that was due before the exporter started may have been cleared: its delay tells nothing.
func TestACleardOldRunHasNoDelay(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		key := airflowtest.Task("dag", "old", "t")
		w.airflow.Update(func(db *airflowtest.Database) {
			db.PutRun(airflowtest.DagRun{DagID: "dag", RunID: "old", Type: "scheduled", LogicalDate: db.Now(), RunAfter: db.Now()})
			db.Add(key, 0).Succeed()
			db.Run("dag", "old").Settle()
		})
		time.Sleep(72 * time.Hour)
		w.scrapeFor(5 * time.Minute)
		w.airflow.Update(func(db *airflowtest.Database) { db.Run("dag", "old").Clear() })
		w.scrapeFor(time.Minute)
		w.airflow.Update(func(db *airflowtest.Database) {
			db.Run("dag", "old").Start()
			db.TaskInstance(key).Succeed()
			db.Run("dag", "old").Settle()
		})
		w.scrapeFor(5 * time.Minute)
		exposition := w.scrape(0)
		w.has(exposition, `airflow_dag_runs_finished_total{dag_id="dag",run_type="scheduled",state="success"} 1`)
		w.lacks(exposition, "airflow_dag_run_start_delay_seconds_count")
	})
}

// What ended while the ledger could not begin is among the last runs, too.
func TestLastRunsAreRightWhenTheLedgerBeginsLate(t *testing.T) {
	for _, version := range dialects {
		inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
			w.airflow.Update(func(db *airflowtest.Database) {
				db.Add(airflowtest.Task("dag", "monday", "t"), 0).Succeed()
				db.Run("dag", "monday").Settle()
				db.Add(airflowtest.Task("dag", "tuesday", "t"), 0).Start()
			})
			heal := w.airflow.Inject(airflowtest.On("POST", "/taskInstances/list"), airflowtest.Status(503, nil, ""))
			w.scrapeFor(2 * time.Minute)
			w.airflow.Update(func(db *airflowtest.Database) {
				db.TaskInstance(airflowtest.Task("dag", "tuesday", "t")).Fail()
				db.Run("dag", "tuesday").Settle()
			})
			w.scrapeFor(2 * time.Minute)
			heal()
			w.scrapeFor(10 * time.Minute)
			w.has(w.scrape(0), lastState("failed", 1), lastState("success", 0))
		})
	}
}

// Nothing ends in a queued run: however many there are, they are not asked about.
func TestQueuedRunsAreNotAskedWhatFinished(t *testing.T) {
	for _, version := range dialects {
		inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
			w.airflow.Update(func(db *airflowtest.Database) {
				for i := range 300 {
					date := db.Now().Add(-time.Duration(i) * 24 * time.Hour)
					db.PutRun(airflowtest.DagRun{DagID: "dag", RunID: fmt.Sprint("backfill__", i), Type: "backfill", State: "queued", LogicalDate: date, RunAfter: date})
				}
			})
			w.scrapeFor(time.Minute)
			w.airflow.ResetRequests()
			w.scrapeFor(10 * time.Minute)
			n := 0
			for _, r := range w.airflow.Requests() {
				if strings.HasSuffix(r.Path, "/taskInstances/list") && strings.Contains(r.Body, `"success"`) {
					n++
				}
			}
			if n != 0 {
				t.Errorf("%s: %d questions about what finished", version, n)
			}
		})
	}
}

// What someone marks that never ran counts once.
func TestWhatIsMarkedWithoutHavingRunCounts(t *testing.T) {
	eachDialect(t, func(w *world, change func(func(db *airflowtest.Database))) {
		change(func(db *airflowtest.Database) {
			db.Add(airflowtest.Task("dag", "run", "ran"), 0).Start()
			db.Add(airflowtest.Task("dag", "run", "never"), 0)
		})
		change(func(db *airflowtest.Database) { db.Run("dag", "run").Succeed() })
		w.scrapeFor(10 * time.Minute)
		w.has(w.scrape(0), finished("ran", "success")+" 1", finished("never", "success")+" 1")
	})
}

// An instance whose attempts Airflow fails to tell is asked for more and more seldom.
func TestADebtThatCannotBePaidIsAskedForSeldom(t *testing.T) {
	lengthy(t)
	eachDialect(t, func(w *world, change func(func(db *airflowtest.Database))) {
		w.airflow.Inject(airflowtest.On("GET", "/tries"), airflowtest.Status(500, nil, ""))
		change(func(db *airflowtest.Database) {
			db.Add(airflowtest.Task("dag", "run", "task"), 3).Fail().Fail().Start()
		})
		w.airflow.ResetRequests()
		w.scrapeFor(2 * time.Hour)
		if n := w.asked("/tries"); n == 0 || n > 2*12+8 {
			t.Errorf("%d calls in two hours", n)
		}
		w.has(w.scrape(0), `airflow_exporter_collector_truncated{collector="attempts"} 1`)
	})
}

// A scheduled instance is asked for only when its run is known to be running.
func TestScheduledInstancesOfRunsThatEndedAreNotAskedFor(t *testing.T) {
	for _, version := range dialects {
		inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
			w.airflow.Update(func(db *airflowtest.Database) {
				db.Add(airflowtest.Task("dag", "run", "left"), 0).Schedule()
				db.Run("dag", "run").State = "failed"
				db.Run("dag", "run").EndDate = db.Now()
			})
			w.scrapeFor(10 * time.Minute)
			if n := w.asked("/dependencies"); n != 0 {
				t.Errorf("%s: %d calls", version, n)
			}
			w.has(w.scrape(0), `airflow_task_instances_waiting{examined="false"} 1`)
		})
	}
}
