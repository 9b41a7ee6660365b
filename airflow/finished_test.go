package airflow_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// question asks for a run whose logical date, and what ended, are so long ago;
// since 0 asks for everything.
func question(dag, run string, age, since time.Duration) airflow.RunQuestion {
	now := time.Now()
	q := airflow.RunQuestion{Run: airflow.DagRun{RunRef: airflow.RunRef{DagID: dag, RunID: run}, LogicalDate: now.Add(-age)}}
	if since != 0 {
		q.Since = now.Add(-since)
	}
	return q
}

// many are such questions about run r of DAGs d00, d01, …
func many(n int, age, since time.Duration) []airflow.RunQuestion {
	var list []airflow.RunQuestion
	for i := range n {
		list = append(list, question(fmt.Sprintf("d%02d", i), "r", age, since))
	}
	return list
}

// scopes tells what the batch list was asked for, one line for a request:
// ages of its dates, and how many DAGs and runs it names.
func scopes(t *testing.T, server *airflowtest.Server) []string {
	t.Helper()
	var list []string
	for _, r := range server.Requests() {
		if !strings.HasSuffix(r.Path, "/taskInstances/list") {
			continue
		}
		var body struct {
			State  []string   `json:"state"`
			DagIDs []string   `json:"dag_ids"`
			RunIDs []string   `json:"dag_run_ids"`
			Since  *time.Time `json:"end_date_gte"`
			From   *time.Time `json:"execution_date_gte"`
			To     *time.Time `json:"execution_date_lte"`
		}
		if err := json.Unmarshal([]byte(r.Body), &body); err != nil {
			t.Fatal(err)
		}
		if len(body.State) != 5 || !slices.Contains(body.State, "up_for_retry") || slices.Contains(body.State, "removed") {
			t.Errorf("asked for the states %q", body.State)
		}
		var parts []string
		for _, date := range []struct {
			name string
			at   *time.Time
		}{{"since", body.Since}, {"from", body.From}, {"to", body.To}} {
			if date.at != nil {
				parts = append(parts, date.name+" "+time.Since(*date.at).Round(time.Minute).String())
			}
		}
		if body.DagIDs != nil {
			parts = append(parts, fmt.Sprint(len(body.DagIDs), " dags"))
		}
		if body.RunIDs != nil {
			parts = append(parts, fmt.Sprint(len(body.RunIDs), " runs"))
		}
		list = append(list, strings.Join(parts, ", "))
	}
	return list
}

