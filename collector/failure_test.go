package collector

import (
	"context"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// Whatever goes wrong: the scrape is answered with 200, what is known is right,
// what is missing is flagged, and the log has one line that says what to do.
func TestGoldenFailures(t *testing.T) {
	jsonHeader := http.Header{"Content-Type": {"application/json"}}
	const listing = "/dagRuns/~/taskInstances/list"
	for name, tc := range map[string]struct {
		version string // 3.3.2 if empty
		change  func(*Options)
		spoil   func(*airflowtest.Server)
		timeout time.Duration
		log     []string // what the first line of the log says
	}{
		"refused": {
			spoil: (*airflowtest.Server).Stop,
			log:   []string{"collector=health,task_instances,dag_runs,dags,attempts,blocked,pools,import_errors", "class=connect", "nothing answers at airflow.url"},
		},
		"no_such_host": {
			change: func(o *Options) {
				o.Airflow.DialContext = func(context.Context, string, string) (net.Conn, error) {
					return nil, &net.DNSError{Err: "no such host", Name: "airflow.test", IsNotFound: true}
				}
			},
			log: []string{"collector=health,task_instances,dag_runs,dags,attempts,blocked,pools,import_errors", "class=dns", "does not resolve"},
		},
		"not_airflow": {
			spoil: func(s *airflowtest.Server) {
				s.Inject(nil, airflowtest.Status(404, http.Header{"Content-Type": {"text/html"}}, "<html>"))
			},
			log: []string{"collector=health,task_instances,dag_runs,dags,attempts,blocked,pools,import_errors", "class=client", "no Airflow API at this address"},
		},
		"login_page": {
			spoil: func(s *airflowtest.Server) { s.Inject(nil, airflowtest.LoginPage()) },
			log:   []string{"collector=health,task_instances,dag_runs,dags,attempts,blocked,pools,import_errors", "class=decode", "a page of HTML", "login page"},
		},
		"redirect": {
			spoil: func(s *airflowtest.Server) {
				s.Inject(nil, airflowtest.Redirect("https://login.example.org/?state=secret", 302))
			},
			log: []string{"collector=health,task_instances,dag_runs,dags,attempts,blocked,pools,import_errors", "class=redirect", "https://login.example.org/", "never followed"},
		},
		"wrong_password_v1": {
			version: "2.11.2", change: as("viewer", "wrong"),
			log: []string{"collector=task_instances,dag_runs,dags,attempts,blocked,pools,import_errors", "class=forbidden", "a wrong user or password"},
		},
		"wrong_password_2.10.5": {
			version: "2.10.5", change: as("viewer", "wrong"),
			log: []string{"collector=task_instances,dag_runs,dags,attempts,blocked,pools,import_errors", "class=auth", "check airflow.username and airflow.password"},
		},
		"wrong_password_v2": {
			change: as("viewer", "wrong"),
			log:    []string{"collector=task_instances,dag_runs,dags,attempts,blocked,pools,import_errors", "class=auth", "check airflow.username and airflow.password"},
		},
		"no_login_v2": {
			log: []string{"collector=task_instances,dag_runs,dags,attempts,blocked,pools,import_errors", "class=auth", "Not authenticated"},
		},
		"missing_right_v1": {
			version: "2.11.2", change: as("nopools", "right"),
			log: []string{"collector=pools", "class=forbidden", "give the account read rights"},
		},
		"missing_right_v2": {
			change: as("nopools", "right"),
			log:    []string{"collector=pools", "class=forbidden", "give the account read rights"},
		},
		"some_dags_only": {change: as("etl", "right")},
		"list_hangs": {
			change: as("viewer", "right"), timeout: 5 * time.Second,
			spoil: func(s *airflowtest.Server) { s.Inject(airflowtest.On("POST", listing), airflowtest.Hang()) },
			log:   []string{"collector=task_instances", "class=timeout", "did not answer in time"},
		},
		"list_500": {
			change: as("viewer", "right"),
			spoil: func(s *airflowtest.Server) {
				s.Inject(airflowtest.On("POST", listing), airflowtest.Status(500, jsonHeader, `{"detail":"broken"}`))
			},
			log: []string{"collector=task_instances,attempts,blocked", "class=server", "broken", "look for this path in the log"},
		},
		"list_truncated": {
			change: as("viewer", "right"),
			spoil:  func(s *airflowtest.Server) { s.Inject(airflowtest.On("POST", listing), airflowtest.Truncate(900)) },
			log:    []string{"collector=task_instances,attempts,blocked", "class=connect", "closed before the answer was complete"},
		},
		"list_truncated_unseen": { // a proxy that ends the body as if it were whole
			change: as("viewer", "right"),
			spoil: func(s *airflowtest.Server) {
				s.Inject(airflowtest.On("POST", listing), airflowtest.Rewrite(func(b []byte) []byte { return b[:900] }))
			},
			log: []string{"collector=task_instances,attempts,blocked", "class=decode", "not the expected JSON"},
		},
		"list_of_other_names": {
			change: as("viewer", "right"),
			spoil: func(s *airflowtest.Server) {
				s.Inject(airflowtest.On("POST", listing), airflowtest.Rewrite(func(b []byte) []byte {
					return []byte(strings.Replace(string(b), `"task_id":`, `"task":`, 1))
				}))
			},
			log: []string{"collector=task_instances,attempts,blocked", "class=decode", "a task instance without task_id"},
		},
		"too_large": {
			change: func(o *Options) { as("viewer", "right")(o); o.Airflow.MaxResponseBytes = 1 << 20 },
			spoil:  func(s *airflowtest.Server) { s.Inject(airflowtest.On("POST", listing), airflowtest.EndlessBody()) },
			log:    []string{"collector=task_instances,attempts,blocked", "class=too_large", "more than 1048576 bytes", "airflow.max_response_bytes"},
		},
		"too_many_rows": {
			change: func(o *Options) { as("viewer", "right")(o); o.Config.MaxRows = 5 },
			log:    []string{"collector=task_instances", "too much to list", "collector.max_rows"},
		},
		"too_many_rows_2.10.2": { // sends them all, whatever the limit
			version: "2.10.2", change: func(o *Options) { as("viewer", "right")(o); o.Config.MaxRows = 5 },
			log: []string{"collector=task_instances", "too much to list", "collector.max_rows"},
		},
		"unlimited_pool_v1": { // a bug of Airflow 2
			version: "2.11.2", change: as("viewer", "right"),
			spoil: func(s *airflowtest.Server) {
				s.Update(func(db *airflowtest.Database) { db.PutPool(airflowtest.Pool{Name: "unlimited", Slots: -1}) })
			},
			log: []string{"collector=pools", "class=server"},
		},
		"unlimited_pool_v2": {
			change: as("viewer", "right"),
			spoil: func(s *airflowtest.Server) {
				s.Update(func(db *airflowtest.Database) { db.PutPool(airflowtest.Pool{Name: "unlimited", Slots: -1}) })
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			version := tc.version
			if version == "" {
				version = "3.3.2"
			}
			inWorld(t, airflowtest.Options{Version: version, Users: users}, tc.change, func(w *world) {
				populate(w.airflow, version)
				if tc.spoil != nil {
					tc.spoil(w.airflow)
				}
				w.golden("failure_"+name, w.scrape(tc.timeout))

				for range 3 { // the same trouble again is not news
					time.Sleep(15 * time.Second)
					w.scrape(tc.timeout)
				}
				exposition := w.scrape(tc.timeout)
				for _, secret := range []string{"right", "wrong", "secret"} {
					for where, text := range map[string]string{"log": w.log.String(), "exposition": exposition} {
						if regexp.MustCompile(`\b` + secret + `\b`).MatchString(strings.ReplaceAll(strings.ReplaceAll(text, "wrong user or password", ""), "lacks a right", "")) {
							t.Errorf("the %s holds %q:\n%s", where, secret, text)
						}
					}
				}
				lines := strings.Split(strings.TrimSpace(w.log.String()), "\n")
				if tc.log == nil {
					if w.log.Len() > 0 {
						t.Errorf("nothing is wrong, but logged:\n%s", w.log.String())
					}
					return
				}
				if len(lines) != 1 {
					t.Errorf("%d lines in the log, want one:\n%s", len(lines), w.log.String())
				}
				for _, want := range tc.log {
					if !strings.Contains(lines[0], want) {
						t.Errorf("the log lacks %q:\n%s", want, lines[0])
					}
				}
			})
		})
	}
}

// Airflow asks for a minute of peace: everything is flagged, nothing is asked, and then all is well again.
func TestRetryAfterOfTheWholeAirflow(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		populate(w.airflow, "3.3.2")
		w.has(w.scrape(0), "airflow_up 1")
		time.Sleep(15 * time.Second)
		remove := w.airflow.Inject(nil, airflowtest.Status(429, http.Header{"Retry-After": {"60"}}, ""))
		w.scrape(0)
		w.airflow.ResetRequests()
		remove()
		for range 3 {
			time.Sleep(15 * time.Second)
			w.has(w.scrape(0), "airflow_up 0", `airflow_exporter_collector_error{class="rate_limited",collector="health"} 1`,
				`airflow_exporter_collector_error{class="rate_limited",collector="task_instances"} 1`)
		}
		if n := len(w.airflow.Requests()); n != 0 {
			t.Errorf("%d requests within the minute", n)
		}
		time.Sleep(15 * time.Second)
		w.has(w.scrape(0), "airflow_up 1", `airflow_exporter_collector_success{collector="task_instances"} 1`)
	})
}

