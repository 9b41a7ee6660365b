package airflowtest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// BenchmarkBatch is one answer of 20,000 rows.
func BenchmarkBatch(b *testing.B) {
	for _, test := range []struct{ version, path string }{{"2.11.2", listV1}, {"3.3.2", listV2}} {
		b.Run(test.version, func(b *testing.B) {
			server := airflowtest.Start(b, airflowtest.Options{Version: test.version})
			server.Update(fillMany(20_000))
			transport := &http.Transport{DialContext: server.DialContext, DisableCompression: true}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			for b.Loop() {
				resp, err := client.Post(server.URL+test.path+"/list", "application/json", strings.NewReader(`{"state": ["running"], "page_limit": 100000}`))
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if err != nil || n < 10_000_000 {
					b.Fatal(n, err)
				}
			}
		})
	}
}
