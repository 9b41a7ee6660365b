package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// scripts are what a page must not hand on.
var scripts = []string{
	`<script>alert(1)</script>`, `"><script>alert(1)</script>`, `'><svg/onload=alert(1)>`, `<img/src=x/onerror=alert(1)>`, `</title><script>alert(1)</script>`,
	`</a><script>alert(1)</script>`, `<iframe/src=javascript:alert(1)>`, `javascript:alert(1)//<`, `<body/onload=alert(1)>`, `<ScRiPt>alert(1)</sCrIpT>`, `<<script>alert(1)//<</script>`,
	`<!--<script>alert(1)-->`, `<math><mi/xlink:href="data:x,<script>alert(1)</script>">`, `</ul><form/action=//evil.example>`, `{{<script>}}`, `<meta/http-equiv=refresh>`,
}

// webPage is an answer of the own port.
type webPage struct {
	status int
	header http.Header
	body   string
}

// ask sends a request as it is written, which no client would.
func ask(t *testing.T, address, method, target string, headers ...string) webPage {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if len(headers) == 0 {
		headers = []string{"Host: " + address}
	}
	if _, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\n%s\r\nConnection: close\r\n\r\n", method, target, strings.Join(headers, "\r\n")); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return webPage{resp.StatusCode, resp.Header, string(body)}
}

// unescaped reports whether a page would hand on a script: one of HTML that
// repeats it as it is, an error that repeats it at all, or a page whose type a browser guesses.
func (p *webPage) unescaped(script string) bool {
	kind, _, _ := strings.Cut(p.header.Get("Content-Type"), ";")
	repeats := strings.Contains(p.body, script)
	if plain, err := url.PathUnescape(p.body); err == nil && p.status >= 400 {
		repeats = repeats || strings.Contains(plain, script)
	}
	switch kind {
	case "text/html":
		return repeats
	case "text/plain", "application/openmetrics-text", "application/vnd.google.protobuf":
		return p.status >= 400 && repeats
	}
	return p.body != ""
}

// missing counts the headers that keep a browser from being used.
func (p *webPage) missing() int {
	n := 0
	for header, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'", "X-Frame-Options": "DENY"} {
		if p.header.Get(header) != want {
			n++
		}
	}
	return n
}

