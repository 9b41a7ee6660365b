//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// An installation is one real Airflow: a virtual environment, a database and a few processes.
type installation struct {
	version string // "3.3.2"
	api     string // "v1" or "v2"
	venv    string
	home    string // AIRFLOW_HOME
	logs    string
	pg      *postgres
	db      string
	port    int
	env     []string
	secret  string // signs the tokens of Airflow 3
	token   string // of the user admin, on Airflow 3
	procs   map[string]*process
}

// healthCheckThreshold is after how many seconds without a heartbeat Airflow calls a component unhealthy.
const healthCheckThreshold = 20

func (a *installation) isV1() bool { return a.api == "v1" }

func (a *installation) url() string { return fmt.Sprintf("http://127.0.0.1:%d", a.port) }

// components are the processes of this Airflow; the first one answers the API.
func (a *installation) components() []string {
	if a.isV1() {
		return []string{"webserver", "scheduler", "triggerer"}
	}
	return []string{"api-server", "scheduler", "triggerer", "dag-processor"}
}

// startAirflow brings up one Airflow with the zoo's DAG files and users admin, viewer, … whose password is their name.
func startAirflow(ctx context.Context, version string, d dirs, pg *postgres) (*installation, error) {
	a := &installation{version: version, api: "v2", pg: pg, logs: d.logs, home: filepath.Join(d.run, "airflow-"+version),
		db: "airflow_" + strings.ReplaceAll(version, ".", "_"), secret: "a secret of the tests, 32 bytes or more", procs: map[string]*process{}}
	if strings.HasPrefix(version, "2.") {
		a.api = "v1"
	}
	var err error
	if a.venv, err = installAirflow(ctx, d.cache, d.logs, version); err != nil {
		return nil, err
	}
	if err := a.configure(); err != nil {
		return nil, err
	}
	if _, err := pg.exec(ctx, "postgres", "create database "+a.db); err != nil {
		return nil, err
	}
	if err := a.command(ctx, "airflow", "db", "migrate"); err != nil {
		return nil, err
	}
	if a.isV1() {
		if err := a.command(ctx, "python", filepath.Join(a.home, "python", "make_users.py")); err != nil {
			return nil, err
		}
	}
	for _, name := range a.components() {
		if err := a.start(name); err != nil {
			return nil, err
		}
	}
	return a, a.waitForAPI(ctx)
}

// configure writes AIRFLOW_HOME and composes the environment.
func (a *installation) configure() error {
	for _, dir := range []string{"dags", "python"} {
		if err := os.CopyFS(filepath.Join(a.home, dir), os.DirFS(dir)); err != nil {
			return err
		}
	}
	passwords := filepath.Join(a.home, "passwords.json")
	if err := os.WriteFile(passwords, []byte(`{"admin":"admin","viewer":"viewer"}`), 0o600); err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	a.port = port
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AIRFLOW") && !strings.HasPrefix(v, "PYTHON") && !strings.HasPrefix(v, "PATH=") {
			a.env = append(a.env, v)
		}
	}
	set := func(section, key string, value any) {
		a.env = append(a.env, fmt.Sprintf("AIRFLOW__%s__%s=%v", section, key, value))
	}
	a.env = append(a.env, "AIRFLOW_HOME="+a.home, "PATH="+filepath.Join(a.venv, "bin")+":"+os.Getenv("PATH"),
		"PYTHONPATH="+filepath.Join(a.home, "python"), "PYTHONWARNINGS=ignore")
	set("DATABASE", "SQL_ALCHEMY_CONN", a.pg.url(a.db))
	set("DATABASE", "LOAD_DEFAULT_CONNECTIONS", false)
	set("CORE", "EXECUTOR", "LocalExecutor,stuck:stuck_executor.StuckExecutor")
	set("CORE", "PARALLELISM", 40) // twice what runs or is stuck
	set("CORE", "LOAD_EXAMPLES", false)
	set("SCHEDULER", "SCHEDULER_HEALTH_CHECK_THRESHOLD", healthCheckThreshold)
	set("TRIGGERER", "TRIGGERER_HEALTH_CHECK_THRESHOLD", healthCheckThreshold)
	// what is stuck, or stopped by us, stays as it is
	set("SCHEDULER", "TASK_QUEUED_TIMEOUT", 86400)
	set("SCHEDULER", "TASK_INSTANCE_HEARTBEAT_TIMEOUT", 86400)
	set("SCHEDULER", "SCHEDULER_ZOMBIE_TASK_THRESHOLD", 86400)
	// a DAG file that breaks, is mended or deleted is noticed soon
	set("SCHEDULER", "PARSING_CLEANUP_INTERVAL", 5)
	if a.isV1() {
		set("API", "AUTH_BACKENDS", "airflow.api.auth.backend.basic_auth")
		set("WEBSERVER", "SECRET_KEY", a.secret)
		set("WEBSERVER", "WEB_SERVER_HOST", "127.0.0.1")
		set("WEBSERVER", "WEB_SERVER_PORT", a.port)
		// Airflow 2 forks its workers with database connections open that they then share: two at once can hang each other
		set("WEBSERVER", "WORKERS", 1)
		set("SCHEDULER", "MIN_FILE_PROCESS_INTERVAL", 3600)
		set("SCHEDULER", "DAG_DIR_LIST_INTERVAL", 5)
		set("USAGE_DATA_COLLECTION", "ENABLED", false)
		return nil
	}
	set("CORE", "EXECUTION_API_SERVER_URL", a.url()+"/execution/")
	set("CORE", "SIMPLE_AUTH_MANAGER_USERS", "admin:admin,viewer:viewer")
	set("CORE", "SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", passwords)
	set("API", "HOST", "127.0.0.1")
	set("API", "PORT", a.port)
	set("API", "WORKERS", 1)
	set("API", "SECRET_KEY", a.secret)
	set("DAG_PROCESSOR", "MIN_FILE_PROCESS_INTERVAL", 3600)
	set("DAG_PROCESSOR", "REFRESH_INTERVAL", 5)
	set("DAG_PROCESSOR", "PARSING_PROCESSES", 1)
	set("DAG_PROCESSOR", "HEALTH_CHECK_THRESHOLD", healthCheckThreshold)
	return nil
}

