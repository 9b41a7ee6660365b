//go:build e2e

package e2e

import (
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// A situation is what goes wrong in a cluster of this name, and whom that is told.
type situation struct {
	cluster string
	what    string
	prepare func(db *airflowtest.Database)
	play    func(t *testing.T, s *stage)
}

var situations = []situation{
	{"api", "API does not answer", prepareFailed, playUnreachable},
	{"runs", "run failed", prepareFailed, playFailed},
	{"overdue", "DAG overdue, then its run fails", prepareOverdue, playOverdue},
	{"scheduler", "scheduler unhealthy", prepareScheduler, playScheduler},
	{"files", "file does not import", func(*airflowtest.Database) {}, playImportError},
	{"queue", "queue without consumer", prepareQueue, playQueue},
	{"pool", "pool full, pool missing", preparePool, playPool},
}

// putDag adds a DAG whose next run is due in half an hour.
func putDag(db *airflowtest.Database, id string) *airflowtest.Dag {
	due := db.Now().Add(30 * time.Minute)
	return db.PutDag(airflowtest.Dag{DagID: id, Schedule: "0 * * * *",
		NextLogicalDate: due, NextIntervalStart: due, NextIntervalEnd: due, NextRunAfter: due})
}

// putRun adds a scheduled run that was due a while ago and started, or ended, then.
func putRun(db *airflowtest.Database, dag, run, state string, ago time.Duration) *airflowtest.DagRun {
	due := db.Now().Add(-ago)
	r := airflowtest.DagRun{DagID: dag, RunID: run, State: state, Type: airflowtest.RunScheduled, LogicalDate: due, RunAfter: due, QueuedAt: due}
	switch state {
	case airflowtest.Success, airflowtest.Failed:
		r.StartDate, r.EndDate = due, due
	case airflowtest.Running:
		r.StartDate = due
	}
	return db.PutRun(r)
}

func prepareFailed(db *airflowtest.Database) {
	for _, dag := range []string{"fails", "paused"} {
		putDag(db, dag)
		putRun(db, dag, "failed", airflowtest.Failed, 10*time.Minute)
	}
	db.Dag("paused").Paused = true
}

// succeed is a newer run that succeeds now.
func succeed(db *airflowtest.Database) { putRun(db, "fails", "newer", airflowtest.Success, 0) }

// playUnreachable sees one page, and that what fired before neither ends nor is told again: neither when the exporter has
// forgotten what it knew nor when the API is back.
func playUnreachable(t *testing.T, s *stage) {
	const page, dag, failed = "platform-pager: cluster=api", "data-platform: cluster=api dag_id=fails", "AirflowDagLastRunFailed of fails"
	s.wantTold(t, dag, "firing AirflowDagLastRunFailed")
	begun := s.begun(t, "AirflowDagLastRunFailed")
	s.airflow.Stop()
	s.wantTold(t, page, "firing AirflowAPIUnreachable")
	s.wantInhibited(t, "AirflowAPIUnreachable", failed,
		"AirflowExporterCollectorFailing health", "AirflowExporterCollectorFailing task_instances", "AirflowExporterCollectorFailing attempts")
	s.wants(t, `absent_over_time(airflow_dag_last_run_state{cluster="api"}[15s])`)
	if err := s.airflow.Restart(); err != nil {
		t.Fatal(err)
	}
	s.mended = append(s.mended, time.Now())
	s.wantTold(t, page, "resolved AirflowAPIUnreachable")
	s.wants(t, `airflow_dag_last_run_state{cluster="api",dag_id="fails",state="failed"} == 1`)
	s.wantActive(t, failed)
	if now := s.begun(t, "AirflowDagLastRunFailed"); now != begun {
		t.Errorf("%s ended meanwhile: it began at %s, and again at %s", failed, begun, now)
	}
	s.mend(t, succeed)
	s.wantTold(t, dag, "resolved AirflowDagLastRunFailed")
	s.wantHistory(t, map[string][]string{
		page: {"firing AirflowAPIUnreachable", "resolved AirflowAPIUnreachable"},
		dag:  {"firing AirflowDagLastRunFailed", "resolved AirflowDagLastRunFailed"},
	})
}

// playFailed sees a failed run, and nothing of the one of the paused DAG.
func playFailed(t *testing.T, s *stage) {
	const dag = "data-platform: cluster=runs dag_id=fails"
	s.wantTold(t, dag, "firing AirflowDagLastRunFailed")
	s.wants(t, `airflow_dag_last_run_state{cluster="runs",dag_id="paused",state="failed"} == 1`)
	s.mend(t, succeed)
	s.wantTold(t, dag, "resolved AirflowDagLastRunFailed")
	s.wantHistory(t, map[string][]string{dag: {"firing AirflowDagLastRunFailed", "resolved AirflowDagLastRunFailed"}})
}

// prepareOverdue has a DAG that runs every ten minutes, and last succeeded 50 minutes ago.
func prepareOverdue(db *airflowtest.Database) {
	dag := putDag(db, "late")
	dag.NextRunAfter = db.Now().Add(5 * time.Minute)
	dag.NextLogicalDate, dag.NextIntervalStart, dag.NextIntervalEnd = dag.NextRunAfter, dag.NextRunAfter, dag.NextRunAfter
	putRun(db, "late", "succeeded", airflowtest.Success, 50*time.Minute)
	putRun(db, "late", "fails", airflowtest.Running, 15*time.Minute).StartDate = db.Now().Add(-5 * time.Minute)
	putRun(db, "late", "succeeds", airflowtest.Running, 5*time.Minute)
}

// playOverdue sees that it is told once that the DAG is late, whatever its runs do. How a run failed the exporter learns
// by itself: after a reload it would not know the DAG's interval at first.
func playOverdue(t *testing.T, s *stage) {
	const dag = "data-platform: cluster=overdue dag_id=late"
	s.wantTold(t, dag, "firing AirflowDagOverdue")
	s.airflow.Update(func(db *airflowtest.Database) { db.Run("late", "fails").Fail() })
	s.wantInhibited(t, "AirflowDagOverdue of late", "AirflowDagLastRunFailed of late")
	s.mend(t, func(db *airflowtest.Database) { db.Run("late", "succeeds").Succeed() })
	s.wantTold(t, dag, "resolved AirflowDagOverdue")
	s.wantHistory(t, map[string][]string{dag: {"firing AirflowDagOverdue", "resolved AirflowDagOverdue"}})
}

func prepareScheduler(db *airflowtest.Database) {
	putDag(db, "waits")
	db.Health.Scheduler.Status, db.Health.Scheduler.Heartbeat = airflowtest.Unhealthy, db.Now().Add(-time.Minute)
}

// playScheduler sees one page, and nothing of what follows from a scheduler that is not there. The run that was due is
// created before the page ends: what is inhibited would be told if it fired for longer than what inhibits it.
func playScheduler(t *testing.T, s *stage) {
	const page = "platform-pager: cluster=scheduler"
	s.wantTold(t, page, "firing AirflowSchedulerUnhealthy")
	s.change(t, func(db *airflowtest.Database) {
		db.Health.Scheduler.Heartbeat = db.Now().Add(-10 * time.Minute)
		db.Dag("waits").NextRunAfter = db.Now().Add(-20 * time.Minute)
	})
	s.wantInhibited(t, "AirflowSchedulerUnhealthy", "AirflowHeartbeatStale", "AirflowDagScheduleMissed of waits")
	s.change(t, func(db *airflowtest.Database) {
		db.Health.Scheduler.Heartbeat = time.Time{}
		putDag(db, "waits")
	})
	s.wants(t, `absent(ALERTS{cluster="scheduler",alertname=~"AirflowHeartbeatStale|AirflowDagScheduleMissed"})`)
	s.mend(t, func(db *airflowtest.Database) { db.Health.Scheduler.Status = airflowtest.Healthy })
	s.wantTold(t, page, "resolved AirflowSchedulerUnhealthy")
	s.wantHistory(t, map[string][]string{page: {"firing AirflowSchedulerUnhealthy", "resolved AirflowSchedulerUnhealthy"}})
}

func playImportError(t *testing.T, s *stage) {
	const group, firing, resolved = "platform: cluster=files", "firing AirflowImportErrors dags-folder", "resolved AirflowImportErrors dags-folder"
	s.change(t, func(db *airflowtest.Database) {
		db.PutImportError(airflowtest.ImportError{Filename: "breaks.py", StackTrace: "SyntaxError"})
	})
	s.wantTold(t, group, firing)
	s.mend(t, func(db *airflowtest.Database) { db.FixImportError("dags-folder", "breaks.py") })
	s.wantTold(t, group, resolved)
	s.wantHistory(t, map[string][]string{group: {firing, resolved}})
}

// prepareQueue has a task instance that nobody takes, not for so long that any queue would be looked at.
func prepareQueue(db *airflowtest.Database) {
	ti := db.Add(airflowtest.Task("trains", "run", "train"), 0).Enqueue()
	ti.Queue, ti.QueuedWhen = "gpu", db.Now().Add(-10*time.Second)
}

func playQueue(t *testing.T, s *stage) {
	const group, firing, resolved = "platform-pager: cluster=queue", "firing AirflowQueueWithoutConsumer gpu", "resolved AirflowQueueWithoutConsumer gpu"
	s.wantTold(t, group, firing)
	s.mend(t, func(db *airflowtest.Database) { db.TaskInstance(airflowtest.Task("trains", "run", "train")).Start() })
	s.wantTold(t, group, resolved)
	s.wantHistory(t, map[string][]string{group: {firing, resolved}})
}

// preparePool has a pool that one task instance fills while others wait, one of them for a pool that does not exist.
func preparePool(db *airflowtest.Database) {
	db.PutPool(airflowtest.Pool{Name: "small", Slots: 1})
	db.Add(airflowtest.Task("holds", "run", "holder"), 0).Start().Pool = "small"
	waits := db.Add(airflowtest.Task("waits", "run", "waits"), 0).Schedule()
	waits.Pool, waits.ScheduledWhen = "small", db.Now().Add(-40*time.Minute)
	db.Add(airflowtest.Task("mistyped", "run", "waits"), 0).Schedule().Pool = "smal"
}

// playPool sees the pool and what will not end by itself; that instances wait for slots is for whoever looks.
func playPool(t *testing.T, s *stage) {
	const pool, dag = "platform: cluster=pool", "data-platform: cluster=pool dag_id=mistyped"
	s.wantTold(t, pool, "firing AirflowPoolSaturated small")
	s.wantTold(t, dag, "firing AirflowTasksBlocked missing_pool")
	s.wants(t, `ALERTS{alertname="AirflowTasksBlocked",cluster="pool",dag_id="waits",reason="pool_slots",severity="info",alertstate="firing"}`)
	s.mend(t, func(db *airflowtest.Database) {
		db.PutPool(airflowtest.Pool{Name: "smal", Slots: 1})
		db.TaskInstance(airflowtest.Task("holds", "run", "holder")).Succeed()
		db.TaskInstance(airflowtest.Task("waits", "run", "waits")).Start().Succeed()
		db.TaskInstance(airflowtest.Task("mistyped", "run", "waits")).Start().Succeed()
	})
	s.wantTold(t, pool, "resolved AirflowPoolSaturated small")
	s.wantTold(t, dag, "resolved AirflowTasksBlocked missing_pool")
	s.wantHistory(t, map[string][]string{
		pool: {"firing AirflowPoolSaturated small", "resolved AirflowPoolSaturated small"},
		dag:  {"firing AirflowTasksBlocked missing_pool", "resolved AirflowTasksBlocked missing_pool"},
	})
}
