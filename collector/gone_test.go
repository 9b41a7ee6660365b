package collector

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// naming are the families in which a DAG is named.
func naming(exposition, dagID string) map[string]bool {
	families := map[string]bool{}
	for line := range strings.Lines(exposition) {
		if strings.Contains(line, `dag_id="`+dagID+`"`) {
			name, _, _ := strings.Cut(line, "{")
			families[name] = true
		}
	}
	return families
}

// lively is a DAG that has series in many families.
func lively(db *airflowtest.Database, dagID string) {
	db.PutDag(airflowtest.Dag{DagID: dagID, Schedule: "@hourly", NextRunAfter: db.Now().Add(time.Hour)})
	due := db.Now().Add(-time.Second)
	db.PutRun(airflowtest.DagRun{DagID: dagID, RunID: "now", Type: "scheduled", LogicalDate: due, RunAfter: due})
	db.Add(airflowtest.Task(dagID, "now", "task"), 1).Start()
}

func finishRun(db *airflowtest.Database, dagID string) {
	db.TaskInstance(airflowtest.Task(dagID, "now", "task")).Succeed()
	db.Run(dagID, "now").Settle()
}

// A DAG that is deleted or renamed takes all of its series along within two
// listings, counters included; one whose file broke keeps them as long as it has runs.
func TestADagThatIsGoneTakesItsSeriesAlong(t *testing.T) {
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
				w.scrapeFor(time.Minute)
				w.airflow.Update(func(db *airflowtest.Database) {
					for _, dag := range []string{"deleted", "old_name", "broken", "stays"} {
						lively(db, dag)
					}
				})
				w.scrapeFor(2 * time.Minute)
				w.airflow.Update(func(db *airflowtest.Database) {
					for _, dag := range []string{"deleted", "old_name", "stays"} {
						finishRun(db, dag)
					}
				})
				w.scrapeFor(15 * time.Minute)
				before := w.scrape(0)
				for _, dag := range []string{"deleted", "old_name", "stays"} {
					if n := len(naming(before, dag)); n < 14 {
						t.Fatalf("%s is named in %d families only: %v", dag, n, naming(before, dag))
					}
				}
				w.airflow.Update(func(db *airflowtest.Database) {
					db.DeleteRun("deleted", "now")
					for _, dag := range []string{"deleted", "old_name", "broken"} {
						db.Dag(dag).Stale = true
					}
					lively(db, "new_name")
				})
				w.scrapeFor(11 * time.Minute)
				after := w.scrape(0)
				for _, dag := range []string{"deleted", "old_name"} {
					if left := naming(after, dag); len(left) > 0 {
						t.Errorf("%s is still named in %v", dag, left)
					}
				}
				if naming(after, "new_name")["airflow_dag_info"] == false || len(naming(after, "stays")) < len(naming(before, "stays")) {
					t.Errorf("new_name has %v, stays %v", naming(after, "new_name"), naming(after, "stays"))
				}
				for family := range naming(before, "broken") {
					if !naming(after, "broken")[family] {
						t.Errorf("broken, which has a run, lost %s", family)
					}
				}
				w.airflow.Update(func(db *airflowtest.Database) { finishRun(db, "broken") })
				w.scrapeFor(12 * time.Minute)
				if left := naming(w.scrape(0), "broken"); len(left) > 0 {
					t.Errorf("broken, whose run is over, is still named in %v", left)
				}
				// back again, it counts from 0
				w.airflow.Update(func(db *airflowtest.Database) {
					lively(db, "deleted")
					db.TaskInstance(airflowtest.Task("deleted", "now", "task")).Fail()
				})
				w.scrapeFor(8 * time.Minute)
				w.has(w.scrape(0), `airflow_task_retries_total{dag_id="deleted",task_id="task"} 1`,
					`airflow_task_instances_finished_total{dag_id="deleted",state="success",task_id="task"} 0`)
			})
		})
	}
}
