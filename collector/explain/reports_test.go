package explain_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
	"github.com/seed-9c0ac15d/airflow_exporter/collector"
	"github.com/seed-9c0ac15d/airflow_exporter/collector/explain"
)

// asked are the situations in which Airflow is asked why something waits, and how often. In all others it must not be:
// the answer is known, asking could change something, or it may go on by itself.
var asked = map[string]int{
	"pool_full": 1, "pool_slots": 1, "pool_missing": 1, "dag_concurrency": 1, "task_concurrency": 1, "own_check": 1, "none_reported": 1,
	"trigger_rule": 1, "trigger_rule_scheduled": 1, "trigger_rule_in_run": 2, "depends_on_past": 1, "mapped_not_expanded": 1, "run": 1,
	"run_wide": 6,
}

func TestReports(t *testing.T) {
	for name, tc := range situations {
		for api, version := range map[string]string{"v1": "2.11.2", "v2": "3.3.2"} {
			t.Run(name+"_"+api, func(t *testing.T) {
				inWorld(t, version, tc.build, tc.change, tc.args, func(w *world, r *explain.Report) {
					golden(t, name+"_"+api+".txt", text(t, r))
					golden(t, name+"_"+api+".json", jsonText(t, r))
					if r.Status() != tc.status {
						t.Errorf("the exit status is %d, want %d:\n%s", r.Status(), tc.status, text(t, r))
					}
					for _, form := range []string{text(t, r), jsonText(t, r)} {
						if strings.Contains(form, password) || strings.Contains(form, "not-this-one") {
							t.Errorf("a secret is in\n%s", form)
						}
						if strings.ContainsAny(form, "\x1b\a\u009b") {
							t.Errorf("a control character is in\n%q", form)
						}
					}
					if got := w.questions(); got != asked[name] {
						t.Errorf("dependencies were asked for %d times, want %d", got, asked[name])
					}
				})
			})
		}
	}
}

// questions is how often dependencies were asked for.
func (w *world) questions() int {
	n := 0
	for _, r := range w.server.Requests() {
		if strings.HasSuffix(r.Path, "/dependencies") {
			n++
		}
	}
	return n
}

// What moves while the second look is awaited is not asked about.
func TestNothingIsAskedAboutWhatMoves(t *testing.T) {
	for name, move := range map[string]func(db *airflowtest.Database){
		"the instance": func(db *airflowtest.Database) { db.TaskInstance(task("load")).Start() },
		"another instance of the run": func(db *airflowtest.Database) {
			db.TaskInstance(task("extract")).Clear().Start()
		},
		"the DAG": func(db *airflowtest.Database) { db.Dag("etl").Paused = true },
		"the scheduler": func(db *airflowtest.Database) {
			db.Health.Scheduler.Status = airflowtest.Unhealthy
		},
		"the run": func(db *airflowtest.Database) { db.Run("etl", "monday").Fail() },
	} {
		for _, version := range []string{"2.11.2", "3.3.2"} {
			t.Run(name+" "+version, func(t *testing.T) {
				waited := time.Duration(0)
				var server *airflowtest.Server
				change := func(o *explain.Options) {
					o.Waiting = func(d time.Duration) {
						waited += d
						server.Update(move)
					}
				}
				build := func(w *world) {
					server = w.server
					stalled("Trigger Rule", "because")(w)
				}
				inWorld(t, version, build, change, "etl monday load", func(w *world, r *explain.Report) {
					if waited != time.Minute || w.questions() > 0 {
						t.Errorf("waited %s, asked %d times\n%s", waited, w.questions(), text(t, r))
					}
				})
			})
		}
	}
}

// An instance that is scheduled again, for another attempt, has moved.
func TestAnotherAttemptIsAMove(t *testing.T) {
	var server *airflowtest.Server
	change := func(o *explain.Options) {
		o.Waiting = func(time.Duration) {
			server.Update(func(db *airflowtest.Database) { db.TaskInstance(task("load")).Fail().Schedule() })
		}
	}
	build := func(w *world) {
		server = w.server
		waits("Task Concurrency", "x")(w)
	}
	inWorld(t, "2.11.2", build, change, "etl monday load", func(w *world, r *explain.Report) {
		if n := w.questions(); n > 0 || !strings.Contains(text(t, r), "it moved between two looks") {
			t.Errorf("asked %d times\n%s", n, text(t, r))
		}
	})
}

