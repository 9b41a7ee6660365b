package collector

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// How old an import error is does not depend on how often Airflow parses the
// file, which moves its id and timestamp.
func TestImportErrorsKeepTheirAge(t *testing.T) {
	for version, bundle := range map[string]string{"2.11.2": "", "3.3.2": "dags-folder"} {
		inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
			breaks := func(files ...string) {
				w.airflow.Update(func(db *airflowtest.Database) {
					for _, file := range files {
						db.PutImportError(airflowtest.ImportError{Filename: file})
					}
				})
			}
			files, oldest := fmt.Sprintf("airflow_import_errors{bundle=%q}", bundle), fmt.Sprintf("airflow_import_errors_oldest_timestamp_seconds{bundle=%q}", bundle)
			breaks("a.py")
			began := time.Now()
			w.scrape(0)
			for range 10 {
				breaks("a.py", "b.py")
				w.scrapeFor(time.Minute)
			}
			exposition := w.scrape(0)
			w.has(exposition, files+" 2")
			if got := w.value(exposition, oldest); got != seconds(began) {
				t.Errorf("%s: the oldest since %v, want %v", version, got, seconds(began))
			}
			w.airflow.Update(func(db *airflowtest.Database) { db.FixImportError(bundle, "a.py") })
			exposition = w.lastScrape(time.Minute)
			w.has(exposition, files+" 1")
			if got := w.value(exposition, oldest); got != seconds(began.Add(time.Minute)) {
				t.Errorf("%s: the oldest since %v, want a minute after %v", version, got, seconds(began))
			}
			breaks("a.py") // anew
			w.scrapeFor(time.Minute)
			w.airflow.Update(func(db *airflowtest.Database) { db.FixImportError(bundle, "b.py") })
			if got := w.value(w.lastScrape(time.Minute), oldest); got < seconds(began.Add(10*time.Minute)) {
				t.Errorf("%s: a file that broke again has been broken since %v", version, got)
			}
		})
	}
}

// Without import errors there is a 0: on Airflow 2 at once, on Airflow 3, whose
// bundles are not known before, for each that ever had one.
func TestNoImportErrorsAreZero(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "2.11.2"}, nil, func(w *world) {
		exposition := w.scrape(0)
		w.has(exposition, `airflow_import_errors{bundle=""} 0`)
		w.lacks(exposition, "airflow_import_errors_oldest")
	})
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		w.lacks(w.scrape(0), "airflow_import_errors")
		w.airflow.Update(func(db *airflowtest.Database) {
			db.PutImportError(airflowtest.ImportError{Filename: "x.py"})
			db.PutImportError(airflowtest.ImportError{Bundle: "git", Filename: "x.py"})
		})
		w.has(w.lastScrape(time.Minute), `airflow_import_errors{bundle="dags-folder"} 1`, `airflow_import_errors{bundle="git"} 1`)
		w.airflow.Update(func(db *airflowtest.Database) { db.FixImportError("git", "x.py") })
		exposition := w.lastScrape(time.Minute)
		w.has(exposition, `airflow_import_errors{bundle="dags-folder"} 1`, `airflow_import_errors{bundle="git"} 0`)
		w.lacks(exposition, `airflow_import_errors_oldest_timestamp_seconds{bundle="git"}`)
	})
}

// A role without the right lacks these two metrics, and nothing else.
func TestImportErrorsFailAlone(t *testing.T) {
	accounts := []airflowtest.User{{Name: "u", Password: "p", Rights: airflowtest.Viewer &^ airflowtest.ReadImportErrors}}
	for _, version := range dialects {
		inWorld(t, airflowtest.Options{Version: version, Users: accounts}, as("u", "p"), func(w *world) {
			populate(w.airflow, version)
			exposition := w.scrape(0)
			w.has(exposition, "airflow_up 1", `airflow_exporter_collector_error{class="forbidden",collector="import_errors"} 1`)
			w.lacks(exposition, "airflow_import_errors")
			if n := strings.Count(exposition, "\nairflow_exporter_collector_error{"); n != 1 {
				t.Errorf("%s: %d parts fail", version, n)
			}
			w.airflow.ResetRequests()
			w.scrapeFor(time.Hour)
			if n := w.asked("/importErrors"); n != 59 {
				t.Errorf("%s: asked %d times in an hour all the same, want once a minute", version, n)
			}
		})
	}
}
