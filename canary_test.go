package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// Secrets that must never be seen again once they are in the configuration, with signs that some encodings change.
const (
	canary      = `can4ry+s/ecr"et`
	canaryToken = "t0ken-canary-4711"
)

// shapes are all ways in which a secret could be printed.
func shapes(secret string) []string {
	escaped, _ := json.Marshal(secret)
	return []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret), strings.Trim(string(escaped), `"`), fmt.Sprintf("%q", secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte("exporter:" + secret)),
		base64.URLEncoding.EncodeToString([]byte("exporter:" + secret)),
	}
}

// holds tells whether a text has the secret, in whatever shape.
func holds(text, secret string) bool {
	plain, _, _ := strings.Cut(secret, `"`) // whatever became of the quote
	for _, s := range append(shapes(secret), plain) {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// parrot is an Airflow that has gone mad, or a proxy in front of it: it says back what it was told, secrets included.
type parrot struct {
	api    string // v1 or v2
	answer func(w http.ResponseWriter, said string)
	heard  atomic.Bool // a secret
}

func (p *parrot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	dump, _ := httputil.DumpRequest(r, true)
	said := string(dump)
	if holds(said, canary) || holds(said, canaryToken) {
		p.heard.Store(true)
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, "/api/"+p.api+"/version"):
		_, _ = fmt.Fprintf(w, `{"version": %q, "git_version": null}`, map[string]string{"v1": "2.11.2", "v2": "3.3.2"}[p.api])
	case strings.HasSuffix(r.URL.Path, "/version"):
		http.NotFound(w, r)
	default:
		p.answer(w, said)
	}
}

// answers are ways to say it back.
func answers() map[string]func(w http.ResponseWriter, said string) {
	quoted := func(said string) string { text, _ := json.Marshal(said); return string(text) }
	status := func(code int) func(w http.ResponseWriter, said string) {
		return func(w http.ResponseWriter, said string) {
			w.WriteHeader(code)
			_, _ = fmt.Fprintf(w, `{"detail": %s, "title": %s}`, quoted(said), quoted(said))
		}
	}
	inLine := strings.NewReplacer("\r", " ", "\n", " ")
	return map[string]func(w http.ResponseWriter, said string){
		"400": status(400), "401": status(401), "403": status(403), "404": status(404), "422": status(422), "429": status(429), "500": status(500), "503": status(503),
		"a page": func(w http.ResponseWriter, said string) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = fmt.Fprintf(w, "<html><title>%s</title>%s</html>", said, said)
		},
		"a content type": func(w http.ResponseWriter, said string) {
			w.Header().Set("Content-Type", "text/"+inLine.Replace(said))
			_, _ = fmt.Fprint(w, "{}")
		},
		"an encoding": func(w http.ResponseWriter, said string) {
			w.Header().Set("Content-Encoding", inLine.Replace(said))
			_, _ = fmt.Fprint(w, "{}")
		},
		"a redirect": func(w http.ResponseWriter, said string) {
			w.Header().Set("Location", "http://127.0.0.1:1/?said="+url.QueryEscape(said))
			w.WriteHeader(http.StatusFound)
		},
		"a redirect without escapes": func(w http.ResponseWriter, said string) {
			w.Header().Set("Location", "http://127.0.0.1:1/%zz"+inLine.Replace(said))
			w.WriteHeader(http.StatusTemporaryRedirect)
		},
		"retry after": func(w http.ResponseWriter, said string) {
			w.Header().Set("Retry-After", inLine.Replace(said))
			w.WriteHeader(http.StatusTooManyRequests)
		},
		"no JSON": func(w http.ResponseWriter, said string) { _, _ = fmt.Fprint(w, said) },
		"a wrong type": func(w http.ResponseWriter, said string) {
			_, _ = fmt.Fprintf(w, `{"task_instances": %s, "access_token": [%s]}`, quoted(said), quoted(said))
		},
		"names": func(w http.ResponseWriter, said string) {
			_, _ = fmt.Fprintf(w, `{%s: {}, "metadatabase": {"status": %s}}`, quoted(said), quoted(said))
		},
		"a token, and then no": func(w http.ResponseWriter, said string) {
			if strings.HasPrefix(said, "POST") && strings.Contains(said, "token") {
				w.WriteHeader(http.StatusCreated)
				_, _ = fmt.Fprintf(w, `{"access_token": %q, "token_type": "bearer", "expires_in": 3600}`, canaryToken)
				return
			}
			status(401)(w, said)
		},
	}
}

