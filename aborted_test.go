package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// 200 scrapers that go away, some before they are answered, some while they
// are, leave no goroutine behind, and no line in the log.
func TestAbortedScrapesLeaveNothingBehind(t *testing.T) {
	const scrapes, scrapesAtOnce = 200, 20
	airflow := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2", TCP: true})
	airflow.Update(func(db *airflowtest.Database) { // more than the buffers of a connection hold
		for i := range 1500 {
			db.Add(airflowtest.Task("etl", "run", fmt.Sprint("task", i)), 0).Start()
		}
	})
	p := start(t, nil, "--airflow.url="+airflow.URL, "--web.enable-lifecycle")
	request(t, "GET", p.url+"/metrics") // from now on there is something to tell
	http.DefaultClient.CloseIdleConnections()
	others := []goleak.Option{
		goleak.IgnoreCurrent(), goleak.IgnoreTopFunction("internal/poll.runtime_pollWait"), // connections that are idle
		goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"),
	}
	reload := func() {
		if status, body, _ := request(t, "POST", p.url+"/-/reload"); status != http.StatusOK { // ends the collection that hangs
			t.Fatalf("%d %s", status, body)
		}
	}
	remove := airflow.Inject(nil, airflowtest.Hang())
	reload()
	random := rand.New(rand.NewPCG(1, 2)) // it is the same each time
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	var group sync.WaitGroup
	var aborted atomic.Int32
	slots := make(chan struct{}, scrapesAtOnce)
	for i := range scrapes {
		bytes, wait := random.IntN(40_000), time.Duration(1+random.IntN(20))*time.Millisecond
		if i >= scrapes/2 {
			wait = time.Minute // until it has read so many bytes
		}
		if i == scrapes/2 {
			group.Wait()
			remove()
			reload()
		}
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/metrics", nil)
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := transport.RoundTrip(req)
			if err != nil {
				aborted.Add(1)
				return
			}
			if n, _ := io.CopyN(io.Discard, resp.Body, int64(bytes)); n == int64(bytes) {
				aborted.Add(1) // with the rest of the answer unread
			}
			_ = resp.Body.Close()
		})
	}
	group.Wait()
	reload()
	http.DefaultClient.CloseIdleConnections()
	left := goleak.Find(others...)
	leaked := 0
	if left != nil {
		leaked = strings.Count(left.Error(), "created by")
		t.Error(left)
	}
	if aborted.Load() != scrapes {
		t.Errorf("%d scrapes were aborted, want %d", aborted.Load(), scrapes)
	}
	t.Logf("FIGURE C6 leaked_goroutines=%d aborted=%d", leaked, aborted.Load())
	if strings.Contains(p.logged(), "cannot render") {
		t.Errorf("the log tells of those who went:\n%s", p.logged())
	}
	if err := p.end(t); err != nil {
		t.Error(err)
	}
}
