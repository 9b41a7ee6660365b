package airflow

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	promconfig "github.com/prometheus/common/config"
)

// The ways to list DAG runs and task instances, for [Config.List].
const (
	// ListBatch asks the batch endpoints (POST …/list) once for everything, or
	// for as many runs as is good for Airflow.
	ListBatch = "batch"
	// ListGet pages through GET …/dagRuns and GET …/taskInstances with a cursor,
	// and asks what happened in runs one by one: more requests, but none that
	// Airflow writes down in its audit log. Airflow 3 only: on Airflow 2, which
	// writes nothing down, these lists cost one database statement per row, and
	// pages of task instances have no order. Unfinished task instances are listed
	// as [TaskInstanceQuery] says.
	ListGet = "get"
)

// Config says which Airflow to ask, as whom, and how gently. The YAML keys are
// those of the section "airflow" of the exporter's configuration file.
type Config struct {
	// URL is the address of Airflow's web page, path prefix included, without /api/….
	URL string `yaml:"url"`
	// ExternalURL is the address that people use; empty means URL.
	ExternalURL string `yaml:"external_url"`

	// Username and Password log in: HTTP Basic on Airflow 2, a token from
	// POST /auth/token on Airflow 3. No username means no login.
	Username     string            `yaml:"username"`
	Password     promconfig.Secret `yaml:"password"`
	PasswordFile string            `yaml:"password_file"` // read at each login (Airflow 3) or request (Airflow 2)

	// AllowInsecureHTTP lets credentials go over http:// to a host that is not this machine.
	AllowInsecureHTTP bool `yaml:"allow_insecure_http"`

	// List is ListBatch or ListGet.
	List string `yaml:"list"`

	// Concurrency is how many requests may be in flight, login included.
	Concurrency int `yaml:"concurrency"`
	// RequestsPerSecond and Burst are the token bucket of all requests, login included.
	RequestsPerSecond float64 `yaml:"requests_per_second"`
	Burst             int     `yaml:"burst"`
	// MaxResponseBytes bounds one listing, or one log; every other answer is bounded at 8 MiB.
	MaxResponseBytes int64 `yaml:"max_response_bytes"`

	// HTTPClient is Prometheus' own HTTP client configuration: TLS, proxy,
	// headers, OAuth 2, bearer token. Redirects are never followed, whatever it says.
	HTTPClient promconfig.HTTPClientConfig `yaml:"http_client"`

	// DialContext replaces the network dialer when it is not nil. For tests.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error) `yaml:"-"`
	// Observe is told of every request when it is not nil. It must be safe for concurrent use.
	Observe func(Request) `yaml:"-"`
}

// DefaultConfig has every default; URL, and the account where one is needed, are missing.
func DefaultConfig() Config {
	return Config{
		List:              ListBatch,
		Concurrency:       4,
		RequestsPerSecond: 10,
		Burst:             40,
		MaxResponseBytes:  256 << 20,
		HTTPClient:        promconfig.DefaultHTTPClientConfig,
	}
}

// Validate reports the first thing that is wrong, naming the key and what to do.
func (c *Config) Validate() error {
	base, err := parseURL("airflow.url", c.URL)
	if err != nil {
		return err
	}
	if c.ExternalURL != "" {
		if _, err := parseURL("airflow.external_url", c.ExternalURL); err != nil {
			return err
		}
	}
	if err := c.validateCredentials(base); err != nil {
		return err
	}
	switch {
	case c.List != ListBatch && c.List != ListGet:
		return fmt.Errorf("airflow.list: %q is neither %q nor %q", c.List, ListBatch, ListGet)
	case c.Concurrency < 1:
		return fmt.Errorf("airflow.concurrency: %d, want at least 1", c.Concurrency)
	case !(c.RequestsPerSecond > 0): // NaN is not
		return fmt.Errorf("airflow.requests_per_second: %v, want more than 0", c.RequestsPerSecond)
	case c.Burst < 1:
		return fmt.Errorf("airflow.burst: %d, want at least 1", c.Burst)
	case c.MaxResponseBytes < 1<<20:
		return fmt.Errorf("airflow.max_response_bytes: %d, want at least %d (1 MiB)", c.MaxResponseBytes, 1<<20)
	}
	if err := c.HTTPClient.Validate(); err != nil {
		return fmt.Errorf("airflow.http_client: %w", err)
	}
	if c.HTTPClient.OAuth2 != nil {
		return validateOAuth2(c.HTTPClient.OAuth2, c.AllowInsecureHTTP)
	}
	return nil
}

func (c *Config) validateCredentials(base *url.URL) error {
	h := &c.HTTPClient
	sendsOwn := h.BasicAuth != nil || h.Authorization != nil || h.OAuth2 != nil || h.BearerToken != "" || h.BearerTokenFile != ""
	hasPassword := c.Password != "" || c.PasswordFile != ""
	switch {
	case c.Password != "" && c.PasswordFile != "":
		return errors.New("airflow.password and airflow.password_file are both set: keep one")
	case c.Username != "" && !hasPassword:
		return errors.New("airflow.username is set, but neither airflow.password nor airflow.password_file (nor AIRFLOW_EXPORTER_PASSWORD)")
	case c.Username == "" && hasPassword:
		return errors.New("airflow.password is set, but not airflow.username (nor AIRFLOW_EXPORTER_USERNAME)")
	case c.Username != "" && sendsOwn:
		return errors.New("airflow.username and an Authorization of airflow.http_client (basic_auth, authorization, oauth2, bearer_token) are both set: keep one")
	case strings.Contains(c.Username, ":"):
		return errors.New("airflow.username holds a colon, which HTTP Basic cannot carry")
	}
	if c.PasswordFile != "" {
		if _, err := readSecret("airflow.password_file", c.PasswordFile); err != nil {
			return err
		}
	}
	sendsSecret := c.Username != "" || sendsOwn || h.HTTPHeaders != nil
	if sendsSecret && base.Scheme == "http" && !c.AllowInsecureHTTP && !isLoopback(base.Hostname()) {
		return fmt.Errorf("airflow.url: credentials would cross the network to %s in clear text over http: use https, or set airflow.allow_insecure_http: true if that network is trusted", base.Hostname())
	}
	return nil
}

// parseURL never quotes its input, which may hold a password.
func parseURL(key, s string) (*url.URL, error) {
	if s == "" {
		return nil, fmt.Errorf("%s is not set: give the address of Airflow's web page, for example http://localhost:8080", key)
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%s is not a URL of the form http://host:port or https://host/path", key)
	}
	switch {
	case u.User != nil:
		return nil, fmt.Errorf("%s holds a user or password: move them to airflow.username and airflow.password_file", key)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("%s holds a query or fragment: give the plain address", key)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = strings.TrimRight(u.RawPath, "/")
	if strings.HasSuffix(u.Path, "/api/v1") || strings.HasSuffix(u.Path, "/api/v2") {
		return nil, fmt.Errorf("%s ends in %s: leave that out, the exporter finds the API version itself", key, u.Path[len(u.Path)-len("/api/v1"):])
	}
	return u, nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// SetDirectory makes the relative file names of c relative to dir.
func (c *Config) SetDirectory(dir string) {
	c.PasswordFile = promconfig.JoinDir(dir, c.PasswordFile)
	c.HTTPClient.SetDirectory(dir)
}
