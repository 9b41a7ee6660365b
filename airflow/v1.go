package airflow

import "github.com/go-json-experiment/json"

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

// listBody of v1 has no order: the field is refused.
func (v1) listBody(q TaskInstanceQuery, limit int) ([]byte, error) {
	return json.Marshal(struct {
		States []State `json:"state"`
		Limit  int     `json:"page_limit"`
	}{q.States, limit})
}

func (v1) pagesByGet() bool { return false }

func (v1) unfinishedStates(Version) []State { return unfinishedV1 }
