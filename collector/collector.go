package collector

import (
	"context"
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
	Dags      DagsConfig
	Airflow   airflow.Config
	Telemetry *Telemetry // shared by the collectors before and after a reload
	Ledger    *Ledger    // likewise
	Logger    log.Logger
	// Collected is called at the end of each collection when it is not nil: most of what that needed is garbage then.
	Collected func()
}

const (
	// stageCount is in how many steps a collection asks its parts.
	stageCount = 2
	// aside is the stage of parts that no other waits for, and that wait for none.
	aside = stageCount
)

// Collector asks one Airflow, one collection at a time. It is safe for concurrent use.
type Collector struct {
	cfg       Config
	client    *airflow.Client
	telemetry *Telemetry
	ledger    *Ledger
	report    reporter
	collected func()

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	// collecting waits for the collection under way, and for what is done after it.
	collecting sync.WaitGroup
	// letInCalls counts answers that show that Airflow accepts who asks.
	letInCalls atomic.Uint64

	mu      sync.Mutex // guards what follows
	parts   []*partState
	flight  *flight   // the collection under way, nil for none
	started time.Time // of the newest collection
	up      bool      // of the newest collection
	backoff backoff
	refusal error // of the newest collection that was refused
	closed  bool
}

// New builds a collector; it asks nothing before the first Snapshot. The error
// names the key that is wrong.
func New(o Options) (*Collector, error) {
	if err := o.Config.Validate(); err != nil {
		return nil, err
	}
	dags, err := o.Dags.selection()
	if err != nil {
		return nil, err
	}
	c := &Collector{cfg: o.Config, telemetry: o.Telemetry, ledger: o.Ledger, report: reporter{logger: o.Logger}, collected: o.Collected}
	o.Airflow.Observe = c.observe
	client, err := airflow.New(o.Airflow)
	if err != nil {
		return nil, err
	}
	c.client = client
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if n := c.ledger.configure(&o.Config); n > 0 {
		c.report.stay(n, o.Config.maxSeries())
	}
	books := c.ledger.open(o.Airflow.URL)
	books.choose(dags)
	followers := []part{newAttemptsPart(&o.Config, o.Airflow.Concurrency, books, o.Telemetry)}
	if o.Config.Blocked.Enabled {
		followers = append(followers, newBlockedPart(&o.Config, o.Airflow.Concurrency, books, o.Telemetry))
	}
	for stage, parts := range [stageCount + 1][]part{{
		healthPart{},
		newTaskInstancesPart(&o.Config, o.Airflow.List == airflow.ListGet, dags, &books.sights),
		newDagRunsPart(&o.Config, books, dags),
		newDagsPart(o.Config.Fanout, dags, &books.sights),
	}, followers, {
		poolsPart{}, newImportErrorsPart(&books.sights),
	}} {
		for _, p := range parts {
			c.parts = append(c.parts, &partState{part: p, stage: stage})
			c.telemetry.seed(p.name())
		}
	}
	return c, nil
}

// observe is told of each request.
func (c *Collector) observe(r airflow.Request) {
	if r.LetIn {
		c.letInCalls.Add(1)
	}
	c.telemetry.observe(r)
}

// CheckFiles reads the files of the configuration that are otherwise read with each request. The error names the key.
func (c *Collector) CheckFiles() error { return c.client.CheckFiles() }

// Close ends the collection under way, waits for it, and drops the connections
// to Airflow. A Snapshot after Close tells what was known.
func (c *Collector) Close() {
	c.cancel()
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.collecting.Wait()
	c.guard(nil, c.client.Close)
}

// collect refreshes what is due and within the scope of f.
func (c *Collector) collect(f *flight) {
	o := unreachable
	defer func() {
		c.land(f, o)
		if c.collected != nil {
			c.guard(nil, c.collected)
		}
	}()
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.CollectionTimeout)
	defer cancel()
	c.guard(c.parts, func() {
		f.secrets = c.client.Secrets()
		o = c.ask(ctx, f, c.plan(f))
		c.drop()
	})
	if c.ctx.Err() == nil {
		c.guard(nil, func() { c.report.collection(c.results()) })
	}
}

// guard calls f. A panic ends in the log, and the refresh of some parts with it.
func (c *Collector) guard(parts []*partState, f func()) {
	err := c.telemetry.safely(func() error { f(); return nil })
	if err == nil {
		return
	}
	_ = c.telemetry.safely(func() error { c.end(parts, err); return nil })
	_ = c.telemetry.safely(func() error { c.report.bug(err); return nil }) // the logger itself may be to blame
}

// drop drops what no other collection needs.
func (c *Collector) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.parts {
		if v, ok := s.value.(largeValue); ok {
			v.drop()
		}
	}
}

// plan is which parts a collection asks first, which after those, stage by
// stage, and which are due, but not asked.
type plan struct {
	first   []*partState
	rest    [stageCount][]*partState
	aside   []*partState
	omitted []*partState
}

// all are the parts that are due.
func (p *plan) all() []*partState {
	return slices.Concat(p.first, slices.Concat(p.rest[:]...), p.aside, p.omitted)
}

