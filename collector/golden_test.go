package collector

import (
	"strings"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

func secret(s string) promconfig.Secret { return promconfig.Secret(s) }

var users = []airflowtest.User{
	{Name: "viewer", Password: "right", Rights: airflowtest.Viewer},
	{Name: "nopools", Password: "right", Rights: airflowtest.Viewer &^ airflowtest.ReadPools},
	{Name: "etl", Password: "right", Rights: airflowtest.Viewer, DagIDs: []string{"etl"}},
}

// The whole exposition of each supported version, with an account that may read everything.
func TestGoldenExpositions(t *testing.T) {
	for _, version := range []string{"2.10.2", "2.10.5", "2.11.2", "3.0.6", "3.2.0", "3.3.2"} {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version, Users: users}, as("viewer", "right"), func(w *world) {
				populate(w.airflow, version)
				w.scrape(0) // sees the attempts for the first time
				time.Sleep(time.Minute)
				w.golden(version, w.scrape(15*time.Second))
			})
		})
	}
}

// The whole exposition after an hour of work: retries, a final failure, a re-run after a clear, skips.
func TestGoldenCounts(t *testing.T) {
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version, Users: users}, as("viewer", "right"), func(w *world) {
				task := func(name string) airflowtest.Key { return airflowtest.Task("etl", "monday", name) }
				moves := []func(db *airflowtest.Database){
					func(db *airflowtest.Database) {
						db.Add(task("extract"), 2).Enqueue()
						db.Add(task("lost"), 1).Enqueue()
						db.Add(task("branch"), 0).Skip()
						db.Add(task("after"), 0)
						db.Add(airflowtest.MappedTask("etl", "monday", "map", 0), 0).Start()
					},
					func(db *airflowtest.Database) {
						db.TaskInstance(task("extract")).Start()
						db.TaskInstance(task("lost")).Fail().Start().Fail()
						db.TaskInstance(task("after")).FailUpstream()
						db.Run("etl", "monday").Settle()
					},
					func(db *airflowtest.Database) {
						db.TaskInstance(task("extract")).Fail().Start()
						db.TaskInstance(airflowtest.MappedTask("etl", "monday", "map", 0)).Succeed()
					},
					func(db *airflowtest.Database) {
						db.TaskInstance(task("extract")).Succeed()
						db.Run("etl", "monday").Settle()
					},
					func(db *airflowtest.Database) {
						db.TaskInstance(task("extract")).Clear()
						db.Run("etl", "monday").Start()
						db.TaskInstance(task("extract")).Start().Succeed()
						db.Run("etl", "monday").Settle()
					},
				}
				w.scrape(0)
				time.Sleep(15 * time.Second)
				for _, move := range moves {
					w.airflow.Update(move)
					w.scrapeFor(10 * time.Minute)
				}
				w.golden("counts_"+version, w.scrape(15*time.Second))
			})
		})
	}
}

// The GET list gives the same numbers as the batch list.
func TestListGetGivesTheSameExposition(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.0.6", "3.2.0", "3.3.2"} {
		t.Run(version, func(t *testing.T) {
			o := airflowtest.Options{Version: version, Users: users, ClampGet: 3}
			expositions := map[string]string{}
			for _, list := range []string{"batch", "get"} {
				inWorld(t, o, func(o *Options) { as("viewer", "right")(o); o.Airflow.List = list }, func(w *world) {
					populate(w.airflow, version)
					var lines []string
					for line := range strings.Lines(w.scrape(0)) {
						if !strings.HasPrefix(line, "airflow_exporter_") && !strings.HasPrefix(line, "# ") {
							lines = append(lines, line)
						}
					}
					expositions[list] = strings.Join(lines, "")
					if posts := w.listings(); (list == "get" && version != "2.11.2") != (posts == 0) {
						t.Errorf("%s: %d batch lists", list, posts)
					}
				})
			}
			if expositions["get"] != expositions["batch"] {
				t.Errorf("batch and get differ:\n%s", difference(expositions["batch"], expositions["get"]))
			}
		})
	}
}
