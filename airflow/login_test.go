package airflow_test

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

var viewer = []airflowtest.User{{Name: "viewer", Password: "right", Rights: airflowtest.Viewer}}

func asViewer(password string) func(*airflow.Config) {
	return func(c *airflow.Config) { c.Username, c.Password = "viewer", secret(password) }
}

// logins counts the requests for a token.
func logins(server *airflowtest.Server) int {
	n := 0
	for _, r := range server.Requests() {
		if strings.HasSuffix(r.Path, "/auth/token") {
			n++
		}
	}
	return n
}

func TestOneTokenServesManyRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2", Users: viewer, BasePath: "/airflow"})
		client := connect(t, server, asViewer("right"))
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {
				if _, err := client.Pools(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		if n := logins(server); n != 1 {
			t.Errorf("%d logins, want 1", n)
		}
	})
}

// A token of 24 hours is renewed before it ends: no request is ever refused.
func TestTokensAreRenewedBeforeTheyExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2", Users: viewer})
		client := connect(t, server, asViewer("right"))
		for range 10 * 24 { // ten days, once an hour
			if _, err := client.Pools(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		for _, r := range server.Requests() {
			if r.Status >= 400 {
				t.Fatalf("%s %s: %d", r.Method, r.Path, r.Status)
			}
		}
		if n := logins(server); n != 12 { // every 20 hours
			t.Errorf("%d logins in ten days, want 12", n)
		}
	})
}

// A key that changes makes every token invalid at once: one new login, and nothing fails.
func TestInvalidTokensAreReplacedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2", Users: viewer})
		client := connect(t, server, asViewer("right"))
		if _, err := client.Pools(t.Context()); err != nil {
			t.Fatal(err)
		}
		server.RotateKey()
		var calls sync.WaitGroup
		for range 4 {
			calls.Go(func() {
				if _, err := client.Pools(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		if n := logins(server); n != 2 {
			t.Errorf("%d logins, want 2", n)
		}
	})
}

// A server that refuses every token gets one more login per call, and no loop.
func TestATokenThatIsAlwaysRefusedEndsInAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2", Users: viewer})
		client := connect(t, server, asViewer("right"))
		server.Inject(airflowtest.On("", "/pools"),
			airflowtest.Status(401, http.Header{"Content-Type": {"application/json"}}, `{"detail":"Token Expired"}`))
		_, err := client.Pools(t.Context())
		if airflow.ClassOf(err) != airflow.ClassAuth {
			t.Errorf("got %v", err)
		}
		if n := logins(server); n != 2 {
			t.Errorf("%d logins, want 2", n)
		}
	})
}

func TestWrongPasswords(t *testing.T) {
	for version, class := range map[string]airflow.Class{"2.10.5": airflow.ClassAuth, "2.11.2": airflow.ClassForbidden, "3.0.6": airflow.ClassAuth, "3.3.2": airflow.ClassAuth} {
		t.Run(version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := airflowtest.Start(t, airflowtest.Options{Version: version, Users: viewer})
				client := connect(t, server, asViewer("s3cr3t"))
				var calls sync.WaitGroup
				for range 4 {
					calls.Go(func() {
						_, err := client.Pools(t.Context())
						if airflow.ClassOf(err) != class || strings.Contains(err.Error(), "s3cr3t") {
							t.Errorf("got %v, want class %s", err, class)
						}
					})
				}
				calls.Wait()
				if n := logins(server); n > 1 {
					t.Errorf("%d logins with one wrong password, want 1", n)
				}
			})
		})
	}
}

// The password file is read anew: rotation needs no restart, and an empty file is never sent.
func TestPasswordFileIsReadAnew(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.3.2"} {
		t.Run(version, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "password")
			write := func(s string) {
				if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write("wrong\n")
			server := airflowtest.Start(t, airflowtest.Options{Version: version, Users: viewer})
			client := connect(t, server, func(c *airflow.Config) { c.Username, c.PasswordFile = "viewer", path })
			if _, err := client.Pools(t.Context()); err == nil {
				t.Fatal("a wrong password was accepted")
			}
			write(" \n")
			before := len(server.Requests())
			_, err := client.Pools(t.Context())
			if airflow.ClassOf(err) != airflow.ClassAuth || !strings.Contains(err.Error(), "airflow.password_file is empty") {
				t.Errorf("got %v", err)
			}
			if n := len(server.Requests()); n != before {
				t.Error("an empty password was sent")
			}
			write("right\n")
			if _, err := client.Pools(t.Context()); err != nil {
				t.Error(err)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if _, err := client.Pools(t.Context()); version == "2.11.2" && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A token that claims to live for a century is used for a day, not asked for with each request.
func TestTokensOfACentury(t *testing.T) {
	logins := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/version"):
			_, _ = io.WriteString(w, `{"version":"3.3.2"}`)
		case strings.HasSuffix(r.URL.Path, "/auth/token"):
			logins++
			claims := base64.RawURLEncoding.EncodeToString([]byte(`{"iat":1000000000,"exp":99000000000}`))
			_, _ = io.WriteString(w, `{"access_token":"h.`+claims+`.s"}`) // with status 200, as some auth managers do
		default:
			_, _ = io.WriteString(w, `{"pools":[],"total_entries":0}`)
		}
	}))
	defer server.Close()
	client := newClient(t, server.URL, asViewer("right"))
	for range 5 {
		if _, err := client.Pools(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if logins != 1 {
		t.Errorf("%d logins, want 1", logins)
	}
}
