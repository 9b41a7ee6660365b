//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// runDAGs is how many DAGs dags/runs*.py have, one of them in a file that does not import at first.
const runDAGs = 13

// startRuns begins the runs that an exporter finds when it starts: some have ended, some go on.
func (a *installation) startRuns(ctx context.Context) error {
	if err := poll(ctx, 3*time.Minute, func(ctx context.Context) error {
		var parsed int
		if err := a.pg.query(ctx, a.db, `select count(distinct dag_id) from serialized_dag where dag_id like 'runs%'`, &parsed); err != nil {
			return err
		}
		if parsed != runDAGs-1 {
			return fmt.Errorf("%d of %d DAGs are parsed", parsed, runDAGs-1)
		}
		return nil
	}); err != nil {
		return err
	}
	for _, dag := range []string{"runs_held", "runs_never"} {
		if err := a.pause(ctx, dag, false); err != nil {
			return err
		}
	}
	for _, dag := range []string{"runs_paused", "runs_deleted", "runs_breaks", "runs_manual"} {
		if err := errors.Join(a.pause(ctx, dag, false), a.trigger(ctx, dag, "early")); err != nil {
			return err
		}
	}
	return nil
}

// earlyRuns are the runs at that time, by "dag_id run_type state".
var earlyRuns = map[string]int{
	"runs_paused manual failed":   1,
	"runs_deleted manual success": 1,
	"runs_manual manual success":  1,
	"runs_breaks manual running":  1,
	"runs_held scheduled running": 1,
}

// lateRuns are all runs of the end but those of runs_minutely.
func lateRuns(v1 bool) map[string]int {
	daily, byAsset := 4, "asset_triggered" // three days ago, …, today
	if v1 {
		daily, byAsset = 3, "dataset_triggered" // the interval of today goes on
	}
	return map[string]int{
		"runs_paused manual failed":             1,
		"runs_breaks manual running":            1,
		"runs_held scheduled running":           1,
		"runs_manual manual success":            2,
		"runs_manual manual failed":             1,
		"runs_daily scheduled success":          daily,
		"runs_weekdays scheduled success":       2,
		"runs_weekdays scheduled failed":        1,
		"runs_backfilled backfill success":      2,
		"runs_produces manual success":          1,
		"runs_consumes " + byAsset + " success": 1,
	}
}

// runsAre wants the DAGs of dags/runs*.py to have these runs, and those of runs_minutely to have ended.
func (a *installation) runsAre(ctx context.Context, want map[string]int) error {
	is := map[string]int{}
	if err := a.pg.query(ctx, a.db, `select coalesce(json_object_agg(k, n), '{}') from (
		select dag_id || ' ' || run_type || ' ' || state k, count(*) n from dag_run where dag_id like 'runs%'
			and not (dag_id = 'runs_minutely' and state = 'success') group by 1) t`, &is); err != nil {
		return err
	}
	if !maps.Equal(is, want) {
		return fmt.Errorf("the runs are %v, not %v", is, want)
	}
	return nil
}

// tasksGoOn wants the tasks that go on to have begun.
func (a *installation) tasksGoOn(ctx context.Context) error {
	var n int
	if err := a.pg.query(ctx, a.db, `select count(*) from task_instance where dag_id like 'runs%' and state = 'running'`, &n); err != nil {
		return err
	}
	if n != 2 {
		return fmt.Errorf("%d tasks go on", n)
	}
	return nil
}

