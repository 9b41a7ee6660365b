//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// settings are what the tests vary in the exporter's configuration file.
type settings struct {
	url, username, password, list string
	airflow, collector            []string // more lines of these sections
	exclude                       string   // DAGs
}

// account is how a user of the tests, whose password is the name, configures the exporter.
func account(a *installation, user string) settings {
	return settings{url: a.url(), username: user, password: user, list: "batch"}
}

// write writes the configuration file.
func (s settings) write(t *testing.T, path string) {
	t.Helper()
	text := fmt.Sprintf("airflow:\n  url: %q\n  username: %q\n  password: %q\n  list: %s\n", s.url, s.username, s.password, s.list)
	for _, line := range s.airflow {
		text += "  " + line + "\n"
	}
	text += fmt.Sprintf("dags:\n  exclude: %q\ncollector:\n  refresh: 1s\n", s.exclude)
	for _, line := range s.collector {
		text += "  " + line + "\n"
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start starts an exporter with these settings; it ends with the test.
func (s settings) start(t *testing.T, args ...string) (e *exporter, config string) {
	t.Helper()
	config = filepath.Join(t.TempDir(), "config.yml")
	s.write(t, config)
	e, err := shared.startExporter(t.Context(), config, args...)
	if e != nil && e.process != nil {
		t.Cleanup(func() {
			if !e.ended() {
				e.stop(syscall.SIGTERM, 10*time.Second)
			}
			if t.Failed() {
				t.Logf("the log of the exporter:\n%s", e.tail(30))
			}
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return e, config
}

// mustScrape reads /metrics, which must be 200 and well-formed.
func mustScrape(t *testing.T, e *exporter) series {
	t.Helper()
	s, err := e.scrape(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// eventually scrapes until want is satisfied.
func eventually(t *testing.T, e *exporter, limit time.Duration, want series) {
	t.Helper()
	if err := poll(t.Context(), limit, func(ctx context.Context) error {
		s, err := e.scrape(ctx)
		if err != nil {
			return err
		}
		return s.has(want)
	}); err != nil {
		t.Fatal(err)
	}
}

// has tells which series of want s lacks.
func (s series) has(want series) error {
	var errs []error
	for key, v := range want {
		if got, ok := s[key]; !ok || got != v {
			errs = append(errs, fmt.Errorf("want %s %v, got %v (there: %t)", key, v, got, ok))
		}
	}
	return errors.Join(errs...)
}

// success is what the exporter says of a part, or of all parts, that it could refresh.
func success(parts ...string) series {
	s := series{`airflow_up{}`: 1}
	if len(parts) == 0 {
		parts = []string{"health", "pools", "task_instances", "dags", "import_errors"}
	}
	for _, part := range parts {
		s[fmt.Sprintf(`airflow_exporter_collector_success{collector=%q}`, part)] = 1
	}
	return s
}

// failure is what the exporter says of a part that it could not refresh.
func failure(part, class string) series {
	return series{
		fmt.Sprintf(`airflow_exporter_collector_success{collector=%q}`, part):               0,
		fmt.Sprintf(`airflow_exporter_collector_error{class=%q,collector=%q}`, class, part): 1,
	}
}

// family returns the series of one metric.
func (s series) family(name string) series {
	f := series{}
	for key, v := range s {
		if strings.HasPrefix(key, name+"{") {
			f[key] = v
		}
	}
	return f
}

func testNoPools(t *testing.T, a *installation) {
	e, _ := account(a, "nopools").start(t)
	got := mustScrape(t, e)
	want := success("health", "task_instances")
	maps.Copy(want, failure("pools", "forbidden"))
	if err := got.has(want); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"airflow_pool_slots", "airflow_pool_size_slots"} {
		if f := got.family(name); len(f) > 0 {
			t.Errorf("unknown, but there: %v", f)
		}
	}
	truth, err := a.truth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"airflow_task_instances", "airflow_pool_used_slots", "airflow_unfinished_task_instances"} {
		if !maps.Equal(got.family(name), truth.family(name)) {
			t.Errorf("%s suffers from the missing right:\n%v\nthe database has\n%v", name, got.family(name), truth.family(name))
		}
	}
}

func testWrongPassword(t *testing.T, a *installation) {
	class := "auth"
	if a.isV1() {
		class = "forbidden" // Airflow 2 does not tell a wrong password from a missing right
	}
	cfg := account(a, "viewer")
	cfg.password = "not-this-one"
	e, _ := cfg.start(t)
	want := failure("task_instances", class)
	want["airflow_up{}"] = 0
	for range 3 {
		got := mustScrape(t, e)
		if err := got.has(want); err != nil {
			t.Fatal(err)
		}
		if f := got.family("airflow_task_instances"); len(f) > 0 {
			t.Fatalf("unknown, but there: %v", f)
		}
	}
	log := e.tail(100)
	var complaints []string
	for line := range strings.Lines(log) {
		if strings.Contains(line, "level=error") || strings.Contains(line, "level=warn") {
			complaints = append(complaints, line)
		}
	}
	if len(complaints) != 1 || !strings.Contains(complaints[0], "password") {
		t.Errorf("want one line that speaks of the password, got %q", complaints)
	}
	if strings.Contains(log, cfg.password) {
		t.Error("the password is in the log")
	}
}

const reloadSuccessful = "airflow_exporter_config_last_reload_successful{}"

func testReload(t *testing.T, a *installation) {
	good, wrong := account(a, "viewer"), account(a, "viewer")
	wrong.password = "not-this-one"
	e, config := good.start(t, "--web.enable-lifecycle")
	want := func(up, reloaded float64) series { return series{"airflow_up{}": up, reloadSuccessful: reloaded} }
	eventually(t, e, time.Minute, want(1, 1))
	hup := func() {
		if err := syscall.Kill(e.pid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	post := func(status int) {
		t.Helper()
		got, body, err := request(t.Context(), http.MethodPost, e.url+"/-/reload")
		if err != nil || got != status {
			t.Fatalf("POST /-/reload: want %d, got %d %s %v", status, got, body, err)
		}
	}
	bad := func() {
		if err := os.WriteFile(config, []byte("airflow:\n  ulr: typo\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	bad()
	hup()
	eventually(t, e, 30*time.Second, want(1, 0)) // the one before stays in use
	wrong.write(t, config)
	hup()
	eventually(t, e, 30*time.Second, want(0, 1)) // another one is in use: its password is wrong
	bad()
	post(http.StatusInternalServerError)
	if err := mustScrape(t, e).has(want(0, 0)); err != nil {
		t.Error(err)
	}
	good.write(t, config)
	post(http.StatusOK)
	eventually(t, e, 30*time.Second, want(1, 1))

	without, _ := good.start(t)
	if status, _, err := request(t.Context(), http.MethodPost, without.url+"/-/reload"); err != nil || status != http.StatusForbidden {
		t.Errorf("POST /-/reload without --web.enable-lifecycle: %d %v", status, err)
	}
}

// testSIGTERM holds a scrape at a gate between exporter and Airflow while the exporter is told to end.
func testSIGTERM(t *testing.T, a *installation) {
	target, err := url.Parse(a.url())
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	waiting, release := make(chan struct{}, 100), make(chan struct{})
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		waiting <- struct{}{}
		<-release
		proxy.ServeHTTP(w, r)
	}))
	defer gate.Close()
	open := func() {
		select {
		case <-release:
		default:
			close(release)
		}
	}
	defer open()

	cfg := account(a, "viewer")
	cfg.url = gate.URL
	e, _ := cfg.start(t)
	type result struct {
		s   series
		err error
	}
	scraped := make(chan result, 1)
	go func() {
		s, err := e.scrape(t.Context())
		scraped <- result{s, err}
	}()
	<-waiting
	if err := syscall.Kill(e.pid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := poll(t.Context(), 10*time.Second, func(ctx context.Context) error {
		if _, _, err := request(ctx, http.MethodGet, e.url+"/-/ready"); err == nil {
			return errors.New("the exporter still takes new requests")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	open()
	r := <-scraped
	if r.err != nil {
		t.Fatalf("the scrape was not answered: %v", r.err)
	}
	if err := r.s.has(success()); err != nil {
		t.Error(err)
	}
	select {
	case <-e.done:
	case <-time.After(10 * time.Second):
		t.Fatal("the exporter does not end")
	}
	if code := e.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// testUnhealthy sees the frozen scheduler lose its health, and the rest of the scrape stay right.
func testUnhealthy(t *testing.T, a *installation) {
	e, _ := account(a, "viewer").start(t)
	want := success()
	for component, healthy := range map[string]float64{"metadatabase": 1, "scheduler": 0, "triggerer": 0} {
		want[seriesKey("airflow_component_healthy", map[string]string{"component": component})] = healthy
	}
	eventually(t, e, 2*healthCheckThreshold*time.Second, want)
	compareWithDatabase(t, a, account(a, "viewer"))
}
