//go:build e2e

package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var chaosSeed = flag.Uint64("chaos.seed", 0, "seed of when the API server is killed, to repeat what failed; 0: another one each time")

const (
	chaosTime     = 3 * time.Minute
	chaosInterval = 5 * time.Second  // of the scrapes
	chaosRest     = 30 * time.Second // without a kill at the end: an outage, and a scrape after it
	chaosMaxAge   = 10 * time.Second // collector.max_age: in the longer outages something goes absent
)

// An outage is how the API server is killed and comes back.
type outage struct {
	spared  int           // scrapes before the one in which, or after which, it is killed
	within  bool          // while that scrape is under way, or at any time until the next one
	moment  float64       // when, as a part of the time there is
	reload  bool          // the exporter asks for everything in that scrape, as it loads its configuration anew
	closed  time.Duration // until the server is started again
	another bool          // key that signs the tokens of Airflow 3
}

// drawOutage draws the nth outage. What must occur in so few of them is no matter of luck.
func drawOutage(rng *rand.Rand, n int) outage {
	o := outage{spared: rng.IntN(2), within: n%3 != 2, moment: rng.Float64(), reload: n%2 == 0, another: n%3 == 1}
	if o.reload || n%3 == 2 { // see the return before: that with another key, and not only of an exporter that has just loaded its configuration
		o.spared++
	}
	if n%2 == 1 {
		o.closed = 6*time.Second + time.Duration(rng.Int64N(int64(8*time.Second)))
	}
	return o
}

// chaos is a server that is killed and started again while an exporter is scraped.
type chaos struct {
	a     *installation
	e     *exporter
	first series // what the exporter said before
	known series // of that what the database knows

	begun  chan struct{} // receives when a scrape begins, if someone waits for it
	reload atomic.Bool   // before the next scrape

	mu         sync.Mutex // guards what follows
	scraping   bool
	stands     bool          // the server answers
	listens    bool          // the server may answer
	usual      time.Duration // that a scrape takes while it stands
	kills      int
	within     int // kills during a scrape
	recoveries int // scrapes after a return that tell everything
	recovered  bool

	last          series // what the exporter said last
	scrapes, late int
	absent        int // scrapes in which something was absent
	wrong         []string
}

// testChaos kills the API server at random moments for three minutes, and starts it again. Each sample is what the frozen
// database has, or absent with a flag; no counter moves; the first scrape of a server that has returned tells everything.
func testChaos(t *testing.T, a *installation, counted *runsWatch) {
	e := counted.exporter
	var truth series
	agrees := func(s series) (err error) {
		if truth, err = a.frozenTruth(t.Context()); err != nil {
			return err
		}
		if diff := difference(chaosFamilies(), s, truth, e.started); len(diff) > 0 {
			return errors.New(strings.Join(diff, "\n"))
		}
		want := success(chaosParts()...)
		want[seriesKey("airflow_component_healthy", map[string]string{"component": "scheduler"})] = 0 // nothing moves any more
		return errors.Join(isComplete(s), s.has(want))
	}
	if err := counted.eventually(t.Context(), 2*time.Minute, agrees); err != nil {
		t.Fatal(err)
	}
	counted.stop()
	begin := time.Now()
	first := mustScrape(t, e)
	c := &chaos{a: a, e: e, first: first, last: first, known: series{}, usual: time.Since(begin), begun: make(chan struct{}), stands: true, listens: true, recovered: true}
	if err := agrees(first); err != nil {
		t.Fatal(err)
	}
	for _, name := range chaosFamilies() {
		maps.Copy(c.known, first.family(name))
	}
	c.run(t)

	after, err := a.frozenTruth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(truth, after) {
		t.Error("the database did not hold still: nothing was tested")
	}
	t.Logf("FIGURE C18 e2e_wrong_samples=%d e2e_scrapes=%d e2e_kills=%d e2e_kills_within_a_scrape=%d e2e_late_recoveries=%d",
		len(c.wrong), c.scrapes, c.kills, c.within, c.late)
	t.Logf("%d recoveries; in %d scrapes something was absent", c.recoveries, c.absent)
	if len(c.wrong) > 0 {
		t.Errorf("the exporter disagrees with the database:\n%s", strings.Join(c.wrong[:min(20, len(c.wrong))], "\n"))
	}
	if c.within == 0 || 3*c.within < c.kills || c.recoveries == 0 || c.absent == 0 {
		t.Error("too little was tested: want a third of the kills within a scrape, recoveries, and something absent in an outage")
	}
}

// frozenTruth is all that the database of the frozen zoo knows of what the exporter says.
func (a *installation) frozenTruth(ctx context.Context) (series, error) {
	truth, err := a.truth(ctx)
	if err != nil {
		return nil, err
	}
	runs, err := a.runs(ctx)
	maps.Copy(truth, runs)
	truth[seriesKey("airflow_info", map[string]string{"version": a.version, "api": a.api, "url": a.url()})] = 1
	return truth, err
}

