package airflowtest

import (
	"fmt"
	"net/http"
)

// attempts are the rows of …/tries: the history, and the instance itself
// unless the release knows that its attempt is there already. They have no
// order, but for ShuffleSeed 0.
func (c *call) attempts(ti *TaskInstance, hidesRetries bool) []*TaskInstance {
	var rows []*TaskInstance
	for i := range ti.History {
		rows = append(rows, &ti.History[i])
	}
	if ti.State != UpForRetry || !hidesRetries {
		rows = append(rows, ti)
	}
	if c.server.options.ShuffleSeed != 0 {
		c.shuffle(rows)
	}
	return rows
}

// listTries is GET …/taskInstances/{task}/tries of v1, and …/{index}/tries. Of
// what does not exist there are none.
func (d v1) listTries(c *call) answer {
	if !d.hasTries() {
		return d.unknown("/api/v1/")
	}
	index, err := c.pathIndex()
	if _, named := c.path["index"]; err != nil || (named && index < 0) {
		return d.unknown("/api/v1/")
	}
	if c.unknownToRestricted(c.path["dag"]) || !c.mayRead(c.path["dag"]) {
		return d.forbidden()
	}
	rows := []any{}
	if ti, _ := c.one(index); ti != nil {
		for _, attempt := range c.attempts(ti, d.hidesRecordedRetries()) {
			rows = append(rows, v1Attempt(attempt))
		}
	}
	a := d.json(http.StatusOK, object{{"task_instances", rows}, {"total_entries", len(rows)}})
	a.rows = len(rows)
	return a
}

// v1Attempt is one attempt of v1, with sorted keys.
func v1Attempt(ti *TaskInstance) object {
	return v1TaskInstance(ti).without("execution_date", "note", "rendered_fields", "rendered_map_index", "sla_miss", "trigger", "triggerer_job")
}

// listTries is GET …/taskInstances/{task}/tries of v2, and …/{index}/tries.
func (d v2) listTries(c *call) answer {
	ti, index, problem := d.named(c)
	if problem != nil {
		return *problem
	}
	if ti == nil {
		return d.detail(http.StatusNotFound, c.notFound(index))
	}
	rows := []any{}
	for _, attempt := range c.attempts(ti, true) {
		rows = append(rows, d.attempt(attempt))
	}
	a := d.json(http.StatusOK, object{{"task_instances", rows}, {"total_entries", len(rows)}})
	a.rows = len(rows)
	return a
}

// attempt is one attempt of v2, with keys in the order of its model.
func (d v2) attempt(ti *TaskInstance) object {
	return d.taskInstance(ti).without("id", "logical_date", "run_after", "note", "rendered_map_index", "rendered_fields", "trigger", "triggerer_job")
}

// notFound is how v2 says so of the instance that the path names.
func (c *call) notFound(index int) string {
	return fmt.Sprintf("The Task Instance with dag_id: `%s`, run_id: `%s`, task_id: `%s` and map_index: `%d` was not found",
		c.path["dag"], c.path["run"], c.path["task"], index)
}
