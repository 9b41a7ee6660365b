package airflow

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
)

// server is what was detected: a version, and the dialect it speaks.
type server struct {
	Version
	dialect dialect
	learnt  atomic.Pointer[[]State] // of UnfinishedStates, nil before it was asked
}

// detection is one attempt to find out, which everyone shares who asks meanwhile.
type detection struct {
	done   chan struct{}
	server *server
	err    error
}

// Version asks Airflow for its version (GET /api/v2/version, or /api/v1/version
// where there is no v2; neither needs a login). Every other call goes to the
// API that answered last, so asking before each round of questions is what
// notices an upgrade in place. A version before 2.10 is not an error, but it
// lacks endpoints.
func (c *Client) Version(ctx context.Context) (Version, error) {
	s, err := c.detect(ctx)
	if err != nil {
		return Version{}, err
	}
	return s.Version, nil
}

// Detect is Version, but asks only when no version is known yet.
func (c *Client) Detect(ctx context.Context) error {
	_, err := c.server(ctx)
	return err
}

// Known is the version that was detected last, the zero Version before.
func (c *Client) Known() Version {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		return Version{}
	}
	return c.current.Version
}

// server returns what was detected last, detecting it first if need be.
func (c *Client) server(ctx context.Context) (*server, error) {
	c.mu.Lock()
	s := c.current
	c.mu.Unlock()
	if s != nil {
		return s, nil
	}
	return c.detect(ctx)
}

// detect finds out which server answers. A failure leaves the last one in place.
func (c *Client) detect(ctx context.Context) (*server, error) {
	c.mu.Lock()
	if d := c.detecting; d != nil {
		c.mu.Unlock()
		select {
		case <-d.done:
			if ctx.Err() == nil && (errors.Is(d.err, context.Canceled) || errors.Is(d.err, context.DeadlineExceeded)) {
				return c.detect(ctx) // who asked first had no more time
			}
			return d.server, d.err
		case <-ctx.Done():
			return nil, &Error{Op: opVersion, Class: ClassTimeout, Detail: "no answer in time", Err: ctx.Err()}
		}
	}
	d := &detection{done: make(chan struct{}), err: errors.New("the detection did not end")}
	c.detecting = d
	last := c.current
	c.mu.Unlock()

	defer func() {
		c.mu.Lock()
		c.detecting = nil
		switch {
		case d.err != nil:
		case last != nil && last.Version == d.server.Version:
			d.server = last // with what was learnt of it
		default:
			c.current = d.server
		}
		c.mu.Unlock()
		close(d.done)
	}()
	dialects := []dialect{v2{}, v1{}}
	if last != nil && last.API == (v1{}).api() {
		dialects = []dialect{v1{}, v2{}}
	}
	for _, dialect := range dialects {
		d.server, d.err = c.askVersion(ctx, dialect)
		if e, ok := errors.AsType[*Error](d.err); !ok || e.Status != http.StatusNotFound {
			break
		}
	}
	return d.server, d.err
}

const opVersion = "detect the version of Airflow"

// askVersion asks the version endpoint of one API.
func (c *Client) askVersion(ctx context.Context, d dialect) (*server, error) {
	k := call{op: opVersion, method: http.MethodGet, endpoint: "/version", path: root(d) + "/version", open: true}
	a, err := c.do(ctx, k)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	var body struct {
		Version *string `json:"version"`
	}
	if err := a.decode(&body); err != nil {
		return nil, err
	}
	if body.Version == nil {
		return nil, a.errorf(ClassDecode, nil, "an answer without version")
	}
	v, err := parseVersion(d.api(), *body.Version)
	if err != nil {
		return nil, a.errorf(ClassDecode, err, "%v", err)
	}
	return &server{Version: v, dialect: d}, nil
}
