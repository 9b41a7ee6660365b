package collector

import (
	"fmt"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

const (
	manyDags    = 1000
	tasksPerDag = 20
)

// fillMany makes DAGs with 20 tasks each and a run in which all of them are queued.
func fillMany(dags int) func(db *airflowtest.Database) {
	return func(db *airflowtest.Database) {
		for d := range dags {
			id := fmt.Sprintf("dag_%04d", d)
			db.PutDag(airflowtest.Dag{DagID: id, Every: 24 * time.Hour})
			for t := range tasksPerDag {
				db.Add(airflowtest.Task(id, "first", fmt.Sprintf("task_%02d", t)), 1).Enqueue()
			}
		}
	}
}

// limitedTo has room for that many series.
func limitedTo(n int) func(*Options) {
	return func(o *Options) { o.Config.MaxSeries, o.Config.MaxRows = &n, 100_000 }
}

// seriesOf are the samples of an exposition, by their text up to the value.
func seriesOf(exposition string) map[string]float64 {
	all := map[string]float64{}
	for line := range strings.Lines(exposition) {
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			all[line[:i]], _ = strconv.ParseFloat(strings.TrimSpace(line[i:]), 64)
		}
	}
	return all
}

// unlimited are the beginnings of the families that no limit counts.
var unlimited = []string{
	"airflow_exporter_", "airflow_up", "airflow_info", "airflow_component_", "airflow_queue_", "airflow_pool_slots", "airflow_pool_size_slots",
	"airflow_pool_oldest_", "airflow_task_instances_started_total", "airflow_task_queue_wait_seconds", "airflow_task_schedule_wait_seconds",
}

// isLimited reports whether a series counts towards the limit.
func isLimited(series string) bool {
	return !slices.ContainsFunc(unlimited, func(begin string) bool { return strings.HasPrefix(series, begin) })
}

// total sums up the series that begin so.
func total(series map[string]float64, begin string) float64 {
	sum := 0.0
	for name, value := range series {
		if strings.HasPrefix(name, begin) {
			sum += value
		}
	}
	return sum
}

// truth counts the unfinished task instances of an Airflow by series of airflow_task_instances.
func (w *world) truth() map[string]float64 {
	counts := map[string]float64{}
	w.airflow.Update(func(db *airflowtest.Database) {
		for _, ti := range db.TaskInstances() {
			switch ti.State {
			case "queued", "running", "up_for_retry", "scheduled":
				counts[fmt.Sprintf("airflow_task_instances{dag_id=%q,state=%q,task_id=%q}", ti.DagID, ti.State, ti.TaskID)]++
			}
		}
	})
	return counts
}

// checkLimit checks what must be true of any exposition of an Airflow that stands still.
func (w *world) checkLimit(series map[string]float64, limit int) {
	w.t.Helper()
	n := 0
	for name := range series {
		if isLimited(name) {
			n++
		}
	}
	if n > limit {
		w.t.Errorf("%d series, want at most %d", n, limit)
	}
	want := 0.0
	for _, count := range w.truth() {
		want += count
	}
	for _, family := range []string{"airflow_task_instances{", `airflow_unfinished_task_instances{`} {
		if got := total(series, family); got != want {
			w.t.Errorf("the sum of %s} is %v, want %v", family, got, want)
		}
	}
}

// stays reports whether a series must be there as long as what it tells of is.
func stays(series string, truth map[string]float64) bool {
	family, _, _ := strings.Cut(series, "{")
	switch {
	case !isLimited(series) || strings.Contains(series, other):
		return false
	case family == "airflow_task_instances":
		return truth[series] > 0
	case strings.HasSuffix(family, "_total"), strings.HasPrefix(family, "airflow_task_duration_"), strings.HasPrefix(family, "airflow_dag_run_"):
		return true
	}
	return family == "airflow_dag_paused" || family == "airflow_dag_info" || family == "airflow_dag_runs"
}

