package airflowtest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// settable are the states that a person may give an instance by the API.
var settable = []string{Success, Failed, Skipped}

// patchTaskInstance is PATCH …/taskInstances/{task} of v1, and …/{index}: a dry run unless it is told otherwise.
func (d v1) patchTaskInstance(c *call) answer {
	index, err := c.pathIndex()
	if _, named := c.path["index"]; err != nil || (named && index < 0) {
		return d.unknown("/api/v1/")
	}
	body, problem := d.readBody(c)
	if problem != nil {
		return *problem
	}
	for key := range body {
		if key != "new_state" && key != "dry_run" {
			return *d.badRequest("{%s: ['Unknown field.']}", repr(key))
		}
	}
	state, ok := body["new_state"].(string)
	switch {
	case !ok:
		return *d.badRequest("{'new_state': ['Missing data for required field.']}")
	case !slices.Contains(settable, state):
		return *d.badRequest("%s is not one of %s - 'new_state'", repr(state), reprStrings(settable))
	}
	if !c.mayRead(c.path["dag"]) {
		return d.forbidden()
	}
	ti, _ := c.one(index)
	if ti == nil {
		return *d.notFound("Task instance not found for task %s on DAG run with ID %s", repr(c.path["task"]), repr(c.path["run"]))
	}
	if dry, ok := body["dry_run"].(bool); ok && !dry {
		if ti.State != state {
			ti.mark(state)
		}
		return d.json(http.StatusOK, object{})
	}
	return d.json(http.StatusOK, object{
		{"dag_id", ti.DagID}, {"dag_run_id", ti.RunID}, {"execution_date", v1Time(ti.run().executionDate())}, {"task_id", ti.TaskID},
	})
}

func (d v1) notFound(format string, args ...any) *answer {
	a := d.problem(http.StatusNotFound, "Not Found", fmt.Sprintf(format, args...), "NotFound")
	return &a
}

// setNote is PATCH …/taskInstances/{task}/setNote of v1, and …/{index}/setNote.
func (d v1) setNote(c *call) answer {
	index, err := c.pathIndex()
	if _, named := c.path["index"]; err != nil || (named && index < 0) {
		return d.unknown("/api/v1/")
	}
	body, problem := d.readBody(c)
	if problem != nil {
		return *problem
	}
	note, ok := body["note"].(string)
	if !ok {
		return *d.badRequest("%s is not of type 'string' - 'note'", repr(body["note"]))
	}
	if !c.mayRead(c.path["dag"]) {
		return d.forbidden()
	}
	ti, _ := c.one(index)
	if ti == nil {
		title := fmt.Sprintf("Task Instance not found for dag_id=%s, run_id=%s, task_id=%s", c.path["dag"], c.path["run"], c.path["task"])
		return d.problem(http.StatusNotFound, title, nil, "NotFound")
	}
	ti.Note = note
	return d.json(http.StatusOK, v1TaskInstance(ti))
}

// patchTaskInstance is PATCH …/taskInstances/{task} of v2, which is about
// every index, and …/{index}.
func (d v2) patchTaskInstance(c *call) answer {
	rows, body, problem := d.parsePatch(c)
	if problem != nil {
		return *problem
	}
	if note, ok := body["note"].(string); ok {
		for _, ti := range rows {
			ti.Note = note
		}
	}
	if state, ok := body["new_state"].(string); ok {
		changed := inOtherState(d.withState(c, rows), state)
		if len(changed) == 0 {
			return d.detail(http.StatusConflict, fmt.Sprintf("Task id %s is already in %s state", c.path["task"], state))
		}
		for _, ti := range changed {
			ti.mark(state)
		}
	}
	if d.patchTellsOne() {
		return d.json(http.StatusOK, d.taskInstance(rows[0]))
	}
	return d.patched(rows)
}

// withState are the rows that get the new state of a PATCH about these.
func (d v2) withState(c *call, rows []*TaskInstance) []*TaskInstance {
	if !d.patchesEveryIndex() {
		return rows
	}
	return slices.DeleteFunc(c.db.TaskInstances(), func(ti *TaskInstance) bool {
		return ti.DagID != c.path["dag"] || ti.RunID != c.path["run"] || ti.TaskID != c.path["task"]
	})
}

// dryRun is PATCH …/taskInstances/{task}/dry_run of v2, and …/{index}/dry_run.
func (d v2) dryRun(c *call) answer {
	rows, body, problem := d.parsePatch(c)
	if problem != nil {
		return *problem
	}
	if state, ok := body["new_state"].(string); ok {
		rows = inOtherState(rows, state)
	}
	return d.patched(rows)
}

func inOtherState(rows []*TaskInstance, state string) []*TaskInstance {
	return slices.DeleteFunc(slices.Clone(rows), func(ti *TaskInstance) bool { return ti.State == state })
}

func (d v2) patched(rows []*TaskInstance) answer {
	a := d.json(http.StatusOK, d.envelope("task_instances", encodeRows(rows, d.taskInstance), false, len(rows), nil, nil))
	a.rows = len(rows)
	return a
}

// parsePatch checks a PATCH and finds the rows that it is about.
func (d v2) parsePatch(c *call) (rows []*TaskInstance, body map[string]any, problem *answer) {
	index, problem := d.parseIndexOrQuery(c)
	if problem != nil {
		return nil, nil, problem
	}
	if body, problem = d.readBody(c); problem != nil {
		return nil, nil, problem
	}
	for key, value := range body {
		if problem := d.parsePatchField(key, value); problem != nil {
			return nil, nil, problem
		}
	}
	if !c.mayRead(c.path["dag"]) {
		a := d.forbidden()
		return nil, nil, &a
	}
	_, named := c.path["index"]
	known := false
	for _, ti := range c.db.instances {
		if ti.DagID != c.path["dag"] || ti.TaskID != c.path["task"] {
			continue
		}
		known = true
		if ti.RunID == c.path["run"] && (ti.MapIndex == index || !named && !c.query().Has("map_index")) {
			rows = append(rows, ti)
		}
	}
	switch {
	case !known:
		a := d.detail(http.StatusNotFound, fmt.Sprintf("Task '%s' not found in Dag '%s'", c.path["task"], c.path["dag"]))
		return nil, nil, &a
	case rows == nil:
		a := d.detail(http.StatusNotFound, []any{c.notFound(index)})
		return nil, nil, &a
	}
	return rows, body, nil
}

func (d v2) parsePatchField(key string, value any) *answer {
	refuse := func(kind, message string, context object) *answer {
		return d.unprocessable(invalid{kind: kind, where: "body", field: key, index: -1, input: plain(value), message: message, context: context})
	}
	text, isText := value.(string)
	switch key {
	case "new_state":
		if !slices.Contains(settable, strings.ToLower(text)) {
			return refuse("value_error", fmt.Sprintf("Value error, %s is not one of %s", repr(text), reprStrings(settable)), object{{"error", object{}}})
		}
	case "note":
		if value != nil && !isText {
			return refuse("string_type", "Input should be a valid string", nil)
		}
	case "include_upstream", "include_downstream", "include_future", "include_past":
		if _, ok := value.(bool); !ok {
			return refuse("bool_type", "Input should be a valid boolean", nil)
		}
	default:
		return refuse("extra_forbidden", "Extra inputs are not permitted", nil)
	}
	return nil
}
