package airflow

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	promconfig "github.com/prometheus/common/config"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const (
	oauth2Endpoint = "oauth2_token_url"
	opOAuth2       = "get an OAuth 2 token"
)

// oauth2Login gets bearer tokens by OAuth 2 client credentials. Prometheus'
// own HTTP client does that outside the context of the request, without limit
// of time and following redirects, so its configuration is used, but not it.
type oauth2Login struct {
	tokens
	client *Client
	cfg    promconfig.OAuth2
	http   *http.Client
	source *clientcredentials.Config // of the newest secret; it knows how the endpoint wants it
}

func newOAuth2Login(c *Client, cfg *promconfig.OAuth2, options ...promconfig.HTTPClientOption) (*oauth2Login, error) {
	httpClient, err := promconfig.NewClientFromConfig(promconfig.HTTPClientConfig{
		TLSConfig: cfg.TLSConfig, ProxyConfig: cfg.ProxyConfig, EnableHTTP2: true, FollowRedirects: false,
	}, "oauth2", options...)
	if err != nil {
		return nil, fmt.Errorf("airflow.http_client.oauth2: %w", err)
	}
	l := &oauth2Login{client: c, cfg: *cfg, http: httpClient}
	l.tokens = tokens{secret: l.clientSecret, exchange: l.exchange, turn: make(chan struct{}, 1)}
	return l, nil
}

// validateOAuth2 reports what oauth2Login does not do, and a secret that would be sent in clear text.
func validateOAuth2(cfg *promconfig.OAuth2, allowInsecureHTTP bool) error {
	if cfg.GrantType != "" && cfg.GrantType != "client_credentials" {
		return fmt.Errorf("airflow.http_client.oauth2.grant_type: %q is not supported, only client_credentials is", cfg.GrantType)
	}
	u, err := parseURL("airflow.http_client.oauth2.token_url", cfg.TokenURL)
	if err != nil {
		return err
	}
	if u.Scheme == "http" && !allowInsecureHTTP && !isLoopback(u.Hostname()) {
		return errors.New("airflow.http_client.oauth2.token_url: the client secret would cross the network in clear text over http: use https, or set airflow.allow_insecure_http: true if that network is trusted")
	}
	return nil
}

func (l *oauth2Login) clientSecret() (string, error) {
	if l.cfg.ClientSecretFile == "" {
		return string(l.cfg.ClientSecret), nil
	}
	secret, err := readSecret("airflow.http_client.oauth2.client_secret_file", l.cfg.ClientSecretFile)
	if err != nil {
		return "", &Error{Op: opOAuth2, Class: ClassAuth, Detail: oneLine(err.Error()), Err: err}
	}
	return secret, nil
}

// exchange asks the token endpoint, within the request budget and the time of ctx.
func (l *oauth2Login) exchange(ctx context.Context, secret string) (token string, lifetime time.Duration, err error) {
	k := call{op: opOAuth2, method: http.MethodPost, endpoint: oauth2Endpoint, path: l.cfg.TokenURL, open: true, sent: &sentSecrets{list: []string{secret}}}
	release, err := l.client.reserve(ctx, &k)
	if err != nil {
		return "", 0, err
	}
	a := &answer{call: k, started: time.Now(), observe: l.client.cfg.Observe, release: release}
	defer a.Close()
	if l.source == nil || l.source.ClientSecret != secret {
		l.source = l.newSource(secret)
	}
	// It sends the secret in both ways until one was accepted; the second one is taken from the budget, too.
	t, err := l.source.Token(context.WithValue(l.client.chargeAgain(k.sent.watch(ctx)), oauth2.HTTPClient, l.http))
	if err != nil {
		// The text of these errors quotes the answer, which may repeat the secret.
		if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok && refused.Response != nil {
			a.status = refused.Response.StatusCode
			return "", 0, k.errorf(oauth2Class(a.status), nil, "the token endpoint answered %d", a.status)
		}
		return "", 0, transportError(&k, err)
	}
	a.status = http.StatusOK
	if t.Expiry.IsZero() {
		return t.AccessToken, unknownLifetime, nil
	}
	return t.AccessToken, time.Until(t.Expiry), nil
}

func (l *oauth2Login) newSource(secret string) *clientcredentials.Config {
	params := url.Values{}
	for key, value := range l.cfg.EndpointParams {
		params.Set(key, value)
	}
	return &clientcredentials.Config{
		ClientID: l.cfg.ClientID, ClientSecret: secret, TokenURL: l.cfg.TokenURL, Scopes: l.cfg.Scopes, EndpointParams: params,
	}
}

// oauth2Class is the class of what a token endpoint answered instead of a token.
func oauth2Class(status int) Class {
	switch {
	case status >= 500:
		return ClassServer
	case status == http.StatusTooManyRequests:
		return ClassRateLimited
	case status >= 300 && status < 400:
		return ClassRedirect
	case status >= 200 && status < 300:
		return ClassDecode
	}
	return ClassAuth
}