// Nothing that comes from outside becomes a part of a page: of the request, of
// Airflow, of the configuration. Profiles are nowhere, and each page tells browsers to take it as it is.
func TestTheWebSurface(t *testing.T) {
	upstream := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2", TCP: true})
	upstream.Update(func(db *airflowtest.Database) {
		for i, script := range scripts {
			db.PutPool(airflowtest.Pool{Name: script, Slots: i})
			db.PutDag(airflowtest.Dag{DagID: script, Owners: []string{script}, Tags: []string{script}})
			db.Add(airflowtest.Task(script, script, script), 0).Start()
			db.PutImportError(airflowtest.ImportError{Filename: script})
		}
	})
	unescaped, pprof, missing, pages := 0, 0, 0, 0
	look := func(name string, p webPage, script string) {
		pages++
		if p.unescaped(script) {
			unescaped++
			t.Errorf("%s hands on %s: %d %v\n%.300s", name, script, p.status, p.header, p.body)
		}
		if n := p.missing(); n > 0 && p.status != http.StatusBadRequest { // which net/http itself answers, with a constant
			missing += n
			t.Errorf("%s: %d headers are missing: %v", name, n, p.header)
		}
	}
	for _, script := range scripts {
		p := start(t, map[string]string{"AIRFLOW_EXPORTER_USERNAME": strings.ReplaceAll(script, ":", ""), "AIRFLOW_EXPORTER_PASSWORD": script}, "--web.enable-lifecycle",
			"--config.file="+file(t, "airflow: {url: '"+upstream.URL+"', external_url: 'http://example.org/"+url.PathEscape(script)+"'}"))
		address := strings.TrimPrefix(p.url, "http://")
		escaped := url.QueryEscape(script)
		for _, target := range []string{
			"/", "/metrics", "/-/healthy", "/-/ready", "/?q=" + script, "/?" + script, "/metrics?collect[]=" + escaped, "/metrics?" + script, "/" + script, "/" + url.PathEscape(script), "//" + script, "/./" + script,
			"/metrics/" + script, "/-/" + script, "/-/reload?" + script, "/probe?target=" + escaped, "/../" + script + "/..", "/metrics#" + script, "http://" + address + "/" + script,
		} {
			for _, method := range []string{"GET", "POST", "PUT", "TRACE"} {
				look(method+" "+target, ask(t, address, method, target), script)
			}
		}
		look("a header", ask(t, address, "GET", "/"+script, "Host: "+address, "Referer: "+script, "User-Agent: "+script, "X-Forwarded-Host: "+script, "Accept: "+script), script)
		look("the host", ask(t, address, "GET", "/", "Host: "+script), script)
		for _, path := range []string{"", "/", "/heap", "/profile", "/cmdline", "/symbol", "/trace", "/goroutine?debug=2"} {
			for _, root := range []string{"/debug/pprof", "/pprof", "/debug/vars", "/debug", "/metrics/debug/pprof", "/-/debug/pprof"} {
				if page := ask(t, address, "GET", root+path); page.status != http.StatusNotFound {
					pprof++
					t.Errorf("%s%s: %d", root, path, page.status)
				}
			}
		}
		if err := p.end(t); err != nil {
			t.Error(err)
		}
		if telemetry := "/" + script; !strings.ContainsAny(script, "{} ?#%") && !strings.Contains(script, "//") {
			p := start(t, nil, "--airflow.url="+upstream.URL, "--web.telemetry-path="+telemetry)
			look("the page with "+telemetry, ask(t, strings.TrimPrefix(p.url, "http://"), "GET", "/"), script)
			if err := p.end(t); err != nil {
				t.Error(err)
			}
		}
	}
	t.Logf("FIGURE C14 unescaped=%d pprof_pages=%d missing_headers=%d page_runs=%d", unescaped, pprof, missing, pages)
}

// There is one Airflow, that of the configuration: no request names another one.
func TestNoRequestNamesATarget(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	other.Config.ConnState = func(net.Conn, http.ConnState) { elsewhere.Add(1) }
	defer other.Close()
	host := strings.TrimPrefix(other.URL, "http://")
	_, port, _ := strings.Cut(host, ":")
	p := start(t, nil, "--airflow.url=http://127.0.0.1:1")
	address := strings.TrimPrefix(p.url, "http://")
	targets := 0
	for _, value := range []string{
		other.URL, host, "//" + host, "http://me:pw@" + host, "http://2130706433:" + port, "http://0x7f.1:" + port, "http://0177.0.0.1:" + port, "http://[::ffff:127.0.0.1]:" + port,
		"http://localhost:" + port, "http://169.254.169.254/latest", "file:///etc/passwd", "gopher://" + host, "http://127.0.0.1:1@" + host, "http://" + host + "%0d%0aHost:x", "default", "../" + host,
	} {
		for _, name := range []string{"target", "url", "module", "host", "airflow", "airflow.url", "proxy", "auth_module", "instance"} {
			for _, path := range []string{"/metrics", "/probe", "/"} {
				targets++
				if page := ask(t, address, "GET", path+"?"+name+"="+url.QueryEscape(value)); strings.Contains(page.body, "169.254") || strings.Contains(page.body, host) || path == "/probe" && page.status != http.StatusNotFound {
					t.Errorf("%s with %s=%s: %d", path, name, value, page.status)
				}
			}
		}
		targets++
		ask(t, address, "GET", "/metrics", "Host: "+host, "X-Forwarded-Host: "+host, "X-Prometheus-Target: "+value)
	}
	if n := elsewhere.Load(); n > 0 || targets < 200 {
		t.Errorf("%d connections elsewhere, %d targets", n, targets)
	}
	t.Logf("FIGURE C13 dials_elsewhere=%d targets=%d", elsewhere.Load(), targets)
	if err := p.end(t); err != nil {
		t.Error(err)
	}
}
