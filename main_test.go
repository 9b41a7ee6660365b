package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// program is run() on a free port of this machine.
type program struct {
	url  string
	stop context.CancelFunc
	done chan error

	mu   sync.Mutex
	more *sync.Cond // log has grown
	log  bytes.Buffer
}

var listening = regexp.MustCompile(`Listening on" address=(\S+)`)

func start(t *testing.T, env map[string]string, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &program{stop: cancel, done: make(chan error, 1)}
	p.more = sync.NewCond(&p.mu)
	read, write := io.Pipe()
	address := make(chan string, 1)
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		lines := bufio.NewScanner(read)
		for lines.Scan() {
			p.mu.Lock()
			p.log.WriteString(lines.Text() + "\n")
			p.more.Broadcast()
			p.mu.Unlock()
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				address <- m[1]
			}
		}
	}()
	go func() {
		err := run(ctx, append([]string{"--web.listen-address=127.0.0.1:0"}, args...), environment(env), io.Discard, write)
		_ = write.Close()
		<-logged
		p.done <- err
	}()
	t.Cleanup(cancel)
	select {
	case a := <-address:
		p.url = "http://" + a
	case err := <-p.done:
		t.Fatalf("the program ended: %v", err)
	}
	return p
}

// waitFor returns when the log has a line with text.
func (p *program) waitFor(t *testing.T, text string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for !strings.Contains(p.log.String(), text) {
		p.more.Wait()
	}
}

func (p *program) logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// end stops the program and returns its error.
func (p *program) end(t *testing.T) error {
	t.Helper()
	p.stop()
	http.DefaultClient.CloseIdleConnections()
	return <-p.done
}

func request(t *testing.T, method, url string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body), resp.Header
}

// A stop signal while Airflow hangs: the scrape that is under way is answered, then the program ends.
func TestStopAnswersTheScrapeThatIsUnderWay(t *testing.T) {
	asked, release := make(chan struct{}, 10), make(chan struct{})
	airflow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-release
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer airflow.Close()
	p := start(t, nil, "--airflow.url="+airflow.URL)
	if status, body, _ := request(t, "GET", p.url+"/-/ready"); status != 200 {
		t.Fatalf("not ready: %d %s", status, body)
	}
	type scrape struct {
		status int
		body   string
	}
	scraped := make(chan scrape)
	go func() {
		status, body, _ := request(t, "GET", p.url+"/metrics")
		scraped <- scrape{status, body}
	}()
	<-asked
	p.stop()
	close(release)
	s := <-scraped
	if s.status != 200 || !strings.Contains(s.body, "\nairflow_up 0\n") || !strings.Contains(s.body, `airflow_exporter_collector_error{class="server",collector="health"} 1`) {
		t.Errorf("the scrape got %d:\n%s", s.status, s.body)
	}
	if err := p.end(t); err != nil {
		t.Errorf("the program ended with %v", err)
	}
}

