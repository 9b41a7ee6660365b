package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/seed-9c0ac15d/airflow_exporter/collector"
)

func environment(vars map[string]string) func(string) string {
	return func(key string) string { return vars[key] }
}

// The example has every key, and each has the default.
func TestExampleConfigHasEveryKeyAndDefault(t *testing.T) {
	cfg := defaultConfig()
	if err := readConfig("config.example.yml", &cfg); err != nil {
		t.Fatal(err)
	}
	want := defaultConfig()
	want.Airflow.SetDirectory(".")
	want.Collector.MaxSeries = new(collector.DefaultMaxSeries) // the same, but said
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("the example is not the defaults:\ngot  %+v\nwant %+v", cfg, want)
	}

	text, err := os.ReadFile("config.example.yml")
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]map[string]any
	if err := yaml.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	for _, section := range reflect.VisibleFields(reflect.TypeFor[config]()) {
		sectionKey := section.Tag.Get("yaml")
		for _, field := range reflect.VisibleFields(section.Type) {
			key := field.Tag.Get("yaml")
			if _, ok := keys[sectionKey][key]; !ok && key != "-" {
				t.Errorf("config.example.yml lacks %s.%s", sectionKey, key)
			}
		}
	}
	if !strings.Contains(string(text), "# ") {
		t.Error("config.example.yml lacks comments")
	}
}

