package airflowtest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// TestFaults tells what a client sees of each fault, over memory and over TCP,
// with and without keep-alive.
func TestFaults(t *testing.T) {
	for _, test := range []struct {
		fault  airflowtest.Fault
		status int   // of the answer; 0 for none
		err    error // of the request or of reading its answer
		check  func(r reply) bool
	}{
		{airflowtest.Status(503, http.Header{"retry-after": {"7"}}, "busy"), 503, nil,
			func(r reply) bool { return r.body == "busy" && r.header.Get("Retry-After") == "7" }},
		{airflowtest.Status(204, nil, ""), 204, nil, func(r reply) bool { return r.body == "" }},
		{airflowtest.LoginPage(), 200, nil,
			func(r reply) bool {
				return strings.Contains(r.body, "<html") && strings.HasPrefix(r.header.Get("Content-Type"), "text/html")
			}},
		{airflowtest.Redirect("https://login.test/?next=1", 302), 302, nil,
			func(r reply) bool { return r.header.Get("Location") == "https://login.test/?next=1" }},
		{airflowtest.Reset(), 0, syscall.ECONNRESET, nil},
		{airflowtest.Truncate(10), 200, io.ErrUnexpectedEOF, func(r reply) bool { return len(r.body) == 10 && r.header.Get("Content-Length") != "10" }},
		{airflowtest.Truncate(0), 200, io.ErrUnexpectedEOF, func(r reply) bool { return r.body == "" }},
		{airflowtest.TruncateChunked(10), 200, io.ErrUnexpectedEOF, func(r reply) bool { return len(r.body) == 10 && r.header.Get("Content-Length") == "" }},
		{airflowtest.Rewrite(func(b []byte) []byte { return append(b, "<tail>"...) }), 200, nil,
			func(r reply) bool { return strings.HasSuffix(r.body, "<tail>") && strings.Contains(r.body, "pools") }},
		{airflowtest.Drip(100, time.Microsecond), 200, nil, func(r reply) bool { return strings.Contains(r.body, "total_entries") }},
		{airflowtest.Delay(time.Microsecond), 200, nil, func(r reply) bool { return strings.Contains(r.body, "total_entries") }},
	} {
		for _, options := range []airflowtest.Options{{Version: "2.11.2"}, {Version: "3.3.2"}, {Version: "3.3.2", TCP: true}} {
			c := start(t, options, nil)
			path := "/api/v2/pools"
			if options.Version[0] == '2' {
				path = "/api/v1/pools"
			}
			remove := c.server.Inject(airflowtest.On("GET", "/pools"), test.fault)
			got, err := c.try(http.MethodGet, path, "")
			if !errors.Is(err, test.err) || got.status != test.status || (test.check != nil && !test.check(got)) {
				t.Errorf("%v on %+v: %d %v %q, error %v", test.fault, options, got.status, got.header, got.body, err)
			}
			log := c.server.Requests()
			if last := log[len(log)-1]; last.Fault != test.fault.String() || last.Status != test.status {
				t.Errorf("%v: logged as %q, %d", test.fault, last.Fault, last.Status)
			}
			remove()
			if after := c.get(path); after.status != http.StatusOK {
				t.Errorf("%v: %d after it was removed", test.fault, after.status)
			}
		}
	}
}

// A hang ends with the client's patience, or with the server.
func TestHang(t *testing.T) {
	for name, end := range map[string]func(c *client, cancel context.CancelFunc){
		"the client goes":  func(_ *client, cancel context.CancelFunc) { cancel() },
		"the server stops": func(c *client, _ context.CancelFunc) { c.server.Stop() },
	} {
		synctest.Test(t, func(t *testing.T) {
			c := start(t, airflowtest.Options{Version: "3.3.2"}, nil)
			c.server.Inject(nil, airflowtest.Hang())
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			failed := make(chan error, 1)
			go func() {
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.server.URL+listV2+"/list", strings.NewReader("{}"))
				if err == nil {
					_, err = c.http.Do(req) //nolint:bodyclose // there is none
				}
				failed <- err
			}()
			synctest.Wait()
			if len(failed) != 0 {
				t.Fatalf("%s: %v before", name, <-failed)
			}
			end(c, cancel)
			synctest.Wait()
			if err := <-failed; err == nil {
				t.Errorf("%s: a request that hangs was answered", name)
			}
			if got := c.server.Requests(); len(got) != 1 || got[0].Status != 0 || got[0].Fault != "hang" {
				t.Errorf("%s: log %+v", name, got)
			}
		})
	}
}

