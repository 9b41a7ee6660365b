package airflowtest_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
)

func basic(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

// token logs in with Airflow 3.
func (c *client) token(name, password string) string {
	c.t.Helper()
	got := c.do(http.MethodPost, "/auth/token", fmt.Sprintf(`{"username": %q, "password": %q}`, name, password))
	var body struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(got.body), &body); err != nil || got.status != http.StatusCreated || body.Token == "" {
		c.t.Fatalf("log in: %d %s", got.status, got.body)
	}
	return body.Token
}

func (c *client) logIn(name, password string) *client {
	c.t.Helper()
	return c.as("Bearer " + c.token(name, password))
}
