package lint

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

type kind int

const (
	untyped kind = iota
	gauge
	counter // the _bucket, _sum and _count of histograms are counters, too
	histogram
)

// family is what is known of the series of one name.
type family struct {
	kind   kind
	sparse bool
	labels shape
}

// Exposition is all that some expositions show together.
type Exposition struct {
	families map[string]*family
}

// Load reads expositions in text format.
func Load(files ...string) (*Exposition, error) {
	x := &Exposition{families: map[string]*family{}}
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // the caller names its files
		if err != nil {
			return nil, err
		}
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, f := range families {
			x.add(f)
		}
	}
	if len(x.families) == 0 {
		return nil, errors.New("no exposition shows any metric")
	}
	return x, x.settle()
}

func (x *Exposition) add(f *dto.MetricFamily) {
	is := x.families[f.GetName()]
	if is == nil {
		is = &family{labels: shape{}}
		x.families[f.GetName()] = is
	}
	switch f.GetType() {
	case dto.MetricType_COUNTER:
		is.kind = counter
	case dto.MetricType_HISTOGRAM:
		is.kind = histogram
	case dto.MetricType_UNTYPED:
	default:
		is.kind = gauge
	}
	is.sparse = is.sparse || slices.Contains(strings.Fields(f.GetHelp()), "Sparse.")
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			is.labels.add(l.GetName(), l.GetValue())
		}
	}
}

// settle gives untyped families, which some expositions are cut down to, to
// those that another one tells the type of, and histograms the names of their series.
func (x *Exposition) settle() error {
	for _, name := range slices.Sorted(maps.Keys(x.families)) {
		f := x.families[name]
		if f.kind != untyped {
			continue
		}
		base := x.families[histogramOf(name)]
		if base == nil || base.kind != histogram {
			return fmt.Errorf("no exposition tells the type of %s", name)
		}
		for label, vs := range f.labels {
			for v := range vs {
				base.labels.add(label, v)
			}
		}
		delete(x.families, name)
	}
	for name, f := range maps.Clone(x.families) {
		for label := range f.labels {
			if openLabel(label) {
				f.labels[label] = nil
			}
		}
		for label := range targetLabels() {
			f.labels[label] = nil
		}
		if f.kind == histogram {
			part := &family{kind: counter, sparse: f.sparse, labels: f.labels}
			x.families[name+"_sum"], x.families[name+"_count"] = part, part
			bucket := &family{kind: counter, sparse: f.sparse, labels: maps.Clone(f.labels)}
			bucket.labels["le"] = nil
			x.families[name+"_bucket"] = bucket
		}
	}
	return nil
}

// histogramOf is the name of the histogram that a series may belong to.
func histogramOf(series string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(series, suffix); ok {
			return base
		}
	}
	return ""
}

// targetLabels are those that Prometheus adds, and cluster, which users are told to add.
func targetLabels() shape { return shape{"job": nil, "instance": nil, "cluster": nil} }

// openLabel tells the labels whose values are the user's or Airflow's own, so that no exposition shows them all.
func openLabel(name string) bool {
	switch name {
	case "dag_id", "task_id", "pool", "queue", "bundle", "owners", "tags", "schedule", "url", "code",
		"version", "revision", "branch", "goversion", "goarch", "goos":
		return true
	}
	return false
}
