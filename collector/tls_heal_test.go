package collector

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// tlsWorld is an Airflow with TLS that wants a certificate of its clients, and
// an exporter that has one, both over loopback.
type tlsWorld struct {
	*world
	front     *httptest.Server
	serves    atomic.Pointer[tls.Config]
	ca, other *authority
	dir       string
	byReset   bool
	running   int
	lies      int
}

func newTLSWorld(t *testing.T) *tlsWorld {
	t.Helper()
	w := &tlsWorld{ca: newAuthority(t), other: newAuthority(t), dir: t.TempDir()}
	w.world = &world{t: t, airflow: airflowtest.Start(t, airflowtest.Options{Version: "3.3.2", TCP: true})}
	target, err := url.Parse(w.airflow.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.show(w.good(), w.ca)
	w.front = httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(target))
	w.front.Config.ErrorLog = log.New(io.Discard, "", 0)
	w.front.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return w.serves.Load(), nil }}
	w.front.StartTLS()
	t.Cleanup(w.front.Close)
	w.put("ca.pem", w.ca.pem())
	w.identify(w.good())
	w.start(func(o *Options) {
		o.Airflow.URL, o.Airflow.DialContext = w.front.URL, nil
		o.Airflow.HTTPClient.TLSConfig.CAFile = w.path("ca.pem")
		o.Airflow.HTTPClient.TLSConfig.CertFile, o.Airflow.HTTPClient.TLSConfig.KeyFile = w.path("client.pem"), w.path("client-key.pem")
		o.Airflow.RequestsPerSecond, o.Airflow.Burst = 1e6, 1e6
		o.Config.Refresh, o.Config.MaxAge = 0, 0
	})
	return w
}

func (w *tlsWorld) path(name string) string { return filepath.Join(w.dir, name) }

func (w *tlsWorld) put(name string, content []byte) {
	w.must(os.WriteFile(w.path(name), content, 0o600))
}

func (w *tlsWorld) good() tls.Certificate {
	return w.ca.issue(w.t.(*testing.T), "127.0.0.1", time.Now().Add(time.Hour))
}

func (w *tlsWorld) expired() tls.Certificate {
	return w.ca.issue(w.t.(*testing.T), "127.0.0.1", time.Now().Add(-time.Minute))
}

// show lets Airflow show a certificate, and want one of its clients that an authority signed.
func (w *tlsWorld) show(cert tls.Certificate, clients *authority) {
	pool := x509.NewCertPool()
	pool.AddCert(clients.cert)
	w.serves.Store(&tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS12})
	if w.front != nil {
		w.front.CloseClientConnections() // as who restarts does
	}
}

