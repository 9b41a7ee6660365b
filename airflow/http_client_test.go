package airflow_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// token logs in as people do who hand a token to the exporter.
func token(t *testing.T, server *airflowtest.Server) string {
	t.Helper()
	transport := &http.Transport{DialContext: server.DialContext}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+"/auth/token", strings.NewReader(`{"username":"viewer","password":"right"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var body struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || body.Token == "" {
		t.Fatalf("no token: %v", err)
	}
	return body.Token
}

// A bearer token from a file, which may be replaced at any time.
func TestBearerTokenFromAFile(t *testing.T) {
	server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2", Users: viewer})
	path := filepath.Join(t.TempDir(), "token")
	write := func(s string) {
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("not a token")
	client := connect(t, server, func(c *airflow.Config) {
		c.HTTPClient.Authorization = &promconfig.Authorization{CredentialsFile: path}
	})
	if _, err := client.Pools(t.Context()); airflow.ClassOf(err) != airflow.ClassAuth {
		t.Errorf("got %v", err)
	}
	write(" \n")
	before := len(server.Requests())
	if _, err := client.Pools(t.Context()); airflow.ClassOf(err) != airflow.ClassAuth || !strings.Contains(err.Error(), "credentials_file is empty") {
		t.Errorf("got %v", err)
	}
	if n := len(server.Requests()); n != before {
		t.Error("an empty token was sent")
	}
	write(token(t, server))
	if _, err := client.Pools(t.Context()); err != nil {
		t.Error(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Pools(t.Context()); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v", err)
	}
}

// An empty file of any kind is never sent: it is about to be replaced.
func TestEmptyFilesAreNotSent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	for name, set := range map[string]func(c *airflow.Config){
		"basic_auth.password_file": func(c *airflow.Config) {
			c.HTTPClient.BasicAuth = &promconfig.BasicAuth{Username: "viewer", PasswordFile: path}
		},
		"authorization.credentials_file": func(c *airflow.Config) {
			c.HTTPClient.Authorization = &promconfig.Authorization{CredentialsFile: path}
		},
		"http_headers.X-Key.files": func(c *airflow.Config) {
			c.HTTPClient.HTTPHeaders = &promconfig.Headers{Headers: map[string]promconfig.Header{"X-Key": {Files: []string{path}}}}
		},
		"oauth2.client_secret_file": func(c *airflow.Config) {
			c.HTTPClient.OAuth2 = &promconfig.OAuth2{ClientID: "exporter", ClientSecretFile: path, TokenURL: "http://localhost:1"}
		},
	} {
		server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2"})
		client := connect(t, server, set)
		for _, content := range []string{"", " \n"} {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := client.Pools(t.Context())
			if airflow.ClassOf(err) != airflow.ClassAuth || !strings.Contains(err.Error(), "airflow.http_client."+name) || !strings.Contains(err.Error(), "is empty") {
				t.Errorf("%s holds %q: got %v", name, content, err)
			}
		}
		if n := len(server.Requests()); n > 0 {
			t.Errorf("%s: %d requests", name, n)
		}
	}
}

func TestBasicAuthOfTheHTTPClient(t *testing.T) {
	server := airflowtest.Start(t, airflowtest.Options{Version: "2.11.2", Users: viewer})
	client := connect(t, server, func(c *airflow.Config) {
		c.HTTPClient.BasicAuth = &promconfig.BasicAuth{Username: "viewer", Password: "right"}
	})
	if _, err := client.Pools(t.Context()); err != nil {
		t.Error(err)
	}
}

// OAuth 2 client credentials; the error of the token endpoint repeats the secret, ours does not.
func TestOAuth2(t *testing.T) {
	server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2", Users: viewer})
	bearer := token(t, server)
	refuse := true
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if refuse {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":"invalid_client","error_description":"wrong secret s3cr3t"}`)
			return
		}
		_, _ = io.WriteString(w, `{"access_token":"`+bearer+`","token_type":"Bearer","expires_in":3600}`)
	}))
	defer provider.Close()
	path := filepath.Join(t.TempDir(), "client_secret")
	write := func(s string) {
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("s3cr3t")
	oauth := func(c *airflow.Config) {
		c.HTTPClient.OAuth2 = &promconfig.OAuth2{ClientID: "exporter", ClientSecretFile: path, TokenURL: provider.URL}
	}
	airflowServer := httptest.NewServer(proxy(server))
	defer airflowServer.Close()
	client := newClient(t, airflowServer.URL, oauth)
	_, err := client.Pools(t.Context())
	if airflow.ClassOf(err) != airflow.ClassAuth || !strings.Contains(err.Error(), "the token endpoint answered 401") || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("got %v", err)
	}
	refuse = false
	write("n3w")
	if _, err := client.Pools(t.Context()); err != nil {
		t.Error(err)
	}
}

// A token endpoint that hangs, redirects or cannot be reached never holds a call, and is not told the secret twice.
func TestOAuth2TokenEndpointsThatMisbehave(t *testing.T) {
	server := httptest.NewServer(proxy(airflowtest.Start(t, airflowtest.Options{Version: "3.3.2", Users: viewer})))
	defer server.Close()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer elsewhere.Close()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	released := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-released }))
	defer hangs.Close()
	defer close(released)
	redirects := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer redirects.Close()
	for name, tc := range map[string]struct {
		url   string
		class airflow.Class
	}{
		"hangs":     {hangs.URL, airflow.ClassTimeout},
		"redirects": {redirects.URL, airflow.ClassRedirect},
		"is closed": {closed.URL, airflow.ClassConnect},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, server.URL, func(c *airflow.Config) {
				c.HTTPClient.OAuth2 = &promconfig.OAuth2{ClientID: "exporter", ClientSecret: "s3cr3t", TokenURL: tc.url}
			})
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			_, err := client.Pools(ctx)
			if airflow.ClassOf(err) != tc.class || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("got class %s: %v", airflow.ClassOf(err), err)
			}
		})
	}
}

// proxy hands requests on to an in-memory Airflow.
func proxy(server *airflowtest.Server) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		transport := &http.Transport{DialContext: server.DialContext}
		defer transport.CloseIdleConnections()
		out := r.Clone(r.Context())
		out.URL.Scheme, out.URL.Host = "http", "airflow.test"
		resp, err := transport.RoundTrip(out)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer func() { _ = resp.Body.Close() }()
		for k, v := range resp.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	})
}

// A private CA and an extra header, as a gateway before Airflow may want them.
func TestPrivateCAAndExtraHeaders(t *testing.T) {
	memory := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2", Users: viewer})
	var seen string
	front := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Get("X-Gateway-Key")
		proxy(memory).ServeHTTP(w, r)
	}))
	defer front.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	client := newClient(t, front.URL, func(c *airflow.Config) {
		asViewer("right")(c)
		c.HTTPClient.TLSConfig.CAFile = ca
		c.HTTPClient.HTTPHeaders = &promconfig.Headers{Headers: map[string]promconfig.Header{"X-Gateway-Key": {Secrets: []promconfig.Secret{"k3y"}}}}
	})
	if _, err := client.Pools(t.Context()); err != nil {
		t.Error(err)
	}
	if seen != "k3y" {
		t.Errorf("the gateway got %q", seen)
	}
}
