package airflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/version"
	"golang.org/x/oauth2"
	"golang.org/x/time/rate"
)

const (
	// maxSmallBody bounds every answer that is not a listing of task instances.
	maxSmallBody = 8 << 20
	// maxErrorBody bounds what is read of an error answer.
	maxErrorBody = 64 << 10
	// idleTimeout closes idle connections before a load balancer forgets them.
	idleTimeout = 60 * time.Second
)

// Client asks one Airflow. It is safe for concurrent use.
type Client struct {
	cfg  Config
	base *url.URL
	http *http.Client

	limiter *rate.Limiter
	slots   chan struct{} // one element per request in flight
	hold    retryAfter
	skew    clockSkew
	login   *login // nil without a user name

	mu        sync.Mutex // guards what follows
	current   *server    // nil until the first detection
	detecting *detection // nil when none is under way
}

// Request is what became of one HTTP request, for [Config.Observe].
type Request struct {
	Endpoint string        // path template without the API prefix, of a closed set: "/pools"
	Status   int           // 0: no answer
	Duration time.Duration // from sending it until its answer was read or given up
	Bytes    int64         // body bytes read
	Open     bool          // an endpoint that Airflow answers without a login
}

// New builds a client; it makes no request. The error names the key of cfg
// that is wrong.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	base, err := parseURL("airflow.url", cfg.URL)
	if err != nil {
		return nil, err
	}
	cfg.HTTPClient.FollowRedirects = false
	options := []promconfig.HTTPClientOption{
		promconfig.WithUserAgent("airflow_exporter/" + version.Version),
		promconfig.WithIdleConnTimeout(idleTimeout),
	}
	if cfg.DialContext != nil {
		options = append(options, promconfig.WithDialContextFunc(cfg.DialContext))
	}
	httpClient, err := promconfig.NewClientFromConfig(cfg.HTTPClient, "airflow", options...)
	if err != nil {
		return nil, fmt.Errorf("airflow.http_client: %w", err)
	}
	c := &Client{
		cfg:     cfg,
		base:    base,
		http:    httpClient,
		limiter: rate.NewLimiter(rate.Limit(cfg.RequestsPerSecond), cfg.Burst),
		slots:   make(chan struct{}, cfg.Concurrency),
	}
	if cfg.Username != "" {
		c.login = newLogin(c)
	}
	return c, nil
}

// Close drops idle connections. Calls in flight are not affected.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// URL is the address for people: external_url, or else the API's.
func (c *Client) URL() string {
	if c.cfg.ExternalURL != "" {
		return c.cfg.ExternalURL
	}
	return c.base.String()
}

// ListsByGet reports whether the configuration asks for GET listings.
func (c *Client) ListsByGet() bool { return c.cfg.List == ListGet }

// ClockSkew is our clock minus Airflow's, read from the Date header of the
// newest answer, which tells it to a second: zero for clocks that agree as far
// as can be told. It is false before the first answer.
func (c *Client) ClockSkew() (time.Duration, bool) { return c.skew.get() }

// call is one request to make.
type call struct {
	op       string // Error.Op
	method   string
	endpoint string // Request.Endpoint
	path     string // below base, already escaped
	query    url.Values
	body     []byte // JSON; nil for none
	maxBytes int64  // of the answer; 0 means maxSmallBody
	want     int    // expected status; 0 means 200
	open     bool   // Request.Open
	auth     authorizer
}

// authorizer puts credentials on a request. Its renew is asked once after an
// answer of class ClassAuth, and reports whether another try makes sense.
type authorizer interface {
	authorize(ctx context.Context, req *http.Request) error
	renew(req *http.Request) bool
}

// errorf is an *Error about call k without an answer.
func (k *call) errorf(class Class, err error, format string, args ...any) *Error {
	return &Error{Op: k.op, Method: k.method, Path: k.path, Class: class, Detail: oneLine(fmt.Sprintf(format, args...)), Err: err}
}

// do makes one request and returns its answer, which the caller must close.
// It waits for a slot and for the request budget; a login that has become
// invalid is renewed once. Errors are *Error.
func (c *Client) do(ctx context.Context, k call) (*answer, error) {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, k.errorf(ClassTimeout, ctx.Err(), "no time left to wait for a free connection (airflow.concurrency)")
	}
	a, err := c.try(ctx, k, true)
	if err != nil {
		<-c.slots
		return nil, err
	}
	a.release = func() { <-c.slots }
	return a, nil
}

