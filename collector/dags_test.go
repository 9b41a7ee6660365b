package collector

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// dagsValue is what the part dags knows.
func (w *world) dagsValue() *dagsValue {
	w.collector.mu.Lock()
	defer w.collector.mu.Unlock()
	for _, s := range w.collector.parts {
		if v, ok := s.value.(*dagsValue); ok {
			return v
		}
	}
	w.t.Fatal("the DAGs were never listed")
	return nil
}

// oneListing is how long to scrape until the DAGs are listed once more.
const oneListing = 5 * time.Minute

// aMoment is until the active runs are known when the DAGs are listed.
const aMoment = 30 * time.Second

// lastScrape scrapes for a while, and is what the last scrape got.
func (w *world) lastScrape(d time.Duration) string {
	w.scrapeFor(d)
	return w.scrape(0)
}

// A DAG stays for the first listing without it, and goes with the second.
func TestDagsGoAfterTwoListingsWithoutThem(t *testing.T) {
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
				w.airflow.Update(func(db *airflowtest.Database) {
					db.PutDag(airflowtest.Dag{DagID: "stays"})
					db.PutDag(airflowtest.Dag{DagID: "goes", Paused: true})
					db.PutDag(airflowtest.Dag{DagID: "returns"})
				})
				stale := func(yes bool, dags ...string) {
					w.airflow.Update(func(db *airflowtest.Database) {
						for _, id := range dags {
							db.Dag(id).Stale = yes
						}
					})
				}
				gone := func(want ...string) {
					t.Helper()
					if v := w.dagsValue(); !slices.Equal(v.gone, want) {
						t.Errorf("gone: %q, want %q", v.gone, want)
					}
				}
				w.has(w.lastScrape(aMoment), `airflow_dag_paused{dag_id="goes"} 1`, `airflow_exporter_visible_dags 3`)
				stale(true, "goes", "returns")
				w.has(w.lastScrape(oneListing), `airflow_dag_paused{dag_id="goes"} 1`, `airflow_dag_paused{dag_id="returns"} 0`, `airflow_exporter_visible_dags 1`)
				gone()
				stale(false, "returns")
				exposition := w.lastScrape(oneListing)
				w.has(exposition, `airflow_dag_paused{dag_id="stays"} 0`, `airflow_dag_paused{dag_id="returns"} 0`, `airflow_exporter_visible_dags 2`)
				w.lacks(exposition, `airflow_dag_paused{dag_id="goes"}`, `airflow_dag_info{dag_id="goes"`)
				gone("goes")
				stale(true, "returns") // the count begins anew
				w.has(w.lastScrape(oneListing), `airflow_dag_paused{dag_id="returns"} 0`)
				gone()
				w.lacks(w.lastScrape(oneListing), `airflow_dag_paused{dag_id="returns"}`)
				gone("returns")
			})
		})
	}
}

// A file that breaks takes its DAGs out of the listing. One whose runs go on
// stays, and is known even to an exporter that starts later.
func TestDagsOfBrokenFilesStayWhileTheirRunsGoOn(t *testing.T) {
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
				w.airflow.Update(func(db *airflowtest.Database) {
					db.PutDag(airflowtest.Dag{DagID: "broken", Stale: true, Tags: []string{"x"}})
					db.Add(airflowtest.Task("broken", "run", "task"), 0).Start()
				})
				w.has(w.lastScrape(aMoment), `airflow_dag_paused{dag_id="broken"} 0`, `airflow_dag_info{dag_id="broken",owners="airflow",schedule="",tags="x"} 1`, `airflow_exporter_visible_dags 0`)
				w.airflow.Update(func(db *airflowtest.Database) { db.Dag("broken").Paused = true })
				w.has(w.lastScrape(time.Hour), `airflow_dag_paused{dag_id="broken"} 1`)
				if n := w.asked("/dags/broken"); n != 13 {
					t.Errorf("%d requests for it in an hour, want one with each of 13 listings", n)
				}
				w.airflow.Update(func(db *airflowtest.Database) {
					db.TaskInstance(airflowtest.Task("broken", "run", "task")).Succeed()
					db.Run("broken", "run").Settle()
				})
				w.has(w.lastScrape(oneListing), `airflow_dag_paused{dag_id="broken"} 1`)
				w.lacks(w.lastScrape(oneListing), `airflow_dag_paused{dag_id="broken"}`)
				if v := w.dagsValue(); !slices.Equal(v.gone, []string{"broken"}) {
					t.Errorf("gone: %q", v.gone)
				}
			})
		})
	}
}

