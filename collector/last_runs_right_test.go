package collector

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

const day = 24 * time.Hour

// putEnded adds a scheduled run that took a minute.
func putEnded(db *airflowtest.Database, dag, run, state string, due, end time.Time) {
	db.PutRun(airflowtest.DagRun{DagID: dag, RunID: run, Type: "scheduled", State: state, LogicalDate: due, RunAfter: due,
		StartDate: end.Add(-time.Minute), EndDate: end})
}

// A run of long ago that was cleared and has ended today is not the newest one, and says nothing of the interval.
func TestARunOfLongAgoThatEndedTodayIsNotTheLastOne(t *testing.T) {
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
				w.airflow.Update(func(db *airflowtest.Database) {
					now := db.Now()
					db.PutDag(airflowtest.Dag{DagID: "monthly"})
					putEnded(db, "monthly", "january", "success", now.Add(-60*day), now.Add(-2*time.Hour))
					putEnded(db, "monthly", "february", "failed", now.Add(-30*day), now.Add(-30*day+time.Hour))
					db.PutDag(airflowtest.Dag{DagID: "weekly", Every: 7 * day, NextLogicalDate: now.Add(5 * day), NextRunAfter: now.Add(5 * day)})
					putEnded(db, "weekly", "old", "success", now.Add(-60*day), now.Add(-2*time.Hour))
					putEnded(db, "weekly", "before", "success", now.Add(-9*day), now.Add(-9*day+time.Hour))
					putEnded(db, "weekly", "newest", "success", now.Add(-2*day), now.Add(-2*day+time.Hour))
				})
				for range 20 { // at no time is it wrong
					exposition := w.scrape(0)
					w.lacks(exposition, `airflow_dag_last_run_state{dag_id="monthly",state="success"} 1`,
						`airflow_dag_schedule_interval_seconds{dag_id="weekly"} 5`) // 58 days
					time.Sleep(30 * time.Second)
				}
				exposition := w.scrape(0)
				w.has(exposition, `airflow_dag_last_run_state{dag_id="monthly",state="failed"} 1`,
					`airflow_exporter_collector_truncated{collector="dag_runs"} 0`)
				if got, want := w.value(exposition, `airflow_dag_schedule_interval_seconds{dag_id="weekly"}`), (7 * day).Seconds(); got != want {
					t.Errorf("the interval is %v, want %v", got, want)
				}
			})
		})
	}
}

// A run keeps its end when it is marked with the other state. It shows within minutes all the same.
func TestMarkedRunsShow(t *testing.T) {
	for _, version := range dialects {
		for state, marked := range map[string]string{"success": "failed", "failed": "success"} {
			t.Run(version+" "+state, func(t *testing.T) {
				inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
					w.airflow.Update(func(db *airflowtest.Database) {
						db.PutDag(airflowtest.Dag{DagID: "dag"})
						putEnded(db, "dag", "monday", "success", db.Now().Add(-2*day), db.Now().Add(-2*day+time.Hour))
						putEnded(db, "dag", "tuesday", state, db.Now().Add(-day+time.Hour), db.Now().Add(-day+2*time.Hour))
					})
					w.has(w.lastScrape(6*time.Minute), lastState(state, 1))
					w.airflow.Update(func(db *airflowtest.Database) { db.Run("dag", "tuesday").State = marked })
					w.has(w.lastScrape(6*time.Minute), lastState(marked, 1), lastState(state, 0))
				})
			})
		}
	}
}

// Hundreds of DAGs that failed are asked about together.
func TestHundredsOfFailedRunsAreReadAgainTogether(t *testing.T) {
	lengthy(t)
	const dags = 120
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		w.airflow.Update(func(db *airflowtest.Database) {
			for i := range dags {
				id := fmt.Sprint("dag", i)
				db.Add(airflowtest.Task(id, "run", "task"), 0).Fail()
				db.Run(id, "run").Settle()
			}
		})
		time.Sleep(20 * time.Minute)
		w.scrapeFor(time.Hour) // each of them is asked for its newest success
		w.airflow.ResetRequests()
		w.scrapeFor(time.Hour)
		if n := w.asked("/dagRuns"); n > 0 {
			t.Errorf("%d requests about single DAGs", n)
		}
		w.airflow.Update(func(db *airflowtest.Database) {
			for i := range dags {
				db.Run(fmt.Sprint("dag", i), "run").State = "success"
			}
		})
		late := 0
		for range 60 { // they are asked for one by one, and until then they are absent
			exposition := w.lastScrape(30 * time.Second)
			failed := strings.Count(exposition, `airflow_dag_last_run_state{`) / 2
			wrong := strings.Count(exposition, `,state="failed"} 1`)
			if late++; wrong > 0 && late > 10 {
				t.Fatalf("%d of %d are still called failed after %d half minutes", wrong, failed, late)
			}
			if failed == dags && wrong == 0 {
				w.has(exposition, `airflow_exporter_collector_truncated{collector="dag_runs"} 0`)
				return
			}
		}
		t.Error("not all are known again")
	})
}

// asksFor reports whether a request is a listing of runs that holds a text.
func asksFor(r *http.Request, text string) bool {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/dagRuns/list") {
		return false
	}
	body, _ := io.ReadAll(r.Body)
	return strings.Contains(string(body), text)
}

// A search that Airflow is too slow for is given up, and each DAG is asked for by itself.
func TestASearchThatIsTooSlowIsGivenUp(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		company(w.airflow)
		searches := 0
		w.airflow.Inject(func(r *http.Request) bool {
			if !asksFor(r, "end_date_lte") {
				return false
			}
			searches++
			return searches > 2
		}, airflowtest.Delay(6*time.Second))
		w.scrapeFor(10 * time.Minute)
		w.has(w.scrape(0), `airflow_dag_last_run_state{dag_id="rare",state="failed"} 1`, `airflow_exporter_collector_truncated{collector="dag_runs"} 0`)
		if searches != 2+searchFailures {
			t.Errorf("%d searches, want %d", searches, 2+searchFailures)
		}
	})
}

