package check

import "github.com/seed-9c0ac15d/airflow_exporter/airflow"

// Account is how the exporter shows Airflow who it is.
type Account struct {
	Method string // one of these methods
	User   string // empty: none, or not ours to know
}

// The methods of an Account.
const (
	methodUser   = "user" // HTTP Basic on Airflow 2, a token on Airflow 3
	methodBasic  = "basic"
	methodToken  = "token"
	methodOAuth2 = "oauth2"
	methodHeader = "headers"
	methodNone   = "none"
)

// accountOf reads how cfg logs in.
func accountOf(cfg *airflow.Config) Account {
	h := &cfg.HTTPClient
	switch {
	case cfg.Username != "":
		return Account{methodUser, cfg.Username}
	case h.OAuth2 != nil:
		return Account{methodOAuth2, h.OAuth2.ClientID}
	case h.BasicAuth != nil:
		return Account{methodBasic, h.BasicAuth.Username}
	case h.Authorization != nil, h.BearerToken != "", h.BearerTokenFile != "":
		return Account{Method: methodToken}
	case h.HTTPHeaders != nil:
		return Account{Method: methodHeader}
	}
	return Account{Method: methodNone}
}

// text says for people how that is done with the Airflow that answered.
func (a Account) text(v airflow.Version) string {
	switch a.Method {
	case methodUser:
		switch v.API {
		case "v1":
			return a.User + ", by HTTP Basic with each request"
		case "v2":
			return a.User + ", by a token from POST " + loginEndpoint
		}
		return a.User
	case methodOAuth2:
		return a.User + ", by OAuth 2 (airflow.http_client.oauth2)"
	case methodBasic:
		return a.User + ", by HTTP Basic (airflow.http_client.basic_auth)"
	case methodToken:
		return "by a token (airflow.http_client.authorization)"
	case methodHeader:
		return "by headers (airflow.http_client.http_headers)"
	}
	return "none: no user, token or header is configured"
}

// method is the same in a word, for programs.
func (a Account) method(v airflow.Version) string {
	switch {
	case a.Method != methodUser:
		return a.Method
	case v.API == "v1":
		return methodBasic
	}
	return "token_login"
}