// cmd is a program of the virtual environment.
func (a *installation) cmd(name string, args ...string) *exec.Cmd {
	args = append([]string{"-n", "5", filepath.Join(a.venv, "bin", name)}, args...)
	cmd := exec.Command("nice", args...)
	cmd.Dir = a.home
	cmd.Env = slices.Concat(a.env, []string{"AIRFLOW__API_AUTH__JWT_SECRET=" + a.secret})
	return cmd
}

// command runs a program of the virtual environment to its end.
func (a *installation) command(ctx context.Context, name string, args ...string) error {
	return run(ctx, name, a.log("commands"), a.cmd(name, args...))
}

func (a *installation) log(name string) string {
	return filepath.Join(a.logs, "airflow-"+a.version+"-"+name+".log")
}

func (a *installation) start(component string) error {
	_ = os.Remove(filepath.Join(a.home, "airflow-"+component+".pid"))
	args := []string{component}
	if component == "scheduler" || component == "triggerer" {
		args = append(args, "--skip-serve-logs") // those servers would listen on every address
	}
	p, err := startProcess("airflow "+component, a.log(component), a.cmd("airflow", args...))
	a.procs[component] = p
	return err
}

// killAPI ends the server of API and web page without a warning, with its workers, which are in its process group.
func (a *installation) killAPI() {
	server := a.procs[a.components()[0]]
	_ = syscall.Kill(-server.pid(), syscall.SIGKILL) // it may have ended by itself
	<-server.done
}

// startAPI starts the server of API and web page again, on the same port.
func (a *installation) startAPI(ctx context.Context) error {
	a.token = "" // another key may sign the tokens now
	if err := a.start(a.components()[0]); err != nil {
		return err
	}
	return a.waitForAPI(ctx)
}

func (a *installation) waitForAPI(ctx context.Context) error {
	server := a.procs[a.components()[0]]
	return poll(ctx, 3*time.Minute, func(ctx context.Context) error {
		if server.ended() {
			return fmt.Errorf("%s has ended\n%s", server.name, server.tail(40))
		}
		return a.send(ctx, http.MethodGet, "/api/"+a.api+"/version", nil, nil)
	})
}

// freeze stops all but the API server in mid-air: from now on nothing changes in the database by itself. What is stopped
// within a transaction would keep its locks, for which the API server would wait for ever. Attempts are short, or else the
// scheduler would miss heartbeats between them, and what is stalled would not be watched.
func (a *installation) freeze(ctx context.Context) error {
	signal := func(sig syscall.Signal) {
		for _, name := range a.components()[1:] {
			a.procs[name].signalTree(sig)
		}
	}
	return poll(ctx, 2*time.Minute, func(ctx context.Context) error {
		signal(syscall.SIGSTOP)
		err := poll(ctx, time.Second, a.holdsNoLocks)
		if err != nil {
			signal(syscall.SIGCONT)
		}
		return err
	})
}

// holdsNoLocks wants no transaction that has locked or written a row; those that only read stay open for long.
func (a *installation) holdsNoLocks(ctx context.Context) error {
	var open int
	if err := a.pg.query(ctx, a.db, `select count(*) from pg_stat_activity
		where datname = current_database() and pid <> pg_backend_pid() and backend_xid is not null`, &open); err != nil {
		return err
	}
	if open > 0 {
		return fmt.Errorf("%d transactions hold locks", open)
	}
	return nil
}

// stop ends everything at once; asked politely the scheduler would wait for its tasks.
func (a *installation) stop() {
	for _, p := range a.procs {
		p.signalTree(syscall.SIGKILL)
	}
}

// call sends a request to the API as admin and wants a 2xx; body and answer are JSON, either may be nil.
func (a *installation) call(ctx context.Context, method, path string, body, into any) error {
	if !a.isV1() && a.token == "" {
		var answer struct {
			Token string `json:"access_token"`
		}
		if err := a.send(ctx, http.MethodPost, "/auth/token", map[string]string{"username": "admin", "password": "admin"}, &answer); err != nil {
			return err
		}
		a.token = answer.Token
	}
	return a.send(ctx, method, "/api/"+a.api+"/"+path, body, into)
}

// send is call without the login of Airflow 3.
func (a *installation) send(ctx context.Context, method, path string, body, into any) error {
	var payload io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.url()+path, payload)
	if err != nil {
		return err
	}
	if body != nil { // Airflow 2 refuses to read no JSON
		req.Header.Set("Content-Type", "application/json")
	}
	if a.isV1() {
		req.SetBasicAuth("admin", "admin")
	} else if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %.300s", method, path, resp.Status, b)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(b, into)
}
