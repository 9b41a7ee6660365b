package collector

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// clocks are samples that show when Airflow was asked for them, by part: in seconds after another time.
func clocks(begun time.Time) map[string]struct {
	sample string
	after  time.Time
	unit   float64 // of its value, in seconds
} {
	epoch := time.Unix(0, 0)
	return map[string]struct {
		sample string
		after  time.Time
		unit   float64
	}{
		"health":         {`airflow_component_last_heartbeat_timestamp_seconds{component="scheduler"}`, epoch, 1},
		"task_instances": {`airflow_task_instances_oldest_timestamp_seconds{dag_id="clock",state="running"}`, epoch, 1},
		"dag_runs":       {`airflow_dag_runs_oldest_timestamp_seconds{dag_id="clock",run_type="manual",state="running"}`, epoch, 1},
		"dags":           {`airflow_dag_next_run_timestamp_seconds{dag_id="clock"}`, epoch.Add(-24 * time.Hour), 1},
		"pools":          {`airflow_pool_size_slots{pool="clock"}`, begun, 1e-3},
	}
}

// freshWorld is an Airflow each of whose answers shows when it was given.
type freshWorld struct {
	*world
	begun      time.Time
	account    *airflowtest.User
	worst      float64 // error of an age, in seconds
	stale      int     // values that are too old, or old without a flag
	timestamps int
	compared   map[string]int
	shown      exposed
}

// stamp writes the time into the database.
func (w *freshWorld) stamp() {
	w.airflow.Update(func(db *airflowtest.Database) {
		now := db.Now()
		db.Health.Scheduler.Heartbeat = now
		db.Pool("clock").Slots = int(now.Sub(w.begun).Milliseconds())
		db.Run("clock", "run").StartDate = now
		db.TaskInstance(airflowtest.Task("clock", "run", "task")).StartDate = now
		w.putClock(db, now)
	})
}

func (w *freshWorld) putClock(db *airflowtest.Database, now time.Time) {
	due := now.Add(24 * time.Hour)
	db.PutDag(airflowtest.Dag{DagID: "clock", Schedule: "0 0 * * *", NextLogicalDate: now, NextIntervalStart: now, NextIntervalEnd: due, NextRunAfter: due})
}

// look judges a scrape.
func (w *freshWorld) look(name string) {
	w.t.Helper()
	w.shown = parseExposition(w.t, w.scrape(10*time.Second))
	now := time.Now()
	for part, clock := range clocks(w.begun) {
		value, ok := w.shown.samples[clock.sample]
		if !ok {
			continue
		}
		w.compared[part]++
		truth := seconds(clock.after) + value*clock.unit // when it was asked for
		told := w.shown.parts[part].fetchedAt
		if off := max(told-truth, truth-told); off > w.worst {
			w.worst = off
			if off > 1 {
				w.t.Errorf("%s: %s was fetched at %v, and is said to be of %v", name, part, truth, told)
			}
		}
		age := seconds(now) - truth
		mayBe := (partAges[part] + w.collector.cfg.CollectionTimeout).Seconds() + 30 // until another collection has begun, at one of two scrapes
		if failed := !w.shown.parts[part].success; failed {
			mayBe = (partAges[part] + w.collector.cfg.MaxAge).Seconds() + 1
		}
		if age > mayBe {
			w.stale++
			w.t.Errorf("%s: %s is %v s old, success %v", name, part, age, w.shown.parts[part].success)
		}
	}
}

// countTimestamps looks for samples with one, in all formats that there are.
func (w *freshWorld) countTimestamps() {
	for _, format := range []expfmt.FormatType{expfmt.TypeTextPlain, expfmt.TypeOpenMetrics, expfmt.TypeProtoDelim} {
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.Header.Set("Accept", string(expfmt.NewFormat(format)))
		recorder := httptest.NewRecorder()
		w.collector.ServeMetrics(recorder, r, w.registry)
		decoder := expfmt.NewDecoder(bytes.NewReader(recorder.Body.Bytes()), expfmt.ResponseFormat(recorder.Header()))
		families := 0
		for ; ; families++ {
			var family dto.MetricFamily
			if err := decoder.Decode(&family); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				w.t.Fatalf("format %v: %v", format, err)
			}
			for _, metric := range family.GetMetric() {
				if metric.TimestampMs != nil {
					w.timestamps++
				}
			}
		}
		if families < 15 {
			w.t.Errorf("format %v: only %d families were read", format, families)
		}
	}
}

