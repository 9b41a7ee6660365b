package airflow_test

import (
	"iter"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// A bound of a date selects rows that have it, and no others, in every list of every version: an instance that never
// started did not start since yesterday.
func TestBoundsOfDatesThatRowsDoNotHave(t *testing.T) {
	task := airflow.TaskInstanceRef{DagID: "etl", RunID: "r", TaskID: "part"}
	for _, version := range []string{"2.10.2", "2.11.2", "3.0.2", "3.0.6", "3.1.8", "3.3.2"} {
		server := airflowtest.Start(t, airflowtest.Options{Version: version})
		var began time.Time
		server.Update(func(db *airflowtest.Database) {
			began = db.Now()
			part := db.Add(airflowtest.Task("etl", "r", "part"), 0)
			for i, ti := range db.Expand(part.Key, 130) { // the first 110 never started
				if i >= 110 {
					ti.Start()
				}
				if i >= 120 {
					ti.Succeed()
				}
			}
		})
		api := connect(t, server, nil).TaskInstanceAPI()
		since, until := airflow.TimeRange{GTE: began.Add(-time.Hour)}, airflow.TimeRange{LTE: began.Add(1000 * time.Hour)}
		for name, tc := range map[string]struct {
			f    airflow.TaskInstanceFilter
			want int
		}{
			"started since":       {airflow.TaskInstanceFilter{StartDate: since}, 20},
			"started until":       {airflow.TaskInstanceFilter{StartDate: until}, 20},
			"ended since":         {airflow.TaskInstanceFilter{EndDate: since}, 10},
			"ended until":         {airflow.TaskInstanceFilter{EndDate: until}, 10},
			"started since, five": {airflow.TaskInstanceFilter{StartDate: since, Limit: 5}, 5},
			"ended since, one":    {airflow.TaskInstanceFilter{EndDate: since, Limit: 1}, 1},
			"no bound":            {airflow.TaskInstanceFilter{}, 130},
		} {
			for list, rows := range map[string]iter.Seq2[airflow.TaskInstanceDetails, error]{
				"List": api.List(t.Context(), runOf(task), tc.f), "ListMapped": api.ListMapped(t.Context(), task, tc.f), "ListBatch": api.ListBatch(t.Context(), tc.f),
			} {
				if got, err := collect(rows); err != nil || len(got) != tc.want {
					t.Errorf("%s, %s of %s: %d rows, want %d, %v", name, list, version, len(got), tc.want, err)
				}
			}
		}
	}
}
