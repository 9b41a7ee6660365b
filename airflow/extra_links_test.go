package airflow_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// Airflow 2 takes the index of links from 2.10.5 on: before, it is not asked for them, and −1 is any instance.
func TestExtraLinksOfMappedTasks(t *testing.T) {
	everyIndex := mappedTask
	everyIndex.MapIndex = -1
	for version, byIndex := range map[string]bool{"2.10.0": false, "2.10.2": false, "2.10.4": false, "2.10.5": true, "2.11.2": true, "3.0.0": true, "3.3.2": true} {
		server, api := theirs(t, version)
		server.Update(func(db *airflowtest.Database) {
			for _, ti := range db.TaskInstances() {
				if ti.TaskID == "part" {
					ti.Links = map[string]string{"Docs": "https://example.org/part"}
				}
			}
		})
		if links, err := api.ExtraLinks(t.Context(), plainTask); err != nil || *links["Docs"] != "https://example.org/load" || links["Job"] != nil {
			t.Errorf("%s: %v, %v", version, links, err)
		}
		server.ResetRequests()
		links, err := api.ExtraLinks(t.Context(), mappedTask)
		unknown := errors.Is(err, errors.ErrUnsupported) && strings.Contains(err.Error(), version) && len(server.Requests()) == 0
		if byIndex && (err != nil || len(links) != 1) || !byIndex && !unknown {
			t.Errorf("%s: %v, %v after %d requests", version, links, err, len(server.Requests()))
		}
		links, err = api.ExtraLinks(t.Context(), everyIndex)
		if byIndex && status(err) != 404 || !byIndex && (err != nil || len(links) != 1) {
			t.Errorf("%s: without an index: %v, %v", version, links, err)
		}
	}
}
