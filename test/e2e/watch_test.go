//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// awaitLedger waits until the exporter has counted all that has ended by now: until it has listed the runs, asked for what
// ended in them, a few times, and shows what it held back.
func awaitLedger(t *testing.T, e *exporter) {
	t.Helper()
	now := unix(time.Now())
	refreshed := func(s series, part string) float64 {
		return s[fmt.Sprintf(`airflow_exporter_collector_last_refresh_timestamp_seconds{collector=%q}`, part)]
	}
	if err := poll(t.Context(), 2*time.Minute, func(ctx context.Context) error {
		s, err := e.scrape(ctx)
		if err != nil {
			return err
		}
		listed, asked := refreshed(s, "dag_runs"), refreshed(s, "attempts")
		if listed <= now || asked < listed+5 {
			return fmt.Errorf("runs were listed %.0f s and attempts asked for %.0f s after the runs had ended", listed-now, asked-now)
		}
		return s.has(series{`airflow_exporter_collector_truncated{collector="attempts"}`: 0})
	}); err != nil {
		t.Fatal(err)
	}
}

// A watcher scrapes every second and sees that each counter begins at 0 and never falls.
type watcher struct {
	stop       func()
	complaints []string // valid after stop
}

// wantIncreases ends the watch.
func (w *watcher) wantIncreases(t *testing.T) {
	t.Helper()
	w.stop()
	if len(w.complaints) > 0 {
		t.Errorf("increase() would be wrong:\n%s", strings.Join(w.complaints, "\n"))
	}
}

func watch(t *testing.T, e *exporter) *watcher {
	ctx, cancel := context.WithCancel(t.Context())
	w := &watcher{}
	var wg sync.WaitGroup
	w.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(w.stop)
	last := series{}
	wg.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			s, err := e.scrape(ctx)
			if err != nil && !errors.Is(err, context.Canceled) {
				w.complaints = append(w.complaints, err.Error())
			}
			for _, name := range counters {
				for key, v := range s.family(name) {
					if v < last[key] {
						w.complaints = append(w.complaints, fmt.Sprintf("%s fell from %v to %v", key, last[key], v))
					} else if _, known := last[key]; !known && v != 0 {
						w.complaints = append(w.complaints, fmt.Sprintf("%s was born at %v", key, v))
					}
					last[key] = v
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return w
}
