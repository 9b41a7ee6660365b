package airflow_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// askForCertificates is a server that asks its clients for one, whoever signed it.
func askForCertificates() *tls.Config { return &tls.Config{ClientAuth: tls.RequestClientCert} }

// A server that wants a certificate and gets none says so: that is no trouble with the connection.
func TestAMissingClientCertificateIsATroubleWithTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12} // later ones tell it when it may be too late to read it
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	client := newClient(t, server.URL, func(c *airflow.Config) { c.HTTPClient.TLSConfig.InsecureSkipVerify = true })
	if _, err := client.Version(t.Context()); airflow.ClassOf(err) != airflow.ClassTLS {
		t.Errorf("class %s: %v", airflow.ClassOf(err), err)
	}
}

// clientCertificate writes a certificate and its key, and lets the client show it.
func clientCertificate(t *testing.T, dir string) func(*airflow.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, keyFile := filepath.Join(dir, "client.pem"), filepath.Join(dir, "client-key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func(c *airflow.Config) {
		c.HTTPClient.TLSConfig.CertFile, c.HTTPClient.TLSConfig.KeyFile = cert, keyFile
	}
}
