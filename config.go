package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	promconfig "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/collector"
)

// config is the configuration file.
type config struct {
	Airflow   airflow.Config       `yaml:"airflow"`
	Dags      collector.DagsConfig `yaml:"dags"`
	Collector collector.Config     `yaml:"collector"`
}

func defaultConfig() config {
	return config{Airflow: airflow.DefaultConfig(), Dags: collector.DefaultDagsConfig(), Collector: collector.DefaultConfig()}
}

var (
	// unknownField is how the YAML decoder reports a key that does not exist.
	unknownField = regexp.MustCompile(`line (\d+): field (\S+) not found in type [^\s;]+`)
	// wrongType is how it reports a value of the wrong type, and quotes it, which may be a password in the wrong place.
	wrongType = regexp.MustCompile("cannot unmarshal !!\\S+(?: `[^`]*`)? into (\\S+)")
)

// kindOf says for people what a Go type wants to be filled with.
func kindOf(goType string) string {
	switch goType {
	case "int", "int64":
		return "a whole number"
	case "float64":
		return "a number"
	case "bool":
		return "true or false"
	case "string", "config.plain", "config.Secret":
		return "text"
	case "time.Duration":
		return "a duration like 10s"
	}
	return "keys and values"
}

// loadConfig reads the file, if there is one, and then lets the flag and the
// environment have their say. The error names the line or the key.
func loadConfig(f flags, getenv func(string) string) (config, error) {
	cfg := defaultConfig()
	if f.configFile != "" {
		if err := readConfig(f.configFile, &cfg); err != nil {
			return cfg, err
		}
	}
	if f.airflowURL != "" {
		cfg.Airflow.URL = f.airflowURL
	}
	if user := getenv("AIRFLOW_EXPORTER_USERNAME"); user != "" {
		cfg.Airflow.Username = user
	}
	if password := getenv("AIRFLOW_EXPORTER_PASSWORD"); password != "" {
		cfg.Airflow.Password, cfg.Airflow.PasswordFile = promconfig.Secret(password), ""
	}
	if cfg.Airflow.URL == "" {
		return cfg, errors.New("no Airflow given: set --airflow.url, or airflow.url in the file of --config.file, to the address of Airflow's web page")
	}
	if err := cfg.Airflow.Validate(); err != nil {
		return cfg, err
	}
	if err := cfg.Dags.Validate(); err != nil {
		return cfg, err
	}
	return cfg, cfg.Collector.Validate()
}

func readConfig(file string, cfg *config) error {
	f, err := os.Open(file) //nolint:gosec // the operator says which file
	if err != nil {
		return fmt.Errorf("--config.file: %w", err)
	}
	defer func() { _ = f.Close() }()
	decoder := yaml.NewDecoder(f)
	decoder.KnownFields(true)
	if err := decoder.Decode(cfg); err != nil && !errors.Is(err, io.EOF) {
		lines := strings.Split(strings.TrimPrefix(strings.TrimPrefix(err.Error(), "yaml: "), "unmarshal errors:\n"), "\n")
		for i := range lines {
			lines[i] = strings.Join(strings.Fields(lines[i]), " ")
		}
		text := strings.Join(lines, "; ")
		text = unknownField.ReplaceAllString(text, "line $1: unknown key $2")
		text = wrongType.ReplaceAllStringFunc(text, func(s string) string { return "want " + kindOf(wrongType.FindStringSubmatch(s)[1]) })
		return fmt.Errorf("%s: %s", file, text)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: more than one YAML document", file)
	}
	cfg.Airflow.SetDirectory(filepath.Dir(file))
	return nil
}
