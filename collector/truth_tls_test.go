package collector

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// A certificate that is not good keeps everything from being told, and a good
// one brings it back, without a restart: over loopback, because TLS wants a
// real connection, and without waiting.
func TestTruthOverTLS(t *testing.T) {
	now := time.Now()
	ca, other := newAuthority(t), newAuthority(t)
	good := ca.issue(t, "127.0.0.1", now.Add(time.Hour))
	for name, bad := range map[string]tls.Certificate{
		"expired":    ca.issue(t, "127.0.0.1", now.Add(-time.Minute)),
		"wrong name": ca.issue(t, "127.0.0.2", now.Add(time.Hour)),
		"unknown CA": other.issue(t, "127.0.0.1", now.Add(time.Hour)),
	} {
		t.Run(name, func(t *testing.T) {
			var current atomic.Pointer[tls.Certificate]
			current.Store(&bad)
			w := &world{t: t, airflow: airflowtest.Start(t, airflowtest.Options{Version: "3.3.2", TCP: true})}
			w.airflow.Update(func(db *airflowtest.Database) { db.Add(airflowtest.Task("dag", "run", "task"), 0).Start() })
			target, err := url.Parse(w.airflow.URL)
			if err != nil {
				t.Fatal(err)
			}
			proxy := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(target))
			proxy.Config.ErrorLog = log.New(io.Discard, "", 0)
			// Not GetCertificate: an address is no server name, and then it is not asked.
			proxy.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
				return &tls.Config{Certificates: []tls.Certificate{*current.Load()}}, nil
			}}
			proxy.StartTLS()
			t.Cleanup(proxy.Close)
			w.start(func(o *Options) {
				o.Airflow.URL, o.Airflow.DialContext = proxy.URL, nil
				o.Airflow.HTTPClient.TLSConfig.CAFile = ca.file
				o.Config.Refresh = 0
			})
			said := w.scrape(0)
			w.has(said, "airflow_up 0")
			for _, part := range partNames {
				w.has(said, `airflow_exporter_collector_success{collector="`+part+`"} 0`, `airflow_exporter_collector_error{class="tls",collector="`+part+`"} 1`)
			}
			if e := parseExposition(t, said); len(e.of) > 0 {
				t.Errorf("told all the same: %v", e.of)
			}
			current.Store(&good)
			said = w.scrape(0)
			w.has(said, "airflow_up 1", `airflow_task_instances{dag_id="dag",state="running",task_id="task"} 1`)
			for _, part := range partNames {
				w.has(said, `airflow_exporter_collector_success{collector="`+part+`"} 1`)
			}
		})
	}
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key, file}
}

// issue makes a certificate for an address.
func (a *authority) issue(t *testing.T, address string, until time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: until, IPAddresses: []net.IP{net.ParseIP(address)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
