package airflow_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	promconfig "github.com/prometheus/common/config"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// moved is the path that every redirect of this file leads to.
const moved = "/moved"

// canary is a secret, and the beginning of the tokens that it is exchanged for.
const canary = "c4nary"

// carries tells whether a request has a credential.
func carries(r *http.Request, body string) bool {
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 || strings.Contains(body, canary) {
		return true
	}
	for _, values := range r.Header {
		for _, value := range values {
			_, encoded, _ := strings.Cut(value, " ")
			decoded, _ := base64.StdEncoding.DecodeString(encoded)
			if strings.Contains(value, canary) || strings.Contains(string(decoded), canary) {
				return true
			}
		}
	}
	return false
}

// hosts are an Airflow (or a proxy before it, or who hands out its tokens)
// that redirects one of the requests, and the hosts that it redirects to.
type hosts struct {
	plain, tls string   // addresses of the Airflow
	elsewhere  []string // addresses that it redirects to: other port, other host, and both with TLS

	mu       sync.Mutex // guards what follows
	api      string     // v1 or v2
	path     string     // the end of the path that is redirected
	status   int
	location string
	reached  int // requests with a credential that were redirected
	followed int // requests and connections after that
	leaked   int // of them those with a credential
}

func newHosts(t *testing.T) *hosts {
	t.Helper()
	h := &hosts{}
	serve := func(address string, secure bool, handler http.HandlerFunc, connected func()) string {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewUnstartedServer(handler)
		_ = server.Listener.Close()
		server.Listener = listener
		server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				connected()
			}
		}
		if server.TLS = askForCertificates(); secure {
			server.StartTLS()
		} else {
			server.Start()
		}
		t.Cleanup(server.Close)
		return server.URL
	}
	h.plain = serve("127.0.0.1:0", false, h.serve, func() {})
	h.tls = serve("127.0.0.1:0", true, h.serve, func() {})
	for _, secure := range []bool{false, true} {
		for _, address := range []string{"127.0.0.1:0", "127.0.0.2:0"} {
			h.elsewhere = append(h.elsewhere, serve(address, secure, h.serveElsewhere, func() {
				h.mu.Lock()
				defer h.mu.Unlock()
				h.followed++
			}))
		}
	}
	return h
}

func (h *hosts) serveElsewhere(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.follow(w, r)
}

func (h *hosts) follow(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.followed++
	if carries(r, string(body)) {
		h.leaked++
	}
	http.Error(w, "nothing here", http.StatusNotFound)
}

