//go:build e2e

package e2e

import (
	"context"
	"sync"
	"testing"
	"time"
)

// A patient is an exporter that is scraped every ten seconds, as by a Prometheus.
type patient struct {
	exporter *exporter
	stop     func()
	mu       sync.Mutex // guards last
	last     series
}

// startPatient starts an exporter and its Prometheus.
func startPatient(t *testing.T, cfg settings, args ...string) *patient {
	e, _ := cfg.start(t, args...)
	ctx, cancel := context.WithCancel(t.Context())
	p := &patient{exporter: e}
	var wg sync.WaitGroup
	p.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(p.stop)
	wg.Go(func() {
		tick := time.NewTicker(10 * time.Second)
		defer tick.Stop()
		for {
			s, err := e.scrape(ctx)
			if err != nil && ctx.Err() == nil {
				t.Errorf("a scrape every ten seconds: %v", err)
			}
			p.mu.Lock()
			p.last = s
			p.mu.Unlock()
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return p
}

// newest returns what the newest scrape said.
func (p *patient) newest() series {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// eventually waits for a scrape that satisfies f.
func (p *patient) eventually(ctx context.Context, limit time.Duration, f func(series) error) error {
	return poll(ctx, limit, func(context.Context) error { return f(p.newest()) })
}
