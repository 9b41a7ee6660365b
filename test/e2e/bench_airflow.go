//go:build e2e && bench

package e2e

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// movesPerSecond is how many task instances finish in a second.
const movesPerSecond = 3

// A bench is one Airflow without a scheduler, whose database is filled and moved by SQL.
type bench struct {
	rig     *rig
	airflow *installation
	pg      *postgres
	meter   *meter
	peers   string // directory with the Python packages of the others
	steps   int
}

// startBench starts an Airflow that knows the DAGs of bench/dags.py, and its API server only.
func startBench(ctx context.Context, r *rig) (*bench, error) {
	const version = "3.3.2"
	b := &bench{rig: r}
	logs := filepath.Join(r.logs, "bench")
	if err := os.Mkdir(logs, 0o755); err != nil {
		return b, err
	}
	var err error
	if b.pg, err = startPostgres(ctx, logs, "shared_preload_libraries=pg_stat_statements", "pg_stat_statements.max=20000",
		"shared_buffers=1GB", "autovacuum=off", "max_wal_size=8GB"); err != nil {
		return b, err
	}
	if _, err := b.pg.exec(ctx, "postgres", "create extension pg_stat_statements"); err != nil {
		return b, fmt.Errorf("%w (it is in the package postgresql-contrib)", err)
	}
	a := &installation{version: version, api: "v2", pg: b.pg, logs: logs, home: filepath.Join(r.run, "airflow-bench"),
		db: "airflow_bench", secret: "a secret of the tests, 32 bytes or more", procs: map[string]*process{}}
	b.airflow = a
	if a.venv, err = installAirflow(ctx, r.cache, logs, version); err != nil {
		return b, err
	}
	if b.peers, err = b.installPeers(ctx); err != nil {
		return b, err
	}
	if err := a.configure(); err != nil {
		return b, err
	}
	dags := filepath.Join(a.home, "dags")
	if err := os.RemoveAll(dags); err != nil {
		return b, err
	}
	text, err := os.ReadFile("bench/dags.py")
	if err != nil {
		return b, err
	}
	if err := os.Mkdir(dags, 0o755); err != nil {
		return b, err
	}
	if err := os.WriteFile(filepath.Join(dags, "dags.py"), text, 0o600); err != nil {
		return b, err
	}
	if _, err := b.pg.exec(ctx, "postgres", "create database "+a.db); err != nil {
		return b, err
	}
	for _, args := range [][]string{{"db", "migrate"}, {"dags", "reserialize"}} {
		if err := a.command(ctx, "airflow", args...); err != nil {
			return b, err
		}
	}
	if err := a.start("api-server"); err != nil {
		return b, err
	}
	return b, a.waitForAPI(ctx)
}

// close ends what startBench has started.
func (b *bench) close() {
	if b.airflow != nil {
		b.airflow.stop()
	}
	if b.pg != nil {
		b.pg.stop()
		_ = os.RemoveAll(dataDir(filepath.Join(b.rig.logs, "bench")))
	}
}

// installPeers installs the packages of locks/bench.txt, or finds them from an earlier run. They are no part of Airflow's
// environment: only who names their directory finds them.
func (b *bench) installPeers(ctx context.Context) (string, error) {
	lock := filepath.Join("locks", "bench.txt")
	text, err := os.ReadFile(lock)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(b.airflow.venv, fmt.Sprintf("peers-%.6x", sha256.Sum256(text)))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	made := dir + ".part"
	cmd := exec.Command(filepath.Join(b.airflow.venv, "bin", "pip"), "install", "--quiet", "--no-deps", "--no-input", "--upgrade",
		"--target", made, "-r", lock)
	if err := run(ctx, "install-peers", filepath.Join(b.rig.logs, "install-peers.log"), cmd); err != nil {
		return "", err
	}
	return dir, os.Rename(made, dir)
}

// sql runs a file of SQL, with values in the places of their names.
func (b *bench) sql(ctx context.Context, name string, values ...string) error {
	text, err := os.ReadFile(filepath.Join("bench", name))
	if err != nil {
		return err
	}
	_, err = b.pg.exec(ctx, b.airflow.db, strings.NewReplacer(values...).Replace(string(text)))
	return err
}

// seed makes the world anew, with so many finished task instances.
func (b *bench) seed(ctx context.Context, history int) error {
	b.steps = 0
	if err := b.sql(ctx, "world.sql", "$HISTORY", strconv.Itoa(history)); err != nil {
		return err
	}
	_, err := b.pg.exec(ctx, b.airflow.db, "vacuum analyze")
	return err
}

// step lets so much time pass in the database.
func (b *bench) step(ctx context.Context, d time.Duration) error {
	b.steps++
	return b.sql(ctx, "step.sql", "$STEP", strconv.Itoa(b.steps), "$MOVES", strconv.Itoa(int(d.Seconds()*movesPerSecond)))
}

// startPlugin starts another API server, which finds the plugin of the peers, and returns its address.
func (b *bench) startPlugin(ctx context.Context) (*process, string, error) {
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	cmd := b.airflow.cmd("airflow", "api-server")
	cmd.Env = append(cmd.Env, fmt.Sprintf("AIRFLOW__API__PORT=%d", port), "PYTHONPATH="+filepath.Join(b.airflow.home, "python")+":"+b.peers)
	p, err := startProcess("api-server with plugin", b.airflow.log("plugin"), cmd)
	if err != nil {
		return nil, "", err
	}
	return p, url, poll(ctx, 3*time.Minute, func(ctx context.Context) error {
		if p.ended() {
			return fmt.Errorf("%s has ended\n%s", p.name, p.tail(40))
		}
		status, _, err := request(ctx, http.MethodGet, url+"/api/v2/version")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("the version: %d", status)
		}
		return err
	})
}