// run scrapes until the time is over and the server has come back for good.
func (c *chaos) run(t *testing.T) {
	seed := *chaosSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-chaos.seed=%d", seed)
	end := time.Now().Add(chaosTime)
	ctx, cancel := context.WithCancel(t.Context())
	var torment sync.WaitGroup
	defer torment.Wait()
	defer cancel()
	var over atomic.Bool
	torment.Go(func() {
		defer over.Store(true)
		if err := c.torment(ctx, t, rand.New(rand.NewPCG(seed, 0)), end.Add(-chaosRest)); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	})
	tick := time.NewTicker(chaosInterval)
	defer tick.Stop()
	for !over.Load() || time.Now().Before(end) {
		c.scrape(t)
		<-tick.C
	}
}

// torment kills the server and starts it again, and again.
func (c *chaos) torment(ctx context.Context, t *testing.T, rng *rand.Rand, end time.Time) error {
	for n := 0; ; n++ {
		o := drawOutage(rng, n)
		if err := c.awaitScrapes(ctx, o.spared); err != nil {
			return err
		}
		c.reload.Store(o.reload)
		if err := c.awaitScrapes(ctx, 1); err != nil || time.Now().After(end) {
			return err
		}
		pass(ctx, time.Duration(o.moment*float64(c.window(o.within))))
		c.kill()
		died := time.Now()
		pass(ctx, o.closed)
		if o.another {
			c.a.secret = "another" + c.a.secret
		}
		if err := c.restart(ctx); err != nil {
			return err
		}
		t.Logf("killed (to hit a scrape: %t, that asks for everything: %t), closed for %.1f s, back (with another key: %t) after %.1f s",
			o.within, o.reload, o.closed.Seconds(), o.another, time.Since(died).Seconds())
	}
}

// awaitScrapes waits until so many scrapes have begun.
func (c *chaos) awaitScrapes(ctx context.Context, n int) error {
	for range n {
		select {
		case <-c.begun:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// pass lets time pass.
func pass(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// window is in what time the server is killed after a scrape has begun.
func (c *chaos) window(within bool) time.Duration {
	if !within {
		return chaosInterval
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return min(c.usual, 500*time.Millisecond)
}

func (c *chaos) kill() {
	c.mu.Lock()
	c.kills++
	if c.scraping {
		c.within++
	}
	c.stands, c.recovered = false, false
	c.mu.Unlock()
	c.a.killAPI()
	c.mu.Lock()
	c.listens = false
	c.mu.Unlock()
}

// restart starts the server, which stands when it answers a question that needs a login.
func (c *chaos) restart(ctx context.Context) error {
	c.mu.Lock()
	c.listens = true
	c.mu.Unlock()
	if err := c.a.startAPI(ctx); err != nil {
		return err
	}
	if err := poll(ctx, time.Minute, func(ctx context.Context) error {
		return c.a.call(ctx, http.MethodGet, "dags?limit=1", nil, nil)
	}); err != nil {
		return err
	}
	c.mu.Lock()
	c.stands = true
	c.mu.Unlock()
	return nil
}

// scrape makes one scrape and judges it.
func (c *chaos) scrape(t *testing.T) {
	if c.reload.Swap(false) {
		if status, body, err := request(t.Context(), http.MethodPost, c.e.url+"/-/reload"); err != nil || status != http.StatusOK {
			t.Errorf("POST /-/reload: %d %s %v", status, body, err)
		}
	}
	c.mu.Lock()
	stood, listened, kills, begin := c.stands, c.listens, c.kills, time.Now()
	c.scraping = true
	c.mu.Unlock()
	select {
	case c.begun <- struct{}{}:
	default:
	}
	s, err := c.e.scrape(t.Context())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.scraping = false
	if err != nil {
		t.Fatal(err)
	}
	c.scrapes++
	wrong, absent := c.judge(s, begin)
	if absent > 0 {
		c.absent++
	}
	if !listened && !c.listens && kills == c.kills {
		down := failure("health", "connect")
		maps.Copy(down, failure("task_instances", "connect"))
		down["airflow_up{}"] = 0
		if err := s.has(down); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	for _, w := range wrong {
		c.wrong = append(c.wrong, fmt.Sprintf("scrape %d: %s", c.scrapes, w))
	}
	if c.last = s; !stood || kills != c.kills {
		return
	}
	c.usual = time.Since(begin)
	switch err := errors.Join(isComplete(s), s.has(success(chaosParts()...))); {
	case err != nil || absent > 0:
		c.late++
		t.Errorf("scrape %d: the server stands, but %d samples are absent, and %v", c.scrapes, absent, err)
	case !c.recovered:
		c.recoveries++
		c.recovered = true
	}
}