func (c *Client) try(ctx context.Context, k call, first bool) (*answer, error) {
	req, err := c.request(ctx, k)
	if err != nil {
		return nil, err
	}
	a, err := c.send(req, k)
	if err == nil {
		return a, nil
	}
	if ClassOf(err) == ClassAuth && first && k.auth != nil && k.auth.renew(req) {
		return c.try(ctx, k, false)
	}
	return nil, err
}

// request builds and authorizes the HTTP request of k.
func (c *Client) request(ctx context.Context, k call) (*http.Request, error) {
	target := c.base.String() + k.path
	if len(k.query) > 0 {
		target += "?" + k.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, k.method, target, bodyReader(k.body))
	if err != nil {
		return nil, k.errorf(ClassInternal, err, "cannot build the request")
	}
	req.Header.Set("Accept", "application/json")
	if k.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if k.auth == nil {
		return req, nil
	}
	if err := k.auth.authorize(ctx, req); err != nil {
		return nil, err
	}
	return req, nil
}

// send spends one token of the budget on req and checks status and content type.
func (c *Client) send(req *http.Request, k call) (*answer, error) {
	if wait := c.hold.left(); wait > 0 {
		return nil, k.errorf(ClassRateLimited, nil, "Airflow asked to wait until %s (Retry-After)", time.Now().Add(wait).UTC().Format(time.TimeOnly))
	}
	if err := c.limiter.Wait(req.Context()); err != nil {
		return nil, k.errorf(ClassTimeout, err, "no time left to wait for the request budget (airflow.requests_per_second)")
	}
	a := &answer{call: k, started: time.Now(), observe: c.cfg.Observe, release: func() {}}
	resp, err := c.http.Do(req) //nolint:bodyclose // answer.Close closes it
	if err != nil {
		a.done()
		return nil, transportError(&k, err)
	}
	c.skew.measure(a.started, resp.Header)
	c.hold.obey(resp)
	a.status = resp.StatusCode
	a.raw = resp.Body
	a.body = newGuard(resp.Body, cmp.Or(k.maxBytes, maxSmallBody))
	if err := a.check(resp.Header); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// transportError describes a request that got no answer, or not a whole one.
func transportError(k *call, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	// The text of an OAuth 2 error quotes the answer of the token endpoint, which may repeat the secret.
	if retrieve, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		e := k.errorf(ClassAuth, nil, "the OAuth 2 token endpoint refused the client credentials")
		if retrieve.Response != nil {
			e.Detail = fmt.Sprintf("the OAuth 2 token endpoint answered %d", retrieve.Response.StatusCode)
		}
		return e
	}
	cause := err
	if u, ok := errors.AsType[*url.Error](err); ok {
		cause = u.Err // without the URL, whose query is no one's business
	}
	class := classifyTransport(cause)
	if errors.Is(cause, io.ErrUnexpectedEOF) || errors.Is(cause, io.EOF) {
		return k.errorf(class, cause, "the connection was closed before the answer was complete")
	}
	if errors.Is(cause, context.DeadlineExceeded) {
		return k.errorf(class, cause, "no complete answer in time")
	}
	return k.errorf(class, cause, "%v", cause)
}

// retryAfter remembers until when Airflow asked to be left alone.
type retryAfter struct{ until atomic.Int64 } // unix nanoseconds

// maxRetryAfter bounds what a server may ask for.
const maxRetryAfter = 10 * time.Minute

func (r *retryAfter) left() time.Duration {
	until := r.until.Load()
	if until == 0 {
		return 0
	}
	return time.Until(time.Unix(0, until))
}

func (r *retryAfter) obey(resp *http.Response) {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return
	}
	wait, ok := parseRetryAfter(resp.Header.Get("Retry-After"))
	if !ok {
		return
	}
	r.until.Store(time.Now().Add(min(wait, maxRetryAfter)).UnixNano())
}

// clockSkew is the newest measurement of our clock minus Airflow's.
type clockSkew struct{ value atomic.Pointer[time.Duration] }

func (s *clockSkew) get() (time.Duration, bool) {
	if p := s.value.Load(); p != nil {
		return *p, true
	}
	return 0, false
}

// measure compares our clock with the Date header, which has whole seconds and
// was written some time between started and now. Of all skews that explain
// both, the smallest is taken: clocks that agree as far as can be told have none.
func (s *clockSkew) measure(started time.Time, h http.Header) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	least, most := started.Sub(date.Add(time.Second)), time.Since(date)
	skew := min(max(0, least), most)
	s.value.Store(&skew)
}
