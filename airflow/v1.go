package airflow

import (
	"net/url"
	"strings"
)

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

func (v1) finite() bool { return false }

func (v1) unfinishedStates(Version) []State { return unfinishedV1 }

// dagsQuery of v1 names the fields that Dag needs: a whole row is 1.2 KB.
func (v1) dagsQuery(q DagQuery) url.Values {
	fields := []string{"dag_id", "is_paused", "owners", "schedule_interval", "max_active_runs", "next_dagrun",
		"next_dagrun_create_after", "next_dagrun_data_interval_start", "next_dagrun_data_interval_end"}
	if q.Tags {
		fields = append(fields, "tags")
	}
	return url.Values{"only_active": {"true"}, "fields": {strings.Join(fields, ",")}}
}

func (v1) hasBundles() bool { return false }

func (v1) runDate() string { return "execution_date" }
