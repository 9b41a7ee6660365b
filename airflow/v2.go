package airflow

import "github.com/go-json-experiment/json"

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

func (v2) listBody(q TaskInstanceQuery, limit int) ([]byte, error) {
	return json.Marshal(struct {
		States []State `json:"state"`
		Limit  int     `json:"page_limit"`
		Order  string  `json:"order_by"`
	}{q.States, limit, "id"})
}

func (v2) pagesByGet() bool { return true }

// unfinishedStates of v2: a state that the server does not know fails the whole call.
func (v2) unfinishedStates(v Version) []State {
	if v.AtLeast(3, 3, 0) {
		return unfinishedV33
	}
	return unfinishedV2
}
