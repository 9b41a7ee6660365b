package collector

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// scrapeFor scrapes every 15 s for so long.
func (w *world) scrapeFor(d time.Duration) { w.scrapeEvery(15*time.Second, d) }

func (w *world) scrapeEvery(interval, d time.Duration) {
	for range d / interval {
		w.scrape(10 * time.Second)
		time.Sleep(interval)
	}
}

// An Airflow that answers nothing but 500 gets one question a scrape, and is asked for all again as soon as it recovers.
func TestAFailingAirflowIsAskedForItsHealthOnly(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		populate(w.airflow, "3.3.2")
		w.scrape(0)
		time.Sleep(15 * time.Second)
		remove := w.airflow.Inject(nil, airflowtest.Status(500, nil, ""))
		w.scrapeFor(75 * time.Second) // five collections

		w.airflow.ResetRequests()
		w.scrapeFor(30 * time.Minute)
		if all, version := len(w.airflow.Requests()), w.asked("/version"); all != 120 || version != 120 {
			t.Errorf("%d requests in 120 scrapes, %d for the version, want one a scrape", all, version)
		}
		t.Logf("FIGURE C9 requests_per_scrape_of_an_outage=%.2f", float64(len(w.airflow.Requests()))/120)
		remove()
		w.has(w.scrape(0), "airflow_up 1", `airflow_exporter_collector_success{collector="task_instances"} 1`, `airflow_exporter_collector_success{collector="pools"} 1`)
	})
}

// A wrong password for a day locks no account: two attempts, then one after 1, 2, 4, 8 and every 10 minutes, whether it
// was wrong from the beginning or came into its file later.
func TestRefusedCredentialsAreTriedSeldom(t *testing.T) {
	lengthy(t)
	for _, version := range []string{"3.3.2", "2.11.2", "2.10.5"} {
		for name, known := range map[string]bool{"wrong": false, "changed": true} {
			t.Run(version+" "+name, func(t *testing.T) {
				password := filepath.Join(t.TempDir(), "password")
				write := func(text string) {
					if err := os.WriteFile(password, []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				write("wrong")
				inWorld(t, airflowtest.Options{Version: version, Users: users}, func(o *Options) { o.Airflow.Username, o.Airflow.PasswordFile = "viewer", password }, func(w *world) {
					populate(w.airflow, version)
					if known {
						write("right")
						w.scrapeFor(10 * time.Minute)
						write("wrong")
						time.Sleep(24 * time.Hour) // a token is over
						w.airflow.ResetRequests()
					}
					w.scrapeEvery(time.Minute, 24*time.Hour)
					attempts := 0
					for _, r := range w.airflow.Requests() {
						if r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden {
							attempts++
						}
					}
					const want = 2 + 4 + (1436-16)/10 // at minutes 0 and 1, then 2, 4, 8, 16, 26 … 1436
					t.Logf("FIGURE C9 logins_in_a_day=%d", attempts)
					if health := w.asked("/health"); attempts != want || health != 24*60 {
						t.Errorf("%d attempts in a day, want %d; the health was asked for %d times", attempts, want, health)
					}
					w.has(w.scrape(0), "airflow_up 0", `airflow_exporter_collector_success{collector="health"} 1`)
				})
			})
		}
	}
}

// Credentials for a proxy go with each request, also with those that Airflow answers to anyone: while they are refused
// nothing is asked at all, or the proxy would count each scrape.
func TestCredentialsThatAProxyRefusesAreTriedSeldom(t *testing.T) {
	for name, change := range map[string]func(*promconfig.HTTPClientConfig){
		"basic": func(c *promconfig.HTTPClientConfig) {
			c.BasicAuth = &promconfig.BasicAuth{Username: "exporter", Password: "wrong"}
		},
		"bearer": func(c *promconfig.HTTPClientConfig) {
			c.Authorization = &promconfig.Authorization{Type: "Bearer", Credentials: "wrong"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: "3.3.2"}, func(o *Options) { change(&o.Airflow.HTTPClient) }, func(w *world) {
				remove := w.airflow.Inject(nil, airflowtest.Status(401, nil, ""))
				w.scrapeFor(time.Hour)
				// At 0 s, 15 s, then 1 min 15 s, 3, 7, 15, 25, 35, 45 and 55 min.
				if n := len(w.airflow.Requests()); n != 10 {
					t.Errorf("%d requests in an hour, want 10", n)
				}
				w.has(w.scrape(0), "airflow_up 0", `airflow_exporter_collector_error{class="auth",collector="health"} 1`, `airflow_exporter_collector_error{class="auth",collector="pools"} 1`)
				remove()
				w.scrapeFor(10 * time.Minute)
				w.has(w.scrape(0), "airflow_up 1", `airflow_exporter_collector_success{collector="pools"} 1`)
			})
		})
	}
}

