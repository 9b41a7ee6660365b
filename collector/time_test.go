package collector

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

func TestFiftyScrapesAtOnceCostOneCollection(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		populate(w.airflow, "3.3.2")
		w.airflow.Inject(nil, airflowtest.Delay(time.Second))
		var scrapes sync.WaitGroup
		for range 50 {
			scrapes.Go(func() {
				w.has(w.scrape(15*time.Second), "airflow_up 1", `airflow_exporter_collector_success{collector="task_instances"} 1`)
			})
		}
		scrapes.Wait()
		for path, want := range map[string]int{
			"/version":        2, // the very first collection begins with the question which API there is
			"/monitor/health": 1, "/taskInstances/list": 1, "/taskInstances": 1, "/pools": 1,
		} {
			if n := w.asked(path); n != want {
				t.Errorf("%s was asked %d times, want %d", path, n, want)
			}
		}
		t.Logf("FIGURE C7 collections_of_50_scrapes=%d", w.asked("/taskInstances/list"))
	})
}

func TestTwoPrometheusCostNoMoreThanOne(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		populate(w.airflow, "3.3.2")
		for range 4 { // a minute, both every 15 s, 7 s apart
			w.scrape(10 * time.Second)
			time.Sleep(7 * time.Second)
			w.scrape(10 * time.Second)
			time.Sleep(8 * time.Second)
		}
		if n := w.listings(); n != 4 {
			t.Errorf("%d listings, want 4", n)
		}
		if n := w.asked("/pools"); n != 1 {
			t.Errorf("the pools were asked for %d times in a minute, want once", n)
		}
		w.scrape(10 * time.Second)
		if n := w.asked("/pools"); n != 2 {
			t.Errorf("the pools were asked for %d times after a minute, want twice", n)
		}
	})
}

// Whatever hangs, wherever: each scraper is answered in its own time, with what is known.
func TestHangingAirflowNeverHoldsAScrape(t *testing.T) {
	for _, path := range []string{"/version", "/monitor/health", "/taskInstances", "/taskInstances/list", "/pools", "/auth/token", ""} {
		t.Run("at "+path, func(t *testing.T) {
			o := airflowtest.Options{Version: "3.3.2", Users: users, TokenLifetime: time.Minute}
			inWorld(t, o, as("viewer", "right"), func(w *world) {
				populate(w.airflow, "3.3.2")
				w.has(w.scrape(10*time.Second), "airflow_up 1")
				time.Sleep(time.Minute)
				w.airflow.Inject(airflowtest.On("", path), airflowtest.Hang())
				var overrun time.Duration
				for range 8 { // longer than collection_timeout
					for _, timeout := range []time.Duration{time.Second, 5 * time.Second, 10 * time.Second} {
						began := time.Now()
						exposition := w.scrape(timeout)
						took := time.Since(began)
						over := took - timeout + budgetMargin
						if overrun = max(overrun, over); over > 100*time.Millisecond {
							t.Errorf("a scrape with a timeout of %s took %s", timeout, took)
						}
						if !strings.Contains(exposition, "airflow_exporter_collector_success{") {
							t.Fatal("the scrape was not answered with what is known")
						}
					}
				}
				t.Logf("FIGURE C5 overrun_milliseconds=%d", overrun.Milliseconds())
				exposition := w.scrape(5 * time.Second)
				if !strings.Contains(exposition, "\n"+`airflow_exporter_collector_error{class="timeout",`) {
					t.Errorf("nothing tells of a timeout:\n%s", exposition)
				}
			})
		})
	}
}

// A scrape tells how the collection went that it waited for, even if the next one begins before it is told.
func TestAScrapeTellsWhatItWaitedFor(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, func(o *Options) { o.Config.Refresh = 0 }, func(w *world) {
		populate(w.airflow, "3.3.2")
		first := w.collector.join()
		<-first.done
		w.airflow.Inject(nil, airflowtest.Hang())
		w.collector.join()
		snapshot := w.collector.wait(context.Background(), first)
		if !snapshot.up {
			t.Error("airflow_up is 0")
		}
		for _, p := range snapshot.parts {
			if p.failed {
				t.Errorf("%s: %s", p.name, p.class)
			}
		}
	})
}

// The scraper that triggers a collection goes away: the others get it all the same.
func TestAnImpatientScraperFailsNoOther(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		populate(w.airflow, "3.3.2")
		w.airflow.Inject(airflowtest.On("", "/taskInstances/list"), airflowtest.Delay(5*time.Second))
		impatient := w.scrape(time.Second)
		w.has(impatient, `airflow_exporter_collector_success{collector="task_instances"} 0`,
			`airflow_exporter_collector_error{class="timeout",collector="task_instances"} 1`,
			`airflow_exporter_collector_success{collector="health"} 1`, "airflow_up 1")
		w.lacks(impatient, "airflow_task_instances{")
		patient := w.scrape(10 * time.Second)
		w.has(patient, `airflow_exporter_collector_success{collector="task_instances"} 1`)
		if n := w.listings(); n != 1 {
			t.Errorf("%d listings, want 1", n)
		}
	})
}

