package airflowtest

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// task is an instance of the task that the path names, nil if there is none:
// the task is what its instances say of it.
func (c *call) task() *TaskInstance {
	n := slices.IndexFunc(c.db.instances, func(ti *TaskInstance) bool { return ti.DagID == c.path["dag"] && ti.TaskID == c.path["task"] })
	if n < 0 {
		return nil
	}
	return c.db.instances[n]
}

// encodeTask is what both APIs say of a task; v1 sorts the keys.
func encodeTask(ti *TaskInstance, backoff any) object {
	delay := cmp.Or(ti.RetryDelay, 5*time.Minute)
	days, rest := delay/(24*time.Hour), delay%(24*time.Hour)
	return object{
		{"class_ref", object{{"class_name", ti.Operator}, {"module_path", "airflow.operators.python"}}},
		{"depends_on_past", false},
		{"doc_md", nil},
		{"downstream_task_ids", []any{}},
		{"end_date", nil},
		{"execution_timeout", nil},
		{"extra_links", []any{}},
		{"is_mapped", ti.Mapped || ti.MapIndex >= 0},
		{"operator_name", ti.OperatorName},
		{"owner", "airflow"},
		{"pool", ti.Pool},
		{"pool_slots", float64(ti.PoolSlots)},
		{"priority_weight", float64(ti.PriorityWeight)},
		{"queue", ti.Queue},
		{"retries", float64(ti.Retries)},
		{"retry_delay", object{
			{"__type", "TimeDelta"}, {"days", int(days)},
			{"microseconds", int(rest % time.Second / time.Microsecond)}, {"seconds", int(rest / time.Second)},
		}},
		{"retry_exponential_backoff", backoff},
		{"start_date", "2000-01-01T00:00:00+00:00"},
		{"task_display_name", ti.DisplayName},
		{"task_id", ti.TaskID},
		{"template_fields", []any{}},
		{"trigger_rule", "all_success"},
		{"wait_for_downstream", false},
		{"weight_rule", "downstream"},
	}
}

// getTask is GET /dags/{dag}/tasks/{task} of v1.
func (d v1) getTask(c *call) answer {
	if !c.mayRead(c.path["dag"]) {
		return d.forbidden()
	}
	if c.db.dags[c.path["dag"]] == nil {
		return d.problem(http.StatusNotFound, "DAG not found", nil, "NotFound")
	}
	ti := c.task()
	if ti == nil {
		return d.problem(http.StatusNotFound, "Task not found", nil, "NotFound")
	}
	return d.json(http.StatusOK, encodeTask(ti, ti.RetryBackoff))
}

// getTask is GET /dags/{dag}/tasks/{task} of v2.
func (d v2) getTask(c *call) answer {
	id := c.path["dag"]
	if !c.mayRead(id) {
		return d.forbidden()
	}
	if c.db.dags[id] == nil {
		return d.detail(http.StatusNotFound, fmt.Sprintf("The Dag with ID: `%s` was not found", id))
	}
	ti := c.task()
	if ti == nil {
		return d.detail(http.StatusNotFound, fmt.Sprintf("Task with id %s was not found", c.path["task"]))
	}
	var backoff any = ti.RetryBackoff
	if d.hasBackoffFactor() {
		backoff = 0.0
		if ti.RetryBackoff {
			backoff = 2.0
		}
	}
	return d.json(http.StatusOK, encodeTask(ti, backoff))
}
