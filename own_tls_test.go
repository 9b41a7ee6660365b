package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hash is of the password "prometheus".
const hash = "$2a$04$Xg7q8M8XC5DuoWOhnAlQseDQ/7O.ttbx75zozE.r12CDN4t6agtRu"

// ownPort is a program with TLS and a password, whose files change.
type ownPort struct {
	t   *testing.T
	dir string
	url string
}

func (p *ownPort) path(name string) string { return filepath.Join(p.dir, name) }

// take copies files of another directory.
func (p *ownPort) take(from string, names ...string) {
	p.t.Helper()
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(p.path(name), content, 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
}

// get scrapes by a new connection; the status is 0 if there is none that can be trusted.
func (p *ownPort) get(trusted *x509.CertPool, password string) (status int, told bool) {
	p.t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.url+"/metrics", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if password != "" {
		req.SetBasicAuth("prometheus", password)
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return 0, false
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, err == nil && strings.Contains(string(body), "airflow_up")
}

// The certificate and the passwords of the own port may be replaced: new
// connections get the new ones, without a restart, and without a password nobody gets anything.
func TestTheOwnCertificateAndPasswordMayChange(t *testing.T) {
	dirs := [3]string{t.TempDir(), t.TempDir(), t.TempDir()}
	pools := [3]*x509.CertPool{}
	for i, dir := range dirs {
		pools[i] = certificate(t, dir)
	}
	p := &ownPort{t: t, dir: t.TempDir()}
	p.take(dirs[0], "cert.pem", "key.pem")
	configure := func(user string) {
		web := "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {" + user + ": '" + hash + "'}\n"
		if err := os.WriteFile(p.path("web.yml"), []byte(web), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure("prometheus")
	program := start(t, nil, "--airflow.url=http://127.0.0.1:1", "--web.config.file="+p.path("web.yml"))
	p.url = "https://" + strings.TrimPrefix(program.url, "http://")
	cases, late, open := 0, 0, 0
	expect := func(when string, trusted *x509.CertPool, want int) {
		t.Helper()
		cases++
		if status, told := p.get(trusted, "prometheus"); status != want || told != (want == http.StatusOK) {
			late++
			t.Errorf("%s: %d, told %v, want %d", when, status, told, want)
		}
		for _, password := range []string{"", "wrong"} {
			if status, told := p.get(trusted, password); told || status == http.StatusOK {
				open++
				t.Errorf("%s: password %q got %d, told %v", when, password, status, told)
			}
		}
	}
	expect("at first", pools[0], http.StatusOK)
	expect("at first, to who trusts another one", pools[1], 0)
	p.take(dirs[1], "cert.pem", "key.pem")
	expect("replaced", pools[1], http.StatusOK)
	expect("replaced, to who trusts the first one", pools[0], 0)
	p.take(dirs[2], "cert.pem")
	expect("a certificate without its key", pools[2], 0)
	p.take(dirs[2], "key.pem")
	expect("and with it", pools[2], http.StatusOK)
	if err := os.Remove(p.path("cert.pem")); err != nil {
		t.Fatal(err)
	}
	expect("no certificate", pools[2], 0)
	p.take(dirs[0], "cert.pem", "key.pem")
	expect("the first one again", pools[0], http.StatusOK)
	configure("grafana")
	expect("an account that is gone", pools[0], http.StatusUnauthorized)
	configure("prometheus")
	expect("and is back", pools[0], http.StatusOK)
	t.Logf("FIGURE C19 late_recoveries=%d open_without_password=%d own_port_cases=%d", late, open, cases)
	if err := program.end(t); err != nil {
		t.Error(err)
	}
}
