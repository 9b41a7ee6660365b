package airflow_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// answer is a server that answers the version and gives every other request one answer.
func answer(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	return answerAs(t, "3.3.2", h)
}

// answerAs is answer by some version of Airflow 3.
func answerAs(t *testing.T, version string, h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v2/version" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"version":%q,"git_version":null}`, version)
			return
		}
		h(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func send(status int, contentType, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func newClient(t *testing.T, url string, change func(*airflow.Config)) *airflow.Client {
	t.Helper()
	cfg := airflow.DefaultConfig()
	cfg.URL = url
	if change != nil {
		change(&cfg)
	}
	client, err := airflow.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// What a server answers to the list of pools, and what the error then says.
func TestErrorsTellClassAndDetail(t *testing.T) {
	const jsonType = "application/json"
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		class   airflow.Class
		want    string // the whole error text
	}{
		"no login":        {send(401, jsonType, `{"detail":"Not authenticated"}`), airflow.ClassAuth, "401 Unauthorized: Not authenticated"},
		"expired token":   {send(401, jsonType, `{"detail":"Token Expired"}`), airflow.ClassAuth, "401 Unauthorized: Token Expired"},
		"invalid token":   {send(403, jsonType, `{"detail":"Invalid JWT token"}`), airflow.ClassAuth, "403 Forbidden: Invalid JWT token"},
		"missing right":   {send(403, jsonType, `{"detail":"Forbidden"}`), airflow.ClassForbidden, "403 Forbidden"},
		"v1 forbidden":    {send(403, "application/problem+json", `{"detail":null,"status":403,"title":"Forbidden","type":"x"}`), airflow.ClassForbidden, "403 Forbidden"},
		"v1 problem":      {send(400, "application/problem+json", `{"detail":"{'order_by': ['Unknown field.']}","title":"Bad Request"}`), airflow.ClassClient, "400 Bad Request: {'order_by': ['Unknown field.']}"},
		"validation":      {send(422, jsonType, `{"detail":[{"type":"enum","loc":["body","state",0]}]}`), airflow.ClassClient, `422 Unprocessable Entity: [{"type":"enum","loc":["body","state",0]}]`},
		"list of one":     {send(404, jsonType, `{"detail":["not found"]}`), airflow.ClassClient, `404 Not Found: ["not found"]`},
		"removed API":     {send(404, jsonType, `{"error":"/api/v1 has been removed"}`), airflow.ClassClient, "404 Not Found: /api/v1 has been removed"},
		"HTML 404":        {send(404, "text/html", `<html>secret</html>`), airflow.ClassClient, "404 Not Found"},
		"too many":        {send(429, "text/plain", `slow down`), airflow.ClassRateLimited, "429 Too Many Requests"},
		"server error":    {send(500, "text/plain", `Internal Server Error`), airflow.ClassServer, "500 Internal Server Error"},
		"database error":  {send(500, jsonType, `{"detail":{"reason":"Database error","statement":"hidden"}}`), airflow.ClassServer, `500 Internal Server Error: {"reason":"Database error","statement":"hidden"}`},
		"bad gateway":     {send(502, "text/html", `<html>nginx</html>`), airflow.ClassServer, "502 Bad Gateway"},
		"redirect":        {send(302, "text/html", ``, "Location", "https://login.example.org/oauth?state=secret"), airflow.ClassRedirect, "302 Found: redirects to https://login.example.org/oauth"},
		"redirect, bare":  {send(307, "text/html", ``), airflow.ClassRedirect, "307 Temporary Redirect: redirects to nowhere"},
		"login page":      {send(200, "text/html; charset=utf-8", `<html>login</html>`), airflow.ClassDecode, "200 OK: answered with a page of HTML, not with JSON"},
		"plain text":      {send(200, "text/plain", `ok`), airflow.ClassDecode, `200 OK: answered with content type "text/plain", not with JSON`},
		"no content":      {send(204, "", ``), airflow.ClassDecode, "204 No Content: want status 200"},
		"compressed":      {send(200, jsonType, `x`, "Content-Encoding", "br"), airflow.ClassDecode, `200 OK: Content-Encoding "br", which was not asked for`},
		"not JSON":        {send(200, jsonType, `<html>`), airflow.ClassDecode, "not the expected JSON"},
		"other JSON":      {send(200, jsonType, `{"dags":[],"total_entries":0}`), airflow.ClassDecode, "200 OK: not the expected JSON: a listing without pools"},
		"trailing HTML":   {send(200, jsonType, `{"pools":[],"total_entries":0}<html>`), airflow.ClassDecode, "not the expected JSON"},
		"no total":        {send(200, jsonType, `{"pools":[]}`), airflow.ClassDecode, "an answer without total_entries"},
		"pool, no name":   {send(200, jsonType, `{"pools":[{"slots":1}],"total_entries":1}`), airflow.ClassDecode, "row 0: a pool without name"},
		"fewer than told": {send(200, jsonType, `{"pools":[],"total_entries":3}`), airflow.ClassDecode, "the listing holds 0 of 3 rows"},
		"huge string":     {send(200, jsonType, `{"pools":[{"name":"`+strings.Repeat("x", 2<<20)+`"}]}`), airflow.ClassTooLarge, "200 OK: a string of more than 1048576 bytes"},
		"huge body":       {send(200, jsonType, `{"x":[`+strings.Repeat("1,", 5<<20)+`1]}`), airflow.ClassTooLarge, "200 OK: a body of more than 8388608 bytes"},
		"huge gap":        {send(200, jsonType, `{"pools":[`+strings.Repeat(" ", 1<<20)+`]}`), airflow.ClassTooLarge, "200 OK: blanks or a number of more than 65536 bytes"},
		"cut off":         {send(200, jsonType, `{"pools":[`, "Content-Length", "1000"), airflow.ClassConnect, "200 OK: the connection was closed before the answer was complete"},
		"reset": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, airflow.ClassConnect,
			"list pools: GET /api/v2/pools: the connection was closed before the answer was complete"},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, answer(t, tc.handler), nil)
			_, err := client.Pools(t.Context())
			if err == nil {
				t.Fatal("no error")
			}
			if got := airflow.ClassOf(err); got != tc.class {
				t.Errorf("class %s, want %s", got, tc.class)
			}
			if !strings.HasPrefix(err.Error(), "list pools: GET /api/v2/pools: ") || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got  %v\nwant list pools: GET /api/v2/pools: %s", err, tc.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error holds what is no one's business: %v", err)
			}
			if airflow.Advice(err) == "" {
				t.Error("no advice")
			}
		})
	}
}

