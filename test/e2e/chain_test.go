//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// patience is how long anything of the chain may take on a busy machine.
const patience = 2 * time.Minute

// A chain is exporters on Airflows that are told what to be, a Prometheus with the rules, an Alertmanager and who it tells.
type chain struct {
	prometheus   *prometheus
	alertmanager string // its address
	webhook      *webhook
	mu           sync.Mutex // guards rows
	rows         []string
}

// A stage is one Airflow, in a cluster of its own.
type stage struct {
	*chain
	situation
	airflow   *airflowtest.Server
	exporter  *exporter
	inhibited map[string]bool // alerts that were seen to be
	mended    []time.Time     // when all was as it should be again
}

// TestAlertChain provokes situations, each in a cluster of its own and all at the same time, and wants exactly those
// messages that people should get, in the groups in which they should get them.
func TestAlertChain(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	c := &chain{webhook: startWebhook(t)}
	var stages []*stage
	for _, situation := range situations {
		s := &stage{chain: c, situation: situation, inhibited: map[string]bool{}}
		s.airflow = airflowtest.Start(t, airflowtest.Options{Version: "3.3.2", TCP: true})
		s.airflow.Update(s.prepare)
		s.exporter, _ = s.settings().start(t, "--web.enable-lifecycle")
		stages = append(stages, s)
	}
	learning, ctx := errgroup.WithContext(t.Context())
	for _, s := range stages {
		learning.Go(func() error { return s.learn(ctx) })
	}
	if err := learning.Wait(); err != nil {
		t.Fatal(err)
	}
	c.start(t, stages)
	t.Run("situation", func(t *testing.T) {
		for _, s := range stages {
			t.Run(s.cluster, func(t *testing.T) {
				t.Parallel()
				s.play(t, s)
			})
		}
	})
	if told := c.webhook.of(""); len(told) > 0 {
		t.Errorf("was told of no cluster: %v", told)
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "situation\tgroup\talerts\tresolved after")
	slices.Sort(c.rows)
	for _, row := range c.rows {
		fmt.Fprintln(w, row)
	}
	w.Flush()
	t.Logf("%.0f s, with all durations divided by %d:\n%s", time.Since(begin).Seconds(), faster, table.String())
}

// start starts Alertmanager and Prometheus with faster copies of the files that the repository offers.
func (c *chain) start(t *testing.T, stages []*stage) {
	t.Helper()
	dir := t.TempDir()
	example, err := os.ReadFile(filepath.Join(shared.root, "alerts", "alertmanager.example.yml"))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile(filepath.Join(shared.root, "alerts", "airflow.rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if rules, err = fasterRules(rules); err != nil {
		t.Fatal(err)
	}
	if example, err = fasterAlertmanager(example, c.webhook.url); err != nil {
		t.Fatal(err)
	}
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	alertmanager, address, err := shared.startAlertmanager(t.Context(), "chain", write("alertmanager.yml", example), filepath.Join(dir, "alertmanager"))
	endWith(t, alertmanager)
	if err != nil {
		t.Fatal(err)
	}
	c.alertmanager = address
	// scrapes come less often than everything else is divided: the exporter needs its time to answer
	config := prometheusConfig{interval: 2 * time.Second, evaluation: time.Minute / faster, rules: write("airflow.rules.yml", rules), alertmanager: address, targets: map[string]string{}}
	for _, s := range stages {
		config.targets[s.cluster] = s.exporter.url
	}
	c.prometheus, err = shared.startPrometheus(t.Context(), "chain", write("prometheus.yml", config.text()), filepath.Join(dir, "prometheus"))
	endWith(t, c.prometheus.process)
	if err != nil {
		t.Fatal(err)
	}
}

// endWith ends a process with the test.
func endWith(t *testing.T, p *process) {
	if p == nil {
		return
	}
	t.Cleanup(func() {
		p.stop(syscall.SIGTERM, 10*time.Second)
		if t.Failed() {
			t.Logf("the log of %s:\n%s", p.name, p.tail(20))
		}
	})
}

// settings let the exporter show no old values for long, and ask at once why instances wait.
func (s *stage) settings() settings {
	return settings{url: s.airflow.URL, list: "batch", airflow: []string{"requests_per_second: 100", "burst: 100"},
		collector: []string{"max_age: 2s", "seed_hold: 1s", "blocked:", "  after: 1s", "  refresh: 10s"}}
}

// reload makes the exporter ask everything anew: it lists DAGs, files and pools every few minutes only, which nothing divides.
func (s *stage) reload(ctx context.Context) error {
	status, body, err := request(ctx, http.MethodPost, s.exporter.url+"/-/reload")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("reload: %d %.300s", status, body)
	}
	return err
}

// learn lets the exporter learn the last runs, in steps.
func (s *stage) learn(ctx context.Context) error {
	ended := map[string]bool{}
	s.airflow.Update(func(db *airflowtest.Database) {
		for _, r := range db.Runs() {
			if r.State == airflowtest.Success || r.State == airflowtest.Failed {
				ended[ofState("airflow_dag_last_run_state", r.DagID, r.State)] = true
			}
		}
	})
	return poll(ctx, patience, func(ctx context.Context) error {
		got, err := s.exporter.scrape(ctx)
		for key := range ended {
			if _, ok := got[key]; err == nil && !ok {
				err = fmt.Errorf("%s is not known yet", key)
			}
		}
		if err != nil {
			return errors.Join(err, s.reload(ctx))
		}
		return nil
	})
}

