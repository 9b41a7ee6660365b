package airflow

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

const (
	loginEndpoint = "/auth/token"
	// unknownLifetime is how long a token is used that does not tell its expiry.
	unknownLifetime = 10 * time.Minute
	// refusalHold is how long the same refused credentials are not tried
	// again, so that the parts of one collection make one attempt together.
	refusalHold = 5 * time.Second
)

// login holds the account: HTTP Basic for Airflow 2, and the token of POST
// /auth/token for Airflow 3, renewed when four fifths of its life are over.
type login struct {
	client *Client

	turn chan struct{} // a mutex that a context can give up on; guards what follows

	mu      sync.Mutex // guards token and renewAt
	token   string
	renewAt time.Time

	refused      error // of the newest refused login
	refusedUntil time.Time
	refusedWith  string // the password that was refused
}

func newLogin(c *Client) *login { return &login{client: c, turn: make(chan struct{}, 1)} }

// password reads the password anew each time, so that a rotated file is noticed.
func (l *login) password() (string, error) {
	cfg := &l.client.cfg
	if cfg.PasswordFile == "" {
		return string(cfg.Password), nil
	}
	b, err := os.ReadFile(cfg.PasswordFile)
	if err != nil {
		return "", &Error{Op: "log in", Class: ClassAuth, Detail: oneLine(err.Error()), Err: err}
	}
	password := strings.TrimSpace(string(b))
	if password == "" {
		return "", &Error{Op: "log in", Class: ClassAuth, Detail: "airflow.password_file is empty"}
	}
	return password, nil
}

// authorize puts a valid token on req, logging in first if need be.
func (l *login) authorize(ctx context.Context, req *http.Request) error {
	token := l.valid()
	if token == "" {
		var err error
		if token, err = l.logIn(ctx); err != nil {
			return err
		}
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return nil
}

// renew forgets the token that req was refused with, unless another request already did.
func (l *login) renew(req *http.Request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if req.Header.Get("Authorization") == "Bearer "+l.token {
		l.token = ""
	}
	return true
}

// valid returns the token, or nothing when it is time for a new one.
func (l *login) valid() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Now().After(l.renewAt) {
		return ""
	}
	return l.token
}

// logIn gets a new token. One login is in flight; who waited uses its result.
func (l *login) logIn(ctx context.Context) (string, error) {
	k := call{op: "log in", method: http.MethodPost, endpoint: loginEndpoint, path: loginEndpoint, want: http.StatusCreated, open: true}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return "", k.errorf(ClassTimeout, ctx.Err(), "no answer in time")
	}
	if token := l.valid(); token != "" {
		return token, nil
	}
	password, err := l.password()
	if err != nil {
		return "", err
	}
	if password == l.refusedWith && time.Now().Before(l.refusedUntil) {
		return "", l.refused
	}
	k.body, err = json.Marshal(map[string]string{"username": l.client.cfg.Username, "password": password})
	if err != nil {
		return "", k.errorf(ClassInternal, nil, "user name or password is not valid UTF-8")
	}
	token, lifetime, err := l.ask(ctx, k)
	if err != nil {
		if ClassOf(err) == ClassAuth {
			l.refused, l.refusedWith, l.refusedUntil = err, password, time.Now().Add(refusalHold)
		}
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.token, l.renewAt = token, time.Now().Add(lifetime*4/5)
	return token, nil
}

// ask makes the login request. It runs inside the slot of the request that
// needs the token, so it takes none of its own.
func (l *login) ask(ctx context.Context, k call) (token string, lifetime time.Duration, err error) {
	req, err := l.client.request(ctx, k)
	if err != nil {
		return "", 0, err
	}
	a, err := l.client.send(req, k)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok && e.Status >= 400 && e.Status < 500 && e.Class != ClassRateLimited && e.Status != http.StatusNotFound {
			e.Class = ClassAuth // 400, 403 and 422 are other words for refused credentials
		}
		return "", 0, err
	}
	defer a.Close()
	var body struct {
		Token string `json:"access_token"`
	}
	if err := a.decode(&body); err != nil {
		return "", 0, err
	}
	if body.Token == "" || strings.ContainsAny(body.Token, " \r\n") {
		return "", 0, a.errorf(ClassDecode, nil, "an answer without access_token")
	}
	return body.Token, tokenLifetime(body.Token), nil
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
	return time.Duration((claims.Expires - claims.Issued) * float64(time.Second))
}

// basicAuth sends the account with each request, as Airflow 2 wants it.
type basicAuth struct{ login *login }

func (b basicAuth) authorize(_ context.Context, req *http.Request) error {
	password, err := b.login.password()
	if err != nil {
		return err
	}
	req.SetBasicAuth(b.login.client.cfg.Username, password)
	return nil
}

// renew has nothing to renew: the same password would be refused again.
func (basicAuth) renew(*http.Request) bool { return false }