// As many questions as a collection of the exporter would ask, and a text that can be read.
func TestLargeRunsAreBounded(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.3.2"} {
		t.Run(version, func(t *testing.T) {
			build := func(w *world) {
				w.step(func(db *airflowtest.Database) {
					for i := range 60 {
						db.Add(task(fmt.Sprintf("waits%02d", i)), 0).Schedule()
					}
					db.Add(task("many"), 0)
					for _, t := range db.Expand(task("many"), 2500) {
						t.Schedule()
					}
				})
				w.step(func(*airflowtest.Database) {})
			}
			inWorld(t, version, build, nil, "etl monday", func(w *world, r *explain.Report) {
				if n := w.questions(); n != 10 {
					t.Errorf("%d questions", n)
				}
				for _, request := range w.server.Requests() {
					if request.Rows > 2000 {
						t.Errorf("%s %s: %d rows", request.Method, request.Path, request.Rows)
					}
				}
				if n := len(w.server.Requests()); n > 30 {
					t.Errorf("%d requests", n)
				}
				got := text(t, r)
				if n := strings.Count(got, "\n"); n > 20 || !strings.Contains(got, "2560 task instances") || !strings.Contains(got, "Only the first 2000 were looked at.") || !strings.Contains(jsonText(t, r), `"more_groups": `) || strings.Contains(jsonText(t, r), `"more_groups": 0`) {
					t.Errorf("%d lines:\n%s", n, got)
				}
			})
		})
	}
}

// What is not asked about for the same reason is told once, however long each has waited.
func TestTasksThatWereJustScheduledShareALine(t *testing.T) {
	build := func(w *world) {
		for i := range 5 {
			w.server.Update(func(db *airflowtest.Database) { db.Add(task(fmt.Sprintf("load_%d", i)), 0).Schedule() })
			time.Sleep(time.Second)
		}
	}
	inWorld(t, "3.3.2", build, nil, "etl monday", func(_ *world, r *explain.Report) {
		want := "Not asked why load_0, load_1, load_2, … and 2 more: it has been scheduled for less than 1m (collector.blocked.after), and may go on by itself."
		if got := text(t, r); strings.Count(got, "Not asked why") != 1 || !strings.Contains(got, want) {
			t.Errorf("want %q in\n%s", want, got)
		}
	})
}

// Airflow 3 tells an exception beside the message: without it the log would only say that there was one.
func TestExceptionsOfAMessageAreTold(t *testing.T) {
	build := func(w *world) {
		failedWithLog(w)
		line, err := json.Marshal(map[string]any{
			"timestamp": "2000-01-01T00:03:00Z", "event": "Task failed with exception", "level": "error", "logger": "task",
			"error_detail": []map[string]any{{"exc_type": "LoadError", "exc_value": "could not load"}, {"exc_type": "WarehouseError", "exc_value": "disk full\nask the DBA"}},
		})
		if err != nil {
			w.t.Fatal(err)
		}
		w.server.Inject(airflowtest.On("GET", "/logs/2"), airflowtest.Status(http.StatusOK, http.Header{"Content-Type": {"application/x-ndjson"}}, string(line)+"\n"))
	}
	inWorld(t, "3.3.2", build, nil, "etl monday load", func(_ *world, r *explain.Report) {
		want := "\n  00:03:00 ERROR Task failed with exception\n  LoadError: could not load\n  caused by WarehouseError: disk full\n  ask the DBA\n"
		if got := text(t, r); !strings.Contains(got, want) {
			t.Errorf("want %q in\n%s", want, got)
		}
	})
}

// What is switched off for the exporter is not asked by this command either.
func TestQuestionsThatAreSwitchedOff(t *testing.T) {
	for name, tc := range map[string]struct {
		build  func(w *world)
		change func(*explain.Options)
		want   string
	}{
		"blocked": {waits("Task Concurrency", "x"), func(o *explain.Options) { o.Collector.Blocked.Enabled = false }, "collector.blocked.enabled is false"},
		"stalled": {stalled("Trigger Rule", "x"), func(o *explain.Options) { o.Collector.Blocked.Stalled = false }, "collector.blocked.stalled is false"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, "3.3.2", tc.build, tc.change, "etl monday load", func(w *world, r *explain.Report) {
				if w.questions() > 0 || !strings.Contains(text(t, r), tc.want) {
					t.Errorf("asked %d times\n%s", w.questions(), text(t, r))
				}
			})
		})
	}
}

// A backfill of Airflow 2 belongs to a command, one of Airflow 3 to the scheduler.
func TestBackfillsOfACommandAreNotAskedAbout(t *testing.T) {
	for version, want := range map[string]int{"2.11.2": 0, "3.3.2": 1} {
		build := func(w *world) {
			waits("Task Concurrency", "x")(w)
			w.server.Update(func(db *airflowtest.Database) { db.Run("etl", "monday").Type = airflowtest.RunBackfill })
		}
		inWorld(t, version, build, nil, "etl monday load", func(w *world, r *explain.Report) {
			if n := w.questions(); n != want {
				t.Errorf("%s: asked %d times, want %d\n%s", version, n, want, text(t, r))
			}
		})
	}
}

