package collector

import (
	"context"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// importErrorsValue is the DAG files that do not import, by bundle.
type importErrorsValue struct {
	files  map[string]int // dense over the bundles seen
	oldest map[string]time.Time
}

// importErrorsPart lists the import errors.
type importErrorsPart struct {
	broken  map[dagFile]time.Time // since when the exporter has seen it so, on Airflow's clock
	bundles map[string]struct{}   // every bundle seen broken since the start; "" on Airflow 2
}

// dagFile names a DAG file. Airflow's id and timestamp of an import error do
// not: they move each time the file is parsed.
type dagFile struct{ bundle, filename string }

func newImportErrorsPart() *importErrorsPart {
	return &importErrorsPart{bundles: map[string]struct{}{}}
}

func (*importErrorsPart) name() string          { return "import_errors" }
func (*importErrorsPart) open() bool            { return false }
func (*importErrorsPart) minAge() time.Duration { return time.Minute }

func (p *importErrorsPart) fetch(ctx context.Context, client *airflow.Client, _ facts) (value, error) {
	bundled, err := client.HasBundles(ctx)
	if err != nil {
		return nil, err
	}
	at := airflowNow(client)
	list, err := client.ImportErrors(ctx)
	if err != nil {
		return nil, err
	}
	broken := map[dagFile]time.Time{}
	for _, e := range list {
		file := dagFile{e.Bundle, e.Filename}
		broken[file] = at
		if since, ok := p.broken[file]; ok {
			broken[file] = since
		}
		p.bundles[e.Bundle] = struct{}{}
	}
	p.broken = broken
	if !bundled {
		p.bundles[""] = struct{}{}
	}
	return p.sum(), nil
}

func (p *importErrorsPart) sum() *importErrorsValue {
	v := &importErrorsValue{files: map[string]int{}, oldest: map[string]time.Time{}}
	for bundle := range p.bundles {
		v.files[bundle] = 0
	}
	for file, since := range p.broken {
		v.files[file.bundle]++
		earliest(v.oldest, file.bundle, since)
	}
	return v
}

func (*importErrorsValue) truncated() bool { return false }

func (v *importErrorsValue) emit(e *exposition) {
	for bundle, n := range v.files {
		e.gauge(importErrors, float64(n), bundle)
	}
	for bundle, since := range v.oldest {
		e.gauge(importErrorsOldest, seconds(since), bundle)
	}
}
