package airflow

import "time"

// dialect is what differs between the two APIs.
type dialect interface {
	// api is the last segment of the API's root: "v1", "v2".
	api() string
	// healthPath is the path of the health endpoint below the root.
	healthPath() string
	// authorizer returns how c logs in, nil for not at all.
	authorizer(c *Client) authorizer
	// batchFilter is the body of the batch list of task instances.
	batchFilter(q TaskInstanceQuery) batchFilter
	// batches turns questions about runs into as few and as cheap requests as this API allows.
	batches(questions []RunQuestion, now time.Time) []runScope
	// pagesByGet reports whether the pages of the GET list have an order.
	pagesByGet() bool
	// unfinishedStates are the states of unfinished task instances that the
	// API of this version accepts in a filter, without StateNone.
	unfinishedStates(v Version) []State
}

func root(d dialect) string { return "/api/" + d.api() }

// call starts a call below the API root that needs a login.
func (c *Client) call(s *server, op, method, path string) call {
	return call{op: op, method: method, endpoint: path, path: root(s.dialect) + path, auth: s.dialect.authorizer(c)}
}

// v1 is the API of Airflow 2.
type v1 struct{}

func (v1) api() string        { return "v1" }
func (v1) healthPath() string { return "/health" }

func (v1) authorizer(c *Client) authorizer {
	if c.login == nil {
		return nil
	}
	return basicAuth{c.login}
}

// batchFilter of v1 has no order: the field is refused.
func (v1) batchFilter(q TaskInstanceQuery) batchFilter { return newBatchFilter(q) }

func (v1) pagesByGet() bool { return false }

func (v1) unfinishedStates(Version) []State { return unfinishedV1 }

// v2 is the API of Airflow 3.
type v2 struct{}

func (v2) api() string        { return "v2" }
func (v2) healthPath() string { return "/monitor/health" }

func (v2) authorizer(c *Client) authorizer {
	if c.login == nil {
		return nil
	}
	return c.login
}

func (v2) batchFilter(q TaskInstanceQuery) batchFilter {
	f := newBatchFilter(q)
	f.Order = "id"
	return f
}

func (v2) pagesByGet() bool { return true }

// unfinishedStates of v2: a state that the server does not know fails the whole call.
func (v2) unfinishedStates(v Version) []State {
	if v.AtLeast(3, 3, 0) {
		return unfinishedV33
	}
	return unfinishedV2
}
