package airflowtest

import (
	"fmt"
	"net/http"
	"strconv"
)

// try is the attempt that the path names, nil if there is none.
func (c *call) try(index, number int) *TaskInstance {
	ti, _ := c.one(index)
	if ti == nil || ti.TryNumber == number {
		return ti
	}
	for i := range ti.History {
		if ti.History[i].TryNumber == number {
			return &ti.History[i]
		}
	}
	return nil
}

// getTry is GET …/taskInstances/{task}/tries/{try} of v1, and …/{index}/tries/{try}.
func (d v1) getTry(c *call) answer {
	index, err := c.pathIndex()
	number, numberErr := strconv.Atoi(c.path["try"])
	if _, named := c.path["index"]; !d.hasTries() || err != nil || numberErr != nil || (named && index < 0) {
		return d.unknown("/api/v1/")
	}
	if c.unknownToRestricted(c.path["dag"]) || !c.mayRead(c.path["dag"]) {
		return d.forbidden()
	}
	ti := c.try(index, number)
	if ti == nil {
		return d.problem(http.StatusNotFound, "Task instance not found", fmt.Sprintf("Task Instance not found for dag_id=%s, run_id=%s, task_id=%s, map_index=%d, try_number=%d.",
			c.path["dag"], c.path["run"], c.path["task"], index, number), "NotFound")
	}
	return d.json(http.StatusOK, v1Attempt(ti))
}

// getTry is GET …/taskInstances/{task}/tries/{try} of v2, and …/{index}/tries/{try}.
func (d v2) getTry(c *call) answer {
	index, problem := d.parseIndexOrQuery(c)
	if problem != nil {
		return *problem
	}
	number, problem := d.parseTry(c, "task_try_number")
	if problem != nil {
		return *problem
	}
	if !c.mayRead(c.path["dag"]) {
		return d.forbidden()
	}
	ti := c.try(index, number)
	if ti == nil {
		return d.detail(http.StatusNotFound, fmt.Sprintf("The Task Instance with dag_id: `%s`, run_id: `%s`, task_id: `%s`, try_number: `%d` and map_index: `%d` was not found",
			c.path["dag"], c.path["run"], c.path["task"], number, index))
	}
	return d.json(http.StatusOK, d.attempt(ti))
}

// parseTry is the number of an attempt in a path.
func (d v2) parseTry(c *call, field string) (int, *answer) {
	number, err := strconv.Atoi(c.path["try"])
	if err != nil {
		return 0, d.unprocessable(invalid{kind: "int_parsing", where: "path", field: field, index: -1, input: c.path["try"],
			message: "Input should be a valid integer, unable to parse string as an integer"})
	}
	return number, nil
}