func TestPagesBesideTheMetrics(t *testing.T) {
	p := start(t, nil, "--airflow.url=http://127.0.0.1:1", "--web.telemetry-path=/custom")
	status, body, header := request(t, "GET", p.url+"/")
	if status != 200 || !strings.Contains(body, `<a href="/custom">`) {
		t.Errorf("landing page: %d\n%s", status, body)
	}
	for key, want := range map[string]string{"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"} {
		if got := header.Get(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	for _, tc := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/custom", 200},
		{"GET", "/-/healthy", 200},
		{"GET", "/-/ready", 200},
		{"GET", "/metrics", 404},
		{"GET", "/debug/pprof/", 404},
		{"GET", "/<script>", 404},
		{"POST", "/custom", 405},
		{"GET", "/-/reload", 405},
		{"POST", "/-/reload", 403},
	} {
		if status, body, _ := request(t, tc.method, p.url+tc.path); status != tc.status || strings.Contains(body, "<script>") {
			t.Errorf("%s %s: %d, want %d\n%s", tc.method, tc.path, status, tc.status, body)
		}
	}
	if err := p.end(t); err != nil {
		t.Error(err)
	}
}

// A reload swaps everything or nothing, and tells.
func TestReloadSwapsEverythingOrNothing(t *testing.T) {
	asked := make(chan string, 100)
	airflow := func(name string) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked <- name
			w.WriteHeader(http.StatusInternalServerError)
		}))
		t.Cleanup(s.Close)
		return s
	}
	first, second := airflow("first"), airflow("second")
	path := filepath.Join(t.TempDir(), "config.yml")
	configure := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure("airflow: {url: '" + first.URL + "'}\ncollector: {refresh: 0s}\n")
	p := start(t, nil, "--config.file="+path, "--web.enable-lifecycle")
	expect := func(from, flag string) {
		t.Helper()
		for len(asked) > 0 {
			<-asked
		}
		_, body, _ := request(t, "GET", p.url+"/metrics")
		if got := <-asked; got != from {
			t.Errorf("the %s Airflow was asked, want the %s", got, from)
		}
		if !strings.Contains(body, "\nairflow_exporter_config_last_reload_successful "+flag+"\n") {
			t.Errorf("want airflow_exporter_config_last_reload_successful %s", flag)
		}
	}
	expect("first", "1")

	configure("airflow: {url: '" + second.URL + "', no_such_key: 1}\n")
	if status, body, _ := request(t, "POST", p.url+"/-/reload"); status != 500 || strings.Contains(body, "no_such_key") {
		t.Errorf("bad reload: %d %s", status, body)
	}
	expect("first", "0")
	if !strings.Contains(p.logged(), "line 1: unknown key no_such_key") {
		t.Errorf("the log does not tell what is wrong:\n%s", p.logged())
	}

	configure("airflow: {url: '" + second.URL + "'}\ncollector: {refresh: 0s}\n")
	if status, _, _ := request(t, "POST", p.url+"/-/reload"); status != 200 {
		t.Errorf("good reload: %d", status)
	}
	expect("second", "1")
	if _, body, _ := request(t, "GET", p.url+"/metrics"); !regexp.MustCompile(`api_requests_total{code="500",endpoint="/version"} [3-9]`).MatchString(body) {
		t.Errorf("the counters did not outlive the reload:\n%s", body)
	}
	if err := p.end(t); err != nil {
		t.Error(err)
	}
}