// Whatever the scrapers do, what is asked at steady state is known exactly: of
// runs the active ones and those that ended every 30 s, and the failed ones every 5 min.
func TestRequestsAtSteadyState(t *testing.T) {
	lengthy(t)
	for _, version := range []string{"2.10.2", "2.11.2", "3.0.6", "3.3.2"} {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version, Users: users}, as("viewer", "right"), func(w *world) {
				populate(w.airflow, version)
				w.scrape(0)
				w.scrapeFor(5 * time.Minute) // the last runs are learnt
				w.airflow.ResetRequests()
				w.scrapeFor(time.Hour)
				for path, want := range map[string]int{"/version": 240, "/health": 240, "/taskInstances": 240, "/dagRuns/list": 240 + 12, "/pools": 60, "/auth/token": 0} {
					if n := w.asked(path); n != want {
						t.Errorf("%s was asked %d times in 240 scrapes, want %d", path, n, want)
					}
				}
				if n := w.listings(); n != 240 {
					t.Errorf("%d listings in 240 scrapes", n)
				}
				// 5 active runs, each once in 5 minutes; some share a question.
				if n := w.asked("/taskInstances/list") - w.listings(); n == 0 || n > 5*12 {
					t.Errorf("%d questions about finished instances in an hour, want at most 60", n)
				}
				rows := 0
				for _, r := range w.airflow.Requests() {
					if isListing(r) {
						rows += r.Rows
					}
				}
				unfinished := 10
				if version == "3.3.2" {
					unfinished = 11 // awaiting_input
				}
				if rows != 240*unfinished {
					t.Errorf("%d rows in 240 listings, want %d in each", rows, unfinished)
				}
			})
		})
	}
}

// Above max_rows the rows are not fetched again and again only to be thrown away.
func TestTooManyRowsAreCountedBeforeTheyAreFetchedAgain(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, func(o *Options) { o.Config.MaxRows = 5 }, func(w *world) {
		populate(w.airflow, "3.3.2")
		w.scrapeFor(time.Hour)
		if n := w.listings(); n != 1 {
			t.Errorf("%d listings, want only the first", n)
		}
		w.airflow.Update(func(db *airflowtest.Database) {
			for _, ti := range db.TaskInstances() {
				if ti.State != "running" {
					ti.State = "success"
				}
			}
		})
		w.has(w.scrape(0), `airflow_exporter_collector_truncated{collector="task_instances"} 0`, `airflow_task_instances{dag_id="etl",state="running",task_id="map"} 2`)
	})
}

// A server that clamps the batch list, as is proposed for Airflow, is walked page by page.
func TestAServerThatClampsTheBatchListIsWalkedByPages(t *testing.T) {
	for version, truncated := range map[string]string{"3.3.2": "0", "3.0.6": "0", "2.11.2": "1"} {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version, ClampPost: 4, ClampGet: 4}, nil, func(w *world) {
				populate(w.airflow, version)
				exposition := w.scrape(0)
				w.has(exposition, `airflow_unfinished_task_instances{state="running"} 3`, `airflow_exporter_collector_success{collector="task_instances"} 1`,
					`airflow_exporter_collector_truncated{collector="task_instances"} `+truncated)
				if truncated == "1" {
					w.lacks(exposition, "airflow_task_instances{", "airflow_queue_task_instances")
					return
				}
				w.has(exposition, `airflow_task_instances{dag_id="etl",state="running",task_id="map"} 2`)
			})
		})
	}
}

// Two wrong logins, not a dozen, before the back-off begins: the other parts wait for the first one.
func TestOneLoginACollectionUntilOneIsAccepted(t *testing.T) {
	for _, version := range []string{"2.10.5", "2.11.2", "3.3.2"} {
		inWorld(t, airflowtest.Options{Version: version, Users: users}, as("viewer", "wrong"), func(w *world) {
			w.scrapeFor(time.Minute)
			refused := 0
			for _, r := range w.airflow.Requests() {
				if r.Status == 401 || r.Status == 403 {
					refused++
				}
			}
			if refused != 2 {
				t.Errorf("%s: %d refused requests, want 2", version, refused)
			}
		})
	}
}

// A part that refused credentials keep from being asked is flagged, and vanishes flagged.
func TestPartsThatAreNotAskedAreFlagged(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		populate(w.airflow, "3.3.2")
		w.has(w.scrape(0), `airflow_exporter_collector_success{collector="pools"} 1`)
		w.airflow.Inject(nil, airflowtest.Status(401, nil, ""))
		w.scrapeEvery(10*time.Second, time.Hour)
		exposition := w.scrape(0)
		w.lacks(exposition, "airflow_pool_size_slots")
		w.has(exposition, "airflow_up 0", `airflow_exporter_collector_success{collector="pools"} 0`, `airflow_exporter_collector_error{class="auth",collector="pools"} 1`)
	})
}

