package airflowtest_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

func TestOptionsAreChecked(t *testing.T) {
	for _, options := range []airflowtest.Options{
		{},
		{Version: "three"},
		{Version: "3.3"},
		{Version: "1.10.15"},
		{Version: "3.3.2", BasePath: "airflow"},
		{Version: "3.3.2", BasePath: "/airflow/"},
	} {
		if server, err := airflowtest.New(options); err == nil {
			server.Close()
			t.Errorf("%+v is accepted", options)
		}
	}
}

// TestVersionProbe is how a client finds out which API there is.
func TestVersionProbe(t *testing.T) {
	for _, test := range []struct {
		version        string
		v1, v2         int
		v1Type, v2Type string
	}{
		{version: "2.10.2", v1: 200, v2: 404, v1Type: "application/json", v2Type: "text/html; charset=utf-8"},
		{version: "2.11.2", v1: 200, v2: 404, v1Type: "application/json", v2Type: "text/html; charset=utf-8"},
		{version: "2.12.0", v1: 200, v2: 404, v1Type: "application/json", v2Type: "text/html; charset=utf-8"},
		{version: "3.0.6", v1: 404, v2: 200, v1Type: "application/json", v2Type: "application/json"},
		{version: "3.3.2", v1: 404, v2: 200, v1Type: "application/json", v2Type: "application/json"},
		{version: "3.9.0", v1: 404, v2: 200, v1Type: "application/json", v2Type: "application/json"},
		{version: "3.4.0rc1", v1: 404, v2: 200, v1Type: "application/json", v2Type: "application/json"},
	} {
		c := start(t, airflowtest.Options{Version: test.version}, nil)
		v1, v2 := c.get("/api/v1/version"), c.get("/api/v2/version")
		if v1.status != test.v1 || v1.header.Get("Content-Type") != test.v1Type {
			t.Errorf("%s: v1 %d %v", test.version, v1.status, v1.header)
		}
		if v2.status != test.v2 || v2.header.Get("Content-Type") != test.v2Type {
			t.Errorf("%s: v2 %d %v", test.version, v2.status, v2.header)
		}
		if all := v1.body + v2.body; !strings.Contains(all, `"`+test.version+`"`) {
			t.Errorf("%s: no answer holds the version", test.version)
		}
	}
}

func TestBasePath(t *testing.T) {
	for version, paths := range map[string][]string{
		"2.11.2": {"/api/v1/health", "/api/v1/version", "/health", listV1},
		"3.3.2":  {"/api/v2/monitor/health", "/api/v2/version", listV2},
	} {
		server := airflowtest.Start(t, airflowtest.Options{Version: version, BasePath: "/airflow"})
		c := newClient(t, server)
		for _, path := range paths {
			if got := c.get(path); got.status != http.StatusOK {
				t.Errorf("%s: %d %s", path, got.status, got.body)
			}
		}
		server.URL = strings.TrimSuffix(server.URL, "/airflow")
		for _, path := range append(paths, "/auth/token", "/airflowx/api/v2/version") {
			if got := c.get(path); got.status != http.StatusNotFound {
				t.Errorf("%s outside the base path: %d", path, got.status)
			}
		}
	}
}

func TestLoginIsBelowTheBasePath(t *testing.T) {
	c := start(t, airflowtest.Options{Version: "3.3.2", BasePath: "/airflow", Users: []airflowtest.User{
		{Name: "a", Password: "b", Rights: airflowtest.Viewer},
	}}, nil)
	if got := c.logIn("a", "b").get("/api/v2/pools"); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestTransport(t *testing.T) {
	clock := func() time.Time { return time.Date(2026, 11, 24, 8, 20, 0, 0, time.FixedZone("", 3600)) }
	fill := func(db *airflowtest.Database) {
		for _, id := range []string{"a", "b", "c"} {
			db.Add(airflowtest.Task("d", "r", id), 0)
		}
	}
	for _, test := range []struct {
		version   string
		keepAlive bool
		gzip      bool
		server    string
	}{
		{"2.10.5", false, false, "gunicorn"},
		{"2.11.2", false, false, "gunicorn"},
		{"3.0.6", true, true, "uvicorn"},
		{"3.3.2", true, true, "uvicorn"},
	} {
		c := start(t, airflowtest.Options{Version: test.version, Clock: clock}, fill)
		c.header.Set("Accept-Encoding", "gzip")
		path := c.path()
		before := c.server.Connections()
		large, small := c.get(path), c.get(path+"?limit=0")
		if large.close == test.keepAlive || small.close == test.keepAlive {
			t.Errorf("%s: closes its connections: %v, %v", test.version, large.close, small.close)
		}
		if n := c.server.Connections() - before; (n == 0) != test.keepAlive {
			t.Errorf("%s: %d new connections", test.version, n)
		}
		if zipped := large.header.Get("Content-Encoding") == "gzip"; zipped != test.gzip {
			t.Errorf("%s: a large answer is compressed: %v", test.version, zipped)
		}
		if small.header.Get("Content-Encoding") != "" {
			t.Errorf("%s: a small answer is compressed", test.version)
		}
		if got := small.header.Get("Date"); got != "Tue, 24 Nov 2026 07:20:00 GMT" {
			t.Errorf("%s: Date %q", test.version, got)
		}
		if got := small.header.Get("Server"); got != test.server {
			t.Errorf("%s: Server %q", test.version, got)
		}
	}
}

func TestStopAndRestart(t *testing.T) {
	for _, tcp := range []bool{false, true} {
		c := start(t, airflowtest.Options{Version: "3.3.2", TCP: tcp}, func(db *airflowtest.Database) {
			db.Add(airflowtest.Task("d", "r", "t"), 0)
		})
		url := c.server.URL
		if p := c.list(""); len(p.Rows) != 1 {
			t.Fatalf("TCP %v: %d rows", tcp, len(p.Rows))
		}
		c.server.Stop()
		c.server.Stop() // again does nothing
		if _, err := c.try(http.MethodGet, listV2, ""); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("TCP %v: a stopped server: %v", tcp, err)
		}
		if err := c.server.Restart(); err != nil {
			t.Fatal(err)
		}
		if err := c.server.Restart(); err == nil {
			t.Error("a server that runs can be restarted")
		}
		if p := c.list(""); len(p.Rows) != 1 || c.server.URL != url {
			t.Errorf("TCP %v: after the restart %d rows at %s", tcp, len(p.Rows), c.server.URL)
		}
		c.server.Close()
		c.server.Close()
	}
}

