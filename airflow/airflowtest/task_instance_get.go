package airflowtest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// one finds the task instance that the path names; index −1 is the path
// without an index. mapped reports whether the task has instances with one.
func (c *call) one(index int) (ti *TaskInstance, mapped bool) {
	key := Key{c.path["dag"], c.path["run"], c.path["task"], index}
	if !c.mayRead(key.DagID) {
		return nil, false
	}
	if ti := c.db.byKey[key]; ti != nil {
		return ti, false
	}
	key.MapIndex = 0
	return nil, c.db.byKey[key] != nil
}

// pathIndex is the map index that the path names, −1 if none.
func (c *call) pathIndex() (int, error) {
	text, ok := c.path["index"]
	if !ok {
		return -1, nil
	}
	return strconv.Atoi(text)
}

// getTaskInstance is GET …/taskInstances/{task} of v1, and …/{index} below it.
func (d v1) getTaskInstance(c *call) answer {
	index, err := c.pathIndex()
	if _, named := c.path["index"]; err != nil || (named && index < 0) {
		return d.unknown("/api/v1/")
	}
	if !c.mayRead(c.path["dag"]) {
		return d.forbidden()
	}
	ti, mapped := c.one(index)
	if ti == nil {
		var detail any
		if mapped && index == -1 {
			detail = "Task instance is mapped, add the map_index value to the URL"
		}
		return d.problem(http.StatusNotFound, "Task instance not found", detail, "NotFound")
	}
	if detail := d.badRow(ti, 0); detail != "" {
		return d.nonconforming(strings.NewReplacer(
			"schema['allOf'][0]['properties']['task_instances']['items']", "schema",
			"instance['task_instances'][0]", "instance").Replace(detail))
	}
	return d.json(http.StatusOK, v1TaskInstance(ti))
}

// getTaskInstance is GET …/taskInstances/{task} of v2, and …/{index} below it,
// where −1 is the same as without.
func (d v2) getTaskInstance(c *call) answer {
	index, problem := d.parseIndex(c)
	if problem != nil {
		return *problem
	}
	if !c.mayRead(c.path["dag"]) {
		return d.forbidden()
	}
	ti, mapped := c.one(index)
	_, named := c.path["index"]
	switch {
	case ti != nil && d.badRow(ti):
		return internalServerError()
	case ti != nil:
		return d.json(http.StatusOK, d.taskInstance(ti))
	case mapped && !named:
		return d.detail(http.StatusNotFound, "Task instance is mapped, add the map_index value to the URL")
	case named:
		return d.detail(http.StatusNotFound, fmt.Sprintf("The Mapped Task Instance with dag_id: `%s`, run_id: `%s`, task_id: `%s`, and map_index: `%d` was not found",
			c.path["dag"], c.path["run"], c.path["task"], index))
	}
	return d.detail(http.StatusNotFound, fmt.Sprintf("The Task Instance with dag_id: `%s`, run_id: `%s` and task_id: `%s` was not found",
		c.path["dag"], c.path["run"], c.path["task"]))
}

// parseIndex is the map index that the path of v2 names, −1 if none.
func (d v2) parseIndex(c *call) (int, *answer) {
	index, err := c.pathIndex()
	if err != nil {
		return 0, d.unprocessable(invalid{kind: "int_parsing", where: "path", field: "map_index", index: -1, input: c.path["index"],
			message: "Input should be a valid integer, unable to parse string as an integer"})
	}
	return index, nil
}

// parseIndexOrQuery is parseIndex where the index may also be a parameter.
func (d v2) parseIndexOrQuery(c *call) (int, *answer) {
	text := c.query().Get("map_index")
	if _, named := c.path["index"]; named || text == "" {
		return d.parseIndex(c)
	}
	index, err := strconv.Atoi(text)
	if err != nil {
		return 0, d.unprocessable(invalid{kind: "int_parsing", where: "query", field: "map_index", index: -1, input: text,
			message: "Input should be a valid integer, unable to parse string as an integer"})
	}
	return index, nil
}

// named is the task instance that the path and the query name, nil if there is none, and its index.
func (d v2) named(c *call) (ti *TaskInstance, index int, problem *answer) {
	if index, problem = d.parseIndexOrQuery(c); problem != nil {
		return nil, 0, problem
	}
	if !c.mayRead(c.path["dag"]) {
		forbidden := d.forbidden()
		return nil, 0, &forbidden
	}
	ti, _ = c.one(index)
	return ti, index, nil
}
