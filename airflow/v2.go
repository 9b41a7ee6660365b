package airflow

import "net/url"

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

func (v2) batchFilter(q TaskInstanceQuery, offset int) batchFilter {
	f := newBatchFilter(q, offset)
	f.Order = "id"
	return f
}

func (v2) instancesInOrder() bool { return true }

// finite of v2: such a row makes it answer 500.
func (v2) finite() bool { return true }

// unfinishedStates of v2: a state that the server does not know fails the whole call.
func (v2) unfinishedStates(v Version) []State {
	if v.AtLeast(3, 3, 0) {
		return unfinishedV33
	}
	return unfinishedV2
}

// dagsQuery of v2 has nothing to choose: rows are always whole.
func (v2) dagsQuery(DagQuery) url.Values { return url.Values{"exclude_stale": {"true"}} }

func (v2) hasBundles() bool { return true }

func (v2) runDate() string { return "run_after" }