// Which requests a set of questions makes.
func TestScopesOfFinishedTaskInstances(t *testing.T) {
	const (
		minute, hour, day = time.Minute, time.Hour, 24 * time.Hour
		all               = 0
	)
	sameDag := func(n int) []airflow.RunQuestion {
		var list []airflow.RunQuestion
		for i := range n {
			list = append(list, question("d", fmt.Sprintf("r%02d", i), hour, minute))
		}
		return list
	}
	for _, test := range []struct {
		name      string
		questions func() []airflow.RunQuestion
		v1, v2    []string
	}{
		{"none", func() []airflow.RunQuestion { return nil }, nil, nil},
		{"one", func() []airflow.RunQuestion { return many(1, hour, 5*minute) },
			[]string{"since 5m0s, from 1h0m0s"},
			[]string{"since 5m0s, 1 dags, 1 runs"}},
		{"recent ones go together, from the earliest on", func() []airflow.RunQuestion {
			return append(many(60, hour, minute), question("e", "r", 47*hour, 9*minute))
		},
			[]string{"since 9m0s, from 47h0m0s"},
			[]string{"since 1m0s, 20 dags, 1 runs", "since 1m0s, 20 dags, 1 runs", "since 1m0s, 20 dags, 1 runs", "since 9m0s, 1 dags, 1 runs"}},
		{"20 runs of one DAG", func() []airflow.RunQuestion { return sameDag(20) },
			[]string{"since 1m0s, from 1h0m0s"},
			[]string{"since 1m0s, 1 dags, 20 runs"}},
		{"21 runs of one DAG", func() []airflow.RunQuestion { return sameDag(21) },
			[]string{"since 1m0s, from 1h0m0s"},
			[]string{"since 1m0s, 1 dags, 20 runs", "since 1m0s, 1 dags, 1 runs"}},
		{"a logical date to come is recent", func() []airflow.RunQuestion { return many(1, -5*365*day, minute) },
			[]string{"since 1m0s, from -43800h0m0s"},
			[]string{"since 1m0s, 1 dags, 1 runs"}},
		{"old dates go apart", func() []airflow.RunQuestion {
			return append(many(2, hour, minute), question("old", "r", 49*hour, minute))
		},
			[]string{"since 1m0s, from 1h0m0s", "since 1m0s, from 49h0m0s, to 49h0m0s, 1 dags"},
			[]string{"since 1m0s, 3 dags, 1 runs"}},
		{"old dates, 25 DAGs at a time", func() []airflow.RunQuestion { return many(60, 100*day, minute) },
			[]string{"since 1m0s, from 2400h0m0s, to 2400h0m0s, 25 dags", "since 1m0s, from 2400h0m0s, to 2400h0m0s, 25 dags", "since 1m0s, from 2400h0m0s, to 2400h0m0s, 10 dags"},
			[]string{"since 1m0s, 20 dags, 1 runs", "since 1m0s, 20 dags, 1 runs", "since 1m0s, 20 dags, 1 runs"}},
		{"old dates, one day at a time", func() []airflow.RunQuestion {
			return []airflow.RunQuestion{
				question("d", "1", 10*day, minute), question("d", "2", 9*day, 2*minute),
				question("d", "3", 9*day-minute, minute), question("d", "4", 5*day, minute),
			}
		},
			[]string{"since 2m0s, from 240h0m0s, to 216h0m0s, 1 dags", "since 1m0s, from 215h59m0s, to 215h59m0s, 1 dags", "since 1m0s, from 120h0m0s, to 120h0m0s, 1 dags"},
			[]string{"since 2m0s, 1 dags, 4 runs"}},
		{"what lags behind goes apart", func() []airflow.RunQuestion {
			return append(many(2, hour, minute), question("behind", "r", hour, 11*minute))
		},
			[]string{"since 1m0s, from 1h0m0s", "since 11m0s, from 1h0m0s, to 1h0m0s, 1 dags"},
			[]string{"since 11m0s, 3 dags, 1 runs"}},
		{"what has no bound goes apart", func() []airflow.RunQuestion {
			return append(many(2, hour, minute), question("new", "r", hour, all), question("old", "r", 49*hour, minute), question("all", "r", 49*hour, all))
		},
			[]string{"since 1m0s, from 1h0m0s", "since 1m0s, from 49h0m0s, to 49h0m0s, 1 dags", "from 49h0m0s, to 49h0m0s, 1 dags", "from 1h0m0s, to 1h0m0s, 1 dags"},
			[]string{"since 1m0s, 3 dags, 1 runs", "2 dags, 1 runs"}},
		{"one request answers what it holds of others", func() []airflow.RunQuestion {
			// The 20th DAG of run a and all of run b are in the product of the first 20.
			list := many(19, hour, minute)
			for i := range list {
				list[i].Run.RunID = "a"
			}
			return append(list, question("d00", "b", hour, minute), question("d01", "b", hour, minute), question("d02", "b", hour, minute))
		},
			[]string{"since 1m0s, from 1h0m0s"},
			[]string{"since 1m0s, 19 dags, 2 runs"}},
	} {
		for version, want := range map[string][]string{"2.11.2": test.v1, "3.3.2": test.v2} {
			t.Run(version+" "+test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := airflowtest.Start(t, airflowtest.Options{Version: version})
					questions := test.questions()
					var answered []airflow.RunQuestion
					for _, err := range connect(t, server, oneByOne).FinishedTaskInstances(t.Context(), questions, 1000, func(q []airflow.RunQuestion) { answered = append(answered, q...) }) {
						t.Fatal(err)
					}
					if got := scopes(t, server); !slices.Equal(got, want) {
						t.Errorf("got  %q\nwant %q", got, want)
					}
					if len(answered) != len(questions) {
						t.Errorf("%d questions are answered, want %d", len(answered), len(questions))
					}
				})
			})
		}
	}
}

