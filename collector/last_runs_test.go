package collector

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// company fills Airflow with DAGs whose runs went in every way.
func company(server *airflowtest.Server) {
	server.Update(func(db *airflowtest.Database) {
		now := db.Now()
		midnight := now.Truncate(24 * time.Hour)
		finished := func(dag, run, kind, state string, due time.Time, late, length time.Duration) {
			db.PutRun(airflowtest.DagRun{DagID: dag, RunID: run, Type: kind, State: state, LogicalDate: due, RunAfter: due,
				StartDate: due.Add(late), EndDate: due.Add(late + length)})
		}
		db.PutDag(airflowtest.Dag{DagID: "daily", Schedule: "0 0 * * *", NextRunAfter: midnight.Add(24 * time.Hour)})
		for day := range 10 {
			state := "success"
			if day == 0 {
				state = "failed"
			}
			due := midnight.Add(-time.Duration(day) * 24 * time.Hour)
			finished("daily", "scheduled__"+due.Format("2006-01-02"), "scheduled", state, due, time.Minute, time.Hour+time.Duration(day)*time.Minute)
		}
		finished("daily", "backfill__old", "backfill", "success", midnight.Add(time.Hour), 0, time.Minute) // none of the last runs
		db.PutDag(airflowtest.Dag{DagID: "weekly", Schedule: "0 0 * * 1-5", NextRunAfter: midnight.Add(24 * time.Hour)})
		finished("weekly", "scheduled__friday", "scheduled", "success", midnight.Add(-72*time.Hour), 0, time.Minute)
		finished("weekly", "scheduled__monday", "scheduled", "success", midnight, 0, time.Minute)
		finished("rare", "manual__long_ago", "manual", "failed", midnight.Add(-90*24*time.Hour), 0, time.Minute)
		finished("rare", "manual__longer_ago", "manual", "success", midnight.Add(-91*24*time.Hour), 0, 2*time.Minute)
		db.PutDag(airflowtest.Dag{DagID: "never"})
		db.PutDag(airflowtest.Dag{DagID: "paused", Paused: true})
		finished("paused", "manual__1", "manual", "success", midnight.Add(-time.Hour), 0, time.Minute)
		db.PutRun(airflowtest.DagRun{DagID: "paused", RunID: "waits", State: "queued"})
		db.PutRun(airflowtest.DagRun{DagID: "busy", RunID: "one", State: "queued"})
		db.PutRun(airflowtest.DagRun{DagID: "busy", RunID: "two", State: "running"})
		db.PutRun(airflowtest.DagRun{DagID: "busy", RunID: "three", State: "running", Type: "backfill"})
		db.Add(airflowtest.Task("busy", "two", "task"), 0).Start()
	})
}

// dagLines are the samples about DAGs and their runs.
func dagLines(exposition string) string {
	var b strings.Builder
	for line := range strings.Lines(exposition) {
		if strings.HasPrefix(line, "airflow_dag_") && !strings.Contains(line, "_bucket{") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// All that is told of DAGs and their runs, found out step by step after the start.
func TestGoldenDagRuns(t *testing.T) {
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
				time.Sleep(90 * time.Minute) // at midnight nothing is over yet
				company(w.airflow)
				w.scrapeFor(6 * time.Minute)
				w.airflow.Update(func(db *airflowtest.Database) {
					db.TaskInstance(airflowtest.Task("busy", "two", "task")).Fail()
					db.Run("busy", "two").Settle()
					due := db.Now().Add(-20 * time.Second)
					run := db.PutRun(airflowtest.DagRun{DagID: "daily", RunID: "scheduled__now", Type: "scheduled", LogicalDate: due, RunAfter: due})
					db.Add(airflowtest.Task("daily", run.RunID, "task"), 0).Start()
				})
				w.scrapeFor(2 * time.Minute)
				w.airflow.Update(func(db *airflowtest.Database) {
					db.TaskInstance(airflowtest.Task("daily", "scheduled__now", "task")).Succeed()
					db.Run("daily", "scheduled__now").Settle()
				})
				w.scrapeFor(3 * time.Minute)
				exposition := w.scrape(0)
				w.has(exposition, `airflow_exporter_collector_truncated{collector="dag_runs"} 0`)
				w.golden("dag_runs_"+version, dagLines(exposition))
			})
		})
	}
}

func lastState(state string, is int) string {
	return fmt.Sprintf(`airflow_dag_last_run_state{dag_id="dag",state=%q} %d`, state, is)
}

// What people do to a run that failed shows within minutes: the run is marked, cleared or deleted.
func TestAFailedRunIsReadAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		change          func(db *airflowtest.Database)
		success, failed int
	}{
		"marked":  {func(db *airflowtest.Database) { db.Run("dag", "tuesday").Succeed() }, 1, 0},
		"cleared": {func(db *airflowtest.Database) { db.Run("dag", "tuesday").Clear() }, 1, 0},
		"deleted": {func(db *airflowtest.Database) { db.DeleteRun("dag", "tuesday") }, 1, 0},
		"left":    {func(*airflowtest.Database) {}, 0, 1},
	} {
		for _, version := range dialects {
			t.Run(name+"/"+version, func(t *testing.T) {
				inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
					time.Sleep(24 * time.Hour)
					for _, run := range []string{"monday", "tuesday"} {
						w.airflow.Update(func(db *airflowtest.Database) {
							ti := db.Add(airflowtest.Task("dag", run, "task"), 0)
							if run == "tuesday" {
								ti.Fail()
							} else {
								ti.Succeed()
							}
							db.Run("dag", run).Settle()
						})
						time.Sleep(time.Hour)
					}
					w.scrapeFor(6 * time.Minute)
					w.has(w.scrape(0), lastState("success", 0), lastState("failed", 1))
					w.airflow.Update(tc.change)
					w.scrapeFor(7 * time.Minute)
					w.has(w.scrape(0), lastState("success", tc.success), lastState("failed", tc.failed))
				})
			})
		}
	}
}