func TestBudgetFollowsThePrometheusHeader(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		for timeout, want := range map[time.Duration]string{
			0:                      "9.5",
			10 * time.Second:       "9.5",
			900 * time.Millisecond: "0.45",
			time.Hour:              "119.5",
		} {
			w.has(w.scrape(timeout), "airflow_exporter_scrape_budget_seconds "+want)
		}
	})
}

// A part that fails is shown from its last success for as long as max_age says, and then vanishes.
func TestLastSuccessIsShownForALimitedTime(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		populate(w.airflow, "3.3.2")
		first := w.scrape(0)
		w.has(first, `airflow_pool_size_slots{pool="empty"} 0`, `airflow_unfinished_task_instances{state="running"} 3`)
		w.airflow.Stop()

		time.Sleep(2 * time.Minute) // max_age
		stale := w.scrape(0)
		w.has(stale, "airflow_up 0", `airflow_unfinished_task_instances{state="running"} 3`,
			`airflow_exporter_collector_error{class="connect",collector="task_instances"} 1`)

		time.Sleep(time.Second)
		gone := w.scrape(0)
		w.lacks(gone, "airflow_unfinished_task_instances", "airflow_task_instances{", "airflow_task_instances_oldest", "airflow_info", "airflow_queue", "airflow_component", "airflow_pool_used")
		w.has(gone, `airflow_pool_size_slots{pool="empty"} 0`) // its own minute is not over yet

		time.Sleep(time.Minute)
		w.lacks(w.scrape(0), "airflow_pool_size_slots")

		if err := w.airflow.Restart(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second)
		w.has(w.scrape(0), "airflow_up 1", `airflow_pool_size_slots{pool="empty"} 0`, `airflow_unfinished_task_instances{state="running"} 3`)
	})
}

// What was fetched successfully is shown until it is due again, however short
// max_age is, and however slow Airflow.
func TestWhatSucceededIsShown(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"max_age 0":          func(o *Options) { o.Config.MaxAge = 0 },
		"refresh 5m":         func(o *Options) { o.Config.Refresh = 5 * time.Minute },
		"listing of minutes": func(o *Options) { o.Config.CollectionTimeout = 5 * time.Minute; o.Config.Refresh = time.Minute },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: "3.3.2"}, change, func(w *world) {
				populate(w.airflow, "3.3.2")
				latency := 50 * time.Millisecond
				if strings.HasPrefix(name, "listing") {
					latency = 65 * time.Second
				}
				w.airflow.Inject(airflowtest.On("", "/taskInstances/list"), airflowtest.Delay(latency))
				w.scrape(0)
				time.Sleep(2 * time.Minute)
				for range 20 {
					exposition := w.scrape(MaxBudget)
					w.has(exposition, "airflow_up 1", `airflow_exporter_collector_success{collector="task_instances"} 1`,
						`airflow_unfinished_task_instances{state="running"} 3`, `airflow_pool_size_slots{pool="empty"} 0`)
					time.Sleep(15 * time.Second)
				}
			})
		})
	}
}

// Scrapes that come a moment early do not halve the resolution.
func TestScrapesAtTheRefreshInterval(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		populate(w.airflow, "3.3.2")
		for i := range 360 {
			w.scrape(10 * time.Second)
			time.Sleep(10*time.Second + time.Duration(i%2*4-2)*time.Millisecond)
		}
		if n := w.listings(); n != 360 {
			t.Errorf("%d listings in 360 scrapes 10 s apart, want one each", n)
		}
	})
}

// The exporter's clock is 90 s ahead, or behind: times are on Airflow's clock, and the skew is told.
func TestClocksThatDisagree(t *testing.T) {
	for _, skew := range []time.Duration{90 * time.Second, -90 * time.Second} {
		o := airflowtest.Options{Version: "2.11.2", Clock: func() time.Time { return time.Now().Add(-skew) }}
		inWorld(t, o, nil, func(w *world) {
			time.Sleep(500 * time.Millisecond)
			w.airflow.Update(func(db *airflowtest.Database) { db.Add(airflowtest.Task("dag", "run", "task"), 0).Schedule() })
			now := time.Now().Add(-skew)
			exposition := w.scrape(0)
			got := w.value(exposition, `airflow_exporter_clock_skew_seconds`)
			if d := got - skew.Seconds(); d < -2 || d > 2 {
				t.Errorf("a skew of %s is told as %v s", skew, got)
			}
			since := w.value(exposition, `airflow_task_instances_oldest_timestamp_seconds{dag_id="dag",state="scheduled"}`)
			if d := since - seconds(now); d < -2 || d > 2 {
				t.Errorf("first seen %v s off on Airflow's clock", d)
			}
		})
	}
}

// A collection that Close breaks off is no error of Airflow's.
func TestCloseIsNoError(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		populate(w.airflow, "3.3.2")
		w.scrape(0)
		time.Sleep(time.Minute)
		w.airflow.Inject(airflowtest.On("", "/taskInstances/list"), airflowtest.Hang())
		w.scrape(time.Second)
		w.collector.Close()
		exposition := w.scrape(time.Second)
		for line := range strings.Lines(exposition) {
			if strings.HasPrefix(line, "airflow_exporter_collector_errors_total{") && !strings.HasSuffix(line, " 0\n") {
				t.Errorf("counted: %s", line)
			}
		}
		if w.log.Len() > 0 {
			t.Errorf("logged: %s", w.log.String())
		}
	})
}
