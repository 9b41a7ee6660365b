//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A runsWatch is an exporter that counts runs, from when the early ones have ended on.
type runsWatch struct {
	*patient
	begin    time.Time // nothing ended for a while before, or until the exporter saw it
	backfill <-chan error
}

// runsCounting is an exporter that asks for the last runs of all DAGs as soon as it may.
func runsCounting(a *installation) settings {
	cfg := counting(a)
	cfg.collector = append(cfg.collector, "lookback_fanout: 50")
	return cfg
}

func finishedRuns(dag, runType, state string) string {
	return seriesKey("airflow_dag_runs_finished_total", map[string]string{"dag_id": dag, "run_type": runType, "state": state})
}

func ofDAG(metric, dag string) string { return seriesKey(metric, map[string]string{"dag_id": dag}) }

func ofState(metric, dag, state string) string {
	return seriesKey(metric, map[string]string{"dag_id": dag, "state": state})
}

// importErrors is what Airflow calls the only bundle: nothing on Airflow 2, which has none.
func importErrors(a *installation) string {
	bundle := "dags-folder"
	if a.isV1() {
		bundle = ""
	}
	return seriesKey("airflow_import_errors", map[string]string{"bundle": bundle})
}

// watchRuns starts the exporter, and mends a file when that has seen it broken.
func watchRuns(t *testing.T, a *installation) (*runsWatch, error) {
	ctx := t.Context()
	if err := poll(ctx, 2*time.Minute, func(ctx context.Context) error {
		if time.Now().Second() >= 50 {
			return errors.New("a run may be due before the exporter begins to count, and after it was started")
		}
		return errors.Join(a.runsAre(ctx, earlyRuns), a.tasksGoOn(ctx), a.filesAre(ctx, 1))
	}); err != nil {
		return nil, err
	}
	if err := a.pause(ctx, "runs_paused", true); err != nil {
		return nil, err
	}
	w := &runsWatch{begin: time.Now()}
	cfg := runsCounting(a)
	cfg.collector = append(cfg.collector, fmt.Sprintf("max_age: %s", chaosMaxAge))
	w.patient = startPatient(t, cfg, "--web.enable-lifecycle")
	if err := w.eventually(ctx, 20*time.Second, func(s series) error {
		want := success("dags", "dag_runs", "import_errors")
		want[importErrors(a)] = 1
		return s.has(want)
	}); err != nil {
		return nil, err
	}
	return w, a.mendDAGFile()
}

// beginRuns breaks the file of a running DAG when the one that was mended is seen to be, and lets runs begin.
func (w *runsWatch) beginRuns(ctx context.Context, a *installation) error {
	if err := poll(ctx, time.Minute, func(ctx context.Context) error { return a.filesAre(ctx, 0) }); err != nil {
		return err
	}
	if err := w.eventually(ctx, 90*time.Second, func(s series) error {
		if f := s.family("airflow_import_errors_oldest_timestamp_seconds"); len(f) > 0 {
			return fmt.Errorf("all files import, but %v", f)
		}
		return s.has(series{importErrors(a): 0})
	}); err != nil {
		return err
	}
	if err := a.breakDAGFile("runs_breaks.py"); err != nil {
		return err
	}
	var err error
	w.backfill, err = a.beginRuns(ctx)
	return err
}

// awaitEnd waits until all runs have ended but those that go on for ever, and deletes a DAG when its run is counted.
func (w *runsWatch) awaitEnd(ctx context.Context, a *installation) error {
	if err := poll(ctx, 3*time.Minute, func(ctx context.Context) error { return a.pauseMinutely(ctx, w.begin) }); err != nil {
		return err
	}
	if err := w.eventually(ctx, 2*time.Minute, func(s series) error {
		return s.has(series{
			finishedRuns("runs_deleted", "manual", "success"):                            1,
			ofState("airflow_dag_run_duration_seconds_count", "runs_deleted", "success"): 1,
			ofState("airflow_dag_last_run_state", "runs_deleted", "success"):             1,
		})
	}); err != nil {
		return err
	}
	if err := a.deleteDAG(ctx, "runs_deleted"); err != nil {
		return err
	}
	if err := <-w.backfill; err != nil {
		return err
	}
	return poll(ctx, 2*time.Minute, func(ctx context.Context) error {
		return errors.Join(a.runsAre(ctx, lateRuns(a.isV1())), a.tasksGoOn(ctx), a.filesAre(ctx, 1, "runs_breaks"))
	})
}

// testRuns compares what two exporters say of the runs in the frozen zoo with the database: one that counted them, and one
// that was started when they had ended.
func testRuns(t *testing.T, a *installation, counted *runsWatch, late *patient) {
	t.Run("what there is", func(t *testing.T) { testDAGs(t, a, late) })
	t.Run("what is deleted", func(t *testing.T) { testDeleted(t, counted.patient) })
	t.Run("what ended", func(t *testing.T) { testEndedRuns(t, a, counted) })
}