// Whatever the limit, it holds; sums are those of Airflow; and what has a series keeps it while instances come and go.
func TestALimitOnSeriesHoldsAndSumsStayRight(t *testing.T) {
	lengthy(t)
	for _, tc := range []struct {
		version     string
		dags, limit int
	}{
		{"3.3.2", manyDags, 10_000},
		{"2.11.2", manyDags / 5, 2000},
		{"3.3.2", manyDags / 5, 1000},
		{"3.3.2", manyDags / 5, 18_000},
	} {
		t.Run(fmt.Sprintf("%s/%d DAGs/%d", tc.version, tc.dags, tc.limit), func(t *testing.T) {
			if underRace && tc.dags == manyDags {
				t.Skip("the smaller ones show races as well")
			}
			inWorld(t, airflowtest.Options{Version: tc.version}, limitedTo(tc.limit), func(w *world) {
				w.airflow.Update(fillMany(tc.dags))
				w.scrape(0)
				time.Sleep(30 * time.Second)
				before := seriesOf(w.scrape(0))
				w.checkLimit(before, tc.limit)
				if n := w.collector.ledger.dags; n != tc.dags {
					w.t.Errorf("room is set aside for %d DAGs", n)
				}
				for step := range 6 {
					time.Sleep(15 * time.Second)
					w.airflow.Update(func(db *airflowtest.Database) { comeAndGo(db, step) })
					now := seriesOf(w.scrape(0))
					w.checkLimit(now, tc.limit)
					truth := w.truth()
					for series := range before {
						if _, ok := now[series]; !ok && stays(series, truth) {
							w.t.Fatalf("step %d: %s is gone", step, series)
						}
					}
					before = now
				}
				w.airflow.Update(succeedAll)
				w.scrapeEvery(time.Minute, 4*time.Minute)
				series := seriesOf(w.scrape(0))
				w.checkLimit(series, tc.limit)
				instances, runs := w.ended()
				for family, want := range map[string]float64{
					"airflow_task_instances_finished_total{": instances,
					"airflow_task_duration_seconds_count{":   instances,
					"airflow_dag_runs_finished_total{":       runs,
					"airflow_dag_run_duration_seconds_count": runs,
				} {
					if got := total(series, family); got != want {
						w.t.Errorf("the sum of %s is %v, want %v", family, got, want)
					}
				}
				if total(series, "airflow_exporter_dropped_series{") == 0 {
					w.t.Error("nothing was dropped: the limit was not tried")
				}
			})
		})
	}
}

// comeAndGo starts and ends instances, and lets a few runs begin.
func comeAndGo(db *airflowtest.Database, step int) {
	for i, ti := range db.TaskInstances() {
		switch {
		case ti.State == "queued" && i%199 == step:
			ti.Start()
		case ti.State == "running" && i%199 < step:
			ti.Succeed()
		}
	}
	for d := step; d < manyDags; d += 200 {
		db.Add(airflowtest.Task(fmt.Sprintf("dag_%04d", d), fmt.Sprint("again", step), "task_00"), 1).Enqueue()
	}
}

func succeedAll(db *airflowtest.Database) {
	for _, ti := range db.TaskInstances() {
		if ti.State == "queued" {
			ti.Start()
		}
		if ti.State == "running" {
			ti.Succeed()
		}
	}
	for _, r := range db.Runs() {
		if r.State == "running" {
			r.Settle()
		}
	}
}

// ended counts the instances and runs that succeeded.
func (w *world) ended() (instances, runs float64) {
	w.airflow.Update(func(db *airflowtest.Database) {
		for _, ti := range db.TaskInstances() {
			instances += boolean(ti.State == "success")
		}
		for _, r := range db.Runs() {
			runs += boolean(r.State == "success")
		}
	})
	return instances, runs
}

// What is born while a scrape is answered takes room from the gauges of the same answer.
func TestTheLimitHoldsWhileSeriesAreBorn(t *testing.T) {
	const limit = 1000
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, limitedTo(limit), func(w *world) {
		w.airflow.Update(fillMany(8))
		w.airflow.Update(func(db *airflowtest.Database) {
			for _, ti := range db.TaskInstances()[:120] {
				db.Add(airflowtest.Task(ti.DagID, "second", ti.TaskID), 0).Start()
			}
		})
		if total(seriesOf(w.scrape(0)), "airflow_exporter_dropped_series{") > 0 {
			w.t.Error("there is no room to take")
		}
		bearing := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
			for i := range limit {
				w.collector.ledger.sightRun(fmt.Sprint("dag", i), "manual")
			}
			return w.registry.Gather()
		})
		recorder := httptest.NewRecorder()
		w.collector.ServeMetrics(recorder, httptest.NewRequest("GET", "/metrics", nil), bearing)
		w.checkLimit(seriesOf(recorder.Body.String()), limit)
	})
}

// Those that had room have it after an outage of a part that made room for all, and after a reload; newcomers that sort first do not take it.
func TestWhoHadRoomHasItAfterAnOutageAndAReload(t *testing.T) {
	lengthy(t)
	for name, happens := range map[string]func(w *world){
		"outage": func(w *world) {
			for _, path := range []string{"/taskInstances/list", "/dagRuns/list"} {
				defer w.airflow.Inject(airflowtest.On("", path), airflowtest.Status(503, nil, ""))()
			}
			w.scrapeFor(4 * time.Minute)
			if n := total(seriesOf(w.scrape(0)), "airflow_exporter_dropped_series{family=\"airflow_dag_paused\""); n > 0 {
				w.t.Errorf("%v DAGs have no room in the outage: nothing was tried", n)
			}
		},
		"reload": func(w *world) { w.reload(limitedTo(minMaxSeries)) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: "3.3.2"}, limitedTo(minMaxSeries), func(w *world) {
				w.airflow.Update(fillMany(40))
				w.scrapeFor(2 * time.Minute)
				w.airflow.Update(func(db *airflowtest.Database) {
					for d := range 60 {
						id := fmt.Sprintf("a_dag_%04d", d)
						db.PutDag(airflowtest.Dag{DagID: id, Every: 24 * time.Hour})
						db.Add(airflowtest.Task(id, "first", "task"), 1).Enqueue()
					}
				})
				w.scrapeFor(7 * time.Minute)
				before := seriesOf(w.scrape(0))
				happens(w)
				w.scrapeFor(time.Minute)
				after, kept := seriesOf(w.scrape(0)), 0
				for series := range before {
					if !strings.HasPrefix(series, "airflow_dag_paused{") {
						continue
					}
					kept++
					if _, ok := after[series]; !ok {
						t.Errorf("%s is gone", series)
					}
				}
				if kept == 0 || kept == 100 {
					t.Errorf("%d of 100 DAGs had room", kept)
				}
			})
		})
	}
}

