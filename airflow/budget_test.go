package airflow_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// Airflow asks to wait: nothing is asked before that is over.
func TestRetryAfterIsObeyed(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		header string
		wait   time.Duration
	}{
		"429, seconds":  {429, "30", 30 * time.Second},
		"503, seconds":  {503, "5", 5 * time.Second},
		"429, date":     {429, "Sat, 01 Jan 2000 00:00:45 GMT", 45 * time.Second},
		"429, bounded":  {429, "86400", 10 * time.Minute},
		"429, nothing":  {429, "", 0},
		"429, garbage":  {429, "soon", 0},
		"500, not that": {500, "30", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2"})
				client := connect(t, server, nil)
				if _, err := client.Version(t.Context()); err != nil {
					t.Fatal(err)
				}
				header := http.Header{}
				if tc.header != "" {
					header.Set("Retry-After", tc.header)
				}
				remove := server.Inject(nil, airflowtest.Status(tc.status, header, ""))
				if _, err := client.Pools(t.Context()); err == nil {
					t.Fatal("no error")
				}
				remove()
				if tc.wait > 0 {
					time.Sleep(tc.wait - time.Second)
					before := len(server.Requests())
					if _, err := client.Health(t.Context()); airflow.ClassOf(err) != airflow.ClassRateLimited {
						t.Errorf("got %v", err)
					}
					if n := len(server.Requests()); n != before {
						t.Error("the server was asked before it wanted to be")
					}
					time.Sleep(time.Second)
				}
				if _, err := client.Pools(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A shorter Retry-After never ends a longer one, and who already waits for the budget is held, too.
func TestRetryAfterHoldsWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2"})
		client := connect(t, server, func(c *airflow.Config) { c.Burst, c.RequestsPerSecond = 3, 1 })
		if _, err := client.Version(t.Context()); err != nil {
			t.Fatal(err)
		}
		server.ResetRequests()
		server.Inject(nil, airflowtest.Status(429, http.Header{"Retry-After": {"60"}}, "").First(1))
		server.Inject(nil, airflowtest.Status(503, http.Header{"Retry-After": {"1"}}, ""))
		var calls sync.WaitGroup
		for range 8 {
			calls.Go(func() { _, _ = client.Pools(t.Context()) })
		}
		calls.Wait()
		if n := len(server.Requests()); n > 2 {
			t.Errorf("%d requests, want none after the answer that asked for 60 s", n)
		}
		if _, err := client.Pools(t.Context()); airflow.ClassOf(err) != airflow.ClassRateLimited {
			t.Errorf("got %v", err)
		}
	})
}

// The token bucket holds whatever is asked for.
func TestBudgetOfRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2"})
		client := newClient(t, server.URL, func(c *airflow.Config) { c.DialContext = server.DialContext })
		began := time.Now()
		var calls sync.WaitGroup
		for range 140 {
			calls.Go(func() {
				if _, err := client.Pools(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		// 141 requests with the version: 40 at once, then 10 a second.
		if took, want := time.Since(began).Round(time.Second), 10*time.Second; took != want {
			t.Errorf("%d requests took %s, want %s", len(server.Requests()), took, want)
		}
	})
}

// However many ask, four requests are in flight; the others wait for their turn or until their time is over.
func TestConcurrencyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2"})
		client := connect(t, server, nil)
		if _, err := client.Version(t.Context()); err != nil {
			t.Fatal(err)
		}
		server.ResetRequests()
		server.Inject(nil, airflowtest.Hang())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {
				if _, err := client.Pools(ctx); airflow.ClassOf(err) != airflow.ClassTimeout {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		if n := len(server.Requests()); n != 4 {
			t.Errorf("%d requests in flight, want 4", n)
		}
		calls.Wait()
	})
}
