package airflowtest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// RotateKey makes every token invalid that was handed out so far, as a restart
// without a fixed jwt_secret does.
func (s *Server) RotateKey() {
	s.keyMu.Lock()
	defer s.keyMu.Unlock()
	s.key = rand.Text()
}

// Key is what signs tokens.
func (s *Server) Key() string {
	s.keyMu.Lock()
	defer s.keyMu.Unlock()
	return s.key
}

// SetKey is as if the next request came to a replica with a key of its own.
func (s *Server) SetKey(key string) {
	s.keyMu.Lock()
	defer s.keyMu.Unlock()
	s.key = key
}

// claims are the payload of a token.
type claims struct {
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	Issued   int64  `json:"iat"`
	From     int64  `json:"nbf"`
	Expires  int64  `json:"exp"`
}

// Token is a token for a user, as one who logs in gets it.
func (s *Server) Token(name string) string { return s.token(name) }

// token is a JSON Web Token for a user.
func (s *Server) token(name string) string {
	now := s.options.Clock()
	payload, err := json.Marshal(claims{
		Subject:  name,
		Audience: "apache-airflow",
		Issued:   now.Unix(),
		From:     now.Unix(),
		Expires:  now.Add(s.options.TokenLifetime).Unix(),
	})
	if err != nil {
		panic(err) // strings and numbers only
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(payload)
	return signed + "." + encode(s.sign(signed))
}

func (s *Server) sign(signed string) []byte {
	s.keyMu.Lock()
	defer s.keyMu.Unlock()
	mac := hmac.New(sha256.New, []byte(s.key))
	mac.Write([]byte(signed))
	return mac.Sum(nil)
}

// readToken returns what a token says; ok is false if this server did not sign it.
func (s *Server) readToken(token string) (c claims, ok bool) {
	i := strings.LastIndexByte(token, '.')
	if i < 0 {
		return claims{}, false
	}
	signature, err := base64.RawURLEncoding.DecodeString(token[i+1:])
	if err != nil || !hmac.Equal(signature, s.sign(token[:i])) {
		return claims{}, false
	}
	_, encoded, _ := strings.Cut(token[:i], ".")
	payload, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || json.Unmarshal(payload, &c) != nil {
		return claims{}, false
	}
	return c, true
}

// authenticate of v1 is HTTP Basic. No credentials and wrong ones get the same
// answer; there is no WWW-Authenticate.
func (d v1) authenticate(c *call) (*User, *answer) {
	name, password, ok := c.request.BasicAuth()
	if user := c.server.user(name, password); ok && user != nil {
		return user, nil
	}
	refusal := d.forbidden()
	if d.unauthenticated() {
		refusal = d.problem(http.StatusUnauthorized, "Unauthorized", nil, "Unauthenticated")
	}
	return nil, &refusal
}

func (d v1) forbidden() answer {
	return d.problem(http.StatusForbidden, "Forbidden", nil, "PermissionDenied")
}

// authenticate of v2 is a bearer token.
func (d v2) authenticate(c *call) (*User, *answer) {
	refuse := func(status int, detail string) (*User, *answer) {
		a := d.detail(status, detail)
		return nil, &a
	}
	scheme, token, _ := strings.Cut(c.request.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return refuse(http.StatusUnauthorized, "Not authenticated")
	}
	claims, ok := c.server.readToken(token)
	if !ok {
		return refuse(http.StatusForbidden, "Invalid JWT token")
	}
	if now := c.server.options.Clock().Unix(); now >= claims.Expires {
		return refuse(http.StatusUnauthorized, "Token Expired")
	}
	for i := range c.server.options.Users {
		if u := &c.server.options.Users[i]; u.Name == claims.Subject {
			return u, nil
		}
	}
	return refuse(http.StatusForbidden, "Invalid JWT token")
}

func (d v2) forbidden() answer { return d.detail(http.StatusForbidden, "Forbidden") }

// login is POST /auth/token.
func (d v2) login(c *call) answer {
	var body map[string]any
	if err := json.Unmarshal(c.body, &body); err != nil {
		return internalServerError() // as measured
	}
	if detail := loginErrors(body); detail != "" {
		return d.detail(http.StatusUnprocessableEntity, detail)
	}
	name, _ := body["username"].(string)
	password, _ := body["password"].(string)
	if name == "" || password == "" {
		return d.detail(http.StatusBadRequest, "Username and password must be provided")
	}
	if c.server.options.Users != nil {
		c.user = c.server.user(name, password)
		if c.user == nil {
			return d.detail(http.StatusUnauthorized, "Invalid credentials")
		}
	}
	return d.json(http.StatusCreated, object{{"access_token", c.server.token(name)}})
}

// loginErrors is pydantic's text about a login body, empty if it is right.
func loginErrors(body map[string]any) string {
	var errs []string
	add := func(field, message, kind string, input any, inputType string) {
		errs = append(errs, fmt.Sprintf("%s\n  %s [type=%s, input_value=%s, input_type=%s]\n    For further information visit https://errors.pydantic.dev/2.14/v/%s",
			field, message, kind, repr(input), inputType, kind))
	}
	for _, field := range []string{"username", "password"} {
		value, present := body[field]
		if !present {
			add(field, "Field required", "missing", body, "dict")
			continue
		}
		if _, ok := value.(string); !ok {
			add(field, "Input should be a valid string", "string_type", value, "object")
		}
	}
	for _, m := range sortedObject(body) {
		if m.key != "username" && m.key != "password" {
			add(m.key, "Extra inputs are not permitted", "extra_forbidden", m.value, "str")
		}
	}
	switch len(errs) {
	case 0:
		return ""
	case 1:
		return "1 validation error for LoginBody\n" + errs[0]
	}
	return fmt.Sprintf("%d validation errors for LoginBody\n%s", len(errs), strings.Join(errs, "\n"))
}