func TestConfigErrorsNameKeyOrLine(t *testing.T) {
	nested := strings.Repeat("(", 999) + "a" + strings.Repeat(")", 999) // as deep as RE2 takes
	for name, tc := range map[string]struct{ file, want string }{
		"unknown key":             {"airflow:\n  url: http://localhost:8080\n  conccurrency: 3\n", "line 3: unknown key conccurrency"},
		"two unknown keys":        {"airflow:\n  urll: http://localhost:8080\n  listt: get\n", "line 2: unknown key urll; line 3: unknown key listt"},
		"unknown section":         {"airflow:\n  url: http://localhost:8080\ncolector: {}\n", "line 3: unknown key colector"},
		"unknown key of a client": {"airflow:\n  url: http://localhost:8080\n  http_client:\n    tls_konfig: {}\n", "line 4: unknown key tls_konfig"},
		"key twice":               {"airflow:\n  url: http://localhost:8080\n  url: http://localhost:8081\n", `line 3: mapping key "url" already defined at line 2`},
		"not a number":            {"airflow:\n  url: http://localhost:8080\n  concurrency: many\n", "line 3: want a whole number"},
		"not a duration":          {"airflow:\n  url: http://localhost:8080\ncollector:\n  refresh: soon\n", "line 4: want a duration like 10s"},
		"not YAML":                {"airflow: [\n", "line 1"},
		"two documents":           {"airflow: {url: http://localhost:8080}\n---\nairflow: {}\n", "more than one YAML document"},
		"no URL":                  {"", "no Airflow given: set --airflow.url"},
		"no scheme":               {"airflow: {url: 'localhost:8080'}\n", "airflow.url is not a URL"},
		"wrong scheme":            {"airflow: {url: 'ftp://localhost:8080'}\n", "airflow.url is not a URL"},
		"API path":                {"airflow: {url: 'http://localhost:8080/api/v2/'}\n", "airflow.url ends in /api/v2"},
		"query":                   {"airflow: {url: 'http://localhost:8080/?a=b'}\n", "airflow.url holds a query"},
		"external URL":            {"airflow: {url: 'http://localhost:8080', external_url: nowhere}\n", "airflow.external_url is not a URL"},
		"no password":             {"airflow: {url: 'http://localhost:8080', username: me}\n", "neither airflow.password nor airflow.password_file"},
		"no user":                 {"airflow: {url: 'http://localhost:8080', password_file: x}\n", "not airflow.username"},
		"two passwords":           {"airflow: {url: 'http://localhost:8080', username: me, password: a, password_file: b}\n", "keep one"},
		"two logins":              {"airflow: {url: 'http://localhost:8080', username: me, password: a, http_client: {authorization: {credentials: b}}}\n", "keep one"},
		"clear text":              {"airflow: {url: 'http://airflow.example.org', username: me, password: a}\n", "airflow.allow_insecure_http"},
		"clear text bearer":       {"airflow: {url: 'http://airflow.example.org', http_client: {authorization: {credentials: b}}}\n", "airflow.allow_insecure_http"},
		"no password file":        {"airflow: {url: 'http://localhost:8080', username: me, password_file: no-such-file}\n", "airflow.password_file: open"},
		"clear text OAuth 2":      {"airflow: {url: 'https://a.example.org', http_client: {oauth2: {client_id: a, client_secret: b, token_url: 'http://idp.example.org'}}}\n", "airflow.http_client.oauth2.token_url"},
		"kind of OAuth 2":         {"airflow: {url: 'https://a.example.org', http_client: {oauth2: {client_id: a, client_secret: b, token_url: 'https://idp.example.org', grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer'}}}\n", "airflow.http_client.oauth2.grant_type"},
		"rate that is no number":  {"airflow: {url: 'http://localhost:8080', requests_per_second: .nan}\n", "airflow.requests_per_second: NaN"},
		"list":                    {"airflow: {url: 'http://localhost:8080', list: post}\n", `airflow.list: "post" is neither "batch" nor "get"`},
		"concurrency":             {"airflow: {url: 'http://localhost:8080', concurrency: 0}\n", "airflow.concurrency: 0"},
		"rate":                    {"airflow: {url: 'http://localhost:8080', requests_per_second: 0}\n", "airflow.requests_per_second: 0"},
		"burst":                   {"airflow: {url: 'http://localhost:8080', burst: 0}\n", "airflow.burst: 0"},
		"response bytes":          {"airflow: {url: 'http://localhost:8080', max_response_bytes: 10}\n", "airflow.max_response_bytes: 10"},
		"refresh":                 {"airflow: {url: 'http://localhost:8080'}\ncollector: {refresh: -1s}\n", "collector.refresh: -1s"},
		"duration without unit":   {"airflow: {url: 'http://localhost:8080'}\ncollector: {refresh: 10}\n", "line 2: want a duration like 10s"},
		"max age":                 {"airflow: {url: 'http://localhost:8080'}\ncollector: {max_age: -1s}\n", "collector.max_age: -1s"},
		"collection timeout":      {"airflow: {url: 'http://localhost:8080'}\ncollector: {collection_timeout: 1ms}\n", "collector.collection_timeout: 1ms"},
		"sweep":                   {"airflow: {url: 'http://localhost:8080'}\ncollector: {sweep: 1s}\n", "collector.sweep: 1s"},
		"fanout":                  {"airflow: {url: 'http://localhost:8080'}\ncollector: {fanout: 0}\n", "collector.fanout: 0"},
		"seed hold":               {"airflow: {url: 'http://localhost:8080'}\ncollector: {seed_hold: -1s}\n", "collector.seed_hold: -1s"},
		"histograms":              {"airflow: {url: 'http://localhost:8080'}\ncollector: {histograms: none}\n", `collector.histograms: "none"`},
		"duration buckets":        {"airflow: {url: 'http://localhost:8080'}\ncollector: {duration_buckets: [1s, 1s]}\n", "collector.duration_buckets"},
		"blocked after":           {"airflow: {url: 'http://localhost:8080'}\ncollector: {blocked: {after: -1s}}\n", "collector.blocked.after: -1s"},
		"blocked refresh":         {"airflow: {url: 'http://localhost:8080'}\ncollector: {blocked: {refresh: 1s}}\n", "collector.blocked.refresh: 1s"},
		"wait buckets":            {"airflow: {url: 'http://localhost:8080'}\ncollector: {wait_buckets: []}\n", "collector.wait_buckets"},
		"series":                  {"airflow: {url: 'http://localhost:8080'}\ncollector: {max_series: 0}\n", "collector.max_series: 0, want at least 1000"},
		"series without number":   {"airflow: {url: 'http://localhost:8080'}\ncollector: {max_series: many}\n", "line 2: want a whole number"},
		"run times of tasks":      {"airflow: {url: 'http://localhost:8080'}\ncollector: {duration_task_labels: true}\n", "set collector.histograms: native, or collector.max_series"},
		"run times without tasks": {"airflow: {url: 'http://localhost:8080'}\ncollector: {duration_task_labels: true, histograms: native, task_labels: false}\n", "collector.duration_task_labels: true needs collector.task_labels: true"},
		"include":                 {"airflow: {url: 'http://localhost:8080'}\ndags: {include: 'etl_(a|b'}\n", `dags.include: "etl_(a|b": missing closing ) at character 5`},
		"exclude":                 {"airflow: {url: 'http://localhost:8080'}\ndags: {exclude: 'größe[z-a]'}\n", `dags.exclude: "größe[z-a]": invalid character class range at character 7`},
		"exclude, two anchors":    {"airflow: {url: 'http://localhost:8080'}\ndags: {exclude: 'a)|(b'}\n", `dags.exclude: "a)|(b": unexpected ) at character 2`},
		"include, open quote":     {"airflow: {url: 'http://localhost:8080'}\ndags: {include: 'größe|\\Qetl'}\n", `dags.include: "größe|\\Qetl": \Q without \E at character 7`},
		"include, nested":         {"airflow: {url: 'http://localhost:8080'}\ndags: {include: '" + nested + "'}\n", `dags.include: "` + nested + `": expression nests too deeply at character 1`},
		"rows":                    {"airflow: {url: 'http://localhost:8080'}\ncollector: {max_rows: 0}\n", "collector.max_rows: 0"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.yml")
			if err := os.WriteFile(path, []byte(tc.file), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := loadConfig(flags{configFile: path}, environment(nil))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

// Run times by task are no mistake when something bounds them.
func TestRunTimesByTaskNeedABound(t *testing.T) {
	for _, bound := range []string{"histograms: native", "max_series: 200000"} {
		path := file(t, "airflow: {url: 'http://localhost:8080'}\ncollector: {duration_task_labels: true, "+bound+"}\n")
		if _, err := loadConfig(flags{configFile: path}, environment(nil)); err != nil {
			t.Errorf("%s: %v", bound, err)
		}
	}
}

// A password that sits in the wrong place is not repeated in the error.
func TestConfigErrorsNeverQuoteAPassword(t *testing.T) {
	for _, url := range []string{"http://me:s3cr3t@localhost:8080", "http://me:s3cr3t%zz@localhost:8080", "http://localhost:8080/?token=s3cr3t", "s3cr3t://localhost"} {
		_, err := loadConfig(flags{airflowURL: url}, environment(nil))
		if err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("got %v, want an error without the password", err)
		}
	}
}

func TestYAMLErrorsNeverQuoteAPassword(t *testing.T) {
	for _, text := range []string{
		"airflow: {http_client: {authorization: s3cr3tTok}}",
		"airflow: {http_client: {basic_auth: s3cr3tTok}}",
		"airflow: {concurrency: s3cr3t}",
		"collector: s3cr3t",
	} {
		path := file(t, text)
		_, err := loadConfig(flags{configFile: path}, environment(nil))
		if err == nil || strings.Contains(err.Error(), "s3cr3t") || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

func TestFlagAndEnvironmentWinOverTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yml")
	file := "airflow: {url: 'http://localhost:1', username: file, password_file: secret}\n"
	for name, text := range map[string]string{path: file, filepath.Join(filepath.Dir(path), "secret"): "pw"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := loadConfig(flags{configFile: path}, environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(filepath.Dir(path), "secret"); cfg.Airflow.PasswordFile != want {
		t.Errorf("password file %q, want it beside the configuration: %q", cfg.Airflow.PasswordFile, want)
	}

	cfg, err = loadConfig(flags{configFile: path, airflowURL: "http://localhost:2"},
		environment(map[string]string{"AIRFLOW_EXPORTER_USERNAME": "env", "AIRFLOW_EXPORTER_PASSWORD": "pw"}))
	if err != nil {
		t.Fatal(err)
	}
	a := cfg.Airflow
	if a.URL != "http://localhost:2" || a.Username != "env" || a.Password != "pw" || a.PasswordFile != "" {
		t.Errorf("got %q, %q, password set %v, file %q", a.URL, a.Username, a.Password == "pw", a.PasswordFile)
	}
}
