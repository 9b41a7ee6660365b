package collector

import (
	"context"
	"maps"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// importErrorsValue is the DAG files that do not import, by bundle.
type importErrorsValue struct {
	files  map[string]int // dense over the bundles seen
	oldest map[string]time.Time
}

// importErrorsPart lists the import errors, and remembers since when the
// exporter has seen each file broken, on Airflow's clock. The bundle of Airflow 2 is "".
type importErrorsPart struct{ sights *sights }

// dagFile names a DAG file. Airflow's id and timestamp of an import error do
// not: they move each time the file is parsed.
type dagFile struct{ bundle, filename string }

func newImportErrorsPart(sights *sights) *importErrorsPart { return &importErrorsPart{sights} }

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
	broken, before := map[dagFile]time.Time{}, p.sights.brokenFiles.get()
	bundles := map[string]struct{}{}
	maps.Copy(bundles, p.sights.bundles.get())
	for _, e := range list {
		file := dagFile{e.Bundle, e.Filename}
		broken[file] = at
		if since, ok := before[file]; ok {
			broken[file] = since
		}
		bundles[e.Bundle] = struct{}{}
	}
	if !bundled {
		bundles[""] = struct{}{}
	}
	p.sights.brokenFiles.set(broken)
	p.sights.bundles.set(bundles)
	return sumImportErrors(broken, bundles), nil
}

func sumImportErrors(broken map[dagFile]time.Time, bundles map[string]struct{}) *importErrorsValue {
	v := &importErrorsValue{files: map[string]int{}, oldest: map[string]time.Time{}}
	for bundle := range bundles {
		v.files[bundle] = 0
	}
	for file, since := range broken {
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
