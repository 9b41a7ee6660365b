package check_test

import (
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	promconfig "github.com/prometheus/common/config"
	"go.uber.org/goleak"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
	"github.com/seed-9c0ac15d/airflow_exporter/collector"
	"github.com/seed-9c0ac15d/airflow_exporter/collector/check"
)

var update = flag.Bool("update", false, "write the golden reports")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// password is that of all users; no report may hold it.
const password = "s3cr3t-pa55word"

var users = []airflowtest.User{
	{Name: "viewer", Password: password, Rights: airflowtest.Viewer},
	{Name: "nobody", Password: password},
	{Name: "nopools", Password: password, Rights: airflowtest.Viewer &^ airflowtest.ReadPools},
	{Name: "nologs", Password: password, Rights: airflowtest.Viewer &^ airflowtest.ReadTaskLogs},
	{Name: "noinstances", Password: password, Rights: airflowtest.ReadDags | airflowtest.ReadDagRuns | airflowtest.ReadPools | airflowtest.ReadImportErrors},
	{Name: "limited", Password: password, Rights: airflowtest.Viewer, DagIDs: []string{"etl"}},
}

// situation is an Airflow that is asked once.
type situation struct {
	version string
	clock   time.Duration // how far Airflow's is ahead
	prepare func(s *airflowtest.Server)
	change  func(o *check.Options)
	user    string
}

// run returns the report, and the server that was asked.
func (s situation) run(t *testing.T, test func(r *check.Report, server *airflowtest.Server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := airflowtest.Start(t, airflowtest.Options{Version: s.version, Users: users, Clock: func() time.Time { return time.Now().Add(s.clock) }})
		server.Update(fill)
		if s.prepare != nil {
			s.prepare(server)
		} else {
			// so that what is asked takes as long as it may take
			server.Inject(nil, airflowtest.Delay(12*time.Millisecond))
		}
		o := check.Options{Airflow: airflow.DefaultConfig(), Collector: collector.DefaultConfig()}
		o.Airflow.URL, o.Airflow.DialContext, o.Airflow.AllowInsecureHTTP = server.URL, server.DialContext, true
		if s.user != "" {
			o.Airflow.Username, o.Airflow.Password = s.user, password
		}
		if s.change != nil {
			s.change(&o)
		}
		r, err := check.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		test(r, server)
	})
}

// fill makes two DAGs, with a run that goes on and one that ended, and instances that must not be asked about.
func fill(db *airflowtest.Database) {
	db.PutDag(airflowtest.Dag{DagID: "etl"})
	db.PutDag(airflowtest.Dag{DagID: "reports", Paused: true})
	db.Add(airflowtest.Task("etl", "monday", "extract"), 1).Succeed()
	db.Run("etl", "monday").Settle()
	db.Add(airflowtest.Task("etl", "tuesday", "extract"), 1).Start()
	for _, task := range []string{"load", "report"} {
		db.Add(airflowtest.Task("etl", "tuesday", task), 1).AskingWrites = airflowtest.Skipped
	}
	db.TaskInstance(airflowtest.Task("etl", "tuesday", "load")).Schedule()
	db.Add(airflowtest.Task("reports", "one", "report"), 0).AskingWrites = airflowtest.UpstreamFailed
}

func text(t *testing.T, r *check.Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func jsonText(t *testing.T, r *check.Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	if !json.Valid([]byte(b.String())) {
		t.Errorf("not JSON:\n%s", b.String())
	}
	return b.String()
}

// golden compares a report with its file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the report is not that of %s (go test -update writes it):\n%s", path, got)
	}
}

// on is a fault that strikes the requests of a path, and all others are answered.
func on(suffix string, fault airflowtest.Fault) func(*airflowtest.Server) {
	return func(s *airflowtest.Server) { s.Inject(airflowtest.On("", suffix), fault) }
}

func always(fault airflowtest.Fault) func(*airflowtest.Server) {
	return func(s *airflowtest.Server) { s.Inject(nil, fault) }
}