// change changes Airflow, and the exporter knows it.
func (s *stage) change(t *testing.T, f func(db *airflowtest.Database)) {
	t.Helper()
	s.airflow.Update(f)
	if err := s.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// mend is change, and all is as it should be again.
func (s *stage) mend(t *testing.T, f func(db *airflowtest.Database)) {
	t.Helper()
	s.change(t, f)
	s.mended = append(s.mended, time.Now())
}

// wants waits until a query has a result.
func (s *stage) wants(t *testing.T, expr string) {
	t.Helper()
	if err := s.prometheus.wants(t.Context(), patience, expr); err != nil {
		t.Fatal(err)
	}
}

// begun is when an alert of the cluster that there is only once began.
func (s *stage) begun(t *testing.T, alert string) string {
	t.Helper()
	samples, err := s.prometheus.query(t.Context(), fmt.Sprintf("ALERTS_FOR_STATE{alertname=%q,cluster=%q}", alert, s.cluster))
	if err != nil {
		t.Fatal(err)
	}
	if len(samples) != 1 {
		t.Fatalf("want one %s, there are %v", alert, samples)
	}
	return samples[0].value
}

// wantTold waits for a message about a group that says this.
func (s *stage) wantTold(t *testing.T, group, alert string) {
	t.Helper()
	if err := poll(t.Context(), patience, func(context.Context) error {
		told := s.webhook.of(s.cluster)
		for _, n := range told {
			if n.group == group && slices.Contains(n.alerts, alert) {
				return nil
			}
		}
		return fmt.Errorf("want %s: %s, was told %v", group, alert, told)
	}); err != nil {
		t.Fatal(err)
	}
}

// wantInhibited waits until these alerts fire and, as all others but their source, are inhibited.
func (s *stage) wantInhibited(t *testing.T, source string, alerts ...string) {
	t.Helper()
	if err := poll(t.Context(), patience, func(ctx context.Context) error {
		is, err := s.alerts(ctx)
		if err != nil {
			return err
		}
		for name, inhibited := range is {
			if !inhibited && name != source {
				return fmt.Errorf("%s is not inhibited", name)
			}
		}
		for _, name := range alerts {
			if !is[name] {
				return fmt.Errorf("%s is not inhibited, there are %v", name, is)
			}
		}
		delete(is, source)
		for name := range is {
			s.inhibited[name] = true
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// wantActive waits until an alert fires and is not inhibited.
func (s *stage) wantActive(t *testing.T, alert string) {
	t.Helper()
	if err := poll(t.Context(), patience, func(ctx context.Context) error {
		is, err := s.alerts(ctx)
		if inhibited, ok := is[alert]; err == nil && (!ok || inhibited) {
			err = fmt.Errorf("%s does not fire or is inhibited: %v", alert, is)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// alerts are those of the cluster that Alertmanager knows to fire, and whether others inhibit them.
func (s *stage) alerts(ctx context.Context) (map[string]bool, error) {
	status, body, err := request(ctx, http.MethodGet, s.alertmanager+"/api/v2/alerts?active=true&inhibited=true&filter="+url.QueryEscape(fmt.Sprintf("cluster=%q", s.cluster)))
	if err != nil {
		return nil, err
	}
	var list []struct {
		Labels map[string]string
		Status struct{ InhibitedBy []string }
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("Alertmanager: %d %.300s: %w", status, body, err)
	}
	is := map[string]bool{}
	for _, a := range list {
		name := alertName(a.Labels)
		if dag := a.Labels["dag_id"]; dag != "" {
			name += " of " + dag
		}
		is[name] = len(a.Status.InhibitedBy) > 0
	}
	return is, nil
}

// wantHistory wants just these messages about the cluster, by group, and notes them for the table. What ended together with
// what had hidden it is no news: Alertmanager may tell the end of an alert of which it did not tell the beginning.
func (s *stage) wantHistory(t *testing.T, want map[string][]string) {
	t.Helper()
	got, last, fired := map[string][]string{}, map[string]time.Time{}, map[string]bool{}
	for _, n := range s.webhook.of(s.cluster) {
		n.alerts = slices.DeleteFunc(n.alerts, func(alert string) bool {
			state, name, _ := strings.Cut(alert, " ")
			fired[n.group+name] = fired[n.group+name] || state == "firing"
			return !fired[n.group+name]
		})
		got[n.group] = append(got[n.group], strings.Join(n.alerts, ", "))
		last[n.group] = n.at
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("was told\n%v\nwant\n%v", got, want)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for group, told := range got {
		var after time.Duration
		for _, mended := range s.mended {
			if mended.Before(last[group]) {
				after = last[group].Sub(mended)
			}
		}
		s.rows = append(s.rows, fmt.Sprintf("%s\t%s\t%s\t%.0f s", s.what, group, strings.Join(told, ", "), after.Seconds()))
	}
	for name := range s.inhibited {
		s.rows = append(s.rows, fmt.Sprintf("%s\tinhibited\t%s\t", s.what, name))
	}
}
