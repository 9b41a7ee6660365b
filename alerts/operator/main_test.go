package main

import (
	"os"
	"reflect"
	"testing"

	"go.yaml.in/yaml/v3"
)

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheManifestIsFresh(t *testing.T) {
	if read(t, "../"+manifest) != generate(read(t, "../"+source)) {
		t.Error("prometheusrule.yaml is stale: go run ./operator")
	}
}

func TestTheManifestHoldsTheRules(t *testing.T) {
	type rules struct {
		Groups any `yaml:"groups"`
	}
	var want rules
	var got struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string `yaml:"kind"`
		Metadata   struct {
			Name   string            `yaml:"name"`
			Labels map[string]string `yaml:"labels"`
		} `yaml:"metadata"`
		Spec rules `yaml:"spec"`
	}
	text := read(t, "../"+source)
	if err := yaml.Unmarshal([]byte(text), &want); err != nil {
		t.Fatal(err)
	}
	decode := yaml.Unmarshal([]byte(generate(text)), &got)
	if decode != nil || want.Groups == nil || !reflect.DeepEqual(got.Spec, want) {
		t.Errorf("the rules of the manifest differ: %v", decode)
	}
	if got.APIVersion != "monitoring.coreos.com/v1" || got.Kind != "PrometheusRule" || got.Metadata.Name != "airflow-exporter" || got.Metadata.Labels["role"] != "alert-rules" {
		t.Errorf("the head is %+v", got)
	}
}