// Of many such DAGs some are asked for with each listing, in turn, and one that
// Airflow does not tell about spoils nothing.
func TestDagsThatAreNotListedAreAskedForInTurn(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "2.11.2"}, func(o *Options) { o.Config.Fanout = 2 }, func(w *world) {
		w.airflow.Update(func(db *airflowtest.Database) {
			for i := range 5 {
				id := fmt.Sprint("dag_", i)
				db.PutDag(airflowtest.Dag{DagID: id, Stale: true})
				db.Add(airflowtest.Task(id, "run", "task"), 0).Start()
			}
		})
		w.airflow.Inject(airflowtest.On("GET", "/dags/dag_1"), airflowtest.Status(500, nil, ""))
		w.scrapeFor(aMoment)
		for i, known := range []int{1, 3, 4, 4} {
			exposition := w.scrape(0)
			w.has(exposition, `airflow_exporter_collector_success{collector="dags"} 1`)
			if n := strings.Count(exposition, "\nairflow_dag_paused{"); n != known {
				t.Errorf("%d DAGs after listing %d, want %d", n, i+1, known)
			}
			w.scrapeFor(oneListing)
		}
		if n := w.asked("/dags/dag_1"); n < 2 {
			t.Errorf("dag_1 was asked for %d times", n)
		}
	})
}

// While it is not known which DAGs have active runs, none is taken for gone.
func TestNoDagGoesWhileItsRunsAreUnknown(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "2.11.2"}, nil, func(w *world) {
		w.airflow.Update(func(db *airflowtest.Database) { db.PutDag(airflowtest.Dag{DagID: "dag"}) })
		w.scrape(0)
		remove := w.airflow.Inject(airflowtest.On("POST", "/dagRuns/list"), airflowtest.Status(500, nil, ""))
		w.scrapeFor(longestRunsAge)
		w.airflow.Update(func(db *airflowtest.Database) { db.Dag("dag").Stale = true })
		w.has(w.lastScrape(time.Hour), `airflow_dag_paused{dag_id="dag"} 0`, `airflow_exporter_visible_dags 0`)
		remove()
		w.has(w.lastScrape(oneListing), `airflow_dag_paused{dag_id="dag"} 0`)
		w.lacks(w.lastScrape(oneListing), `airflow_dag_paused{dag_id="dag"}`)
	})
}

// When the next run is due stays known while Airflow forgets it.
func TestNextRuns(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2000, 1, 2, hour, 0, 0, 0, time.UTC) }
	const nextRun, atMax = `airflow_dag_next_run_timestamp_seconds{dag_id="dag"}`, `airflow_dag_at_max_active_runs{dag_id="dag"}`
	dag := airflowtest.Dag{DagID: "dag", Schedule: "@hourly", MaxActiveRuns: 1, NextLogicalDate: at(1), NextIntervalStart: at(1), NextIntervalEnd: at(2), NextRunAfter: at(2)}
	type change = func(*airflowtest.Dag)
	for _, version := range []string{"2.11.2", "3.0.6"} {
		for name, tc := range map[string]struct {
			change   change
			want     time.Time // zero: absent
			heldBack bool
		}{
			"planned":                    {func(*airflowtest.Dag) {}, at(2), false},
			"the run was created":        {func(d *airflowtest.Dag) { d.NextLogicalDate, d.NextIntervalEnd, d.NextRunAfter = at(2), at(3), at(3) }, at(3), false},
			"held back":                  {func(d *airflowtest.Dag) { d.NextRunAfter = time.Time{} }, at(2), true},
			"held back, with the next":   {func(d *airflowtest.Dag) { d.NextRunAfter, d.NextIntervalEnd = time.Time{}, at(3) }, at(3), true},
			"held back, and no interval": {func(d *airflowtest.Dag) { d.NextRunAfter, d.NextIntervalEnd = time.Time{}, time.Time{} }, at(2), true},
			"the schedule is over":       {func(d *airflowtest.Dag) { *d = airflowtest.Dag{Schedule: "@hourly"} }, time.Time{}, false},
			"no schedule any more":       {func(d *airflowtest.Dag) { *d = airflowtest.Dag{} }, time.Time{}, false},
			"triggered by data":          {func(d *airflowtest.Dag) { *d = airflowtest.Dag{Schedule: "Asset"} }, time.Time{}, false},
		} {
			t.Run(version+" "+name, func(t *testing.T) {
				inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
					w.airflow.Update(func(db *airflowtest.Database) { db.PutDag(dag) })
					exposition := w.scrape(0)
					if got := w.value(exposition, nextRun); got != seconds(at(2)) {
						t.Errorf("first: %v", got)
					}
					w.lacks(exposition, atMax)
					w.airflow.Update(func(db *airflowtest.Database) {
						changed := dag
						tc.change(&changed)
						changed.DagID = "dag"
						db.PutDag(changed)
						if tc.heldBack {
							db.PutRun(airflowtest.DagRun{DagID: "dag", RunID: "active"})
						}
					})
					exposition = w.lastScrape(oneListing)
					if tc.want.IsZero() {
						w.lacks(exposition, nextRun)
					} else if got := w.value(exposition, nextRun); got != seconds(tc.want) {
						t.Errorf("%v, want %v", got, seconds(tc.want))
					}
					if tc.heldBack {
						w.has(exposition, atMax+" 1")
					} else {
						w.lacks(exposition, atMax)
					}
				})
			})
		}
	}
}

