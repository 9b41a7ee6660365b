package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener in memory, so that its connections wait in fake time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// 500 clients that never end their requests hold no one up, and all of them are cut off.
func TestHalfRequestsHoldNoOneUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const half = 500
		listener := &pipes{make(chan net.Conn), make(chan struct{})}
		server := newServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "scraped") }), nil)
		go func() { _ = server.Serve(listener) }()
		began, cut := time.Now(), make(chan time.Duration, half)
		for range half {
			conn := listener.dial()
			go func() {
				_, _ = io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: a\r\nX-")
				_, _ = io.Copy(io.Discard, conn)
				cut <- time.Since(began)
			}()
		}
		synctest.Wait()
		conn := listener.dial()
		if _, err := io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if took := time.Since(began); err != nil || string(body) != "scraped" || took > 0 {
			t.Errorf("beside %d half requests a scrape got %q after %s, %v", half, body, took, err)
		}
		_ = resp.Body.Close()
		_ = conn.Close()
		var slowest time.Duration
		for range half {
			slowest = max(slowest, <-cut)
		}
		if slowest > 6*time.Second {
			t.Errorf("cut off after %s", slowest)
		}
		t.Logf("FIGURE C15 slowest_cut_seconds=%v half_requests=%d", slowest.Seconds(), half)
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A request line and headers above 64 KiB, which nobody needs, are refused.
func TestHugeHeadersAreRefused(t *testing.T) {
	p := start(t, nil, "--airflow.url=http://127.0.0.1:1")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/-/healthy", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Huge", strings.Repeat("x", 80<<10))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got %d", resp.StatusCode)
	}
	if err := p.end(t); err != nil {
		t.Error(err)
	}
}

// What is not there is not told about, and nothing of a request comes back.
func TestNothingOfARequestComesBack(t *testing.T) {
	p := start(t, nil, "--airflow.url=http://127.0.0.1:1")
	for _, path := range []string{
		"/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/config", "/probe?target=http://169.254.169.254/", "/%3Cscript%3Ealert(1)%3C/script%3E",
		"/metrics/..%2f..%2fetc/passwd", "/-/quit", "/?q=<script>alert(1)</script>", "/metrics?collect[]=<script>",
	} {
		status, body, header := request(t, "GET", p.url+strings.ReplaceAll(path, "<", "%3C"))
		if strings.Contains(body, "<script") || strings.Contains(body, "alert(1)") || strings.Contains(body, "169.254") || strings.Contains(body, "passwd") {
			t.Errorf("%s comes back:\n%s", path, body)
		}
		if strings.HasPrefix(path, "/?") || strings.HasPrefix(path, "/metrics?") {
			continue
		}
		if status != http.StatusNotFound || header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", path, status, header)
		}
	}
	if err := p.end(t); err != nil {
		t.Error(err)
	}
}

// certificate writes one for 127.0.0.1, and returns who trusts it.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(signed)
	return pool
}

func TestTheOwnPortMayHaveTLSAndAPassword(t *testing.T) {
	dir := t.TempDir()
	trusted := certificate(t, dir)
	file := filepath.Join(dir, "web.yml")
	// the password is "prometheus"
	const web = "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {prometheus: '$2a$04$Xg7q8M8XC5DuoWOhnAlQseDQ/7O.ttbx75zozE.r12CDN4t6agtRu'}\n"
	if err := os.WriteFile(file, []byte(web), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, nil, "--airflow.url=http://127.0.0.1:1", "--web.config.file="+file)
	address := strings.TrimPrefix(p.url, "http://")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}}}
	defer client.CloseIdleConnections()
	for password, want := range map[string]int{"": 401, "wrong": 401, "prometheus": 200} {
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		if password != "" {
			req.SetBasicAuth("prometheus", password)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if told := strings.Contains(string(body), "airflow_up"); err != nil || resp.StatusCode != want || told != (want == 200) {
			t.Errorf("password %q: %d, metrics told: %v, %v", password, resp.StatusCode, told, err)
		}
		_ = resp.Body.Close()
		cancel()
	}
	if status, body, _ := request(t, "GET", p.url+"/metrics"); status != http.StatusBadRequest || strings.Contains(body, "airflow_up") {
		t.Errorf("without TLS: %d\n%s", status, body)
	}
	client.CloseIdleConnections()
	if err := p.end(t); err != nil {
		t.Error(err)
	}
}