// beginRuns lets runs of all kinds begin. The channel tells when no command is at work any more.
func (a *installation) beginRuns(ctx context.Context) (<-chan error, error) {
	for _, dag := range []string{"runs_daily", "runs_weekdays", "runs_minutely", "runs_backfilled", "runs_produces", "runs_consumes"} {
		if err := a.pause(ctx, dag, false); err != nil {
			return nil, err
		}
	}
	done := make(chan error, 1)
	if a.isV1() {
		go func() {
			cmd := a.cmd("airflow", "dags", "backfill", "--start-date", "2026-01-01", "--end-date", "2026-01-02", "runs_backfilled")
			cmd.Env = append(cmd.Env, "AIRFLOW__CORE__PARALLELISM=2", "AIRFLOW__CORE__EXECUTOR=LocalExecutor")
			done <- run(ctx, "airflow dags backfill", a.log("commands"), cmd)
		}()
	} else {
		done <- a.call(ctx, http.MethodPost, "backfills", map[string]any{
			"dag_id": "runs_backfilled", "from_date": "2026-01-01T00:00:00Z", "to_date": "2026-01-02T00:00:00Z"}, nil)
	}
	return done, errors.Join(
		a.trigger(ctx, "runs_manual", "succeeds"),
		a.triggerWith(ctx, "runs_manual", "fails", map[string]any{"fail": true}),
		a.trigger(ctx, "runs_produces", "harvest"),
		a.trigger(ctx, "runs_deleted", "late"))
}

// pauseMinutely pauses runs_minutely when a run that was due since then has ended, and not in the middle of another one.
func (a *installation) pauseMinutely(ctx context.Context, since time.Time) error {
	runs := func(condition string) (n int, err error) {
		err = a.pg.query(ctx, a.db, a.inDialect(`select count(*) from dag_run where dag_id = 'runs_minutely' and `+condition), &n)
		return n, err
	}
	if n, err := runs("state = 'success' and $DUE > '" + since.UTC().Format(time.RFC3339Nano) + "'"); err != nil || n == 0 {
		return errors.Join(err, errors.New("no run of runs_minutely has ended"))
	}
	if err := a.pause(ctx, "runs_minutely", true); err != nil {
		return err
	}
	if n, err := runs("state <> 'success'"); err != nil || n > 0 {
		return errors.Join(err, errors.New("runs_minutely was paused in the middle of a run"), a.pause(ctx, "runs_minutely", false))
	}
	return nil
}

// dagFile is the path of a DAG file.
func (a *installation) dagFile(name string) string { return filepath.Join(a.home, "dags", name) }

// breakDAGFile lets a DAG file not import any more.
func (a *installation) breakDAGFile(name string) error {
	text, err := os.ReadFile(a.dagFile(name))
	if err != nil {
		return err
	}
	return os.WriteFile(a.dagFile(name), append([]byte("import no_such_module\n"), text...), 0o600)
}

// mendDAGFile makes the module that runs_mended.py lacks. Airflow looks at the file when that seems to have changed.
func (a *installation) mendDAGFile() error {
	if err := os.WriteFile(filepath.Join(a.home, "python", "runs_module.py"), nil, 0o600); err != nil {
		return err
	}
	now := time.Now()
	return os.Chtimes(a.dagFile("runs_mended.py"), now, now)
}

// deleteDAG deletes a DAG and its file.
func (a *installation) deleteDAG(ctx context.Context, dag string) error {
	if err := os.Remove(a.dagFile(dag + ".py")); err != nil {
		return err
	}
	return a.call(ctx, http.MethodDelete, "dags/"+dag, nil, nil)
}

// filesAre wants these DAGs, and no others, to be in no file any more, and this many files not to import.
func (a *installation) filesAre(ctx context.Context, broken int, unlisted ...string) error {
	var is struct {
		Broken   int
		Unlisted []string
	}
	if err := a.pg.query(ctx, a.db, a.inDialect(`select json_build_object('Broken', (select count(*) from import_error),
		'Unlisted', (select json_agg(dag_id) from dag where not ($LISTED)))`), &is); err != nil {
		return err
	}
	if is.Broken != broken || strings.Join(is.Unlisted, " ") != strings.Join(unlisted, " ") {
		return fmt.Errorf("%d files do not import, and in none are %q", is.Broken, is.Unlisted)
	}
	return nil
}
