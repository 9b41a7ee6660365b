package airflow

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

const (
	loginEndpoint = "/auth/token"
	opLogin       = "log in"
)

// login is the account of Config.Username: a token of POST /auth/token for
// Airflow 3, HTTP Basic for Airflow 2.
type login struct {
	tokens
	client *Client
}

func newLogin(c *Client) *login {
	l := &login{client: c}
	l.tokens = tokens{secret: l.password, exchange: l.exchange, turn: make(chan struct{}, 1)}
	return l
}

// password reads the password anew each time, so that a rotated file is noticed.
func (l *login) password() (string, error) {
	cfg := &l.client.cfg
	if cfg.PasswordFile == "" {
		return string(cfg.Password), nil
	}
	password, err := readSecret("airflow.password_file", cfg.PasswordFile)
	if err != nil {
		return "", &Error{Op: opLogin, Class: ClassAuth, Detail: oneLine(err.Error()), Err: err}
	}
	return password, nil
}

// exchange makes the login request.
func (l *login) exchange(ctx context.Context, password string) (token string, lifetime time.Duration, err error) {
	k := call{op: opLogin, method: http.MethodPost, endpoint: loginEndpoint, path: loginEndpoint, want: http.StatusCreated, orWant: http.StatusOK, open: true}
	k.body, err = json.Marshal(map[string]string{"username": l.client.cfg.Username, "password": password})
	if err != nil {
		return "", 0, k.errorf(ClassInternal, nil, "user name or password is not valid UTF-8")
	}
	k.hidden = []string{password}
	req, err := l.client.request(ctx, k)
	if err != nil {
		return "", 0, err
	}
	a, err := l.client.send(req, k)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok && refusesLogin(e.Status) {
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

func refusesLogin(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity:
		return true
	}
	return false
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