// A DAG whose runs cannot be read keeps no other one waiting, and is not asked for all the time.
func TestADagWhoseRunsCannotBeReadSpoilsNoOther(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		company(w.airflow)
		w.airflow.Inject(airflowtest.On("GET", "/dags/busy/dagRuns"), airflowtest.Status(500, nil, ""))
		w.scrapeFor(30 * time.Minute)
		w.has(w.scrape(0), `airflow_dag_last_run_state{dag_id="rare",state="failed"} 1`, `airflow_exporter_collector_truncated{collector="dag_runs"} 1`)
		if n := w.asked("/dags/busy/dagRuns"); n < 10 || n > 31 {
			t.Errorf("it was asked for %d times in half an hour", n)
		}
	})
}

// One run that Airflow cannot send costs its own end, and no more: the window is closed in on it.
func TestARunThatCannotBeSentSpoilsNoOther(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		w.airflow.Update(func(db *airflowtest.Database) { db.Add(airflowtest.Task("dag", "one", "task"), 0).Start() })
		w.scrapeFor(10 * time.Minute)
		bad := time.Now()
		w.airflow.Inject(func(r *http.Request) bool {
			if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/dagRuns/list") {
				return false
			}
			body, _ := io.ReadAll(r.Body)
			from, hasFrom := timeAfter(string(body), `"end_date_gte":"`)
			to, hasTo := timeAfter(string(body), `"end_date_lte":"`)
			return hasFrom && !from.After(bad) && (!hasTo || !to.Before(bad))
		}, airflowtest.Status(500, nil, ""))
		w.scrapeFor(time.Minute)
		w.has(w.scrape(0), `airflow_exporter_collector_truncated{collector="dag_runs"} 1`, `airflow_dag_runs{dag_id="dag",state="running"} 1`)
		w.airflow.Update(func(db *airflowtest.Database) {
			db.TaskInstance(airflowtest.Task("dag", "one", "task")).Succeed()
			db.Run("dag", "one").Settle()
		})
		w.airflow.ResetRequests()
		w.scrapeFor(20 * time.Minute)
		w.has(w.scrape(0), `airflow_exporter_collector_success{collector="dag_runs"} 1`, `airflow_exporter_collector_truncated{collector="dag_runs"} 0`,
			`airflow_dag_runs_finished_total{dag_id="dag",run_type="manual",state="success"} 1`,
			`airflow_task_instances_finished_total{dag_id="dag",state="success",task_id="task"} 1`)
		if n := w.asked("/dagRuns/list"); n > 200 {
			t.Errorf("%d listings of runs in 20 minutes", n)
		}
	})
}

// timeAfter is the time that follows a prefix.
func timeAfter(s, prefix string) (time.Time, bool) {
	_, rest, ok := strings.Cut(s, prefix)
	if !ok {
		return time.Time{}, false
	}
	text, _, _ := strings.Cut(rest, `"`)
	at, err := time.Parse(time.RFC3339Nano, text)
	return at, err == nil
}

// A schedule that is over has no interval: its DAG is never late.
func TestAScheduleThatIsOverHasNoInterval(t *testing.T) {
	for _, version := range dialects {
		inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
			const interval = `airflow_dag_schedule_interval_seconds{dag_id="dag"}`
			goes := airflowtest.Dag{DagID: "dag", Schedule: "@daily", Every: day, NextLogicalDate: time.Now(), NextRunAfter: time.Now().Add(day)}
			w.airflow.Update(func(db *airflowtest.Database) {
				db.PutDag(goes)
				putEnded(db, "dag", "one", "success", db.Now().Add(-2*day), db.Now().Add(-2*day+time.Hour))
				putEnded(db, "dag", "two", "success", db.Now().Add(-day), db.Now().Add(-day+time.Hour))
			})
			w.has(w.lastScrape(oneListing), interval+" "+fmt.Sprint((2*day).Seconds()))
			over := airflowtest.Dag{DagID: "dag", Schedule: "@daily"}
			w.airflow.Update(func(db *airflowtest.Database) { db.PutDag(over) })
			w.lacks(w.lastScrape(oneListing+aMoment), interval)
		})
	}
}

// While Airflow 3 creates no run, it moves the next one on. That makes the interval no longer; another schedule does.
func TestTheIntervalStaysWhileNoRunIsCreated(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		const interval = `airflow_dag_schedule_interval_seconds{dag_id="dag"}`
		begin := time.Now()
		put := func(schedule string, next time.Duration) {
			w.airflow.Update(func(db *airflowtest.Database) {
				db.PutDag(airflowtest.Dag{DagID: "dag", Schedule: schedule, Every: time.Hour, NextLogicalDate: begin.Add(next), NextRunAfter: begin.Add(next)})
			})
		}
		put("@hourly", time.Hour)
		w.airflow.Update(func(db *airflowtest.Database) {
			putEnded(db, "dag", "one", "success", begin.Add(-time.Hour), begin.Add(-time.Minute))
			putEnded(db, "dag", "two", "success", begin, begin.Add(time.Minute))
		})
		w.scrapeFor(oneListing)
		for hours := range 5 {
			put("@hourly", time.Duration(1+hours)*time.Hour)
			w.has(w.lastScrape(oneListing+aMoment), interval+" 3600")
		}
		put("@daily", day)
		w.has(w.lastScrape(oneListing+aMoment), interval+" 86400")
	})
}