// faulty is a part with a bug.
type faulty struct{ inFetch, inEmit bool }

func (faulty) name() string          { return "faulty" }
func (faulty) open() bool            { return true }
func (faulty) minAge() time.Duration { return 0 }
func (faulty) truncated() bool       { return false }

func (f faulty) fetch(context.Context, *airflow.Client, facts) (value, error) {
	if f.inFetch {
		panic("a bug in fetch")
	}
	return f, nil
}

func (f faulty) emit(e *exposition) {
	e.gauge(clockSkew, 42)
	e.gauge(up, 0, "a label too many")
}

// A bug in one part leaves that part out, is counted, and harms no other.
func TestPanicsAreCaught(t *testing.T) {
	for name, f := range map[string]faulty{"in fetch": {inFetch: true}, "in emit": {inEmit: true}} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
				populate(w.airflow, "3.3.2")
				w.collector.parts = append(w.collector.parts, &partState{part: f})
				exposition := w.scrape(0)
				w.has(exposition, `airflow_exporter_collector_success{collector="faulty"} 0`,
					`airflow_exporter_collector_error{class="panic",collector="faulty"} 1`,
					`airflow_exporter_collector_success{collector="task_instances"} 1`, "airflow_exporter_clock_skew_seconds 0")
				time.Sleep(15 * time.Second)
				w.has(w.scrape(0), "airflow_exporter_panics_total 2")
				if !strings.Contains(w.log.String(), "stack=") {
					t.Errorf("the log has no stack:\n%s", w.log.String())
				}
			})
		})
	}
}