// What was not looked at may move.
func TestRunsThatAreTooLargeAreNotCalledQuiet(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.3.2"} {
		build := func(w *world) {
			w.server.Update(func(db *airflowtest.Database) {
				db.Add(task("load"), 0)
				db.Add(task("many"), 0)
				for _, t := range db.Expand(task("many"), 2100) {
					t.Skip()
				}
			})
			time.Sleep(time.Hour)
		}
		inWorld(t, version, build, nil, "etl monday load", func(w *world, r *explain.Report) {
			if n := w.questions(); n > 0 || !strings.Contains(text(t, r), "more task instances than were looked at") {
				t.Errorf("%s: asked %d times\n%s", version, n, text(t, r))
			}
		})
	}
}

// An attempt is that of a task.
func TestAttemptsThatCannotBe(t *testing.T) {
	for _, o := range []explain.Options{{Try: -1, TaskID: "load"}, {Try: 1}} {
		o.Airflow, o.Collector, o.DagID = airflow.DefaultConfig(), collector.DefaultConfig(), "etl"
		o.Airflow.URL = "http://127.0.0.1:1"
		if _, err := explain.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "--try") {
			t.Errorf("try %d of the task %q: %v", o.Try, o.TaskID, err)
		}
	}
}

// Who interrupts the program while it waits gets it back at once.
func TestInterruptedWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, server: airflowtest.Start(t, airflowtest.Options{Version: "2.11.2", Users: users})}
		w.step = func(change func(db *airflowtest.Database)) { w.server.Update(change); time.Sleep(time.Minute) }
		waits("Task Concurrency", "x")(w)
		ctx, cancel := context.WithCancel(t.Context())
		begin := time.Now()
		r, err := explain.Run(ctx, w.options(func(o *explain.Options) { o.Waiting = func(time.Duration) { cancel() } }, "etl monday load"))
		if err != nil || r.Status() != 2 || time.Since(begin) > time.Second {
			t.Errorf("%v, status %d after %s", err, r.Status(), time.Since(begin))
		}
	})
}

// Of very many active runs the oldest is not listed, and there may be as many as are allowed.
func TestVeryManyActiveRuns(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.3.2"} {
		build := func(w *world) {
			overdue(airflowtest.Dag{MaxActiveRuns: 200})(w)
			w.server.Update(func(db *airflowtest.Database) {
				for i := range 201 {
					db.PutRun(airflowtest.DagRun{DagID: "etl", RunID: fmt.Sprint("by hand ", i), LogicalDate: db.Now().Add(time.Duration(i) * time.Second)})
				}
			})
		}
		inWorld(t, version, build, nil, "etl", func(_ *world, r *explain.Report) {
			want := "Other active runs: 99 or more; to look at one: airflow_exporter explain etl RUN\n"
			if got := text(t, r); !strings.Contains(got, want) || strings.Contains(got, "has not created it") || r.Status() != 0 {
				t.Errorf("%s: want %q in\n%s", version, want, got)
			}
		})
	}
}

// Of thousands of DAGs those are found from whose names the misspelt one differs least.
func TestMisspeltDags(t *testing.T) {
	build := func(w *world) {
		w.server.Update(func(db *airflowtest.Database) {
			for i := range 2000 {
				db.PutDag(airflowtest.Dag{DagID: fmt.Sprintf("sales_%04d", i)})
			}
		})
	}
	for _, version := range []string{"2.11.2", "3.3.2"} {
		inWorld(t, version, build, nil, "purchases", func(w *world, r *explain.Report) {
			if got := text(t, r); !strings.Contains(got, "may not read it.") {
				t.Errorf("%s: want no name in\n%s", version, got)
			}
			for id, want := range map[string]string{
				"sales_14l7": `it has "sales_1407", "sales_1417", "sales_1427", "sales_1437", "sales_1447", …`,
				"sales1407":  `it has "sales_1407"`, "slaes_1407": `it has "sales_1407"`, "sale_s1407": `it has "sales_1407"`, "Sales_1407": `it has "sales_1407"`,
				"sales_14077": `it has "sales_1077", "sales_1407", "sales_1477"`,
			} {
				w.server.ResetRequests()
				r, err := explain.Run(w.t.Context(), w.options(nil, id))
				if err != nil {
					t.Fatal(err)
				}
				if got := text(t, r); !strings.Contains(got, want+".\n") || r.Status() != 2 || len(w.server.Requests()) > 12 {
					t.Errorf("%s: want %s after %d requests:\n%s", version, want, len(w.server.Requests()), got)
				}
			}
		})
	}
}
