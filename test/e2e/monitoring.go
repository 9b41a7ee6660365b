//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A goTool is a program that go install makes, of a fixed version.
type goTool struct{ name, module, path, version, tags string }

var (
	prometheusTool   = goTool{"prometheus", "github.com/prometheus/prometheus", "cmd/prometheus", "v0.316.0", "remove_all_sd"} // 3.16
	alertmanagerTool = goTool{"alertmanager", "github.com/prometheus/alertmanager", "cmd/alertmanager", "v0.28.1", ""}
)

// install builds the tool into a directory below cache, or finds it there from an earlier run.
func (g goTool) install(ctx context.Context, d dirs) (string, error) {
	dir := filepath.Join(d.cache, g.name+"-"+g.version)
	binary := filepath.Join(dir, g.name)
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	made, err := os.MkdirTemp(d.cache, g.name+"-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(made)
	cmd := exec.Command("nice", "-n", "5", "go", "install", "-tags", g.tags, g.module+"/"+g.path+"@"+g.version)
	cmd.Env = append(os.Environ(), "GOBIN="+made)
	if err := run(ctx, "go install "+g.name, filepath.Join(d.logs, "install-"+g.name+".log"), cmd); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return binary, os.Rename(filepath.Join(made, g.name), binary)
}

// A prometheus is a running Prometheus.
type prometheus struct {
	*process
	url string
}

// startPrometheus starts a Prometheus with a configuration file, its data in dir, and waits until it answers.
func (r *rig) startPrometheus(ctx context.Context, name, config, dir string) (*prometheus, error) {
	p := &prometheus{}
	var err error
	p.process, p.url, err = r.serve(ctx, "prometheus-"+name, func(address string) *exec.Cmd {
		return exec.Command(r.prometheus, "--config.file="+config, "--storage.tsdb.path="+dir, "--web.listen-address="+address, "--log.level=warn")
	})
	return p, err
}

// startAlertmanager is startPrometheus for an Alertmanager, which is alone.
func (r *rig) startAlertmanager(ctx context.Context, name, config, dir string) (p *process, url string, err error) {
	return r.serve(ctx, "alertmanager-"+name, func(address string) *exec.Cmd {
		return exec.Command(r.alertmanager, "--config.file="+config, "--storage.path="+dir, "--web.listen-address="+address, "--cluster.listen-address=")
	})
}

// serve starts a program of the Prometheus project on a free port of 127.0.0.1 and waits until it is ready.
func (r *rig) serve(ctx context.Context, name string, command func(address string) *exec.Cmd) (p *process, url string, err error) {
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	url = "http://" + address
	if p, err = startProcess(name, filepath.Join(r.logs, name+".log"), command(address)); err != nil {
		return nil, "", err
	}
	return p, url, poll(ctx, time.Minute, func(ctx context.Context) error {
		if p.ended() {
			return fmt.Errorf("%s has ended\n%s", name, p.tail(20))
		}
		status, _, err := request(ctx, http.MethodGet, url+"/-/ready")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%s: %d", name, status)
		}
		return err
	})
}

// A sample is a label set with its value.
type sample struct {
	labels map[string]string
	value  string
}

// query asks for an instant vector.
func (p *prometheus) query(ctx context.Context, expr string) ([]sample, error) {
	status, body, err := request(ctx, http.MethodGet, p.url+"/api/v1/query?query="+url.QueryEscape(expr))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Error string
		Data  struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("%s: %d %.300s: %w", expr, status, body, err)
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("%s: %s", expr, answer.Error)
	}
	var samples []sample
	for _, r := range answer.Data.Result {
		samples = append(samples, sample{r.Metric, fmt.Sprint(r.Value[1])})
	}
	return samples, nil
}

// wants waits until a query has a result.
func (p *prometheus) wants(ctx context.Context, limit time.Duration, expr string) error {
	return poll(ctx, limit, func(ctx context.Context) error {
		samples, err := p.query(ctx, expr)
		if err == nil && len(samples) == 0 {
			err = errors.New("no result of " + strings.Join(strings.Fields(expr), " "))
		}
		return err
	})
}

// A prometheusConfig is a configuration file that scrapes exporters, by cluster, and has rules.
type prometheusConfig struct {
	interval, evaluation time.Duration
	rules, alertmanager  string // its address, empty for none
	targets              map[string]string
}

func (c prometheusConfig) text() []byte {
	host := func(url string) string { return strings.TrimPrefix(url, "http://") }
	var b strings.Builder
	fmt.Fprintf(&b, "global:\n  scrape_interval: %[1]s\n  scrape_timeout: %[1]s\n  evaluation_interval: %[2]s\nrule_files: [%[3]q]\n", c.interval, c.evaluation, c.rules)
	if c.alertmanager != "" {
		fmt.Fprintf(&b, "alerting:\n  alertmanagers:\n    - static_configs: [{targets: [%q]}]\n", host(c.alertmanager))
	}
	b.WriteString("scrape_configs:\n  - job_name: airflow\n    static_configs:\n")
	for cluster, url := range c.targets {
		fmt.Fprintf(&b, "      - {targets: [%q], labels: {cluster: %q}}\n", host(url), cluster)
	}
	return []byte(b.String())
}