var situations = map[string]struct {
	situation
	status int
}{
	"viewer":         {situation{user: "viewer"}, 0},
	"no_rights":      {situation{user: "nobody"}, 1},
	"no_pools":       {situation{user: "nopools"}, 1},
	"no_logs":        {situation{user: "nologs"}, 0},
	"no_instances":   {situation{user: "noinstances"}, 1},
	"restricted":     {situation{user: "limited"}, 0},
	"wrong_password": {situation{user: "viewer", change: func(o *check.Options) { o.Airflow.Password = "not-this-one" }}, 2},
	"no_account":     {situation{}, 2},
	"bearer_token": {situation{change: func(o *check.Options) {
		o.Airflow.HTTPClient.Authorization = &promconfig.Authorization{Type: "Bearer", Credentials: "n0t-a-t0ken"}
	}}, 2},
	"login_page":  {situation{user: "viewer", prepare: always(airflowtest.LoginPage())}, 2},
	"redirect":    {situation{user: "viewer", prepare: always(airflowtest.Redirect("https://sso.example.org/login?next=%2F", http.StatusFound))}, 2},
	"wrong_path":  {situation{user: "viewer", change: func(o *check.Options) { o.Airflow.URL += "/airflow" }, prepare: always(airflowtest.Status(404, nil, "nothing here"))}, 2},
	"unreachable": {situation{user: "viewer", prepare: func(s *airflowtest.Server) { s.Stop() }}, 2},
	"hangs_midway": {situation{user: "viewer", prepare: func(s *airflowtest.Server) {
		s.Inject(func(r *http.Request) bool { return strings.Contains(r.URL.Path, "dagRuns") }, airflowtest.Hang())
	}}, 1},
	"clock_skew": {situation{user: "viewer", clock: -95 * time.Second}, 0},
	"list_get":   {situation{user: "viewer", change: func(o *check.Options) { o.Airflow.List = airflow.ListGet }}, 0},
	"not_blocked": {situation{user: "viewer", change: func(o *check.Options) { o.Collector.Blocked.Enabled = false },
		prepare: on("/dependencies", airflowtest.Status(403, http.Header{"Content-Type": {"application/json"}}, `{"detail": "not \u001b[31mhere\u009b"}`))}, 0},
	"no_links_of_the_first": {situation{user: "viewer",
		prepare: on("/links", airflowtest.Status(404, http.Header{"Content-Type": {"application/json"}}, `{"detail": "Task ID not found", "title": "Not Found"}`).First(1))}, 0},
	"empty": {situation{user: "viewer", prepare: func(s *airflowtest.Server) {
		s.Update(func(db *airflowtest.Database) { db.DeleteDag("etl"); db.DeleteDag("reports") })
	}}, 0},
	"only_waiting": {situation{user: "viewer", prepare: func(s *airflowtest.Server) {
		s.Update(func(db *airflowtest.Database) {
			db.Delete(airflowtest.Task("etl", "monday", "extract"))
			db.Delete(airflowtest.Task("etl", "tuesday", "extract"))
		})
	}}, 0},
	"unhealthy_scheduler": {situation{user: "viewer", prepare: func(s *airflowtest.Server) {
		s.Update(func(db *airflowtest.Database) { db.Health.Scheduler.Status = airflowtest.Unhealthy })
	}}, 0},
}

// Airflow 2 does not tell an account without rights from a wrong password.
var statusV1 = map[string]int{"no_rights": 2}

func TestReports(t *testing.T) {
	for name, tc := range situations {
		for api, version := range map[string]string{"v1": "2.11.2", "v2": "3.3.2"} {
			t.Run(name+"_"+api, func(t *testing.T) {
				tc.version = version
				want := tc.status
				if status, ok := statusV1[name]; ok && api == "v1" {
					want = status
				}
				tc.run(t, func(r *check.Report, server *airflowtest.Server) {
					golden(t, name+"_"+api+".txt", text(t, r))
					golden(t, name+"_"+api+".json", jsonText(t, r))
					if r.Status() != want {
						t.Errorf("the exit status is %d, want %d", r.Status(), want)
					}
					for _, form := range []string{text(t, r), jsonText(t, r)} {
						if strings.Contains(form, password) || strings.Contains(form, "n0t-a-t0ken") || strings.Contains(form, "not-this-one") {
							t.Errorf("a secret is in\n%s", form)
						}
						if strings.ContainsAny(form, "\x1b\u009b") {
							t.Errorf("a control character is in\n%q", form)
						}
					}
					batches := slices.ContainsFunc(server.Requests(), func(r airflowtest.Request) bool {
						return r.Method == http.MethodPost && strings.HasSuffix(r.Path, "/list")
					})
					audited := strings.Contains(text(t, r), "leaves a row in Airflow's audit log")
					if batches && audited != (api == "v2") {
						t.Errorf("it is said that a listing is written down: %v", audited)
					}
					if (r.Version.Number == "") != (r.Skew == nil) {
						t.Errorf("Airflow %q answered, and its clock is said to be known: %v", r.Version.Number, r.Skew != nil)
					}
					gentle(t, server)
				})
			})
		}
	}
}