// Airflow 3.2 and later do not say that they hold a DAG back: it has as many
// active runs as it may, those of backfills not counted.
func TestDagsThatAreFullAreHeldBack(t *testing.T) {
	midnight := time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC)
	for runs, want := range map[string]bool{"scheduled": false, "scheduled manual": true, "scheduled backfill": false, "backfill backfill": false, "manual manual backfill": true} {
		inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
			w.airflow.Update(func(db *airflowtest.Database) {
				db.PutDag(airflowtest.Dag{DagID: "timed", Schedule: "@daily", MaxActiveRuns: 2, NextLogicalDate: midnight, NextRunAfter: midnight})
				db.PutDag(airflowtest.Dag{DagID: "untimed", MaxActiveRuns: 2})
				for i, kind := range strings.Fields(runs) {
					for _, dag := range []string{"timed", "untimed"} {
						db.PutRun(airflowtest.DagRun{DagID: dag, RunID: strconv.Itoa(i), Type: kind})
					}
				}
			})
			exposition := w.lastScrape(aMoment)
			if got := strings.Contains(exposition, `airflow_dag_at_max_active_runs{dag_id="timed"} 1`); got != want {
				t.Errorf("%s: held back %v, want %v", runs, got, want)
			}
			w.lacks(exposition, `airflow_dag_at_max_active_runs{dag_id="untimed"}`)
			w.airflow.Update(func(db *airflowtest.Database) { db.Dag("timed").Paused = true }) // of which none is created anyway
			w.lacks(w.lastScrape(oneListing), `airflow_dag_at_max_active_runs`)
			w.has(exposition, fmt.Sprintf(`airflow_dag_next_run_timestamp_seconds{dag_id="timed"} %v`, strconv.FormatFloat(seconds(midnight), 'g', -1, 64)))
		})
	}
}

// Tags cost Airflow 2 a statement per DAG: they are asked for once an hour, and
// when a DAG has come. Until its tags are known it has no airflow_dag_info.
func TestTagsAreAskedForSeldom(t *testing.T) {
	tagged := func(w *world) int {
		n := 0
		for _, r := range w.airflow.Requests() {
			if strings.Contains(r.Query.Get("fields"), "tags") {
				n++
			}
		}
		return n
	}
	inWorld(t, airflowtest.Options{Version: "2.11.2"}, nil, func(w *world) {
		w.airflow.Update(func(db *airflowtest.Database) { db.PutDag(airflowtest.Dag{DagID: "old", Tags: []string{"b", "a"}}) })
		w.scrapeFor(55 * time.Minute)
		w.airflow.Update(func(db *airflowtest.Database) {
			db.Dag("old").Tags = []string{"c"}
			db.Dag("old").Owners = []string{"bob"}
		})
		if n := tagged(w); n != 1 {
			t.Errorf("the tags were asked for %d times in an hour, want once", n)
		}
		w.has(w.lastScrape(10*time.Minute), `airflow_dag_info{dag_id="old",owners="bob",schedule="",tags="c"} 1`)
		if n := tagged(w); n != 2 {
			t.Errorf("the tags were asked for %d times, want a second time", n)
		}
		w.airflow.Update(func(db *airflowtest.Database) { db.PutDag(airflowtest.Dag{DagID: "new", Tags: []string{"n"}}) })
		exposition := w.lastScrape(oneListing)
		w.has(exposition, `airflow_dag_paused{dag_id="new"} 0`)
		w.lacks(exposition, `airflow_dag_info{dag_id="new"`)
		w.has(w.lastScrape(oneListing), `airflow_dag_info{dag_id="new",owners="airflow",schedule="",tags="n"} 1`)
		if n := tagged(w); n != 3 {
			t.Errorf("the tags were asked for %d times, want once more for the new DAG", n)
		}
	})
}