// credentials are the ways to give one, as the section airflow of the configuration.
func credentials(t *testing.T, airflow string) map[string]string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	q, _ := json.Marshal(canary)
	secret := string(q)
	host := strings.TrimPrefix(airflow, "http://")
	return map[string]string{
		"password":            `{url: ` + airflow + `, username: exporter, password: ` + secret + `}`,
		"password file":       `{url: ` + airflow + `, username: exporter, password_file: ` + file + `}`,
		"bearer token":        `{url: ` + airflow + `, http_client: {authorization: {credentials: ` + secret + `}}}`,
		"bearer token file":   `{url: ` + airflow + `, http_client: {authorization: {credentials_file: ` + file + `}}}`,
		"basic auth":          `{url: ` + airflow + `, http_client: {basic_auth: {username: exporter, password: ` + secret + `}}}`,
		"header":              `{url: ` + airflow + `, http_client: {http_headers: {X-Key: {secrets: [` + secret + `]}}}}`,
		"OAuth 2":             `{url: ` + airflow + `, http_client: {oauth2: {client_id: exporter, client_secret: ` + secret + `, token_url: ` + airflow + `/oauth/token}}}`,
		"OAuth 2 in a file":   `{url: ` + airflow + `, http_client: {oauth2: {client_id: exporter, client_secret_file: ` + file + `, token_url: ` + airflow + `/oauth/token}}}`,
		"proxy":               `{url: 'http://airflow.example.org', http_client: {proxy_url: 'http://exporter:` + url.QueryEscape(canary) + `@` + host + `'}}`,
		"proxy in its header": `{url: 'http://airflow.example.org', http_client: {proxy_url: 'http://` + host + `', proxy_connect_header: {X-Proxy: [` + secret + `]}, http_headers: {X-Key: {secrets: [` + secret + `]}}}, allow_insecure_http: true}`,
	}
}

// Whatever a credential meets, it is in no log line, page, metric or error.
func TestNoSecretComesBackOut(t *testing.T) {
	hits, runs, used := 0, 0, map[string]bool{}
	for _, api := range []string{"v1", "v2"} {
		for how, answer := range answers() {
			p := &parrot{api: api, answer: answer}
			airflow := httptest.NewServer(p)
			for kind, section := range credentials(t, airflow.URL) {
				p.heard.Store(false)
				seen := everythingSaid(t, section)
				runs++
				used[api+" "+kind] = used[api+" "+kind] || p.heard.Load()
				for _, secret := range []string{canary, canaryToken} {
					if holds(seen, secret) {
						hits++
						for line := range strings.Lines(seen) {
							if holds(line, secret) {
								t.Errorf("%s, %s, answered with %s: %s", api, kind, how, line)
							}
						}
					}
				}
			}
			airflow.Close()
		}
	}
	for kind, yes := range used {
		if !yes {
			t.Errorf("%s: the secret never reached Airflow: this proves nothing", kind)
		}
	}
	t.Logf("FIGURE C11 secret_hits=%d runs=%d kinds=%d", hits, runs, len(used))
}

// everythingSaid is what the program says at level debug: log, standard output, pages, errors.
func everythingSaid(t *testing.T, section string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(file, []byte("airflow: "+section+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	p := start(t, nil, "--config.file="+file, "--log.level=debug", "--web.enable-lifecycle")
	for _, r := range []string{"GET /metrics", "GET /metrics", "GET /", "POST /-/reload", "GET /metrics", "GET /-/ready", "GET /nothing"} {
		method, path, _ := strings.Cut(r, " ")
		status, body, header := request(t, method, p.url+path)
		_, _ = fmt.Fprintln(&said, status, header, body)
	}
	if err := p.end(t); err != nil {
		_, _ = fmt.Fprintln(&said, err)
	}
	said.WriteString(p.logged())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, errs strings.Builder
	_, _ = fmt.Fprintln(&said, run(ctx, []string{"--config.file=" + file, "--config.check"}, environment(nil), &out, &errs), out.String(), errs.String())
	return said.String()
}

func TestASecretIsFoundInEachShape(t *testing.T) {
	for _, s := range shapes(canary) {
		if !holds("msg=\""+s+"\"", canary) {
			t.Errorf("%q is not found", s)
		}
	}
	if holds("the log of a good night", canary) {
		t.Error("found where it is not")
	}
}