// What fails for good is not asked more often than what works.
func TestAPartThatFailsKeepsItsMinimumAge(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "2.11.2", Users: users}, as("nopools", "right"), func(w *world) {
		populate(w.airflow, "2.11.2")
		w.scrapeFor(time.Hour)
		if n := w.asked("/pools"); n != 60 {
			t.Errorf("the pools were asked for %d times in an hour, want 60", n)
		}
	})
}

// An account that lacks a right was let in, whatever part happens to be due.
func TestAMissingRightIsNotARefusedLogin(t *testing.T) {
	users := []airflowtest.User{{Name: "pools", Password: "right", Rights: airflowtest.ReadPools}}
	inWorld(t, airflowtest.Options{Version: "3.3.2", Users: users}, as("pools", "right"), func(w *world) {
		populate(w.airflow, "3.3.2")
		for range 20 {
			w.has(w.scrape(0), "airflow_up 1", `airflow_exporter_collector_success{collector="pools"} 1`,
				`airflow_exporter_collector_error{class="forbidden",collector="task_instances"} 1`)
			time.Sleep(15 * time.Second)
		}
	})
}

// A login page in front of all that needs a login answers 200, and lets no one in.
func TestALoginPageLetsNoOneIn(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		populate(w.airflow, "3.3.2")
		for _, path := range []string{"/taskInstances", "/list", "/pools"} {
			w.airflow.Inject(airflowtest.On("", path), airflowtest.LoginPage())
		}
		w.has(w.scrape(0), "airflow_up 0", `airflow_exporter_collector_error{class="decode",collector="task_instances"} 1`)
	})
}

// Airflow counts in one statement and lists in another: a row that ends in between is no bound.
func TestCountAndListingOfDifferentMoments(t *testing.T) {
	total := regexp.MustCompile(`"total_entries": ?\d+`)
	for name, tc := range map[string]struct{ first, second string }{
		"once":  {`"total_entries":4711`, ""},
		"twice": {`"total_entries":4711`, `"total_entries":4712`},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: "2.11.2"}, nil, func(w *world) {
				populate(w.airflow, "2.11.2")
				calls := 0
				w.airflow.Inject(airflowtest.On("POST", "/taskInstances/list"), airflowtest.Rewrite(func(b []byte) []byte {
					calls++
					switch {
					case calls == 1:
						w.airflow.Update(func(db *airflowtest.Database) { db.Add(airflowtest.Task("etl", "monday", "new"), 0).Start() })
						return total.ReplaceAll(b, []byte(tc.first))
					case tc.second != "":
						return total.ReplaceAll(b, []byte(tc.second))
					}
					return b
				}))
				w.has(w.scrape(0), `airflow_exporter_collector_truncated{collector="task_instances"} 0`, `airflow_unfinished_task_instances{state="running"} 4`,
					`airflow_task_instances{dag_id="etl",state="running",task_id="new"} 1`)
				if n := w.listings(); n != 2 {
					t.Errorf("%d listings, want 2", n)
				}
			})
		})
	}
}

// On Airflow 2, an instance that is scheduled again waits since then, not since its first poke.
func TestSinceWhenAnInstanceIsScheduledOnAirflow2(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "2.11.2"}, nil, func(w *world) {
		key := airflowtest.Task("dag", "run", "sensor")
		w.airflow.Update(func(db *airflowtest.Database) { db.Add(key, 0).Start() })
		first := time.Now()
		for range 8 {
			w.scrape(0)
			w.airflow.Update(func(db *airflowtest.Database) { db.TaskInstance(key).Reschedule() })
			time.Sleep(15 * time.Minute)
			if got := w.value(w.scrape(0), `airflow_task_instances_oldest_timestamp_seconds{dag_id="dag",state="up_for_reschedule"}`); got != seconds(first) {
				t.Errorf("up for reschedule since %v, want since the attempt was first seen: %v", got, seconds(first))
			}
			w.airflow.Update(func(db *airflowtest.Database) { db.TaskInstance(key).Schedule() })
			time.Sleep(15 * time.Second)
			if got := w.value(w.scrape(0), `airflow_pool_oldest_timestamp_seconds{pool="default_pool",queue="default",state="scheduled"}`); got != seconds(time.Now()) {
				t.Errorf("scheduled since %v, want since it was seen so: %v", got, seconds(time.Now()))
			}
			w.airflow.Update(func(db *airflowtest.Database) { db.TaskInstance(key).Start() })
			time.Sleep(15 * time.Second)
		}
	})
}
