package airflowtest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// mapped are the instances of the task that the path names, as far as they
// have an index, and whether the task exists and is mapped: what has no
// instance with an index is mapped if Mapped says so of the one without.
func (c *call) mapped(f *filter) (rows []*TaskInstance, exists, mapped bool) {
	for _, ti := range c.db.instances {
		if ti.DagID != c.path["dag"] || ti.TaskID != c.path["task"] {
			continue
		}
		exists = true
		mapped = mapped || ti.MapIndex >= 0 || ti.Mapped
		if ti.RunID == c.path["run"] && ti.MapIndex >= 0 && f.matches(ti) {
			rows = append(rows, ti)
		}
	}
	return rows, exists, mapped
}

// listMapped is GET …/taskInstances/{task}/listMapped of v1, which has an order.
func (d v1) listMapped(c *call) answer {
	q, problem := d.parseQuery(c.query(), "execution_date_gte", "execution_date_lte", "start_date_gte", "start_date_lte",
		"end_date_gte", "end_date_lte", "updated_at_gte", "updated_at_lte", "duration_gte", "duration_lte",
		"state", "pool", "queue", "executor", "limit", "offset", "order_by")
	if problem != nil {
		return *problem
	}
	if !c.mayRead(c.path["dag"]) {
		return d.forbidden()
	}
	rows, exists, mapped := c.mapped(&q.filter)
	notFound := func(title string) answer { return d.problem(http.StatusNotFound, title, nil, "NotFound") }
	switch {
	case c.db.dags[c.path["dag"]] == nil:
		return notFound(fmt.Sprintf("DAG %s not found", c.path["dag"]))
	case !exists:
		return notFound(fmt.Sprintf("Task id %s not found", c.path["task"]))
	case !mapped:
		return notFound(fmt.Sprintf("Task id %s is not mapped", c.path["task"]))
	}
	order := c.query().Get("order_by")
	if order != "" && !slices.Contains([]string{"state", "duration", "start_date", "end_date"}, strings.TrimPrefix(order, "-")) && order != "-map_index" {
		return *d.badRequest("Ordering with '%s' is not supported", order)
	}
	column, descending := strings.CutPrefix(order, "-")
	if !descending {
		column = order
	}
	slices.SortStableFunc(rows, func(a, b *TaskInstance) int {
		compared := 0
		if column != "" {
			compared = compareColumn(column, a, b)
		}
		if descending {
			compared = -compared
		}
		if compared == 0 {
			return a.MapIndex - b.MapIndex
		}
		return compared
	})
	total := len(rows)
	rows = pageOf(rows, q.offset, q.limit)
	a := d.json(http.StatusOK, object{{"task_instances", encodeRows(rows, v1TaskInstance)}, {"total_entries", total}})
	a.rows = len(rows)
	return a
}

// listMapped is GET …/taskInstances/{task}/listMapped of v2, which has no cursor.
func (d v2) listMapped(c *call) answer {
	limit, offset, problem := d.paging(c)
	if problem != nil {
		return *problem
	}
	var f filter
	if problem := d.parseFilter(c, &f); problem != nil {
		return *problem
	}
	names := c.query()["order_by"]
	if len(names) == 0 {
		names = []string{"map_index"}
	}
	order, problem := d.parseOrder(names, sortable)
	if problem != nil {
		return *problem
	}
	if !c.mayRead(c.path["dag"]) {
		return d.forbidden()
	}
	rows, exists, mapped := c.mapped(&f)
	switch {
	case c.db.dags[c.path["dag"]] == nil:
		return d.detail(http.StatusNotFound, fmt.Sprintf("The Dag with ID: `%s` was not found", c.path["dag"]))
	case !exists:
		return d.detail(http.StatusNotFound, fmt.Sprintf("Task id %s not found", c.path["task"]))
	case !mapped:
		return d.detail(http.StatusNotFound, fmt.Sprintf("Task id %s is not mapped", c.path["task"]))
	}
	slices.SortStableFunc(rows, compareRows(order))
	total := len(rows)
	rows = pageOf(rows, offset, limit)
	a := d.json(http.StatusOK, d.envelope("task_instances", encodeRows(rows, d.taskInstance), false, total, nil, nil))
	a.rows = len(rows)
	return a
}
