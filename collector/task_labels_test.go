package collector

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

func withoutTaskLabels(o *Options) { o.Config.TaskLabels = false }

var taskID = regexp.MustCompile(`task_id="[^"]*"`)

// Without task labels every series is the sum of those that its DAG had with them.
func TestWithoutTaskLabelsSeriesAreSumsOfTheirDag(t *testing.T) {
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			expositions := map[bool]map[string]float64{}
			for labels, change := range map[bool]func(*Options){true: nil, false: withoutTaskLabels} {
				inWorld(t, airflowtest.Options{Version: version}, change, func(w *world) {
					work(w)
					expositions[labels] = seriesOf(w.scrape(0))
				})
			}
			want, families := map[string]float64{}, map[string]bool{}
			for series, value := range expositions[true] {
				if taskID.MatchString(series) {
					family, _, _ := strings.Cut(series, "{")
					families[family] = true
					want[taskID.ReplaceAllString(series, `task_id=""`)] += value
				}
			}
			for series, value := range want {
				if got, ok := expositions[false][series]; !ok || got != value {
					t.Errorf("%s is %v, want %v", series, got, value)
				}
			}
			for series := range expositions[false] {
				if _, ok := want[series]; taskID.MatchString(series) && !ok {
					t.Errorf("%s is one too many", series)
				}
			}
			for _, id := range limited() {
				if taskLabel[id] >= 0 && !families[table[id].Name] {
					t.Errorf("%s was not tried", table[id].Name)
				}
			}
		})
	}
}

// With the labels run times are those of the task, of all its attempts.
func TestRunTimesOfSingleTasks(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, func(o *Options) { o.Config.DurationTaskLabels, o.Config.Histograms = true, HistogramsNative }, func(w *world) {
		work(w)
		w.has(w.scrape(0),
			`airflow_task_duration_seconds_count{dag_id="kept",state="failed",task_id="first"} 2`,
			`airflow_task_duration_seconds_count{dag_id="kept",state="success",task_id="first"} 1`,
			`airflow_task_duration_seconds_count{dag_id="kept",state="failed",task_id="waits"} 1`)
	})
}

// A reload that drops the task labels begins the counters anew: what a task had
// counted would else stay beside its DAG's sum for ever.
func TestTaskLabelsThatAreSwitchedOff(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		task := func(name string) airflowtest.Key { return airflowtest.Task("dag", "run", name) }
		w.airflow.Update(func(db *airflowtest.Database) { db.Add(task("runs"), 0).Start() })
		w.scrapeFor(time.Minute)
		w.airflow.Update(func(db *airflowtest.Database) { db.Add(task("one"), 0).Start().Succeed() })
		w.scrapeFor(7 * time.Minute)
		w.has(w.scrape(0), `airflow_task_instances_finished_total{dag_id="dag",state="success",task_id="one"} 1`)

		w.reload(withoutTaskLabels)
		w.scrapeFor(2 * time.Minute)
		w.airflow.Update(func(db *airflowtest.Database) { db.Add(task("two"), 0).Start().Succeed() })
		w.scrapeFor(7 * time.Minute)
		exposition := w.scrape(0)
		w.has(exposition, `airflow_task_instances_finished_total{dag_id="dag",state="success",task_id=""} 1`)
		w.lacks(exposition, `airflow_task_instances_finished_total{dag_id="dag",state="success",task_id="one"}`)
	})
}