// isComplete wants nothing more to be learnt of last runs, which takes some minutes.
func isComplete(s series) error {
	want := success("dags", "dag_runs", "import_errors")
	want[`airflow_exporter_collector_truncated{collector="dag_runs"}`] = 0
	return s.has(want)
}

// someOfRuns is what the files of the DAGs and zoo.go say must be there.
func someOfRuns(a *installation) series {
	info := func(dag, owners, tags, schedule string) string {
		return seriesKey("airflow_dag_info", map[string]string{"dag_id": dag, "owners": owners, "tags": tags, "schedule": schedule})
	}
	return series{
		info("runs_daily", "adam,zoe", "alpha,zulu", "0 0 * * *"):         1,
		info("runs_weekdays", "runs", "", "0 0 * * 1-5"):                  1,
		info("runs_never", "runs", "runs", "2 days, 1:00:00"):             1,
		info("runs_manual", "runs", "runs", ""):                           1,
		ofDAG("airflow_dag_paused", "runs_paused"):                        1,
		ofDAG("airflow_dag_paused", "runs_minutely"):                      1,
		ofDAG("airflow_dag_paused", "runs_never"):                         0,
		ofDAG("airflow_dag_paused", "runs_breaks"):                        0,
		ofDAG("airflow_dag_paused", "runs_mended"):                        1,
		ofDAG("airflow_dag_at_max_active_runs", "runs_held"):              1,
		ofDAG("airflow_dag_schedule_interval_seconds", "runs_daily"):      86400,
		ofState("airflow_dag_runs", "runs_breaks", "running"):             1,
		ofState("airflow_dag_runs", "runs_held", "running"):               1,
		ofState("airflow_dag_runs", "runs_held", "queued"):                0,
		ofState("airflow_dag_runs", "runs_never", "running"):              0,
		ofState("airflow_dag_last_run_state", "runs_weekdays", "failed"):  1,
		ofState("airflow_dag_last_run_state", "runs_weekdays", "success"): 0,
		ofState("airflow_dag_last_run_state", "runs_manual", "failed"):    1,
		ofState("airflow_dag_last_run_state", "runs_paused", "failed"):    1,
		ofState("airflow_dag_last_run_state", "runs_consumes", "success"): 1,
		importErrors(a): 1,
	}
}

// noneOfRuns must not be there.
var noneOfRuns = []string{
	ofDAG("airflow_dag_next_run_timestamp_seconds", "runs_manual"),
	ofDAG("airflow_dag_next_run_timestamp_seconds", "runs_consumes"),
	ofDAG("airflow_dag_next_run_timestamp_seconds", "runs_weekdays"), // its schedule is over
	ofDAG("airflow_dag_at_max_active_runs", "runs_daily"),
	ofDAG("airflow_dag_schedule_interval_seconds", "runs_never"),
	ofDAG("airflow_dag_schedule_interval_seconds", "runs_weekdays"), // its schedule is over
	ofState("airflow_dag_runs", "runs_paused", "running"),
	ofState("airflow_dag_last_run_state", "runs_backfilled", "success"), // nothing but backfills
	ofState("airflow_dag_last_run_state", "runs_never", "success"),
}

// testDAGs compares all series both ways, and with what the DAGs should have made.
func testDAGs(t *testing.T, a *installation, p *patient) {
	if err := p.eventually(t.Context(), 6*time.Minute, isComplete); err != nil {
		t.Fatal(err)
	}
	truth, err := a.runs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := p.newest()
	if diff := difference(runFamilies, got, truth, p.exporter.started); len(diff) > 0 {
		t.Errorf("the exporter disagrees with the database:\n%s", strings.Join(diff, "\n"))
	}
	if err := got.has(someOfRuns(a)); err != nil {
		t.Error(err)
	}
	for _, key := range noneOfRuns {
		if v, ok := got[key]; ok {
			t.Errorf("unexpected: %s %v", key, v)
		}
	}
	t.Logf("compared %d series of the database", len(truth))
}

// clearedDAGs are those whose runs testCounters clears and deletes, so that the database does not know each end.
var clearedDAGs = []string{"zoo_counts", "zoo_again", "zoo_recreated"}

