package collector

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
)

const (
	// budgetHeader is where Prometheus tells its scrape_timeout.
	budgetHeader = "X-Prometheus-Scrape-Timeout-Seconds"
	// budgetMargin is what is left of it for rendering and the network.
	budgetMargin = 500 * time.Millisecond
	// defaultTimeout serves those who send no header: Prometheus' own default.
	defaultTimeout = 10 * time.Second
	// MaxBudget is the longest that a scrape may take, whatever its header says.
	MaxBudget = 2 * time.Minute
)

// ServeMetrics answers a scrape with a snapshot and what else there is to
// gather. The time it may take counts from its call.
func (c *Collector) ServeMetrics(w http.ResponseWriter, r *http.Request, also prometheus.Gatherer) {
	bug := c.telemetry.safely(func() error { c.serve(w, r, also); return nil })
	if bug != nil {
		c.guard(nil, func() { c.report.bug(bug) })
		panic(http.ErrAbortHandler) // there is no telling what was sent already
	}
}

func (c *Collector) serve(w http.ResponseWriter, r *http.Request, also prometheus.Gatherer) {
	budget := scrapeBudgetOf(r)
	ctx, cancel := context.WithTimeout(r.Context(), budget)
	defer cancel()
	snapshot := c.Snapshot(ctx)
	snapshot.Budget = budget
	births := c.ledger.births()
	promhttp.HandlerFor(c.gather(snapshot, also), promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError,
		ErrorLog:      renderErrors{c, r.Context()},
	}).ServeHTTP(w, r)
	if r.Context().Err() == nil {
		c.ledger.deliver(births, time.Now())
	}
}

// scrapeBudgetOf is the scraper's timeout less a margin; of a timeout that
// hardly leaves room for the margin, half.
func scrapeBudgetOf(r *http.Request) time.Duration {
	timeout := defaultTimeout
	if s, err := strconv.ParseFloat(r.Header.Get(budgetHeader), 64); err == nil && s > 0 {
		timeout = time.Duration(min(s, MaxBudget.Seconds()) * float64(time.Second))
	}
	return max(timeout-budgetMargin, timeout/2)
}

// gather tells what is known, the counters first: what they leave is for gauges.
func (c *Collector) gather(snapshot *Snapshot, also prometheus.Gatherer) prometheus.Gatherer {
	var gauges *exposition
	return gatherers{
		c.gatherer(c.ledger),
		c.gatherer(also),
		c.gatherer(prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
			gauges = snapshot.render()
			return gauges.gather()
		})),
		c.gatherer(prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
			if gauges == nil {
				return nil, nil // a bug that has been told
			}
			return gauges.fitted.gathered()
		})),
	}
}

// gatherer counts as bugs what cannot be gathered: a panic, or series that contradict each other.
func (c *Collector) gatherer(from prometheus.Gatherer) prometheus.Gatherer {
	return prometheus.GathererFunc(func() (families []*dto.MetricFamily, err error) {
		bug := c.telemetry.safely(func() error { families, err = from.Gather(); return nil })
		if bug != nil {
			return nil, bug
		}
		if err != nil {
			c.telemetry.panics.Inc() // client_golang caught it
		}
		return families, err
	})
}

// renderErrors takes what promhttp could not gather, which is always a bug, or
// could not send, which is none once the scraper is gone.
type renderErrors struct {
	c   *Collector
	ctx context.Context
}

func (e renderErrors) Println(v ...any) {
	logger := level.Error(e.c.report.logger)
	if e.ctx.Err() != nil {
		logger = level.Debug(e.c.report.logger)
	}
	_ = logger.Log("msg", "cannot render everything", "err", v[len(v)-1])
}
