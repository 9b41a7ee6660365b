package airflow

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
func (v1) batchFilter(q TaskInstanceQuery, offset int) batchFilter { return newBatchFilter(q, offset) }

func (v1) instancesInOrder() bool { return false }

func (v1) unfinishedStates(Version) []State { return unfinishedV1 }
