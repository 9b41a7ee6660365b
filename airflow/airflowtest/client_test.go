package airflowtest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// client asks one server.
type client struct {
	t      *testing.T
	server *airflowtest.Server
	http   *http.Client
	header http.Header

	listPath string // what path found out
}

// reply is a complete answer.
type reply struct {
	status int
	header http.Header
	body   string
	close  bool // the server ends the connection
}

func newClient(t *testing.T, server *airflowtest.Server) *client {
	transport := &http.Transport{DialContext: server.DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{
		t:      t,
		server: server,
		http: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		header: http.Header{},
	}
}

// start starts a server of a version, filled by fill, and a client for it.
func start(t *testing.T, options airflowtest.Options, fill func(db *airflowtest.Database)) *client {
	t.Helper()
	server := airflowtest.Start(t, options)
	if fill != nil {
		server.Update(fill)
	}
	return newClient(t, server)
}

// as is a client that sends this Authorization.
func (c *client) as(authorization string) *client {
	other := *c
	other.header = c.header.Clone()
	other.header.Set("Authorization", authorization)
	return &other
}

// try makes a request; path is below the server's URL.
func (c *client) try(method, path, body string) (reply, error) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.server.URL+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if body != "" || method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	for key, values := range c.header {
		req.Header[key] = values
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(b), resp.Close}, err
}

func (c *client) do(method, path, body string) reply {
	c.t.Helper()
	r, err := c.try(method, path, body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

func (c *client) get(path string) reply {
	c.t.Helper()
	return c.do(http.MethodGet, path, "")
}

// row is what the tests look at of a task instance.
type row struct {
	ID       string   `json:"id"`
	TaskID   string   `json:"task_id"`
	MapIndex int      `json:"map_index"`
	State    *string  `json:"state"`
	Try      int      `json:"try_number"`
	MaxTries int      `json:"max_tries"`
	Start    *string  `json:"start_date"`
	End      *string  `json:"end_date"`
	Duration *float64 `json:"duration"`
}

// page is a listing of task instances.
type page struct {
	Rows     []row   `json:"task_instances"`
	Total    *int    `json:"total_entries"`
	Limit    *int    `json:"total_entries_limit"`
	Next     *string `json:"next_cursor"`
	Previous *string `json:"previous_cursor"`
}

func (p page) tasks() []string {
	tasks := make([]string, len(p.Rows))
	for i, r := range p.Rows {
		tasks[i] = r.TaskID
	}
	return tasks
}

func (c *client) decode(r reply) page {
	c.t.Helper()
	if r.status != http.StatusOK {
		c.t.Fatalf("status %d: %s", r.status, r.body)
	}
	var p page
	if err := json.Unmarshal([]byte(r.body), &p); err != nil {
		c.t.Fatalf("%v in %s", err, r.body)
	}
	return p
}

const (
	listV1 = "/api/v1/dags/~/dagRuns/~/taskInstances"
	listV2 = "/api/v2/dags/~/dagRuns/~/taskInstances"
)

// list asks GET …/taskInstances of the server's API.
func (c *client) list(query string) page {
	c.t.Helper()
	return c.decode(c.get(c.path() + "?" + query))
}

// batch asks POST …/taskInstances/list of the server's API.
func (c *client) batch(body string) page {
	c.t.Helper()
	return c.decode(c.do(http.MethodPost, c.path()+"/list", body))
}

// path is the path of the list of the server's API.
func (c *client) path() string {
	c.t.Helper()
	if c.listPath == "" {
		c.listPath = listV1
		if c.get("/api/v2/version").status == http.StatusOK {
			c.listPath = listV2
		}
	}
	return c.listPath
}
