package collector

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// Whatever happens to tokens and to the files that hold credentials: nothing
// wrong is told, and everything again as soon as they are good.
func TestTruthOfCredentials(t *testing.T) {
	lengthy(t)
	for name, tc := range map[string]struct {
		spoil   func(w *truthWorld, file string)
		mayFlag []string // nil: it heals at once
	}{
		"empty file":                      {func(w *truthWorld, file string) { w.write(file, "") }, needLogin},
		"blank file":                      {func(w *truthWorld, file string) { w.write(file, " \n") }, needLogin},
		"half a file":                     {func(w *truthWorld, file string) { w.write(file, "rig") }, needLogin},
		"a file of garbage":               {func(w *truthWorld, file string) { w.write(file, "\x00\xff") }, needLogin},
		"no file":                         {func(w *truthWorld, file string) { w.must(os.Remove(file)) }, needLogin},
		"a line break at the end":         {func(w *truthWorld, file string) { w.write(file, "right\n") }, nil},
		"another key, as after a restart": {func(w *truthWorld, _ string) { w.airflow.RotateKey() }, nil},
		"a restart": {func(w *truthWorld, _ string) {
			w.airflow.Stop()
			w.must(w.airflow.Restart())
		}, nil},
	} {
		for _, kind := range truthKinds {
			for life, lifetime := range map[string]time.Duration{"short": truthStep - time.Minute, "long": 24 * time.Hour} {
				if life == "long" && kind.version[0] == '2' {
					continue // it has no tokens
				}
				t.Run(name+"/"+kind.name+"/"+life, func(t *testing.T) {
					t.Parallel()
					file := filepath.Join(t.TempDir(), "password")
					if err := os.WriteFile(file, []byte("right"), 0o600); err != nil {
						t.Fatal(err)
					}
					byFile := func(o *Options) { o.Airflow.Password, o.Airflow.PasswordFile = "", file }
					inTruthWorld(t, kind, 2*time.Minute, lifetime, byFile, func(w *truthWorld) {
						w.settle()
						tc.spoil(w, file)
						mayFlag := tc.mayFlag
						if life == "long" {
							mayFlag = nil // the password is not needed while the token is good
						}
						w.expect("with it", mayFlag)
						w.expect("still with it", mayFlag)
						w.write(file, "right")
						w.expect("after it", nil)
					})
				})
			}
		}
	}
}

// A static token that is replaced by a broken one, and then by a good one.
func TestTruthOfATokenFile(t *testing.T) {
	const lifetime = 90 * time.Minute
	for name, content := range map[string]string{"empty": "", "garbage": "abc", "expired": ""} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "token")
			if err := os.WriteFile(file, []byte("none yet"), 0o600); err != nil {
				t.Fatal(err)
			}
			byToken := func(o *Options) {
				o.Airflow.Username, o.Airflow.Password = "", ""
				o.Airflow.HTTPClient.Authorization = &promconfig.Authorization{CredentialsFile: file}
			}
			inTruthWorld(t, truthKind{"v2 batch", "3.3.2", airflow.ListBatch}, 2*time.Minute, lifetime, byToken, func(w *truthWorld) {
				w.write(file, w.airflow.Token("viewer"))
				w.settle()
				if name == "expired" {
					for time.Since(w.begun) < lifetime-truthStep {
						w.last = w.next()
					}
				} else {
					w.write(file, content)
				}
				w.expect("with it", []string{"task_instances", "dag_runs", "dags", "attempts", "blocked", "pools", "import_errors", "health"}) // an empty token is never sent
				w.write(file, w.airflow.Token("viewer"))
				w.expect("after it", nil)
			})
		})
	}
}

func (w *truthWorld) write(file, content string) {
	w.t.Helper()
	w.must(os.WriteFile(file, []byte(content), 0o600))
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// expect judges the next scrape.
func (w *truthWorld) expect(when string, mayFlag []string) {
	w.t.Helper()
	said := w.next()
	v := (&judge{maxAge: w.collector.cfg.MaxAge, mayFlag: mayFlag}).compare(said, w.last, w.seen)
	w.last = said
	if !v.empty() {
		w.t.Errorf("%s: wrong %d %.2q, gaps %d %.2q, false flags %q", when, len(v.wrong), v.wrong, len(v.gaps), v.gaps, v.flags)
	}
	if mayFlag != nil && said.parts[mayFlag[0]].success {
		w.t.Errorf("%s: nothing is flagged, so that nothing was spoilt", when)
	}
}
