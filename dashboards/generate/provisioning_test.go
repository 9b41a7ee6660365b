package main

import (
	"os"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"
)

// read fails for keys that the example should not have.
func read(t *testing.T, file string, into any) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func TestKubernetesHasAConfigMapForEachDashboard(t *testing.T) {
	var k struct {
		APIVersion       string `yaml:"apiVersion"`
		Kind             string
		GeneratorOptions struct {
			DisableNameSuffixHash bool `yaml:"disableNameSuffixHash"`
			Labels, Annotations   map[string]string
		} `yaml:"generatorOptions"`
		ConfigMapGenerator []struct {
			Name  string
			Files []string
		} `yaml:"configMapGenerator"`
	}
	read(t, "../kustomization.yaml", &k)
	if k.GeneratorOptions.Labels["grafana_dashboard"] != "1" {
		t.Errorf("labels %v: the sidecar of Grafana does not find them", k.GeneratorOptions.Labels)
	}
	var got, want []string
	for _, m := range k.ConfigMapGenerator {
		got = append(got, m.Files...)
		// kubectl apply keeps a copy in an annotation, which is 256 KiB at most.
		if text, err := os.ReadFile("../" + m.Files[0]); err != nil || len(text) > 200<<10 {
			t.Errorf("%s: %d bytes, %v", m.Name, len(text), err)
		}
	}
	for _, b := range boards() {
		want = append(want, b.UID+".json")
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestGrafanasFileProviderLeavesTheFilesAlone(t *testing.T) {
	var p struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Folder, Type    string
			AllowUIUpdates        bool `yaml:"allowUiUpdates"`
			UpdateIntervalSeconds int  `yaml:"updateIntervalSeconds"`
			Options               struct{ Path string }
		}
	}
	read(t, "../provisioning/dashboards.yml", &p)
	if p.APIVersion != 1 || len(p.Providers) != 1 || p.Providers[0].Type != "file" || p.Providers[0].AllowUIUpdates || p.Providers[0].Options.Path == "" {
		t.Errorf("%+v", p)
	}
}

func TestTheDataSourceIsAPrometheus(t *testing.T) {
	var d struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name, Type, Access, URL string
			IsDefault               bool `yaml:"isDefault"`
			JSONData                struct {
				HTTPMethod   string `yaml:"httpMethod"`
				TimeInterval string `yaml:"timeInterval"`
			} `yaml:"jsonData"`
		}
	}
	read(t, "../provisioning/datasources.yml", &d)
	// The queries are long: in an address they are cut off by some proxies.
	if d.APIVersion != 1 || len(d.Datasources) != 1 || d.Datasources[0].Type != "prometheus" || d.Datasources[0].JSONData.HTTPMethod != "POST" {
		t.Errorf("%+v", d)
	}
}