// gentle fails the test when the check asked too much, or changed anything.
func gentle(t *testing.T, server *airflowtest.Server) {
	t.Helper()
	refused := 0
	requests := server.Requests()
	if len(requests) > 20 {
		t.Errorf("%d requests", len(requests))
	}
	for _, r := range requests {
		if r.Rows > 100 {
			t.Errorf("%s %s: %d rows", r.Method, r.Path, r.Rows)
		}
		if r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden && r.User == "" {
			refused++
		}
	}
	if refused > 2 {
		t.Errorf("%d requests were refused for their credentials: that can lock an account", refused)
	}
	server.Update(func(db *airflowtest.Database) {
		for _, ti := range db.TaskInstances() {
			if slices.Contains([]string{airflowtest.Skipped, airflowtest.UpstreamFailed}, ti.State) {
				t.Errorf("asking made %v %s", ti.Key, ti.State)
			}
		}
	})
}

// An Airflow before 2.10 lacks what the exporter needs, whatever the account may read.
func TestVersionBefore210(t *testing.T) {
	situation{version: "2.9.3", user: "viewer"}.run(t, func(r *check.Report, _ *airflowtest.Server) {
		golden(t, "old.txt", text(t, r))
		if r.Status() != 1 {
			t.Errorf("the exit status is %d", r.Status())
		}
	})
}

// Airflow before 2.10.5 tells no links of mapped instances: where no others are known, they are not asked for.
func TestLinksOfMappedInstances(t *testing.T) {
	for version, outcome := range map[string]string{"2.10.2": "not tried", "2.10.5": "ok", "3.3.2": "ok"} {
		s := situation{version: version, user: "viewer", prepare: func(server *airflowtest.Server) {
			server.Update(func(db *airflowtest.Database) {
				db.DeleteRun("etl", "monday")
				db.DeleteRun("etl", "tuesday")
				db.DeleteRun("reports", "one")
				for _, ti := range db.Expand(db.Add(airflowtest.Task("etl", "monday", "part"), 0).Key, 3) {
					ti.Start()
				}
			})
		}}
		s.run(t, func(r *check.Report, _ *airflowtest.Server) {
			for line := range strings.Lines(text(t, r)) {
				if strings.Contains(line, "extra links of one") && !strings.HasPrefix(line, outcome) || strings.HasPrefix(line, "FAILED") {
					t.Errorf("%s: %s", version, line)
				}
			}
		})
	}
}

// Everything unfinished and all of a long history stays where it is.
func TestLargeInstallationsAreNotRead(t *testing.T) {
	for _, version := range []string{"2.10.2", "2.11.2", "3.3.2"} {
		for _, list := range []string{airflow.ListBatch, airflow.ListGet} {
			t.Run(version+" "+list, func(t *testing.T) {
				s := situation{version: version, user: "viewer", change: func(o *check.Options) { o.Airflow.List = list }}
				s.prepare = func(server *airflowtest.Server) {
					server.Update(func(db *airflowtest.Database) {
						for i := range 300 {
							run := "r" + string(rune('0'+i%10)) + string(rune('0'+i/10%10)) + string(rune('0'+i/100))
							db.Add(airflowtest.Task("etl", run, "a"), 0).Succeed()
							db.Add(airflowtest.Task("etl", run, "b"), 0)
							db.Add(airflowtest.Task("etl", run, "c"), 0).Start()
						}
					})
				}
				s.run(t, func(r *check.Report, server *airflowtest.Server) {
					if r.Status() != 0 || strings.Contains(text(t, r), "not tried") {
						t.Errorf("exit status %d\n%s", r.Status(), text(t, r))
					}
					for _, request := range server.Requests() {
						if most := 100; request.Rows > most && version != "2.10.2" { // which sends all that is unfinished, as to each scrape
							t.Errorf("%s %s: %d rows", request.Method, request.Path, request.Rows)
						}
					}
				})
			})
		}
	}
}

// A configuration that is wrong is no report.
func TestWrongConfiguration(t *testing.T) {
	o := check.Options{Airflow: airflow.DefaultConfig(), Collector: collector.DefaultConfig()}
	o.Airflow.URL, o.Airflow.Username = "http://localhost:1", "viewer"
	if _, err := check.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "airflow.password") {
		t.Errorf("got %v", err)
	}
}
