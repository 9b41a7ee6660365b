package collector

import (
	"context"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// flight is one collection under way.
type flight struct {
	done    chan struct{}
	scope   scope
	secrets airflow.Secrets
	before  uint64    // letInCalls at its start
	known   *Snapshot // when it had ended
}

// Snapshot triggers a collection, or joins the one under way, unless the
// newest one is younger than Config.Refresh. It waits no longer than ctx, and
// then tells what is known; the collection goes on for the next one who asks.
func (c *Collector) Snapshot(ctx context.Context) *Snapshot {
	return c.wait(ctx, c.join()) //nolint:contextcheck // the collection outlives the scrape that triggers it
}

// wait returns what was known when f, nil for none, had ended, or ctx.
func (c *Collector) wait(ctx context.Context, f *flight) *Snapshot {
	if f != nil {
		select {
		case <-f.done:
		case <-ctx.Done():
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f != nil && f.known != nil { // the next collection may be under way already
		known := *f.known
		return &known
	}
	return c.snapshot()
}

// join returns the collection to wait for, nil for none.
func (c *Collector) join() *flight {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.flight != nil || c.closed || (!c.started.IsZero() && now.Sub(c.started) < forgiving(c.cfg.Refresh)) {
		return c.flight
	}
	c.started = now
	c.flight = &flight{done: make(chan struct{}), before: c.letInCalls.Load()}
	f := c.flight
	c.collecting.Go(func() { c.collect(f) })
	return f
}

// land ends the collection.
func (c *Collector) land(f *flight, o outcome) {
	defer close(f.done)
	c.guard(nil, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.up, c.flight = o == letIn, nil
		for _, s := range c.parts {
			if !s.attemptedAt.Before(c.started) {
				s.note(o)
			}
		}
		c.backoff.note(time.Now(), f.scope, f.secrets, o)
		f.known = c.snapshot()
	})
}