// plan marks the parts that are due and sorts them by the scope of f, which it decides.
func (c *Collector) plan(f *flight) plan {
	c.mu.Lock()
	defer c.mu.Unlock()
	var p plan
	now := time.Now()
	f.scope = c.backoff.scope(now, f.secrets)
	triesLogin := false
	for _, s := range c.parts {
		if !s.due(now, c.client.Known()) {
			continue
		}
		s.running = true
		switch {
		case s.part.open(), f.scope == askEverything && s.stage == 0:
			p.first = append(p.first, s)
		case f.scope == askHealthOnly:
			p.omitted = append(p.omitted, s)
		case f.scope == askLoginFirst && !triesLogin:
			triesLogin = true
			p.first = append(p.first, s)
		case s.stage == aside:
			p.aside = append(p.aside, s)
		default:
			p.rest[s.stage] = append(p.rest[s.stage], s)
		}
	}
	return p
}

// ask refreshes the planned parts. Without a known version there is nothing to
// ask, so that one error stands for all parts.
func (c *Collector) ask(ctx context.Context, f *flight, p plan) outcome {
	if f.scope == askHealthOnly && c.client.SendsCredentialsAlways() {
		c.skip(p.all(), c.refused())
		return refused // nothing at all can be asked without trying them again
	}
	if err := c.client.Detect(ctx); err != nil {
		c.end(p.all(), err)
		return c.outcome(f, []error{err})
	}
	var beside errgroup.Group
	defer func() { _ = beside.Wait() }() // after a panic, too: no part is asked twice at once
	refreshAside := func() error { c.guard(p.aside, func() { c.refresh(ctx, p.aside) }); return nil }
	if f.scope == askEverything {
		beside.Go(refreshAside)
	}
	c.refresh(ctx, p.first)
	c.skip(p.omitted, c.refused())
	if err := c.obstacle(f, p.first); err != nil {
		c.skip(slices.Concat(slices.Concat(p.rest[:]...), p.aside), err)
		return c.outcome(f, c.failures(logins(p.first)))
	}
	if f.scope != askEverything {
		beside.Go(refreshAside)
	}
	for _, parts := range p.rest {
		c.refresh(ctx, parts)
	}
	_ = beside.Wait() // the errors are kept with the parts
	return c.outcome(f, c.failures(logins(slices.Concat(p.first, slices.Concat(p.rest[:]...), p.aside))))
}

// obstacle is why the parts that come after the first ones are not asked.
func (c *Collector) obstacle(f *flight, first []*partState) error {
	failed := c.failures(first)
	if f.scope == askLoginFirst {
		failed = c.failures(logins(first))
	}
	if len(failed) == 0 || f.scope == askEverything || f.scope == askLoginFirst && c.wasLetIn(f) {
		return nil
	}
	return failed[0]
}

// logins are those of the parts that need a login.
func logins(parts []*partState) []*partState {
	var l []*partState
	for _, s := range parts {
		if !s.part.open() {
			l = append(l, s)
		}
	}
	return l
}

// wasLetIn reports whether an answer of this collection shows that Airflow accepts who asks.
func (c *Collector) wasLetIn(f *flight) bool { return c.letInCalls.Load() > f.before }

// outcome is how a collection went whose calls that need a login failed so.
func (c *Collector) outcome(f *flight, failures []error) outcome {
	if c.wasLetIn(f) {
		return letIn
	}
	for _, err := range failures {
		if class := classOf(err); class != airflow.ClassAuth && class != airflow.ClassForbidden {
			return unreachable
		}
	}
	if len(failures) == 0 {
		return unreachable
	}
	c.mu.Lock()
	c.refusal = failures[0]
	c.mu.Unlock()
	return refused
}

// refused is why nothing that needs a login is asked.
func (c *Collector) refused() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refusal
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

// refresh fetches the given parts side by side. The limit on requests is the client's.
func (c *Collector) refresh(ctx context.Context, parts []*partState) {
	known := c.begin(parts)
	var g errgroup.Group
	for _, s := range parts {
		g.Go(func() error {
			one := []*partState{s}
			c.guard(one, func() { c.end(one, c.refreshOne(ctx, s, known)) })
			return nil
		})
	}
	_ = g.Wait() // the errors are kept with the parts
}

func (c *Collector) refreshOne(ctx context.Context, s *partState, known facts) error {
	started := time.Now()
	c.mu.Lock()
	s.attemptedAt = started
	c.mu.Unlock()
	v, series, err := c.fetchSafely(ctx, s.part, known)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.value, s.series, s.fetchedAt = v, series, started
	return nil
}

// begin notes that the refresh of some parts starts now, and copies what all parts know.
func (c *Collector) begin(parts []*partState) facts {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for _, s := range parts {
		s.attemptedAt, s.asked = now, c.client.Known()
	}
	known := facts{}
	for _, s := range c.parts {
		known[s.part.name()] = fact{s.value, s.err}
	}
	return known
}

// end notes how the refresh of some parts ended. One that Close broke off is no news.
func (c *Collector) end(parts []*partState, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range parts {
		s.running, s.err = false, err
		if !s.attemptedAt.IsZero() {
			s.ended, s.duration = true, time.Since(s.attemptedAt)
		}
		if err != nil && c.ctx.Err() == nil {
			c.telemetry.failed(s.part.name(), err)
		}
	}
}

// skip notes why some parts that are due were not asked.
func (c *Collector) skip(parts []*partState, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range parts {
		s.running, s.err = false, err
	}
}

// failures are the errors of some parts.
func (c *Collector) failures(parts []*partState) []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, s := range parts {
		if s.err != nil {
			errs = append(errs, s.err)
		}
	}
	return errs
}
