//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// An exporter is a running airflow_exporter.
type exporter struct {
	*process
	url     string
	started time.Time
}

// buildExporter makes the binary that the tests run.
func buildExporter(ctx context.Context, d dirs) (string, error) {
	binary := filepath.Join(d.run, "airflow_exporter")
	cmd := exec.Command("go", "build", "-o", binary, ".")
	cmd.Dir = d.root
	return binary, run(ctx, "go build", filepath.Join(d.logs, "build.log"), cmd)
}

// startExporter starts the binary with a configuration file and waits until it serves.
func (r *rig) startExporter(ctx context.Context, config string, args ...string) (*exporter, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	n := r.exporters.Add(1)
	name := fmt.Sprintf("exporter-%d", n)
	args = append([]string{fmt.Sprintf("--web.listen-address=127.0.0.1:%d", port), "--config.file=" + config}, args...)
	cmd := exec.Command(r.binary, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AIRFLOW") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	e := &exporter{url: fmt.Sprintf("http://127.0.0.1:%d", port), started: time.Now()}
	if e.process, err = startProcess(name, filepath.Join(r.logs, name+".log"), cmd); err != nil {
		return nil, err
	}
	return e, poll(ctx, 20*time.Second, func(ctx context.Context) error {
		if e.ended() {
			return fmt.Errorf("the exporter has ended\n%s", e.tail(20))
		}
		_, _, err := request(ctx, http.MethodGet, e.url+"/-/ready")
		return err
	})
}

// scrape reads /metrics, which must be 200 and well-formed. Of histograms it keeps number and sum of the observations.
func (e *exporter) scrape(ctx context.Context) (series, error) {
	status, body, err := request(ctx, http.MethodGet, e.url+"/metrics")
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("/metrics: %d: %.300s", status, body)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	s := series{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			switch {
			case m.GetGauge() != nil:
				s[seriesKey(name, labels)] = m.GetGauge().GetValue()
			case m.GetCounter() != nil:
				s[seriesKey(name, labels)] = m.GetCounter().GetValue()
			case m.GetHistogram() != nil:
				s[seriesKey(name+"_count", labels)] = float64(m.GetHistogram().GetSampleCount())
				s[seriesKey(name+"_sum", labels)] = m.GetHistogram().GetSampleSum()
			}
		}
	}
	return s, nil
}

// request returns status and body.
func request(ctx context.Context, method, url string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}
