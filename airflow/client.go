package airflow

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/version"
	"golang.org/x/time/rate"
)

const (
	// maxSmallBody bounds every answer that is not a listing of task instances.
	maxSmallBody = 8 << 20
	// maxErrorBody bounds what is read of an error answer.
	maxErrorBody = 64 << 10
	// jsonType is what almost every answer is.
	jsonType = "application/json"
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
	login   *login     // nil without a user name
	gateway authorizer // credentials of every request, nil for none

	secretFiles secretFiles
	names       names
	watched     []string // paths, for Secrets

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
	LetIn    bool          // the answer shows that Airflow accepts who asks
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
	watched := watchedFiles(&cfg)
	oauth := cfg.HTTPClient.OAuth2
	cfg.HTTPClient.OAuth2 = nil // see oauth2Login
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
		watched: watched,
	}
	c.secretFiles = secretFilesOf(&cfg.HTTPClient)
	if cfg.Username != "" {
		c.login = newLogin(c)
	}
	if oauth != nil {
		if c.gateway, err = newOAuth2Login(c, oauth, options...); err != nil {
			return nil, err
		}
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

// SendsCredentialsAlways reports whether each request carries credentials, those to which Airflow itself answers to
// anyone included: those of Config.HTTPClient are meant for a proxy that wants them first.
func (c *Client) SendsCredentialsAlways() bool {
	h := &c.cfg.HTTPClient
	return c.gateway != nil || h.BasicAuth != nil || h.Authorization != nil
}

// CheckFiles reads the files whose secrets are sent as they are. The error names the key of one that is missing or empty.
func (c *Client) CheckFiles() error { return c.secretFiles.read() }

// ClockSkew is our clock minus Airflow's, read from the Date header of the
// newest answer, which tells it to two seconds: zero for clocks that agree as far
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
	byRow    bool   // the answer is a listing whose rows are bounded one by one
	want     int    // expected status; 0 means 200
	orWant   int    // another one; 0 means none
	accept   string // content type to ask for; empty means application/json
	sends    string // content type of the answer; empty means accept
	unparsed bool   // the answer is a text, or one that this package reads piece by piece: no string in it is bounded
	open     bool   // Request.Open
	auth     authorizer
	hidden   []string     // in body
	sent     *sentSecrets // nil before it is sent
}

// authorizer puts credentials on a request. Its renew is asked once after an
// answer of class ClassAuth, and reports whether another try makes sense.
type authorizer interface {
	authorize(ctx context.Context, req *http.Request) error
	renew(req *http.Request) bool
}

// errorf is an *Error about call k without an answer.
func (k *call) errorf(class Class, err error, format string, args ...any) *Error {
	detail := fmt.Sprintf(format, args...)
	if k.sent != nil {
		detail = k.sent.conceal(detail)
	}
	return &Error{Op: k.op, Method: k.method, Path: k.path, Class: class, Detail: oneLine(detail), Err: err}
}

// do makes one request and returns its answer, which the caller must close.
// It waits for the request budget and for a slot; a login that has become
// invalid is renewed once. Errors are *Error.
func (c *Client) do(ctx context.Context, k call) (*answer, error) {
	if k.auth == nil && c.gateway != nil {
		k.auth = c.gateway
	}
	a, req, err := c.try(ctx, k)
	if err != nil && req != nil && ClassOf(err) == ClassAuth && k.auth != nil && k.auth.renew(req) {
		a, _, err = c.try(ctx, k)
	}
	return a, err
}

// try makes one request; the request is nil when there were no credentials to send.
func (c *Client) try(ctx context.Context, k call) (*answer, *http.Request, error) {
	req, err := c.request(ctx, k)
	if err != nil {
		return nil, nil, err
	}
	if k.auth != nil {
		if err := k.auth.authorize(ctx, req); err != nil {
			return nil, nil, err
		}
	}
	a, err := c.send(req, k)
	return a, req, err
}

// request builds the HTTP request of k, without credentials.
func (c *Client) request(ctx context.Context, k call) (*http.Request, error) {
	target := c.base.String() + k.path
	if len(k.query) > 0 {
		target += "?" + k.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, k.method, target, bodyReader(k.body))
	if err != nil {
		return nil, k.errorf(ClassInternal, err, "cannot build the request")
	}
	req.Header.Set("Accept", cmp.Or(k.accept, jsonType))
	if k.body != nil {
		req.Header.Set("Content-Type", jsonType)
	}
	return req, nil
}

// send makes the request within the budget, and checks status and content type of the answer.
func (c *Client) send(req *http.Request, k call) (*answer, error) {
	if err := c.secretFiles.check(&k); err != nil {
		return nil, err
	}
	release, err := c.reserve(req.Context(), &k)
	if err != nil {
		return nil, err
	}
	k.sent = &sentSecrets{list: slices.Clone(k.hidden)}
	req = req.WithContext(c.chargeAgain(k.sent.watch(req.Context())))
	a := &answer{call: k, started: time.Now(), observe: c.cfg.Observe, release: release}
	defer func() { // a panic must not keep the slot
		if !a.taken {
			a.Close()
		}
	}()
	resp, err := c.http.Do(req) //nolint:bodyclose // answer.Close closes it
	if err != nil {
		return nil, transportError(&k, err)
	}
	c.skew.measure(a.started, resp.Header)
	c.hold.obey(resp)
	a.status = resp.StatusCode
	a.raw = resp.Body
	guarded := newGuard
	switch {
	case k.unparsed:
		guarded = asItIs
	case k.byRow:
		guarded = byRow
	}
	a.body = guarded(resp.Body, cmp.Or(k.maxBytes, maxSmallBody))
	if err := a.check(resp.Header); err != nil {
		return nil, err
	}
	a.taken = true
	return a, nil
}

// chargeAgain takes from the budget, too, what net/http sends once more by itself, since the connection that it had kept was gone;
// also what was only begun to be written.
func (c *Client) chargeAgain(ctx context.Context) context.Context {
	var sent atomic.Bool
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() {
		if sent.Swap(true) {
			c.limiter.ReserveN(time.Now(), 1)
		}
	}})
}

// reserve waits until the budget has room for one more request, and returns
// what gives its slot back. Only a request that is about to be sent has one.
func (c *Client) reserve(ctx context.Context, k *call) (release func(), err error) {
	held := func() error {
		if wait := c.hold.left(); wait > 0 {
			return k.errorf(ClassRateLimited, nil, "Airflow asked to wait until %s (Retry-After)", time.Now().Add(wait).UTC().Format(time.TimeOnly))
		}
		return nil
	}
	if err := held(); err != nil {
		return nil, err
	}
	if err := c.limiter.Wait(ctx); err != nil {
		return nil, k.errorf(ClassTimeout, err, "no time left to wait for the request budget (airflow.requests_per_second)")
	}
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, k.errorf(ClassTimeout, ctx.Err(), "no time left to wait for a free connection (airflow.concurrency)")
	}
	release = func() { <-c.slots }
	if err := held(); err != nil { // an answer that came meanwhile may have asked for it
		release()
		return nil, err
	}
	return release, nil
}