// SIGHUP loads the configuration anew, as POST /-/reload does.
func TestHangUpReloads(t *testing.T) {
	path := file(t, "airflow: {url: 'http://127.0.0.1:1', external_url: 'http://first.example.org'}")
	p := start(t, nil, "--config.file="+path, "--log.format=logfmt")
	if err := os.WriteFile(path, []byte("airflow: {burst: 0}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.waitFor(t, "the configuration was not reloaded")
	if err := os.WriteFile(path, []byte("airflow: {url: 'http://127.0.0.1:1'}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.waitFor(t, "configuration reloaded")
	if err := p.end(t); err != nil {
		t.Error(err)
	}
}

// The hundred and first scrape at once is refused, and the others are answered.
func TestScrapesAtOnceAreBounded(t *testing.T) {
	asked, release := make(chan struct{}, 10), make(chan struct{})
	airflow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-release
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer airflow.Close()
	e := newExporter(flags{airflowURL: airflow.URL, telemetryPath: "/metrics"}, environment(nil), log.NewNopLogger())
	if err := e.load(); err != nil {
		t.Fatal(err)
	}
	defer e.close()
	handler := e.handler()
	scrape := func() int {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
		return w.Code
	}
	status := make(chan int, 2*maxScrapes)
	for range maxScrapes + 20 {
		go func() { status <- scrape() }()
	}
	<-asked
	for range 20 {
		if got := <-status; got != http.StatusServiceUnavailable {
			t.Fatalf("the first answers while all wait for Airflow must be refusals, got %d", got)
		}
	}
	close(release)
	for range maxScrapes {
		if got := <-status; got != http.StatusOK {
			t.Errorf("got %d", got)
		}
	}
}

// With /metrics at /, nothing else is the metrics.
func TestMetricsAtTheRoot(t *testing.T) {
	p := start(t, nil, "--airflow.url=http://127.0.0.1:1", "--web.telemetry-path=/")
	if status, body, _ := request(t, "GET", p.url+"/"); status != 200 || !strings.Contains(body, "\nairflow_up 0\n") {
		t.Errorf("%d\n%s", status, body)
	}
	if status, _, _ := request(t, "GET", p.url+"/other"); status != 404 {
		t.Errorf("%d", status)
	}
	if err := p.end(t); err != nil {
		t.Error(err)
	}
}

func TestLogLevelsAndFormats(t *testing.T) {
	for format, want := range map[string]string{"logfmt": "level=warn ", "json": `"level":"warn"`} {
		var b bytes.Buffer
		logger, webLogger := newLoggers(flags{logLevel: "warn", logFormat: format}, &b)
		_ = level.Info(logger).Log("msg", "quiet")
		webLogger.Info("quiet")
		_ = level.Warn(logger).Log("msg", "loud")
		webLogger.Warn("loud, too")
		if n := strings.Count(b.String(), "\n"); n != 2 || strings.Count(b.String(), want) != 2 {
			t.Errorf("%s:\n%s", format, b.String())
		}
	}
}

func TestWrongCommandLines(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"unknown flag":   {[]string{"--no-such-flag"}, "unknown long flag '--no-such-flag'"},
		"no Airflow":     {nil, "no Airflow given"},
		"no such file":   {[]string{"--config.file=/no/such/file"}, "--config.file: open /no/such/file"},
		"path":           {[]string{"--airflow.url=http://localhost:1", "--web.telemetry-path=metrics"}, "--web.telemetry-path"},
		"unclean path":   {[]string{"--airflow.url=http://localhost:1", "--web.telemetry-path=//metrics"}, "--web.telemetry-path"},
		"path upwards":   {[]string{"--airflow.url=http://localhost:1", "--web.telemetry-path=/a/../b"}, "--web.telemetry-path"},
		"reserved path":  {[]string{"--airflow.url=http://localhost:1", "--web.telemetry-path=/-/x"}, "--web.telemetry-path"},
		"log level":      {[]string{"--airflow.url=http://localhost:1", "--log.level=loud"}, "loud"},
		"address in use": {[]string{"--airflow.url=http://localhost:1", "--web.listen-address=127.0.0.1:99999"}, "cannot serve"},
		"CA file":        {[]string{"--config.file=" + file(t, "airflow: {url: 'https://localhost', http_client: {tls_config: {ca_file: nowhere}}}")}, "airflow.http_client"},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			err := run(t.Context(), tc.args, environment(nil), io.Discard, &log)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestConfigCheck(t *testing.T) {
	var out bytes.Buffer
	path := file(t, "airflow: {url: 'http://localhost:8080'}")
	if err := run(t.Context(), []string{"--config.check", "--config.file=" + path}, environment(nil), &out, io.Discard); err != nil || out.String() != "the configuration is valid\n" {
		t.Errorf("got %q, %v", out.String(), err)
	}
	path = file(t, "airflow: {url: 'http://localhost:8080', burst: -1}")
	if err := run(t.Context(), []string{"--config.check", "--config.file=" + path}, environment(nil), &out, io.Discard); err == nil || !strings.Contains(err.Error(), "airflow.burst: -1") {
		t.Errorf("got %v", err)
	}
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Nobody may hold the port by sending half a request.
func TestServerHasEveryLimit(t *testing.T) {
	s := newServer(http.NotFoundHandler(), nil)
	if s.ReadHeaderTimeout != 5*time.Second || s.ReadTimeout == 0 || s.WriteTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes == 0 {
		t.Errorf("a limit is missing: %+v", s)
	}
}
