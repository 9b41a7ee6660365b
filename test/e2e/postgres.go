//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// A postgres is a PostgreSQL cluster of our own, gone with the tests.
type postgres struct {
	bin  string // directory of the programs
	port int
	proc *process
}

// startPostgres makes an empty cluster and serves it on a free port of 127.0.0.1, with these settings besides our own.
func startPostgres(ctx context.Context, logs string, settings ...string) (*postgres, error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	as, err := postgresUser()
	if err != nil {
		return nil, err
	}
	// not below the repository: the user postgres may not be able to reach that
	data := dataDir(logs)
	if err := os.RemoveAll(data); err != nil {
		return nil, err
	}
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, err
	}
	if as != nil {
		if err := os.Chown(data, int(as.Uid), int(as.Gid)); err != nil {
			return nil, err
		}
	}
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Dir = data
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
		return cmd
	}
	log := filepath.Join(logs, "postgres.log")
	if err := run(ctx, "initdb", log, command("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
		"--locale", "C.UTF-8", "--no-sync")); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	args := []string{"-D", data, "-p", strconv.Itoa(port)}
	for _, setting := range append([]string{"listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200",
		"fsync=off", "synchronous_commit=off", "full_page_writes=off", "timezone=UTC"}, settings...) {
		args = append(args, "-c", setting)
	}
	proc, err := startProcess("postgres", log, command("postgres", args...))
	if err != nil {
		return nil, err
	}
	pg := &postgres{bin: bin, port: port, proc: proc}
	return pg, poll(ctx, time.Minute, func(ctx context.Context) error {
		return pg.query(ctx, "postgres", "select 'true'::json", new(bool))
	})
}

func (pg *postgres) stop() {
	pg.proc.stop(syscall.SIGQUIT, 10*time.Second) // immediate shutdown: nobody needs the data
}

// exec runs one SQL statement.
func (pg *postgres) exec(ctx context.Context, db, sql string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(pg.bin, "psql"), "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1",
		"-h", "127.0.0.1", "-p", strconv.Itoa(pg.port), "-U", "postgres", "-d", db, "-c", sql)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("psql: %w: %s", err, stderr.Bytes())
	}
	return out, nil
}

// query decodes the one JSON value that sql selects.
func (pg *postgres) query(ctx context.Context, db, sql string, into any) error {
	out, err := pg.exec(ctx, db, sql)
	if err != nil {
		return err
	}
	return json.Unmarshal(out, into)
}

// url is the address for SQLAlchemy.
func (pg *postgres) url(db string) string {
	return fmt.Sprintf("postgresql+psycopg2://postgres@127.0.0.1:%d/%s", pg.port, db)
}

// postgresBin finds the programs of the newest installed PostgreSQL: Debian keeps them out of PATH.
func postgresBin() (string, error) {
	best, version := "", 0
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	for _, dir := range dirs {
		v, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil && v > version {
			best, version = dir, v
		}
	}
	if best != "" {
		return best, nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", errors.New("no PostgreSQL here: install the package postgresql")
	}
	return filepath.Dir(path), nil
}

// postgresUser is who runs the server when we are root, which PostgreSQL refuses to run as; nil means ourselves.
func postgresUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// dataDir is the same at each run, so that a run that was killed leaves its data for the next one to remove.
func dataDir(logs string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(logs))
	return filepath.Join(os.TempDir(), fmt.Sprintf("airflow_exporter-e2e-%08x", h.Sum32()))
}
