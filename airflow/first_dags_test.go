package airflow_test

import (
	"fmt"
	"testing"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// One request tells how many DAGs there are, on releases, too, that do not count when asked for some of the fields.
func TestFirstDagsAreOneRequest(t *testing.T) {
	for _, version := range []string{"2.10.2", "2.11.2", "3.0.6", "3.3.2"} {
		for _, n := range []int{0, 3, 250} {
			server := airflowtest.Start(t, airflowtest.Options{Version: version})
			server.Update(fillDags(n))
			client := connect(t, server, nil)
			if err := client.Detect(t.Context()); err != nil {
				t.Fatal(err)
			}
			server.ResetRequests()
			dags, total, err := client.FirstDags(t.Context(), 5)
			if err != nil || total != n-n/10 || len(dags) != min(5, total) {
				t.Errorf("%s, %d: %d DAGs of %d, %v", version, n, len(dags), total, err)
			}
			for i, d := range dags {
				if want := fmt.Sprintf("dag_%03d", i); d.DagID != want {
					t.Errorf("%s: %s, want %s", version, d.DagID, want)
				}
			}
			if requests := server.Requests(); len(requests) != 1 || requests[0].Rows > 5 {
				t.Errorf("%s: %d requests", version, len(requests))
			}
		}
	}
}

// A DAG that is in no file any more is no reason to think that the scheduler looks at it.
func TestStaleDagsSaySo(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.3.2"} {
		server := airflowtest.Start(t, airflowtest.Options{Version: version})
		server.Update(fillDags(10))
		client := connect(t, server, nil)
		for id, stale := range map[string]bool{"dag_001": false, "dag_009": true} {
			dag, err := client.Dag(t.Context(), id)
			if err != nil || dag.Stale != stale {
				t.Errorf("%s: %s: stale is %v, %v", version, id, dag.Stale, err)
			}
		}
	}
}

// A text is looked for in the ids, and % and _ in it stand for any text and any character.
func TestDagsLikeAText(t *testing.T) {
	for _, version := range []string{"2.10.2", "2.11.2", "3.0.6", "3.3.2"} {
		server := airflowtest.Start(t, airflowtest.Options{Version: version})
		server.Update(func(db *airflowtest.Database) {
			for _, id := range []string{"etl", "Retail", "etl.daily", "sales"} {
				db.PutDag(airflowtest.Dag{DagID: id})
			}
		})
		client := connect(t, server, nil)
		for text, want := range map[string]string{"ETL": "[etl etl.daily]", "e_l": "[etl etl.daily]", "e%l": "[Retail etl etl.daily]", "l.d": "[etl.daily]", "nope": "[]"} {
			dags, total, err := client.DagsLike(t.Context(), text, 10)
			ids := []string{}
			for _, d := range dags {
				ids = append(ids, d.DagID)
			}
			if got := fmt.Sprint(ids); err != nil || got != want || total != len(dags) {
				t.Errorf("%s: %q: got %s of %d, %v", version, text, got, total, err)
			}
		}
	}
}
