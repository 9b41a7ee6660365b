package collector

import (
	"fmt"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// A run that works only while no one looks is not stalled: what ended in it, or
// lost its place among those without a state, tells.
func TestARunThatMovesBetweenScrapesIsNotStalled(t *testing.T) {
	for name, move := range map[string]func(db *airflowtest.Database, i int){
		"tasks end": func(db *airflowtest.Database, i int) {
			db.Add(airflowtest.Task("dag", "run", fmt.Sprint("quick", i)), 0).Succeed()
		},
		"branches are skipped": func(db *airflowtest.Database, i int) {
			db.Add(airflowtest.Task("dag", "run", fmt.Sprint("branch", i)), 0).Skip()
		},
		"attempts fail and come back": func(db *airflowtest.Database, i int) {
			ti := db.TaskInstance(airflowtest.Task("dag", "run", "first"))
			if i == 0 {
				ti.FailWithoutRetry()
				return
			}
			ti.Clear()
			ti.FailWithoutRetry()
		},
	} {
		for _, version := range dialects {
			t.Run(name+"/"+version, func(t *testing.T) {
				inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
					w.airflow.Update(func(db *airflowtest.Database) {
						db.Add(airflowtest.Task("dag", "run", "first"), 0)
						db.Add(airflowtest.Task("dag", "run", "waits"), 0)
					})
					for i := range 15 {
						w.airflow.Update(func(db *airflowtest.Database) { move(db, i) })
						w.scrapeFor(4 * time.Minute)
					}
					if n := w.asked("/dependencies"); n != 0 {
						t.Errorf("%d calls in an hour, though something moved every four minutes", n)
					}
					w.scrapeFor(8 * time.Minute)
					if n := w.asked("/dependencies"); n == 0 {
						t.Error("no call, though nothing moves any more")
					}
				})
			})
		}
	}
}

// Without an answer about what ended in it, no run is called stalled.
func TestARunThatCannotBeExaminedIsNotStalled(t *testing.T) {
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
				w.airflow.Update(func(db *airflowtest.Database) { db.Add(airflowtest.Task("dag", "run", "waits"), 0) })
				w.scrapeFor(time.Minute)
				spoilt := w.airflow.Inject(isFinishedListing, airflowtest.Status(500, nil, ""))
				w.scrapeFor(20 * time.Minute)
				if n := w.asked("/dependencies"); n != 0 {
					t.Errorf("%d calls, though no one knew what ended in the run", n)
				}
				spoilt()
				w.scrapeFor(8 * time.Minute)
				if n := w.asked("/dependencies"); n == 0 {
					t.Error("no call, though all is known now")
				}
			})
		})
	}
}

// When a run that is stalled begins to move unseen, its instances are asked for no longer than their last answer lasts;
// even when they fail upstream after a clear, and keep the dates that they had.
func TestAStalledRunThatMovesAgainIsLeftAlone(t *testing.T) {
	for name, move := range map[string]func(ti *airflowtest.TaskInstance){
		"succeed": func(ti *airflowtest.TaskInstance) { ti.Succeed() },
		"fail":    func(ti *airflowtest.TaskInstance) { ti.FailUpstream() },
	} {
		for _, version := range dialects {
			t.Run(name+"/"+version, func(t *testing.T) {
				inWorld(t, airflowtest.Options{Version: version}, nil, func(w *world) {
					w.airflow.Update(func(db *airflowtest.Database) {
						for i := range 10 {
							db.Add(airflowtest.Task("dag", "run", fmt.Sprint("waits", i)), 0).Succeed().Clear()
						}
					})
					w.scrapeFor(10 * time.Minute)
					if n := w.asked("/dependencies"); n == 0 {
						t.Fatal("no call about a stalled run")
					}
					for i := range 8 {
						w.airflow.Update(func(db *airflowtest.Database) {
							move(db.TaskInstance(airflowtest.Task("dag", "run", fmt.Sprint("waits", i))))
						})
						w.scrapeFor(2 * time.Minute)
						if i == 1 {
							w.airflow.ResetRequests()
						}
					}
					if n := w.asked("/dependencies"); n != 0 {
						t.Errorf("%d calls while the run moved every two minutes", n)
					}
				})
			})
		}
	}
}
