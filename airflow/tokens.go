package airflow

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

const (
	// unknownLifetime is how long a token is used that does not tell its expiry,
	// and maxLifetime how long any is.
	unknownLifetime = 10 * time.Minute
	maxLifetime     = 24 * time.Hour
	// loginHold is how long what has just failed is not tried again: the same
	// secret, or another token after one that was refused. So the parts of one
	// collection make one attempt together.
	loginHold = 5 * time.Second
)

// tokens is an authorizer that exchanges a secret for bearer tokens, and
// renews them when four fifths of their life are over.
type tokens struct {
	secret func() (string, error)
	// exchange asks for a token; the error of a secret that is refused has ClassAuth.
	exchange func(ctx context.Context, secret string) (token string, lifetime time.Duration, err error)

	turn chan struct{} // a mutex that a context can give up on; guards what follows

	failed      error // of the newest exchange that failed
	failedUntil time.Time
	failedWith  string

	mu        sync.Mutex // guards what follows
	token     string
	renewAt   time.Time
	anotherAt time.Time // when another token may follow one that is refused
}

// authorize puts a valid token on req, asking for one first if need be.
func (t *tokens) authorize(ctx context.Context, req *http.Request) error {
	token := t.valid()
	if token == "" {
		var err error
		if token, err = t.next(ctx); err != nil {
			return err
		}
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return nil
}

// renew forgets the token that req was refused with, unless another request
// already did. Where tokens are refused that are new, it gives up for a while.
func (t *tokens) renew(req *http.Request) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if req.Header.Get("Authorization") != "Bearer "+t.token {
		return true
	}
	now := time.Now()
	if now.Before(t.anotherAt) {
		return false
	}
	t.token, t.anotherAt = "", now.Add(loginHold)
	return true
}

// valid returns the token, or nothing when it is time for a new one.
func (t *tokens) valid() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Now().After(t.renewAt) {
		return ""
	}
	return t.token
}

// next gets a new token. One exchange is in flight; who waited uses its result.
func (t *tokens) next(ctx context.Context) (string, error) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return "", &Error{Op: "log in", Class: ClassTimeout, Detail: "no answer in time", Err: ctx.Err()}
	}
	if token := t.valid(); token != "" {
		return token, nil
	}
	secret, err := t.secret()
	if err != nil {
		return "", err
	}
	if secret == t.failedWith && time.Now().Before(t.failedUntil) {
		return "", t.failed
	}
	token, lifetime, err := t.exchange(ctx, secret)
	if err != nil {
		if ctx.Err() == nil && wasSent(err) { // the time of others is not over
			t.failed, t.failedWith, t.failedUntil = err, secret, time.Now().Add(loginHold)
		}
		return "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token, t.renewAt = token, time.Now().Add(min(lifetime, maxLifetime)*4/5)
	return token, nil
}

// wasSent reports whether a request was made that failed so, and not held back for want of time or by a Retry-After.
func wasSent(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Status != 0 || e.Class != ClassTimeout && e.Class != ClassRateLimited)
}

// tokenLifetime reads how long a JSON Web Token lives (exp − iat). It trusts
// neither: the server has the last word, and a wrong guess costs one login.
func tokenLifetime(token string) time.Duration {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return unknownLifetime
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return unknownLifetime
	}
	var claims struct {
		Expires float64 `json:"exp"`
		Issued  float64 `json:"iat"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil || claims.Expires <= claims.Issued || claims.Issued == 0 {
		return unknownLifetime
	}
	return time.Duration(min(claims.Expires-claims.Issued, maxLifetime.Seconds()) * float64(time.Second))
}