// A reload that lowers the limit below what counters and histograms have says so, once; they stay.
func TestALimitThatIsLoweredIsWarnedOf(t *testing.T) {
	inWorld(t, airflowtest.Options{Version: "3.3.2"}, nil, func(w *world) {
		w.airflow.Update(fillMany(30))
		w.scrapeFor(2 * time.Minute)
		before := w.collector.ledger.size().lines
		for _, step := range []struct{ limit, warnings int }{{before * 2, 0}, {before, 1}, {before, 1}, {before * 2, 1}} {
			w.reload(limitedTo(step.limit))
			if n := strings.Count(w.log.String(), "collector.max_series was lowered"); n != step.warnings {
				t.Errorf("after a reload with %d there are %d warnings, want %d:\n%s", step.limit, n, step.warnings, w.log.String())
			}
		}
		w.has("\n"+strings.ReplaceAll(w.log.String(), " ", "\n"), fmt.Sprint("series=", before), fmt.Sprint("max_series=", before))
		w.scrapeFor(time.Minute)
		if n := w.collector.ledger.size().lines; n != before {
			t.Errorf("%d counters and histograms are left of %d", n, before)
		}
	})
}

// Tasks lose their series before DAGs do: first their run times, then their counters, then their gauges.
func TestTasksGoBeforeDags(t *testing.T) {
	lengthy(t)
	families := []string{"airflow_task_duration_seconds", "airflow_task_instances_finished_total", "airflow_task_instances", "airflow_dag_paused"}
	const dags = manyDags / 10
	for limit, want := range map[int]int{200_000: 0, 50_000: 1, 8000: 2, 5000: 3, 1000: 4} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			inWorld(t, airflowtest.Options{Version: "3.3.2"}, func(o *Options) { limitedTo(limit)(o); o.Config.DurationTaskLabels = true }, func(w *world) {
				w.airflow.Update(fillMany(dags))
				w.scrapeFor(time.Minute)
				w.airflow.Update(func(db *airflowtest.Database) {
					for _, ti := range db.TaskInstances() {
						ti.Start().Succeed()
						db.Add(airflowtest.Task(ti.DagID, "second", ti.TaskID), 0).Enqueue()
					}
				})
				exposition := w.lastScrape(3 * time.Minute)
				for i, family := range families {
					n := w.value(exposition, fmt.Sprintf("airflow_exporter_dropped_series{family=%q}", family))
					if (n > 0) != (i < want) {
						t.Errorf("%v series of %s were dropped, want those of %q", n, family, families[:want])
					}
				}
			})
		})
	}
}

// A thousand DAGs with 20 tasks each: what a scrape costs with a collection and
// without one, how many series it has, and how much memory the exporter holds then.
func BenchmarkAThousandDags(b *testing.B) {
	for _, limit := range []int{DefaultMaxSeries, 10_000} {
		for name, refresh := range map[string]time.Duration{"collect": 0, "render": time.Hour} {
			b.Run(fmt.Sprintf("%s/max_series=%d", name, limit), func(b *testing.B) {
				server := airflowtest.Start(b, airflowtest.Options{Version: "3.3.2"})
				server.Update(fillMany(manyDags))
				before := heap()
				w := &world{t: b, airflow: server}
				w.start(func(o *Options) {
					limitedTo(limit)(o)
					o.Config.SeedHold, o.Config.Refresh = 0, 0
					o.Airflow.RequestsPerSecond, o.Airflow.Burst = 1e6, 1e6
				})
				w.scrape(time.Minute)
				server.Update(func(db *airflowtest.Database) { comeAndGo(db, 0) })
				w.scrape(time.Minute)
				w.collector.cfg.Refresh = refresh
				exposition := w.scrape(time.Minute)
				w.airflow.ResetRequests()
				mib := float64(heap()-before) / (1 << 20)
				for b.Loop() {
					w.scrape(time.Minute)
				}
				b.ReportMetric(float64(len(seriesOf(exposition))), "series")
				b.ReportMetric(mib, "MiB")
			})
		}
	}
}

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
