package main

import (
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"testing"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// Each kind of fault, several times on real connections, with a reload after
// each so that everything is asked again: no descriptor stays open.
func TestFaultsLeaveNoDescriptorBehind(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	if underRace {
		t.Skip("the race detector would take minutes")
	}
	airflow := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2", TCP: true})
	airflow.Update(func(db *airflowtest.Database) {
		db.PutImportError(airflowtest.ImportError{Filename: "broken.py"})
		db.Add(airflowtest.Task("etl", "run", "load"), 1).Start()
	})
	p := start(t, nil, "--airflow.url="+airflow.URL, "--web.enable-lifecycle")
	paths := []string{"/version", "/monitor/health", "/taskInstances", "/taskInstances/list", "/dagRuns/list", "/dags", "/pools", "/importErrors"}
	scrape := func() {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "0.05") // what hangs is given up at the reload
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%d, %v", resp.StatusCode, err)
		}
		_ = resp.Body.Close()
		if status, body, _ := request(t, "POST", p.url+"/-/reload"); status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
	}
	for range 20 {
		scrape()
	}
	before := descriptors(t)
	random := rand.New(rand.NewPCG(1, 2)) // it is the same each time
	scrapes := 0
	for range 4 {
		for _, kind := range airflowtest.Kinds() {
			remove := airflow.Inject(airflowtest.On("", paths[random.IntN(len(paths))]), kind.Fault)
			scrape()
			remove()
			scrapes++
		}
	}
	more := 0
	for range 200 { // what the last of them left is closed, as soon as there is time for it
		scrape()
		if more = descriptors(t) - before; more <= 3 {
			break
		}
	}
	t.Logf("FIGURE C20 descriptors=%d descriptor_scrapes=%d", more, scrapes)
	if more > 3 {
		t.Errorf("%d descriptors more after %d scrapes", more, scrapes)
	}
	if err := p.end(t); err != nil {
		t.Error(err)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}