// serve is the Airflow, its proxy, and the token endpoint of OAuth 2.
func (h *hosts) serve(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.URL.Path == moved {
		h.follow(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	if r.Method == http.MethodConnect || strings.HasSuffix(r.URL.Path, h.path) {
		if carries(r, string(body)) {
			h.reached++
		}
		w.Header().Set("Location", h.location)
		w.WriteHeader(h.status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, "/api/v2/version") && h.api == "v1":
		http.NotFound(w, r)
	case strings.HasSuffix(r.URL.Path, "/version"):
		_, _ = fmt.Fprintf(w, `{"version":%q}`, map[string]string{"v1": "2.11.2", "v2": "3.3.2"}[h.api])
	default:
		_, _ = io.WriteString(w, `{"access_token":"`+canary+`-token","token_type":"Bearer","expires_in":3600,"pools":[],"total_entries":0}`)
	}
}

// redirectedRequests are what can be redirected, by the end of the path, and what makes the client ask for it.
var redirectedRequests = map[string]func(ctx context.Context, c *airflow.Client) error{
	"/version":            func(ctx context.Context, c *airflow.Client) error { return c.Detect(ctx) },
	"/pools":              func(ctx context.Context, c *airflow.Client) error { _, err := c.Pools(ctx); return err },
	"/auth/token":         func(ctx context.Context, c *airflow.Client) error { _, err := c.Pools(ctx); return err },
	"/oauth/token":        func(ctx context.Context, c *airflow.Client) error { _, err := c.Pools(ctx); return err },
	"/taskInstances/list": listRunning,
}

func listRunning(ctx context.Context, c *airflow.Client) error {
	for _, err := range c.TaskInstances(ctx, airflow.TaskInstanceQuery{States: []airflow.State{airflow.StateRunning}}) {
		if err != nil {
			return err
		}
	}
	return nil
}

// credential is a way to give one.
type credential struct {
	name     string
	api      string
	requests []string // of redirectedRequests, those that carry it
	set      func(c *airflow.Config)
	onlyTLS  bool // it needs https
	proxied  bool // the host that redirects is a proxy
}

// credentialKinds are all of them. What needs the address of the token endpoint takes it from the address of Airflow.
func credentialKinds(t *testing.T) []credential {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "secret")
	if err := os.WriteFile(file, []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	headers := func(h promconfig.Header) func(*airflow.Config) {
		return func(c *airflow.Config) {
			c.HTTPClient.HTTPHeaders = &promconfig.Headers{Headers: map[string]promconfig.Header{"X-Key": h}}
		}
	}
	oauth := func(o promconfig.OAuth2) func(*airflow.Config) {
		return func(c *airflow.Config) {
			o := o
			o.ClientID, o.TokenURL, o.TLSConfig.InsecureSkipVerify = "exporter", c.URL+"/oauth/token", true
			c.HTTPClient.OAuth2 = &o
		}
	}
	password := func(c *airflow.Config) { c.Username, c.Password = "viewer", canary }
	passwordFile := func(c *airflow.Config) { c.Username, c.PasswordFile = "viewer", file }
	asked, all := []string{"/pools", "/taskInstances/list"}, []string{"/version", "/pools", "/taskInstances/list"}
	return []credential{
		{name: "password", api: "v1", requests: asked, set: password},
		{name: "password_file", api: "v1", requests: asked, set: passwordFile},
		{name: "password", api: "v2", requests: append(asked, "/auth/token"), set: password},
		{name: "password_file", api: "v2", requests: append(asked, "/auth/token"), set: passwordFile},
		{name: "basic_auth", api: "v1", requests: all, set: func(c *airflow.Config) {
			c.HTTPClient.BasicAuth = &promconfig.BasicAuth{Username: "viewer", Password: canary}
		}},
		{name: "basic_auth.password_file", api: "v1", requests: all, set: func(c *airflow.Config) {
			c.HTTPClient.BasicAuth = &promconfig.BasicAuth{Username: "viewer", PasswordFile: file}
		}},
		{name: "authorization", api: "v2", requests: all, set: func(c *airflow.Config) {
			c.HTTPClient.Authorization = &promconfig.Authorization{Credentials: canary}
		}},
		{name: "authorization of another type", api: "v2", requests: all, set: func(c *airflow.Config) {
			c.HTTPClient.Authorization = &promconfig.Authorization{Type: "Token", Credentials: canary}
		}},
		{name: "credentials_file", api: "v2", requests: all, set: func(c *airflow.Config) {
			c.HTTPClient.Authorization = &promconfig.Authorization{CredentialsFile: file}
		}},
		{name: "bearer_token", api: "v2", requests: all, set: func(c *airflow.Config) { c.HTTPClient.BearerToken = canary }},
		{name: "bearer_token_file", api: "v2", requests: all, set: func(c *airflow.Config) { c.HTTPClient.BearerTokenFile = file }},
		{name: "oauth2", api: "v2", requests: append(all, "/oauth/token"), set: oauth(promconfig.OAuth2{ClientSecret: canary})},
		{name: "oauth2.client_secret_file", api: "v2", requests: append(all, "/oauth/token"), set: oauth(promconfig.OAuth2{ClientSecretFile: file})},
		{name: "http_headers, secrets", api: "v2", requests: all, set: headers(promconfig.Header{Secrets: []promconfig.Secret{canary}})},
		{name: "http_headers, values", api: "v2", requests: all, set: headers(promconfig.Header{Values: []string{canary}})},
		{name: "http_headers, files", api: "v2", requests: all, set: headers(promconfig.Header{Files: []string{file}})},
		{name: "client certificate", api: "v2", requests: all, onlyTLS: true, set: clientCertificate(t, dir)},
		{name: "proxy_url", api: "v2", requests: all, proxied: true, set: func(c *airflow.Config) {
			u, err := url.Parse(c.URL)
			if err != nil {
				t.Fatal(err)
			}
			u.User = url.UserPassword("viewer", canary)
			c.HTTPClient.ProxyURL = promconfig.URL{URL: u}
			c.URL = "http://airflow.example.org"
		}},
	}
}

// Whatever answers with a redirect to wherever: it is not followed, so that no credential comes where it does not belong.
func TestRedirectsAreNotFollowed(t *testing.T) {
	h := newHosts(t)
	cases := 0
	for _, kind := range credentialKinds(t) {
		for _, secure := range []bool{false, true} {
			if kind.onlyTLS && !secure || kind.proxied && secure {
				continue
			}
			address, places := h.plain, append([]string{h.plain}, h.elsewhere[:2]...)
			if secure { // and the same host without TLS
				address, places = h.tls, append([]string{h.tls, h.elsewhere[0]}, h.elsewhere[2:]...)
			}
			if kind.proxied { // which is asked for all of these hosts
				places = append(places, "http://airflow.example.org", "http://airflow.example.org:8080", "http://elsewhere.example.org")
			}
			for _, path := range kind.requests {
				for _, place := range places {
					for _, status := range []int{301, 302, 303, 307, 308} {
						cases++
						h.redirect(t, kind, address, path, place, status)
					}
				}
			}
		}
	}
	if h.followed+h.leaked > 0 || cases < 1000 {
		t.Errorf("%d cases, want at least 1000; %d redirects were followed, %d with a credential, want none", cases, h.followed, h.leaked)
	}
	t.Logf("FIGURE C12 redirects_followed=%d credentials_elsewhere=%d cases=%d", h.followed, h.leaked, cases)
}

// redirect makes one case.
func (h *hosts) redirect(t *testing.T, kind credential, address, path, place string, status int) {
	t.Helper()
	h.mu.Lock()
	h.api, h.path, h.status, h.location, h.reached = kind.api, path, status, place+moved, 0
	followed := h.followed
	h.mu.Unlock()
	cfg := airflow.DefaultConfig()
	cfg.URL, cfg.AllowInsecureHTTP, cfg.HTTPClient.TLSConfig.InsecureSkipVerify = address, true, true
	kind.set(&cfg)
	client, err := airflow.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	err = redirectedRequests[path](t.Context(), client)
	h.mu.Lock()
	defer h.mu.Unlock()
	name := fmt.Sprintf("%s on %s, %s of %s answers %d to %s", kind.name, kind.api, path, address, status, h.location)
	if airflow.ClassOf(err) != airflow.ClassRedirect {
		t.Errorf("%s: got %v", name, err)
	}
	if h.reached == 0 {
		t.Errorf("%s: the credential did not come where it belongs: this proves nothing", name)
	}
	if h.followed != followed {
		t.Errorf("%s: it was followed", name)
	}
}

// A proxy that answers CONNECT with a redirect is told its password, and no one else anything.
func TestRedirectsOfCONNECTAreNotFollowed(t *testing.T) {
	h := newHosts(t)
	kinds := credentialKinds(t)
	kind := kinds[len(kinds)-1]
	for _, status := range []int{301, 302, 303, 307, 308} {
		h.status, h.location, h.reached = status, h.elsewhere[1]+moved, 0
		client := newClient(t, h.plain, func(c *airflow.Config) {
			c.Username, c.Password = "viewer", canary
			kind.set(c)
			c.URL = "https://airflow.example.org"
		})
		if err := client.Detect(t.Context()); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%d: got %v", status, err)
		}
		if h.reached == 0 || h.followed > 0 {
			t.Errorf("%d: the proxy was asked with its password %d times, others %d times", status, h.reached, h.followed)
		}
	}
}

// Credentials go over http only to this machine, or where that is said to be allowed.
func TestCredentialsNeedTLSOrLeave(t *testing.T) {
	for _, kind := range credentialKinds(t) {
		if kind.onlyTLS || kind.proxied {
			continue // no one can read a certificate's key; a proxy is spoken to over http as a rule
		}
		for host, refused := range map[string]bool{"airflow.example.org": true, "10.0.0.1:8080": true, "127.0.0.1.example.org": true, "localhost": false, "127.0.0.1:8080": false, "[::1]": false} {
			cfg := airflow.DefaultConfig()
			cfg.URL = "http://" + host
			kind.set(&cfg)
			if err := cfg.Validate(); refused != (err != nil && strings.Contains(err.Error(), "airflow.allow_insecure_http")) {
				t.Errorf("%s on %s, http://%s: got %v, want it refused: %v", kind.name, kind.api, host, err, refused)
			}
			cfg.AllowInsecureHTTP = true
			if err := cfg.Validate(); err != nil {
				t.Errorf("%s on %s, http://%s, allowed: got %v", kind.name, kind.api, host, err)
			}
			cfg.AllowInsecureHTTP, cfg.URL = false, "https://"+host
			if err := cfg.Validate(); kind.name[:5] != "oauth" && err != nil { // whose token endpoint is still one without TLS
				t.Errorf("%s on %s, https://%s: got %v", kind.name, kind.api, host, err)
			}
		}
	}
}