// identify gives the exporter a certificate.
func (w *tlsWorld) identify(cert tls.Certificate) {
	w.put("client.pem", certPEM(cert))
	w.put("client-key.pem", w.keyPEM(cert))
	if w.front != nil {
		w.front.CloseClientConnections()
	}
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

func certPEM(cert tls.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
}

func (w *tlsWorld) keyPEM(cert tls.Certificate) []byte {
	key, ok := cert.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		w.t.Fatalf("a key of type %T", cert.PrivateKey)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	w.must(err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// next scrapes when something has changed in Airflow, and reports whether it was told.
func (w *tlsWorld) next(name string) (told bool) {
	w.t.Helper()
	w.running++
	w.airflow.Update(func(db *airflowtest.Database) {
		db.Add(airflowtest.Task("dag", "run", fmt.Sprintf("task%d", w.running)), 0).Start()
	})
	exposition := w.scrape(0)
	said := parseExposition(w.t, exposition)
	running, ok := said.samples[`airflow_unfinished_task_instances{state="running"}`]
	told = said.parts["task_instances"].success
	if told != said.up || told != ok || ok && int(running) != w.running {
		w.lies++
		w.t.Errorf("%s: told %v, airflow_up %v, %v running, want %d", name, told, said.up, running, w.running)
	}
	if !told && !w.byReset {
		w.has(exposition, `airflow_exporter_collector_error{class="tls",collector="task_instances"} 1`)
	}
	return told
}

// Whatever is done to certificates and their files, of Airflow and of the
// exporter: a scrape tells what is true or that it cannot, and when they are good again the next one tells it.
func TestCertificatesHeal(t *testing.T) {
	cases, lies, late := 0, 0, 0
	for name, tc := range map[string]struct {
		spoil    func(w *tlsWorld) (cure func())
		harmless bool // it goes on
		byReset  bool // it may look like a connection that broke
	}{
		"Airflow's certificate is new": {func(w *tlsWorld) func() { w.show(w.good(), w.ca); return func() {} }, true, false},
		"Airflow's certificate has expired": {func(w *tlsWorld) func() {
			w.show(w.expired(), w.ca)
			return func() { w.show(w.good(), w.ca) }
		}, false, false},
		"Airflow's certificate is for another name": {func(w *tlsWorld) func() {
			w.show(w.ca.issue(t, "127.0.0.2", time.Now().Add(time.Hour)), w.ca)
			return func() { w.show(w.good(), w.ca) }
		}, false, false},
		"Airflow's certificate is of a new CA, which then is in ca_file": {func(w *tlsWorld) func() {
			w.show(w.other.issue(t, "127.0.0.1", time.Now().Add(time.Hour)), w.ca)
			return func() { w.put("ca.pem", w.other.pem()) }
		}, false, false},
		"the new CA is in ca_file first, with the old one": {func(w *tlsWorld) func() {
			w.put("ca.pem", append(w.ca.pem(), w.other.pem()...))
			return func() { w.show(w.other.issue(t, "127.0.0.1", time.Now().Add(time.Hour)), w.ca) }
		}, true, false},
		"the new CA is in ca_file first, without the old one": {func(w *tlsWorld) func() {
			w.put("ca.pem", w.other.pem())
			return func() { w.show(w.other.issue(t, "127.0.0.1", time.Now().Add(time.Hour)), w.ca) }
		}, false, false},
		"ca_file is empty": {func(w *tlsWorld) func() {
			w.put("ca.pem", nil)
			return func() { w.put("ca.pem", w.ca.pem()) }
		}, false, false},
		"ca_file is half written": {func(w *tlsWorld) func() {
			w.put("ca.pem", w.ca.pem()[:100])
			return func() { w.put("ca.pem", w.ca.pem()) }
		}, false, false},
		"ca_file is missing": {func(w *tlsWorld) func() {
			w.must(os.Remove(w.path("ca.pem")))
			return func() { w.put("ca.pem", w.ca.pem()) }
		}, false, false},
		"our certificate is new": {func(w *tlsWorld) func() { w.identify(w.good()); return func() {} }, true, false},
		"our certificate has expired": {func(w *tlsWorld) func() {
			w.identify(w.expired())
			return func() { w.identify(w.good()) }
		}, false, true},
		"Airflow trusts another CA, and then we have its certificate": {func(w *tlsWorld) func() {
			w.show(w.good(), w.other)
			return func() { w.identify(w.other.issue(t, "127.0.0.1", time.Now().Add(time.Hour))) }
		}, false, true},
		"our certificate is there before its key": {func(w *tlsWorld) func() {
			cert := w.good()
			w.put("client.pem", certPEM(cert))
			return func() { w.put("client-key.pem", w.keyPEM(cert)) }
		}, false, false},
		"our key is missing": {func(w *tlsWorld) func() {
			key, err := os.ReadFile(w.path("client-key.pem"))
			w.must(err)
			w.must(os.Remove(w.path("client-key.pem")))
			return func() { w.put("client-key.pem", key) }
		}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTLSWorld(t)
			w.byReset = tc.byReset
			if !w.next("before") {
				t.Fatalf("nothing is told while all is good:\n%s", w.log.String())
			}
			for range 2 {
				cure := tc.spoil(w)
				for range 3 {
					if told := w.next("spoilt"); told != tc.harmless {
						t.Errorf("spoilt: told %v", told)
					}
				}
				cure()
				cases++
				if !w.next("cured") {
					late++
					t.Errorf("cured, and not told:\n%s", w.log.String())
				}
				if strings.Contains(name, "CA") {
					break // which is another one now
				}
			}
			lies += w.lies
		})
	}
	t.Logf("FIGURE C19 late_recoveries=%d wrong_samples=%d cases=%d", late, lies, cases)
	if late+lies > 0 || cases < 20 {
		t.Errorf("%d cases, %d late, %d wrong", cases, late, lies)
	}
}
