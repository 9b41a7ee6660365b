package lint

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// unusedRecordings may be there for users, although nothing that is shipped needs them.
func unusedRecordings() []string { return nil }

func glob(t *testing.T, patterns ...string) []string {
	t.Helper()
	var files []string
	for _, p := range patterns {
		found, err := filepath.Glob(p)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	return files
}

func TestWhatIsShippedHasNoFinding(t *testing.T) {
	l := newLinter(t)
	findings, err := l.Files(append([]string{"../airflow.rules.yml"}, glob(t, "../../dashboards/*.json", "../runbooks/*.md")...)...)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Error(f)
	}
	for name, used := range l.Recorded() {
		if allowed := slices.Contains(unusedRecordings(), name); used == allowed {
			t.Errorf("%s: used: %v, allowed to be unused: %v", name, used, allowed)
		}
	}
}

// unseen.prom must not grow into a second truth: each of its lines shows
// something that no golden does, and all its words are in the exporter's code.
func TestUnseenIsNotSeenButSaid(t *testing.T) {
	files, err := goldens()
	if err != nil {
		t.Fatal(err)
	}
	typed := map[string]bool{}
	seen := map[string]shape{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
				typed[strings.Fields(name)[0]] = true
			}
		}
		for name, s := range shapesOf(t, text) {
			if seen[name] == nil {
				seen[name] = shape{}
			}
			for label, vs := range s {
				for v := range vs {
					seen[name].add(label, v)
				}
			}
		}
	}
	code := exporterCode(t)
	text, err := os.ReadFile("unseen.prom")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		for name, s := range shapesOf(t, []byte(line)) {
			family := name
			if base := histogramOf(name); base != "" {
				family = base
			}
			if family != "airflow_exporter_build_info" && !strings.Contains(code, `"`+family+`"`) {
				t.Errorf("the exporter has no metric %s", family)
			}
			fresh := !typed[family]
			for label, vs := range s {
				for v := range vs {
					if openLabel(label) || label == "le" {
						continue
					}
					fresh = fresh || !seen[name][label].has(v)
					if !strings.Contains(code, `"`+v+`"`) {
						t.Errorf("the exporter does not say %q", v)
					}
				}
			}
			if !fresh {
				t.Errorf("a golden shows this, too: %s", line)
			}
		}
	}
}

// shapesOf has the labels of each metric, those with many values included.
func shapesOf(t *testing.T, text []byte) map[string]shape {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	shapes := map[string]shape{}
	for name, f := range families {
		shapes[name] = shape{}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				shapes[name].add(l.GetName(), l.GetValue())
			}
		}
	}
	return shapes
}

func exporterCode(t *testing.T) string {
	t.Helper()
	var code strings.Builder
	for _, dir := range []string{"../../collector", "../../airflow"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			code.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return code.String()
}

// Service discovery would bring in the clients of all clouds.
func TestOfPrometheusOnlyTheLightPartsAreUsed(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range strings.Fields(string(out)) {
		if strings.HasPrefix(pkg, "github.com/prometheus/prometheus/discovery") || strings.HasPrefix(pkg, "k8s.io/") {
			t.Error(pkg)
		}
	}
}