// Who was refused a change lacks another right than who may not read.
func TestAdviceOnARefusedWrite(t *testing.T) {
	api := newClient(t, answer(t, send(403, "application/json", `{"detail":"Forbidden"}`)), nil).TaskInstanceAPI()
	ref := airflow.TaskInstanceRef{DagID: "etl", RunID: "monday", TaskID: "load", MapIndex: -1}
	_, read := api.Get(t.Context(), ref)
	_, state := api.SetState(t.Context(), ref, airflow.StateChange{State: airflow.StateFailed})
	_, note := api.SetNote(t.Context(), ref, "why")
	for err, write := range map[error]bool{read: false, state: true, note: true} {
		advice := airflow.Advice(err)
		if strings.Contains(advice, "needs the right to edit task instances (can edit on Task Instances)") != write || strings.Contains(advice, "read rights") == write {
			t.Errorf("%v: the advice is: %s", err, advice)
		}
	}
}

// Who asks once is not told when the exporter would try again.
func TestAdviceOnceLeavesOutLaterTries(t *testing.T) {
	for class, later := range map[airflow.Class]string{
		airflow.ClassAuth: "tried again after", airflow.ClassTimeout: "collector.max_age",
		airflow.ClassConnect: "", airflow.ClassForbidden: "", airflow.ClassServer: "",
	} {
		err := &airflow.Error{Class: class}
		advice, once := airflow.Advice(err), airflow.AdviceOnce(err)
		rest, ok := strings.CutPrefix(advice, once)
		if once == "" || !ok || (later == "") != (rest == "") || !strings.Contains(rest, later) {
			t.Errorf("%s: %q and then %q, want something about %q then", class, once, rest, later)
		}
	}
}

func TestErrorsOfTheNetwork(t *testing.T) {
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := refused.Addr().String()
	_ = refused.Close()
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	defer tls.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	noName := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.DNSError{Err: "no such host", Name: "nowhere.test", IsNotFound: true}
	}
	for name, tc := range map[string]struct {
		url   string
		dial  func(context.Context, string, string) (net.Conn, error)
		class airflow.Class
	}{
		"refused":             {"http://" + address, nil, airflow.ClassConnect},
		"no such host":        {"http://nowhere.test", noName, airflow.ClassDNS},
		"unknown CA":          {tls.URL, nil, airflow.ClassTLS},
		"HTTP where TLS was":  {strings.Replace(plain.URL, "http:", "https:", 1), nil, airflow.ClassTLS},
		"TLS where HTTP was":  {strings.Replace(tls.URL, "https:", "http:", 1), nil, airflow.ClassClient},
		"no Airflow, but 404": {plain.URL, nil, airflow.ClassClient},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, tc.url, func(c *airflow.Config) { c.DialContext = tc.dial })
			_, err := client.Version(t.Context())
			if got := airflow.ClassOf(err); got != tc.class {
				t.Errorf("class %s, want %s: %v", got, tc.class, err)
			}
		})
	}
}

func TestNoAnswerInTime(t *testing.T) {
	client := newClient(t, answer(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), nil)
	if _, err := client.Version(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := client.Pools(ctx)
	if airflow.ClassOf(err) != airflow.ClassTimeout || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func secret(s string) promconfig.Secret { return promconfig.Secret(s) }