// phases are what keeps the exporter from being up to date, each for ten minutes.
func (w *freshWorld) phases() []struct {
	name  string
	begin func() (end func())
} {
	inject := func(path string, fault airflowtest.Fault) func() func() {
		return func() func() { return w.airflow.Inject(airflowtest.On("", path), fault) }
	}
	return []struct {
		name  string
		begin func() (end func())
	}{
		{"all is well", func() func() { return func() {} }},
		{"Airflow is slow", inject("", airflowtest.Delay(200*time.Millisecond))},
		{"Airflow is away", func() func() { w.airflow.Stop(); return func() { w.must(w.airflow.Restart()) } }},
		{"Airflow hangs", inject("", airflowtest.Hang())},
		{"Airflow fails", inject("", airflowtest.Status(500, nil, ""))},
		{"pools fail", inject("/pools", airflowtest.Status(500, nil, ""))},
		{"task instances hang", inject("/taskInstances/list", airflowtest.Hang())},
		{"runs are cut off", inject("/dagRuns/list", airflowtest.Truncate(20))},
		{"DAGs are forbidden", inject("/dags", airflowtest.Status(403, http.Header{"Content-Type": {"application/json"}}, `{"detail":"Forbidden"}`))},
		{"a login page", inject("", airflowtest.LoginPage())},
		{"Airflow asks to wait", inject("", airflowtest.Status(429, http.Header{"Retry-After": {"500"}}, ""))},
		{"too many rows", func() func() {
			many := func(change func(db *airflowtest.Database, key airflowtest.Key)) {
				w.airflow.Update(func(db *airflowtest.Database) {
					for i := range 50 {
						change(db, airflowtest.MappedTask("clock", "run", "many", i))
					}
				})
			}
			many(func(db *airflowtest.Database, key airflowtest.Key) { db.Add(key, 0).Start() })
			return func() { many(func(db *airflowtest.Database, key airflowtest.Key) { db.Delete(key) }) }
		}},
		{"fewer DAGs may be read", func() func() {
			w.account.DagIDs = []string{"clock"}
			return func() { w.account.DagIDs = nil }
		}},
	}
}

// However Airflow fails: what is shown is as old as is said, and goes when it is
// too old; and no sample has a timestamp, which would keep it alive in Prometheus.
func TestWhatIsShownIsAsOldAsIsSaid(t *testing.T) {
	lengthy(t)
	worst, stale, timestamps := 0.0, 0, 0
	for _, version := range dialects {
		t.Run(version, func(t *testing.T) {
			accounts := slices.Clone(users)
			inWorld(t, airflowtest.Options{Version: version, Users: accounts}, func(o *Options) {
				as("viewer", "right")(o)
				o.Config.MaxRows = 40
			}, func(base *world) {
				w := &freshWorld{world: base, begun: time.Now(), account: &accounts[0], compared: map[string]int{}}
				w.airflow.Update(func(db *airflowtest.Database) {
					w.putClock(db, db.Now())
					for i := range 5 {
						db.PutDag(airflowtest.Dag{DagID: fmt.Sprintf("dag%d", i)})
					}
					db.PutPool(airflowtest.Pool{Name: "clock"})
					db.PutRun(airflowtest.DagRun{DagID: "clock", RunID: "run", Type: "manual", State: "running"})
					db.Add(airflowtest.Task("clock", "run", "task"), 0).Start()
				})
				w.airflow.Inject(func(*http.Request) bool { w.stamp(); return false }, airflowtest.Fault{})
				for _, phase := range w.phases() {
					end := phase.begin()
					w.lookFor(10*time.Minute, phase.name)
					w.sees(phase.name)
					end()
					w.lookFor(10*time.Minute, "after: "+phase.name)
					for _, part := range partNames {
						if p := w.shown.parts[part]; !p.success || p.truncated {
							t.Errorf("%s: ten minutes after %q %s is %+v", version, phase.name, part, p)
						}
					}
				}
				for part := range clocks(w.begun) {
					if w.compared[part] < 500 {
						t.Errorf("%s: %s was compared %d times only", version, part, w.compared[part])
					}
				}
				worst, stale, timestamps = max(worst, w.worst), stale+w.stale, timestamps+w.timestamps
			})
		})
	}
	t.Logf("FIGURE C16 worst_age_error_seconds=%v stale_families=%d timestamps=%d", worst, stale, timestamps)
	if worst > 1 || stale+timestamps > 0 {
		t.Error("beyond what is promised")
	}
}

// sees expects that a phase showed.
func (w *freshWorld) sees(phase string) {
	w.t.Helper()
	e := w.shown
	shows := map[string]bool{
		"pools fail":             !e.parts["pools"].success,
		"task instances hang":    !e.parts["task_instances"].success,
		"runs are cut off":       !e.parts["dag_runs"].success,
		"DAGs are forbidden":     !e.parts["dags"].success,
		"too many rows":          e.parts["task_instances"].truncated,
		"fewer DAGs may be read": e.samples["airflow_exporter_visible_dags"] == 1,
		"all is well":            e.up && e.samples["airflow_exporter_visible_dags"] == 6,
		"Airflow is slow":        e.up && e.parts["pools"].success,
	}
	if ok, known := shows[phase]; known && !ok || !known && e.up {
		w.t.Errorf("%s: %+v, up %v, %v DAGs", phase, e.parts, e.up, e.samples["airflow_exporter_visible_dags"])
	}
	if delete(e.of, "attempts"); !e.up && len(e.of) > 0 { // counters stay
		w.t.Errorf("%s: after ten minutes there is still %v", phase, e.of)
	}
}

// lookFor lets two Prometheus scrape every 15 s.
func (w *freshWorld) lookFor(d time.Duration, name string) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		next := time.Now().Add(15 * time.Second)
		w.look(name)
		time.Sleep(5 * time.Second)
		w.look(name)
		time.Sleep(time.Until(next))
	}
	w.countTimestamps()
}
