package collector

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// An Airflow that returns is asked at once for all that failed while it was away, also for what is asked for seldom: that a
// proxy said 502 in its place, or that it had no database, tells nothing of the next answer.
func TestWhatReturnsIsAskedForEverything(t *testing.T) {
	everything := func(*http.Request) bool { return true }
	needsDatabase := func(r *http.Request) bool {
		return !strings.HasSuffix(r.URL.Path, "/version") && !strings.HasSuffix(r.URL.Path, "/health")
	}
	for _, version := range dialects {
		for name, away := range map[string]struct {
			matches func(*http.Request) bool
			status  int
		}{
			"bad gateway": {everything, 502}, "unavailable": {everything, 503}, "gateway timeout": {everything, 504}, "not found": {everything, 404}, "no database": {needsDatabase, 500},
		} {
			for _, long := range []time.Duration{15 * time.Second, 45 * time.Second, 6 * time.Minute} {
				for _, before := range []int{0, 4} { // answers of the collection in which it goes away
					t.Run(fmt.Sprintf("%s/%s for %s after %d answers", version, name, long, before), func(t *testing.T) {
						inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
							populate(w.airflow, version)
							w.scrapeFor(5 * time.Minute) // now the DAGs are due, too
							left := before
							remove := w.airflow.Inject(func(r *http.Request) bool {
								left--
								return left < 0 && away.matches(r)
							}, airflowtest.Status(away.status, nil, ""))
							w.scrapeFor(long)
							remove()
							exposition := w.scrape(0)
							w.has(exposition, "airflow_up 1")
							for _, part := range partNames {
								w.has(exposition, fmt.Sprintf(`airflow_exporter_collector_success{collector=%q} 1`, part))
							}
						})
					})
				}
			}
		}
	}
}

// What a proxy says in Airflow's place is not what Airflow would say next time.
func TestWhatIsDefinite(t *testing.T) {
	for status, want := range map[int]bool{400: true, 403: true, 404: true, 422: true, 500: true, 501: true, 401: false, 429: false, 502: false, 503: false, 504: false, 520: false, 524: false} {
		class := airflow.ClassServer
		switch {
		case status == 401:
			class = airflow.ClassAuth
		case status == 403:
			class = airflow.ClassForbidden
		case status == 429:
			class = airflow.ClassRateLimited
		case status < 500:
			class = airflow.ClassClient
		}
		if got := lasting(&airflow.Error{Status: status, Class: class}); got != want {
			t.Errorf("%d: definite %v, want %v", status, got, want)
		}
	}
}