func TestEndlessBody(t *testing.T) {
	c := start(t, airflowtest.Options{Version: "3.3.2"}, nil)
	c.server.Inject(nil, airflowtest.EndlessBody())
	resp, err := c.http.Get(c.server.URL + listV2)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.CopyN(io.Discard, resp.Body, 10<<20)
	_ = resp.Body.Close()
	if n != 10<<20 || err != nil || resp.ContentLength != -1 {
		t.Errorf("%d bytes of %d, error %v", n, resp.ContentLength, err)
	}
}

func TestDripTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, airflowtest.Options{Version: "3.3.2"}, nil)
		size := len(c.get("/api/v2/pools").body)
		c.server.Inject(nil, airflowtest.Drip(10, time.Second))
		began := time.Now()
		got := c.get("/api/v2/pools")
		seconds := time.Duration((size + 9) / 10)
		if took := time.Since(began); len(got.body) != size || took < (seconds-1)*time.Second || took > seconds*time.Second {
			t.Errorf("%d bytes in %v", len(got.body), took)
		}
	})
}

func TestFaultsOnSomeRequests(t *testing.T) {
	boom := airflowtest.Status(500, nil, "")
	for _, test := range []struct {
		name   string
		inject func(s *airflowtest.Server)
		want   string // statuses of five requests for pools
	}{
		{"all", func(s *airflowtest.Server) { s.Inject(nil, boom) }, "500 500 500 500 500"},
		{"one", func(s *airflowtest.Server) { s.Inject(nil, boom.Nth(2)) }, "200 500 200 200 200"},
		{"the first", func(s *airflowtest.Server) { s.Inject(nil, boom.First(3)) }, "500 500 500 200 200"},
		{"two in turn", func(s *airflowtest.Server) {
			s.Inject(nil, boom.First(2))
			s.Inject(nil, airflowtest.Status(502, nil, "").First(2))
		}, "500 500 502 502 200"},
		{"another path", func(s *airflowtest.Server) { s.Inject(airflowtest.On("", "/health"), boom) }, "200 200 200 200 200"},
		{"another method", func(s *airflowtest.Server) { s.Inject(airflowtest.On("POST", "/pools"), boom) }, "200 200 200 200 200"},
	} {
		c := start(t, airflowtest.Options{Version: "3.3.2"}, nil)
		test.inject(c.server)
		var got []string
		for range 5 {
			got = append(got, http.StatusText(c.get("/api/v2/pools").status))
		}
		var want []string
		for status := range strings.FieldsSeq(test.want) {
			want = append(want, http.StatusText(int(status[0]-'0')*100+int(status[2]-'0')))
		}
		if strings.Join(got, ",") != strings.Join(want, ",") {
			t.Errorf("%s: %q, want %q", test.name, got, want)
		}
	}
}

// A match may look at the body, and the endpoint still gets it.
func TestMatchOnTheBody(t *testing.T) {
	c := start(t, airflowtest.Options{Version: "3.3.2"}, fillMany(3))
	c.server.Inject(func(r *http.Request) bool {
		b, err := io.ReadAll(r.Body)
		return err == nil && strings.Contains(string(b), `"page_offset": 2`)
	}, airflowtest.Status(500, nil, ""))
	if p := c.batch(`{"page_limit": 1}`); len(p.Rows) != 1 {
		t.Errorf("%d rows", len(p.Rows))
	}
	if got := c.do(http.MethodPost, listV2+"/list", `{"page_offset": 2}`); got.status != 500 {
		t.Errorf("%d", got.status)
	}
}

// The server may be stopped from within an answer, as by a restart in the
// middle of a walk.
func TestStopFromWithin(t *testing.T) {
	c := start(t, airflowtest.Options{Version: "3.3.2"}, fillMany(3))
	c.server.Inject(airflowtest.On("POST", ""), airflowtest.Rewrite(func(b []byte) []byte {
		c.server.Stop()
		return b
	}).First(1))
	if got, err := c.try(http.MethodPost, listV2+"/list", "{}"); err == nil {
		t.Errorf("answered: %d", got.status)
	}
	if err := c.server.Restart(); err != nil {
		t.Fatal(err)
	}
	if p := c.batch("{}"); len(p.Rows) != 3 {
		t.Errorf("%d rows after the restart", len(p.Rows))
	}
}