// Whatever the runs, the questions and the server: each row that was asked for
// comes, and comes once; none of a run that was not asked for; and each
// question is answered once.
func TestFinishedTaskInstancesAreCompleteAndDistinct(t *testing.T) {
	for _, version := range []string{"2.10.2", "2.10.5", "2.11.2", "3.0.6", "3.3.2"} {
		for seed := range uint64(20) {
			t.Run(fmt.Sprint(version, " ", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := airflowtest.Start(t, airflowtest.Options{Version: version, ShuffleSeed: seed})
					r := rand.New(rand.NewPCG(seed, 1))
					questions, want := finishedWorld(server, r)
					got, answered := map[airflow.TaskInstanceRef]bool{}, map[airflow.RunRef]int{}
					asked := map[airflow.RunRef]bool{}
					for _, q := range questions {
						asked[q.Run.RunRef] = true
					}
					client := connect(t, server, nil)
					for ti, err := range client.FinishedTaskInstances(t.Context(), questions, 10_000, func(qs []airflow.RunQuestion) {
						for _, q := range qs {
							answered[q.Run.RunRef]++
						}
					}) {
						if err != nil {
							t.Fatal(err)
						}
						if got[ti.Ref()] || !asked[ti.Run()] || answered[ti.Run()] > 0 || ti.State == airflow.StateRunning {
							t.Errorf("%+v: again %v, of a run that was asked for %v, after its answer %v", ti.Ref(), got[ti.Ref()], asked[ti.Run()], answered[ti.Run()] > 0)
						}
						got[ti.Ref()] = true
					}
					for _, ref := range want {
						if !got[ref] {
							t.Errorf("%+v is missing", ref)
						}
					}
					for run := range asked {
						if answered[run] != 1 {
							t.Errorf("%+v is answered %d times", run, answered[run])
						}
					}
				})
			})
		}
	}
}

// finishedWorld fills a server with runs, asks about some of them, and tells
// which rows must come.
func finishedWorld(server *airflowtest.Server, r *rand.Rand) (questions []airflow.RunQuestion, want []airflow.TaskInstanceRef) {
	now := time.Now()
	ago := func(most time.Duration) time.Time {
		return now.Add(-time.Duration(r.Int64N(int64(most)))).Truncate(time.Microsecond)
	}
	server.Update(func(db *airflowtest.Database) {
		for i := range 60 {
			dag, run := fmt.Sprintf("d%02d", r.IntN(30)), fmt.Sprintf("r%d", r.IntN(8))
			if db.Run(dag, run) != nil {
				continue
			}
			row := airflowtest.DagRun{DagID: dag, RunID: run, LogicalDate: ago(24 * time.Hour)}
			if r.IntN(4) == 0 {
				row.LogicalDate = ago(10 * 24 * time.Hour)
			}
			db.PutRun(row)
			q := airflow.RunQuestion{Run: airflow.DagRun{RunRef: airflow.RunRef{DagID: dag, RunID: run}, LogicalDate: row.LogicalDate}, Since: ago(9 * time.Minute)}
			q.Run.RunType = []string{"manual", "scheduled"}[r.IntN(2)]
			switch r.IntN(6) {
			case 0:
				q.Since = time.Time{}
			case 1:
				q.Since = ago(5 * time.Hour)
			}
			if i%5 != 0 {
				questions = append(questions, q)
			}
			for task := range r.IntN(6) {
				ti := db.Add(airflowtest.Task(dag, run, fmt.Sprint("t", task)), r.IntN(2))
				switch r.IntN(6) {
				case 0:
					ti.Start()
				case 1:
					ti.Fail()
				case 2:
					ti.SkipEmpty()
				default:
					ti.Succeed()
				}
				if !ti.EndDate.IsZero() {
					ti.EndDate = ago(6 * time.Hour)
				}
				finished := ti.State != airflowtest.Running
				if i%5 != 0 && finished && (q.Since.IsZero() || !ti.EndDate.IsZero() && !ti.EndDate.Before(q.Since)) {
					want = append(want, airflow.TaskInstanceRef{DagID: dag, RunID: run, TaskID: ti.TaskID, MapIndex: -1})
				}
			}
		}
	})
	return questions, want
}