func TestTCPNeedsNoDialer(t *testing.T) {
	server := airflowtest.Start(t, airflowtest.Options{Version: "2.11.2", TCP: true, BasePath: "/airflow"})
	resp, err := http.Get(server.URL + "/health")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// TestInBubble is why the listener is in memory: a client gives up on an
// endpoint that hangs after 9.5 s of a clock that does not take that long.
func TestInBubble(t *testing.T) {
	wall := time.Now()
	synctest.Test(t, func(t *testing.T) {
		c := start(t, airflowtest.Options{Version: "3.3.2"}, nil)
		c.server.Inject(airflowtest.On("", "/pools"), airflowtest.Hang())
		c.http.Timeout = 9500 * time.Millisecond
		began := time.Now()
		_, err := c.try(http.MethodGet, "/api/v2/pools", "")
		if netErr := net.Error(nil); !errors.As(err, &netErr) || !netErr.Timeout() {
			t.Errorf("error %v", err)
		}
		if took := time.Since(began); took != 9500*time.Millisecond {
			t.Errorf("took %v", took)
		}
		date := c.get("/api/v2/version").header.Get("Date")
		if want := time.Now().UTC().Format(http.TimeFormat); date != want {
			t.Errorf("Date %q, want the bubble's %q", date, want)
		}
	})
	if took := time.Since(wall); took > 5*time.Second {
		t.Errorf("took %v of real time", took)
	}
}

// TestBubbleWithEverything lets each kind of wait happen in a bubble.
func TestBubbleWithEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, version := range []string{"2.11.2", "3.3.2"} {
			c := start(t, airflowtest.Options{Version: version}, func(db *airflowtest.Database) {
				for i := range 300 {
					db.Add(airflowtest.MappedTask("d", "r", "t", i), 0).Start()
				}
			})
			time.Sleep(time.Hour)
			c.server.Update(func(db *airflowtest.Database) {
				for _, ti := range db.TaskInstances() {
					ti.Succeed()
				}
			})
			p := c.batch(`{"state": ["success"], "page_limit": 1000}`)
			if len(p.Rows) != 300 || *p.Rows[0].Duration != 3600 {
				t.Errorf("%s: %d rows, %v", version, len(p.Rows), *p.Rows[0].Duration)
			}
			remove := c.server.Inject(nil, airflowtest.Delay(time.Minute))
			began := time.Now()
			c.list("limit=1")
			if took := time.Since(began); took < time.Minute {
				t.Errorf("%s: took %v", version, took)
			}
			remove()
			c.server.Stop()
			if _, err := c.try(http.MethodGet, "/", ""); err == nil {
				t.Error("a stopped server answers")
			}
		}
	})
}

func TestDialGivesUpWithItsContext(t *testing.T) {
	server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 { // the listener may accept just the same
		conn, err := server.DialContext(ctx, "tcp", "airflow.test:80")
		if err == nil {
			_ = conn.Close()
			continue
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		return
	}
}

func TestRequestLog(t *testing.T) {
	c := start(t, airflowtest.Options{Version: "2.11.2", Users: []airflowtest.User{
		{Name: "viewer", Password: "p", Rights: airflowtest.Viewer},
	}}, func(db *airflowtest.Database) {
		db.Add(airflowtest.Task("d", "r", "a"), 0)
		db.Add(airflowtest.Task("d", "r", "b"), 0)
	})
	c.get("/api/v1/health")
	c.as(basic("viewer", "p")).do(http.MethodPost, listV1+"/list", `{"page_limit": 7}`)
	c.as(basic("viewer", "wrong")).get("/api/v1/pools?limit=3&limit=4")
	log := c.server.Requests()
	if len(log) != 3 {
		t.Fatalf("%d requests", len(log))
	}
	health, list, refused := log[0], log[1], log[2]
	if health.Method != "GET" || health.Path != "/api/v1/health" || health.User != "" || health.Status != 200 || health.Rows != 0 {
		t.Errorf("health: %+v", health)
	}
	if list.Method != "POST" || list.Body != `{"page_limit": 7}` || list.User != "viewer" || list.Rows != 2 || list.ResponseBytes < 1500 {
		t.Errorf("list: %+v", list)
	}
	if refused.User != "" || refused.Status != 403 || refused.Query["limit"][1] != "4" || refused.Host != "airflow.test" || refused.Time.IsZero() {
		t.Errorf("refused: %+v", refused)
	}
	c.server.ResetRequests()
	if n := len(c.server.Requests()); n != 0 {
		t.Errorf("%d requests after the reset", n)
	}
}