// Hundreds of DAGs that have not run for long are asked for bit by bit, and that is told; after a reload they are known.
func TestOldRunsAreLearntWithoutABurst(t *testing.T) {
	const dags = 100
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
				w.airflow.Update(func(db *airflowtest.Database) {
					for i := range dags {
						dag := fmt.Sprint("dag", i)
						db.Add(airflowtest.Task(dag, "run", "task"), 0).Succeed()
						db.Run(dag, "run").Settle()
					}
				})
				time.Sleep(30 * 24 * time.Hour)
				total := 0
				ask := func() int {
					w.airflow.ResetRequests()
					exposition := w.scrape(0)
					n := 0
					for _, r := range w.airflow.Requests() {
						if strings.HasSuffix(r.Path, "/dagRuns") {
							n++
						}
					}
					if missing := total+n < dags; missing != strings.Contains(exposition, `airflow_exporter_collector_truncated{collector="dag_runs"} 1`) {
						t.Errorf("%d of %d DAGs are known, and yet truncated is %v", total+n, dags, !missing)
					}
					return n
				}
				for range 40 {
					n := ask()
					if n > 10 {
						t.Errorf("%d requests about single DAGs in a collection", n)
					}
					total += n
					time.Sleep(30 * time.Second)
				}
				if total != dags {
					t.Errorf("%d requests about %d DAGs", total, dags)
				}
				if n := strings.Count(w.scrape(0), "\nairflow_dag_last_success_timestamp_seconds{"); n != dags {
					t.Errorf("%d DAGs have a last success", n)
				}
				next := w.restarted(func(o *Options) { o.Ledger = w.collector.ledger })
				w.airflow.ResetRequests()
				next.scrapeFor(2 * time.Minute)
				if n := w.asked("/dagRuns"); n != 0 {
					t.Errorf("%d requests about single DAGs after a reload", n)
				}
			})
		})
	}
}

// Each end of a run counts once, and its delay only when it began for the first time.
func TestEachEndOfARunCountsOnce(t *testing.T) {
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
				key := airflowtest.Task("dag", "scheduled__1", "task")
				w.airflow.Update(func(db *airflowtest.Database) {
					db.Add(airflowtest.Task("dag", "before", "task"), 0).Succeed()
					db.Run("dag", "before").Settle()
				})
				time.Sleep(time.Second)
				w.scrapeFor(time.Minute)
				w.airflow.Update(func(db *airflowtest.Database) {
					due := db.Now().Add(-10 * time.Second)
					db.PutRun(airflowtest.DagRun{DagID: "dag", RunID: key.RunID, Type: "scheduled", LogicalDate: due, RunAfter: due})
					db.Add(key, 0).Start()
				})
				w.scrapeFor(time.Minute)
				for range 3 {
					w.airflow.Update(func(db *airflowtest.Database) {
						db.TaskInstance(key).Succeed()
						db.Run("dag", key.RunID).Settle()
					})
					w.scrapeFor(15 * time.Minute) // the second and third clear meet a floor
					w.airflow.Update(func(db *airflowtest.Database) {
						db.TaskInstance(key).Clear()
						db.Run("dag", key.RunID).Start()
						db.TaskInstance(key).Start()
					})
					w.scrapeFor(time.Minute)
				}
				w.has(w.scrape(0),
					`airflow_dag_runs_finished_total{dag_id="dag",run_type="scheduled",state="success"} 3`,
					`airflow_dag_runs_finished_total{dag_id="dag",run_type="scheduled",state="failed"} 0`,
					`airflow_dag_run_duration_seconds_count{dag_id="dag",state="success"} 3`,
					`airflow_dag_run_start_delay_seconds_count{dag_id="dag"} 1`,
					`airflow_dag_run_start_delay_seconds_sum{dag_id="dag"} 10`)
				w.lacks(w.scrape(0), `airflow_dag_runs_finished_total{dag_id="dag",run_type="manual",state="success"} 1`)
			})
		})
	}
}

// Last runs that cannot be learnt are missing, and nothing else is, even when Airflow hangs.
func TestLastRunsFailAlone(t *testing.T) {
	for name, fault := range map[string]airflowtest.Fault{"hangs": airflowtest.Hang(), "breaks": airflowtest.Reset(), "fails": airflowtest.Status(500, nil, "")} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
				company(w.airflow)
				key := airflowtest.Task("busy", "two", "task")
				heal := w.airflow.Inject(airflowtest.On("GET", "/dagRuns"), fault)
				w.scrapeFor(6 * time.Minute)
				w.airflow.Update(func(db *airflowtest.Database) { db.TaskInstance(key).Succeed() })
				w.scrapeFor(6 * time.Minute)
				exposition := w.scrape(10 * time.Second)
				w.has(exposition, `airflow_exporter_collector_success{collector="dag_runs"} 1`, `airflow_exporter_collector_truncated{collector="dag_runs"} 1`,
					`airflow_exporter_collector_success{collector="attempts"} 1`, `airflow_dag_last_run_state{dag_id="weekly",state="success"} 1`,
					`airflow_task_instances_finished_total{dag_id="busy",state="success",task_id="task"} 1`)
				w.lacks(exposition, `airflow_dag_last_run_state{dag_id="rare"`)
				heal()
				w.scrapeFor(3 * time.Minute)
				w.has(w.scrape(0), `airflow_dag_last_run_state{dag_id="rare",state="failed"} 1`, `airflow_exporter_collector_truncated{collector="dag_runs"} 0`)
			})
		})
	}
}