// The gauges are sums over rows: they follow each move of each instance.
func TestGaugesFollowTheInstances(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, func(o *Options) { o.Config.Refresh = 0 }, func(w *world) {
		key := airflowtest.Task("dag", "run", "task")
		state := func(samples ...string) {
			t.Helper()
			time.Sleep(15 * time.Second)
			exposition := w.scrape(0)
			w.has(exposition, samples...)
			if n := strings.Count(exposition, "\nairflow_task_instances{"); n != len(samples) {
				t.Errorf("%d series of airflow_task_instances, want %d", n, len(samples))
			}
		}
		move := func(change func(ti *airflowtest.TaskInstance)) {
			w.airflow.Update(func(db *airflowtest.Database) { change(db.TaskInstance(key)) })
		}
		sample := func(state string) string {
			return `airflow_task_instances{dag_id="dag",state="` + state + `",task_id="task"} 1`
		}
		w.airflow.Update(func(db *airflowtest.Database) { db.Add(key, 1) })
		state()
		move(func(ti *airflowtest.TaskInstance) { ti.Schedule() })
		state(sample("scheduled"))
		move(func(ti *airflowtest.TaskInstance) { ti.Enqueue() })
		state(sample("queued"))
		move(func(ti *airflowtest.TaskInstance) { ti.Start() })
		state(sample("running"))
		move(func(ti *airflowtest.TaskInstance) { ti.Fail() })
		state(sample("up_for_retry"))
		move(func(ti *airflowtest.TaskInstance) { ti.Start() })
		state(sample("running"))
		w.has(w.scrape(0), `airflow_task_instances_retrying{dag_id="dag",task_id="task"} 1`)
		move(func(ti *airflowtest.TaskInstance) { ti.Succeed() })
		state()
		w.lacks(w.scrape(0), "airflow_task_instances_retrying", "airflow_task_instances_oldest")
		w.has(w.scrape(0), `airflow_queue_task_instances{queue="default",state="running"} 0`)
	})
}

// What is exposed has the form that Prometheus wants.
func TestExpositionIsLintedAndDeclared(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		populate(w.airflow, "3.3.2")
		company(w.airflow)
		w.airflow.Update(func(db *airflowtest.Database) { db.Add(airflowtest.Task("stalled", "run", "waits"), 0) })
		w.scrapeFor(8 * time.Minute)
		w.airflow.Update(func(db *airflowtest.Database) {
			due := db.Now()
			db.PutRun(airflowtest.DagRun{DagID: "daily", RunID: "quick", Type: "scheduled", LogicalDate: due, RunAfter: due})
			db.Add(airflowtest.Task("daily", "quick", "task"), 0).Succeed()
			db.Run("daily", "quick").Settle()
		})
		key := airflowtest.Task("etl", "tuesday", "extract")
		w.airflow.Update(func(db *airflowtest.Database) { db.TaskInstance(key).Start() })
		time.Sleep(30 * time.Second) // the DAGs are listed again, their active runs known
		w.airflow.Update(func(db *airflowtest.Database) { db.TaskInstance(key).Fail() })
		w.scrape(0)
		known := w.collector.Snapshot(t.Context()).render()
		counted, err := w.collector.ledger.Gather()
		if err != nil {
			t.Fatal(err)
		}
		all := gatherers{w.registry, checkedFamilies(t, counted)}
		for _, gather := range []func() ([]*dto.MetricFamily, error){known.gather, known.fitted.gathered} {
			families, err := gather()
			if err != nil {
				t.Error(err)
			}
			all = append(all, checkedFamilies(t, families))
		}
		problems, err := testutil.GatherAndLint(all)
		if err != nil || len(problems) > 0 {
			t.Errorf("%v, %v", problems, err)
		}
		families, err := all.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, f := range families {
			got[f.GetName()] = true
		}
		for _, m := range Metrics() {
			if !got[m.Name] && m.Name != "airflow_exporter_collector_error" {
				t.Errorf("%s is declared, but not exposed", m.Name)
			}
		}
	})
}
