package explain_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	promconfig "github.com/prometheus/common/config"
	"go.uber.org/goleak"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
	"github.com/seed-9c0ac15d/airflow_exporter/collector"
	"github.com/seed-9c0ac15d/airflow_exporter/collector/explain"
)

var update = flag.Bool("update", false, "write the golden reports")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// password is that of all users; no report may hold it.
const password = "s3cr3t-pa55word"

var users = []airflowtest.User{
	{Name: "viewer", Password: password, Rights: airflowtest.Viewer},
	{Name: "nobody", Password: password},
	{Name: "nopools", Password: password, Rights: airflowtest.Viewer &^ (airflowtest.ReadPools | airflowtest.ReadTaskLogs)},
	{Name: "limited", Password: password, Rights: airflowtest.Viewer, DagIDs: []string{"other"}},
}

// world is an Airflow on a fake clock, of which something is to be explained.
type world struct {
	t      *testing.T
	server *airflowtest.Server
	// step changes the database, and then a minute passes.
	step func(change func(db *airflowtest.Database))
}

// inWorld makes an Airflow, lets build fill it and explains what args name: DAG [RUN [TASK]].
func inWorld(t *testing.T, version string, build func(w *world), change func(*explain.Options), args string, test func(w *world, r *explain.Report)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, server: airflowtest.Start(t, airflowtest.Options{Version: version, Users: users})}
		w.step = func(change func(db *airflowtest.Database)) {
			w.server.Update(change)
			time.Sleep(time.Minute)
		}
		if build != nil {
			build(w)
		}
		w.server.ResetRequests()
		r, err := explain.Run(t.Context(), w.options(change, args))
		if err != nil {
			t.Fatal(err)
		}
		test(w, r)
	})
}

func (w *world) options(change func(*explain.Options), args string) explain.Options {
	o := explain.Options{Airflow: airflow.DefaultConfig(), Collector: collector.DefaultConfig(), LogLines: 20, Wait: true}
	o.Airflow.URL, o.Airflow.DialContext, o.Airflow.AllowInsecureHTTP = w.server.URL, w.server.DialContext, true
	o.Airflow.Username, o.Airflow.Password = "viewer", promconfig.Secret(password)
	fields := append(strings.Fields(args), "", "", "")
	o.DagID, o.RunID, o.TaskID = fields[0], fields[1], fields[2]
	if change != nil {
		change(&o)
	}
	return o
}

func text(t *testing.T, r *explain.Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func jsonText(t *testing.T, r *explain.Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	if !json.Valid([]byte(b.String())) {
		t.Errorf("not JSON:\n%s", b.String())
	}
	return b.String()
}

// golden compares a report with its file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the report is not that of %s (go test -update writes it):\n%s", path, got)
	}
}
