package airflowtest_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
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

var users = []airflowtest.User{
	{Name: "viewer", Password: "v", Rights: airflowtest.Viewer},
	{Name: "limited", Password: "l", Rights: airflowtest.ReadDags | airflowtest.ReadDagRuns | airflowtest.ReadTaskInstances, DagIDs: []string{"mine"}},
	{Name: "nobody", Password: "n"},
}

// fillTwoDags has one DAG that the limited user may read, and one that not.
func fillTwoDags(db *airflowtest.Database) {
	db.Add(airflowtest.Task("mine", "r", "a"), 0)
	db.Add(airflowtest.Task("mine", "r", "b"), 0)
	db.Add(airflowtest.Task("theirs", "r", "c"), 0)
}

func TestNoUsersNeedNoLogin(t *testing.T) {
	for _, version := range []string{"2.11.2", "3.3.2"} {
		c := start(t, airflowtest.Options{Version: version}, fillTwoDags)
		if p := c.list(""); len(p.Rows) != 3 {
			t.Errorf("%s: %d rows", version, len(p.Rows))
		}
	}
}

func TestHealthAndVersionNeedNoLogin(t *testing.T) {
	for version, paths := range map[string][]string{
		"2.11.2": {"/api/v1/health", "/api/v1/version", "/health"},
		"3.3.2":  {"/api/v2/monitor/health", "/api/v2/version"},
	} {
		c := start(t, airflowtest.Options{Version: version, Users: users}, nil)
		for _, path := range paths {
			if got := c.as("Bearer garbage").get(path); got.status != http.StatusOK {
				t.Errorf("%s %s: %d", version, path, got.status)
			}
		}
	}
}

func TestRights(t *testing.T) {
	for _, test := range []struct {
		user        string
		pools, list int
	}{
		{"viewer", 200, 200},
		{"limited", 403, 200},
		{"nobody", 403, 403},
	} {
		v1 := start(t, airflowtest.Options{Version: "2.11.2", Users: users}, fillTwoDags).as(basic(test.user, test.user[:1]))
		v2 := start(t, airflowtest.Options{Version: "3.3.2", Users: users}, fillTwoDags).logIn(test.user, test.user[:1])
		for _, got := range []struct {
			reply reply
			want  int
		}{
			{v1.get("/api/v1/pools"), test.pools},
			{v1.get(listV1), test.list},
			{v1.do(http.MethodPost, listV1+"/list", "{}"), test.list},
			{v2.get("/api/v2/pools"), test.pools},
			{v2.get(listV2), test.list},
			{v2.do(http.MethodPost, listV2+"/list", "{}"), test.list},
		} {
			if got.reply.status != got.want {
				t.Errorf("%s: %d %s, want %d", test.user, got.reply.status, got.reply.body, got.want)
			}
			if got.want == 403 && !strings.Contains(got.reply.body, "Forbidden") {
				t.Errorf("%s: %s", test.user, got.reply.body)
			}
		}
	}
}

func TestRestrictedUserOnAirflow2(t *testing.T) {
	c := start(t, airflowtest.Options{Version: "2.11.2", Users: users}, fillTwoDags).as(basic("limited", "l"))
	for _, test := range []struct {
		method, path, body string
		status, rows       int
		detail             string
	}{
		{"GET", listV1, "", 200, 2, ""},
		{"POST", listV1 + "/list", `{}`, 200, 2, ""},
		{"POST", listV1 + "/list", `{"dag_ids": ["mine"]}`, 200, 2, ""},
		{"POST", listV1 + "/list", `{"dag_ids": ["mine", "theirs", "nope"]}`, 403, 0, "User not allowed to access some of these DAGs: ['theirs', 'nope']"},
		{"GET", "/api/v1/dags/mine/dagRuns/~/taskInstances", "", 200, 2, ""},
		{"GET", "/api/v1/dags/theirs/dagRuns/~/taskInstances", "", 403, 0, "Forbidden"},
	} {
		got := c.do(test.method, test.path, test.body)
		if got.status != test.status || !strings.Contains(got.body, test.detail) {
			t.Errorf("%s %s: %d %s", test.path, test.body, got.status, got.body)
		}
		if test.status == 200 {
			if p := c.decode(got); len(p.Rows) != test.rows || *p.Total != test.rows {
				t.Errorf("%s %s: %d rows of %d", test.path, test.body, len(p.Rows), *p.Total)
			}
		}
	}
}

// An unknown DAG is nothing special for users who may read all.
func TestUnknownDagForViewer(t *testing.T) {
	c := start(t, airflowtest.Options{Version: "2.11.2", Users: users}, fillTwoDags).as(basic("viewer", "v"))
	if p := c.batch(`{"dag_ids": ["mine", "nope"]}`); len(p.Rows) != 2 {
		t.Errorf("%d rows", len(p.Rows))
	}
}

func TestRestrictedUserOnAirflow3(t *testing.T) {
	c := start(t, airflowtest.Options{Version: "3.3.2", Users: users}, fillTwoDags).logIn("limited", "l")
	for _, body := range []string{`{}`, `{"dag_ids": ["mine", "theirs", "nope"]}`} {
		if p := c.batch(body); len(p.Rows) != 2 || *p.Total != 2 {
			t.Errorf("%s: %d rows of %d", body, len(p.Rows), *p.Total)
		}
	}
	if got := c.get("/api/v2/dags/theirs/dagRuns/~/taskInstances"); got.status != http.StatusForbidden {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestTokens(t *testing.T) {
	now := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	options := airflowtest.Options{Version: "3.3.2", Users: users, TokenLifetime: time.Hour, Clock: func() time.Time { return now }}
	c := start(t, options, nil)
	expect := func(what string, c *client, status int, body string) {
		t.Helper()
		if got := c.get("/api/v2/pools"); got.status != status || (body != "" && got.body != `{"detail":"`+body+`"}`) {
			t.Errorf("%s: %d %s", what, got.status, got.body)
		}
	}
	first := c.logIn("viewer", "v")
	expect("a new token", first, 200, "")
	expect("no token", c, 401, "Not authenticated")
	expect("Basic", c.as(basic("viewer", "v")), 401, "Not authenticated")
	expect("an empty token", c.as("Bearer "), 401, "Not authenticated")
	expect("garbage", c.as("Bearer a.b.c"), 403, "Invalid JWT token")
	expect("a changed token", c.as(first.header.Get("Authorization")+"A"), 403, "Invalid JWT token")

	other := start(t, options, nil)
	expect("a token of another server", other.as(first.header.Get("Authorization")), 403, "Invalid JWT token")

	now = now.Add(time.Hour - time.Second)
	expect("a token in its last second", first, 200, "")
	now = now.Add(time.Second)
	expect("a token after its life", first, 401, "Token Expired")

	second := c.logIn("viewer", "v")
	expect("a second token", second, 200, "")
	c.server.RotateKey()
	expect("a token of the old key", second, 403, "Invalid JWT token")
	expect("a token of the new key", c.logIn("viewer", "v"), 200, "")
}

// The payload tells when a token expires, as a client may want to know.
func TestTokenIsReadable(t *testing.T) {
	now := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	c := start(t, airflowtest.Options{Version: "3.3.2", Clock: func() time.Time { return now }}, nil)
	parts := strings.Split(c.token("anyone", "x"), ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Subject string `json:"sub"`
		Issued  int64  `json:"iat"`
		Expires int64  `json:"exp"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Subject != "anyone" || claims.Issued != now.Unix() || claims.Expires != now.Add(24*time.Hour).Unix() {
		t.Errorf("claims %+v", claims)
	}
}
