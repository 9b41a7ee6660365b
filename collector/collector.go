package collector

import (
	"context"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-kit/log"
	"golang.org/x/sync/errgroup"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// Options are what a Collector is made of.
type Options struct {
	Config    Config
	Airflow   airflow.Config
	Telemetry *Telemetry // shared by the collectors before and after a reload
	Ledger    *Ledger    // likewise
	Logger    log.Logger
}

// stageCount is in how many steps a collection asks its parts.
const stageCount = 2

// Collector asks one Airflow, one collection at a time. It is safe for concurrent use.
type Collector struct {
	cfg       Config
	client    *airflow.Client
	telemetry *Telemetry
	ledger    *Ledger
	report    reporter

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	// acceptedCalls counts answers to calls that need a login.
	acceptedCalls atomic.Uint64

	mu      sync.Mutex // guards what follows
	parts   []*partState
	flight  *flight   // the collection under way, nil for none
	started time.Time // of the newest collection
	up      bool      // of the newest collection
	backoff backoff
	closed  bool
}

// flight is one collection under way.
type flight struct {
	done   chan struct{}
	scope  scope
	before uint64 // acceptedCalls at its start
}

// New builds a collector; it asks nothing before the first Snapshot. The error
// names the key that is wrong.
func New(o Options) (*Collector, error) {
	if err := o.Config.Validate(); err != nil {
		return nil, err
	}
	c := &Collector{cfg: o.Config, telemetry: o.Telemetry, ledger: o.Ledger, report: reporter{logger: o.Logger}}
	o.Airflow.Observe = c.observe
	client, err := airflow.New(o.Airflow)
	if err != nil {
		return nil, err
	}
	c.client = client
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.ledger.configure(&o.Config)
	books := c.ledger.open(o.Airflow.URL)
	followers := []part{newAttemptsPart(&o.Config, o.Airflow.Concurrency, books)}
	if o.Config.Blocked.Enabled {
		followers = append(followers, newBlockedPart(&o.Config, o.Airflow.Concurrency))
	}
	for stage, parts := range [stageCount][]part{{
		healthPart{},
		newTaskInstancesPart(o.Config.MaxRows),
		newDagRunsPart(o.Config.MaxRows, books),
		poolsPart{},
	}, followers} {
		for _, p := range parts {
			c.parts = append(c.parts, &partState{part: p, stage: stage})
			c.telemetry.seed(p.name())
		}
	}
	return c, nil
}

// observe is told of each request.
func (c *Collector) observe(r airflow.Request) {
	if !r.Open && r.Status >= 200 && r.Status < 300 {
		c.acceptedCalls.Add(1)
	}
	c.telemetry.observe(r)
}

// Close ends the collection under way, waits for it, and drops the connections
// to Airflow. A Snapshot after Close tells what was known.
func (c *Collector) Close() {
	c.cancel()
	c.mu.Lock()
	c.closed = true
	f := c.flight
	c.mu.Unlock()
	if f != nil {
		<-f.done
	}
	c.client.Close()
}

// Snapshot triggers a collection, or joins the one under way, unless the
// newest one is younger than Config.Refresh. It waits no longer than ctx, and
// then tells what is known; the collection goes on for the next one who asks.
func (c *Collector) Snapshot(ctx context.Context) *Snapshot {
	if f := c.join(); f != nil {
		select {
		case <-f.done:
		case <-ctx.Done():
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.snapshot()
}

// join returns the collection to wait for, nil for none.
func (c *Collector) join() *flight {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.flight != nil || c.closed || (!c.started.IsZero() && now.Sub(c.started) < c.cfg.Refresh) {
		return c.flight
	}
	c.started = now
	c.flight = &flight{done: make(chan struct{}), scope: c.backoff.scope(now), before: c.acceptedCalls.Load()}
	go c.collect(c.flight)
	return c.flight
}

// collect refreshes what is due and within the scope of f.
func (c *Collector) collect(f *flight) {
	defer c.land(f)
	defer func() {
		if r := recover(); r != nil {
			err := &panicError{r, debug.Stack()}
			c.end(c.parts, err)
			c.report.bug(err)
		}
	}()
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.CollectionTimeout)
	defer cancel()
	c.ask(ctx, f, c.plan(f))
	if c.ctx.Err() == nil {
		c.report.collection(c.results())
	}
}

// ask refreshes the planned parts. Without a known version there is nothing to
// ask, so that one error stands for all parts.
func (c *Collector) ask(ctx context.Context, f *flight, stages [][]*partState) {
	if err := c.client.Detect(ctx); err != nil {
		c.end(slices.Concat(stages...), err)
		return
	}
	for i, parts := range stages {
		c.refresh(ctx, parts)
		if err := c.failure(parts); err != nil && i == 0 && f.scope == askHealthFirst {
			c.end(slices.Concat(stages[1:]...), err)
			return
		}
	}
}

// results copies how the parts are, for the log.
func (c *Collector) results() []partState {
	c.mu.Lock()
	defer c.mu.Unlock()
	results := make([]partState, len(c.parts))
	for i, s := range c.parts {
		results[i] = *s
	}
	return results
}

// plan marks the parts to refresh as running and returns them by stage; health
// alone is the first one when all depends on it.
func (c *Collector) plan(f *flight) [][]*partState {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	stages := make([][]*partState, 1+stageCount)
	for _, s := range c.parts {
		_, isHealth := s.part.(healthPart)
		_, isFirstLogin := s.part.(*taskInstancesPart)
		switch {
		case !s.due(now):
			continue
		case f.scope == askHealthFirst && isHealth:
			stages[0] = append(stages[0], s)
		case f.scope == askEverything, f.scope == askHealthFirst, isHealth, f.scope == askOneLogin && isFirstLogin:
			stages[1+s.stage] = append(stages[1+s.stage], s)
		default:
			continue
		}
		s.running, s.attemptedAt = true, now
	}
	return stages
}

// refresh fetches the given parts side by side. The limit on requests is the client's.
func (c *Collector) refresh(ctx context.Context, parts []*partState) {
	known := c.begin(parts)
	var g errgroup.Group
	for _, s := range parts {
		g.Go(func() error {
			v, err := fetchSafely(ctx, s.part, c.client, known)
			if err == nil {
				c.mu.Lock()
				s.value, s.fetchedAt = v, s.attemptedAt
				c.mu.Unlock()
			}
			c.end([]*partState{s}, err)
			return nil
		})
	}
	_ = g.Wait() // the errors are kept with the parts
}

// begin notes that the refresh of some parts starts now, and copies what all parts know.
func (c *Collector) begin(parts []*partState) facts {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for _, s := range parts {
		s.attemptedAt = now
	}
	known := facts{}
	for _, s := range c.parts {
		known[s.part.name()] = fact{s.value, s.err}
	}
	return known
}

// end notes how the refresh of some parts ended.
func (c *Collector) end(parts []*partState, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range parts {
		s.running, s.duration, s.err = false, time.Since(s.attemptedAt), err
		if err != nil {
			c.telemetry.failed(s.part.name(), err)
		}
	}
}

// failure is the first error of some parts, nil for none.
func (c *Collector) failure(parts []*partState) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range parts {
		if s.err != nil {
			return s.err
		}
	}
	return nil
}

// land ends the collection.
func (c *Collector) land(f *flight) {
	c.mu.Lock()
	c.up = c.acceptedCalls.Load() > f.before
	o := unreachable
	if c.up {
		o = accepted
	}
	for _, s := range c.parts {
		if class := classOf(s.err); !c.up && s.err != nil && (class == airflow.ClassAuth || class == airflow.ClassForbidden) {
			o = refused
		}
	}
	c.backoff.note(time.Now(), f.scope, o)
	c.flight = nil
	c.mu.Unlock()
	close(f.done)
}