// testEndedRuns compares counters, histograms and last runs of the exporter that saw the runs end.
func testEndedRuns(t *testing.T, a *installation, w *runsWatch) {
	truth, err := a.endedRuns(t.Context(), w.begin, "dag_id not in ('"+strings.Join(clearedDAGs, "', '")+"')")
	if err != nil {
		t.Fatal(err)
	}
	byAsset := "asset_triggered"
	if a.isV1() {
		byAsset = "dataset_triggered"
	}
	daily := float64(lateRuns(a.isV1())["runs_daily scheduled success"])
	want := series{
		finishedRuns("runs_daily", "scheduled", "success"):     daily,
		finishedRuns("runs_weekdays", "scheduled", "success"):  2,
		finishedRuns("runs_weekdays", "scheduled", "failed"):   1,
		finishedRuns("runs_backfilled", "backfill", "success"): 2,
		finishedRuns("runs_manual", "manual", "success"):       1, // the early one does not count
		finishedRuns("runs_manual", "manual", "failed"):        1,
		finishedRuns("runs_produces", "manual", "success"):     1,
		finishedRuns("runs_consumes", byAsset, "success"):      1,
		finishedRuns("zoo_middle", "manual", "failed"):         1,
	}
	if err := truth.has(want); err != nil {
		t.Errorf("the database is not as it should be: %v", err)
	}
	// born before they count: of the types that a DAG was seen with, and of schedules
	for _, key := range []string{
		finishedRuns("runs_daily", "scheduled", "failed"),
		finishedRuns("runs_never", "scheduled", "success"),
		finishedRuns("runs_backfilled", "scheduled", "success"),
		finishedRuns("runs_paused", "manual", "success"),
		finishedRuns("runs_breaks", "manual", "success"),
	} {
		want[key] = 0
	}
	if err := w.eventually(t.Context(), 2*time.Minute, func(s series) error {
		return errors.Join(isComplete(s), s.has(want), agree(s, truth))
	}); err != nil {
		t.Errorf("the exporter disagrees with the database: %v", err)
	}
	last, err := a.runs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := difference(lastRunFamilies, w.newest(), last, w.exporter.started); len(diff) > 0 {
		t.Errorf("the exporter disagrees with the database:\n%s", strings.Join(diff, "\n"))
	}
	t.Logf("compared %d series of the database and the last runs", len(truth))
}

// agree tells how counters and histograms of a scrape differ from those of the database, in which none is 0.
func agree(s, truth series) error {
	var errs []error
	for _, name := range endedFamilies {
		is, want := s.family(name), truth.family(name)
		if len(want) == 0 {
			errs = append(errs, fmt.Errorf("the database has no %s: nothing was tested", name))
		}
		all := maps.Clone(is)
		maps.Copy(all, want)
		for key := range all {
			if elsewhere := slices.ContainsFunc(clearedDAGs, func(dag string) bool { return len(series{key: 0}.ofDAG(dag)) > 0 }); elsewhere {
				continue
			}
			if math.Abs(is[key]-want[key]) > 1e-6 {
				errs = append(errs, fmt.Errorf("%s: database %f, exporter %f", key, want[key], is[key]))
			}
		}
	}
	return errors.Join(errs...)
}

// relist lets an exporter list the DAGs, which it does every five minutes only, by making it load its configuration anew.
func (p *patient) relist(ctx context.Context) error {
	const listedAt = `airflow_exporter_collector_last_refresh_timestamp_seconds{collector="dags"}`
	last := p.newest()[listedAt]
	if err := syscall.Kill(p.exporter.pid(), syscall.SIGHUP); err != nil {
		return err
	}
	return p.eventually(ctx, time.Minute, func(s series) error {
		if s[listedAt] <= last {
			return errors.New("the DAGs were not listed anew")
		}
		return s.has(success("dags", "dag_runs", "attempts"))
	})
}

// testDeleted wants no series to be left of a DAG that two listings of the DAGs are without, and all of the one that is in
// no file, but runs. No other counter changes.
func testDeleted(t *testing.T, p *patient) {
	if err := p.eventually(t.Context(), 6*time.Minute, isComplete); err != nil {
		t.Fatal(err)
	}
	before := p.newest()
	for range 2 {
		if err := p.relist(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.eventually(t.Context(), time.Minute, func(s series) error {
		if left := s.ofDAG("runs_deleted"); len(left) > 0 {
			return fmt.Errorf("there are still %v", left)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	after := p.newest()
	if err := after.has(series{
		ofDAG("airflow_dag_paused", "runs_breaks"):            0,
		ofState("airflow_dag_runs", "runs_breaks", "running"): 1,
		finishedRuns("runs_breaks", "manual", "success"):      0,
	}); err != nil {
		t.Error(err)
	}
	for _, name := range endedFamilies {
		was, is := before.family(name), after.family(name)
		for key := range was.ofDAG("runs_deleted") {
			delete(was, key)
		}
		if !maps.Equal(was, is) {
			t.Errorf("%s was\n%v\nnow it is\n%v", name, was, is)
		}
	}
}