// An answer that fails, or does not fit, leaves its questions and those behind
// it unanswered; the ones before it are answered.
func TestFinishedTaskInstancesThatAreIncomplete(t *testing.T) {
	fill := func(db *airflowtest.Database) {
		for i := range 60 {
			for task := range 3 {
				db.Add(airflowtest.Task(fmt.Sprintf("d%02d", i), "r", fmt.Sprint(task)), 0).Succeed()
			}
		}
	}
	isList := airflowtest.On("POST", "/taskInstances/list")
	for _, test := range []struct {
		name         string
		room         int
		fault        *airflowtest.Fault
		v1, v2       int // questions answered
		rows1, rows2 int
		class        airflow.Class
		incomplete   *airflow.IncompleteError // on Airflow 3
	}{
		{"the room is too small", 59, nil, 0, 0, 59, 59, airflow.ClassTooLarge, &airflow.IncompleteError{Received: 59, Total: 60}},
		{"the second fails", 1000, new(airflowtest.Status(500, nil, "").Nth(2)), 60, 20, 180, 60, airflow.ClassServer, nil},
		{"the second breaks off", 1000, new(airflowtest.Truncate(3000).Nth(2)), 60, 20, 180, 60, airflow.ClassConnect, nil},
	} {
		for _, version := range []string{"2.11.2", "3.3.2"} {
			t.Run(version+" "+test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := airflowtest.Start(t, airflowtest.Options{Version: version})
					server.Update(fill)
					if test.fault != nil {
						server.Inject(isList, *test.fault)
					}
					answered, rows := 0, 0
					var last error
					for _, err := range connect(t, server, oneByOne).FinishedTaskInstances(t.Context(), many(60, 0, time.Minute), test.room, func(q []airflow.RunQuestion) { answered += len(q) }) {
						if last != nil {
							t.Error("something follows an error")
						}
						if last = err; err == nil {
							rows++
						}
					}
					wantAnswered, wantRows := test.v2, test.rows2
					if version[0] == '2' {
						wantAnswered, wantRows = test.v1, test.rows1
					}
					if answered != wantAnswered || rows < wantRows {
						t.Errorf("%d answered, %d rows, %v; want %d, %d", answered, rows, last, wantAnswered, wantRows)
					}
					if version[0] == '2' && test.fault != nil { // one request is all there was
						if last != nil {
							t.Error(last)
						}
						return
					}
					if airflow.ClassOf(last) != test.class {
						t.Errorf("got %v, want class %s", last, test.class)
					}
					if incomplete, ok := errors.AsType[*airflow.IncompleteError](last); version[0] == '3' && ok && *incomplete != *test.incomplete {
						t.Errorf("got %+v, want %+v", incomplete, test.incomplete)
					}
				})
			})
		}
	}
}

// A consumer that has enough gets no more, and nothing counts as answered.
func TestFinishedTaskInstancesCanBeLeftEarly(t *testing.T) {
	server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2"})
	server.Update(func(db *airflowtest.Database) {
		db.Add(airflowtest.Task("d00", "r", "1"), 0).Succeed()
		db.Add(airflowtest.Task("d00", "r", "2"), 0).Succeed()
	})
	for _, err := range connect(t, server, oneByOne).FinishedTaskInstances(t.Context(), many(60, 0, time.Minute), 100, func([]airflow.RunQuestion) { t.Error("it is answered") }) {
		if err != nil {
			t.Error(err)
		}
		break
	}
	if n := len(scopes(t, server)); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// oneByOne lets a client ask one question at a time, so that it is known which comes next.
func oneByOne(c *airflow.Config) { c.Concurrency = 1 }

// As many scopes are asked at once as may be in flight; those under way when one fails are heard, and no others are asked.
func TestScopesAreAskedAtOnce(t *testing.T) {
	for name, fails := range map[string]bool{"all answer": false, "the first one fails": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2"})
				client := connect(t, server, nil)
				if _, err := client.Version(t.Context()); err != nil {
					t.Fatal(err)
				}
				server.ResetRequests()
				isList := airflowtest.On("POST", "/taskInstances/list")
				if fails { // at once
					server.Inject(isList, airflowtest.Status(500, nil, "").Nth(1))
				}
				server.Inject(isList, airflowtest.Delay(time.Second))
				began, answered := time.Now(), 0
				var last error
				for _, err := range client.FinishedTaskInstances(t.Context(), many(200, 0, time.Minute), 1000, func(q []airflow.RunQuestion) { answered += len(q) }) {
					last = err
				}
				n, took := len(server.Requests()), time.Since(began)
				switch { // ten scopes of 20 runs, four at once
				case !fails && (answered != 200 || n != 10 || took != 3*time.Second || last != nil),
					fails && (answered != 20*(n-1) || n > 4 || took > time.Second || last == nil): // up to three were under way
					t.Errorf("%d questions were answered by %d requests in %s; %v", answered, n, took, last)
				}
			})
		})
	}
}
