//go:build e2e

// Package e2e holds the end-to-end tests: they install and start real Airflow servers, bring task instances and runs into every
// state and compare what the exporter says with what is in the servers' own databases. Prometheus and Alertmanager, built
// by go install, tell which alerts that makes.
//
// Everything lives in .e2e below the root of the repository: installations (kept), logs and homes (of the last run).
package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
)

// dirs are the places the tests use.
type dirs struct {
	root  string // of the repository
	cache string // installations, by the hash of their lock
	logs  string
	run   string // what the servers write
}

// A rig is what all tests share.
type rig struct {
	dirs
	binary       string // the exporter
	prometheus   string // likewise
	alertmanager string
	pg           *postgres
	exporters    atomic.Int32
	lock         *os.File
}

// newRig prepares the directories, builds the programs and starts PostgreSQL.
func newRig(ctx context.Context) (*rig, error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return nil, err
	}
	base := filepath.Join(root, ".e2e")
	r := &rig{dirs: dirs{root: root, cache: filepath.Join(base, "cache"), logs: filepath.Join(base, "logs"), run: filepath.Join(base, "run")}}
	if err := os.MkdirAll(r.cache, 0o755); err != nil {
		return nil, err
	}
	if r.lock, err = os.Create(filepath.Join(base, "lock")); err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(r.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.New("the end-to-end tests run already in this directory")
	}
	ledger.path = filepath.Join(base, "processes")
	endLeftovers()
	for _, dir := range []string{r.logs, r.run} {
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, err
		}
	}
	if err := adoptOrphans(); err != nil {
		return nil, err
	}
	if r.binary, err = buildExporter(ctx, r.dirs); err != nil {
		return nil, err
	}
	if r.prometheus, err = prometheusTool.install(ctx, r.dirs); err != nil {
		return nil, err
	}
	if r.alertmanager, err = alertmanagerTool.install(ctx, r.dirs); err != nil {
		return nil, err
	}
	if r.pg, err = startPostgres(ctx, r.logs); err != nil {
		return nil, fmt.Errorf("PostgreSQL: %w", err)
	}
	return r, nil
}

// close ends everything that the tests started.
func (r *rig) close() {
	if r.pg != nil {
		r.pg.stop()
	}
	for _, pid := range descendants(os.Getpid()) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = os.RemoveAll(dataDir(r.logs))
	_ = os.Remove(ledger.path)
}
