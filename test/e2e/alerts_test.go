//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// ever are all alerts there were, pending or firing.
const ever = `max by (alertname, dag_id, reason, component, bundle, queue, pool, collector) (max_over_time(ALERTS[1h]))`

// An alertsWatch is a Prometheus with the rules of the repository, as they are, and an exporter of its own.
type alertsWatch struct{ *prometheus }

// watchAlerts starts both. The exporter asks seldom, and not about zoo_wide: its 150 instances would take it minutes, and
// Airflow's time from the other tests.
func watchAlerts(t *testing.T, a *installation) alertsWatch {
	t.Helper()
	cfg := leastRights(a)
	cfg.exclude = "zoo_wide"
	cfg.collector = []string{"blocked:", "  after: 1m", "  refresh: 10m"}
	e, _ := cfg.start(t)
	dir := t.TempDir()
	config := prometheusConfig{interval: 15 * time.Second, evaluation: 5 * time.Second,
		rules: filepath.Join(shared.root, "alerts", "airflow.rules.yml"), targets: map[string]string{"e2e": e.url}}
	path := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(path, config.text(), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := shared.startPrometheus(t.Context(), a.version, path, filepath.Join(dir, "data"))
	endWith(t, p.process)
	if err != nil {
		t.Fatal(err)
	}
	return alertsWatch{p}
}

// eventually waits for an alert with these labels, pending or firing.
func (w alertsWatch) eventually(t *testing.T, labels string) {
	t.Helper()
	if err := w.wants(t.Context(), 3*time.Minute, "ALERTS{"+labels+"}"); err != nil {
		t.Error(err)
	}
}

// provoked are the alerts that the tests bring about.
func provoked(v1 bool) []string {
	alerts := []string{
		"AirflowAPIUnreachable component=api",
		"AirflowSchedulerUnhealthy component=scheduler",
		"AirflowDagRunStalled component=dag dag_id=zoo_past",
		"AirflowDagLastRunFailed component=dag dag_id=runs_weekdays",
		"AirflowDagLastRunFailed component=dag dag_id=runs_manual",
		"AirflowDagLastRunFailed component=dag dag_id=zoo_counts",
		"AirflowDagLastRunFailed component=dag dag_id=zoo_middle",
		"AirflowDagLastRunFailed component=dag dag_id=zoo_recreated",
		"AirflowTasksBlocked component=tasks dag_id=zoo_pools reason=pool_slots",
		"AirflowTasksBlocked component=tasks dag_id=zoo_pools reason=missing_pool",
		"AirflowTasksBlocked component=tasks dag_id=zoo_limits reason=task_concurrency",
		"AirflowTasksBlocked component=tasks dag_id=zoo_limits reason=dag_concurrency",
		"AirflowTasksBlocked component=tasks dag_id=zoo_past reason=depends_on_past",
	}
	if v1 {
		return append(alerts, "AirflowImportErrors component=dag_processor")
	}
	return append(alerts, "AirflowImportErrors bundle=dags-folder component=dag_processor")
}

// testAlerts looks back at all alerts there were.
func testAlerts(t *testing.T, a *installation, w alertsWatch) {
	samples, err := w.query(t.Context(), ever)
	if err != nil {
		t.Fatal(err)
	}
	var were []string
	for _, s := range samples {
		name := s.labels["alertname"]
		delete(s.labels, "alertname")
		were = append(were, strings.TrimSpace(name+" "+labelText(s.labels)))
		if dag := s.labels["dag_id"]; slices.Contains([]string{"runs_paused", "runs_mended", "zoo_paused"}, dag) {
			t.Errorf("%s was told of %s, which is paused", name, dag)
		}
	}
	for _, want := range provoked(a.isV1()) {
		if !slices.Contains(were, want) {
			t.Errorf("%s was not told", want)
		}
	}
	if err := w.wants(t.Context(), time.Second, `max_over_time(airflow_dag_last_run_state{dag_id="runs_paused",state="failed"}[1h]) == 1`); err != nil {
		t.Errorf("the run of a paused DAG should have failed: %v", err)
	}
	slices.Sort(were)
	t.Logf("alerts that were pending or firing:\n%s", strings.Join(were, "\n"))
}