// DAGs that come or go between two pages cost one more listing, not the part.
func TestDagsThatMoveWhileTheyAreListedAreListedAgain(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		w.airflow.Update(func(db *airflowtest.Database) {
			for i := range 150 {
				db.PutDag(airflowtest.Dag{DagID: fmt.Sprintf("dag_%03d", i)})
			}
		})
		moved := false
		w.airflow.Inject(airflowtest.On("GET", "/dags"), airflowtest.Delay(time.Second))
		go func() {
			time.Sleep(1500 * time.Millisecond) // between the first page and the second
			w.airflow.Update(func(db *airflowtest.Database) { db.PutDag(airflowtest.Dag{DagID: "aaa"}) })
			moved = true
		}()
		w.has(w.scrape(0), `airflow_exporter_visible_dags 151`, `airflow_exporter_collector_success{collector="dags"} 1`)
		if n := w.asked("/dags"); n != 5 || !moved { // the second listing ends one page earlier
			t.Errorf("%d requests for pages, want 5", n)
		}
	})
}

// Scheduled runs are as far apart as the larger gap around the newest one.
func TestScheduleIntervals(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 11, n, 6, 0, 0, 0, time.UTC) }
	var unknown time.Time
	for name, tc := range map[string]struct {
		previous, newest, next time.Time
		days                   int
	}{
		"daily":                           {day(9), day(10), day(11), 1},
		"weekdays, Friday":                {day(12), day(13), day(16), 3},
		"weekdays, Monday":                {day(13), day(16), day(17), 3},
		"weekdays, Tuesday":               {day(16), day(17), day(18), 1},
		"the first run":                   {unknown, day(10), day(11), 1},
		"nothing planned":                 {day(9), day(10), unknown, 1},
		"the newest still counts as next": {day(9), day(10), day(10), 1},
		"before the first run":            {unknown, unknown, day(10), 0},
		"only one is known":               {unknown, day(10), unknown, 0},
		"nothing is known":                {unknown, unknown, unknown, 0},
		"out of order":                    {day(11), day(10), day(9), 0},
	} {
		if got := scheduleInterval(tc.previous, tc.newest, tc.next); got != time.Duration(tc.days)*24*time.Hour {
			t.Errorf("%s: %v, want %d days", name, got, tc.days)
		}
	}
}

// DAGs that cannot be listed are missing, and why instances wait, as it is not known which DAGs are paused; nothing else is.
func TestDagsFailAlone(t *testing.T) {
	for _, version := range dialects {
		inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
			populate(w.airflow, version)
			remove := w.airflow.Inject(func(r *http.Request) bool {
				return strings.HasSuffix(r.URL.Path, "/dags") && !r.URL.Query().Has("paused")
			}, airflowtest.Status(500, nil, ""))
			exposition := w.scrape(0)
			w.has(exposition, "airflow_up 1", `airflow_exporter_collector_error{class="server",collector="dags"} 1`)
			w.lacks(exposition, "airflow_dag_info", "airflow_dag_paused", "airflow_dag_next", "airflow_exporter_visible_dags")
			if n := strings.Count(exposition, "\nairflow_exporter_collector_error{"); n != 2 {
				t.Errorf("%s: %d parts fail", version, n)
			}
			w.has(exposition, `airflow_exporter_collector_error{class="server",collector="blocked"} 1`)
			remove()
			w.has(w.lastScrape(oneListing), "airflow_exporter_visible_dags 4", `airflow_exporter_collector_success{collector="dags"} 1`)
		})
	}
}

// The DAGs are listed every five minutes, and once more at the start, whether
// their active runs are known by then or not.
func TestDagsAreListedSeldom(t *testing.T) {
	for _, status := range []int{200, 500} {
		inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
			if status != 200 {
				w.airflow.Inject(airflowtest.On("POST", "/dagRuns/list"), airflowtest.Status(status, nil, ""))
			}
			w.scrapeFor(time.Hour)
			if n := w.asked("/dags"); n != 14 {
				t.Errorf("dag_runs %d: %d listings in an hour, want 14", status, n)
			}
		})
	}
}
