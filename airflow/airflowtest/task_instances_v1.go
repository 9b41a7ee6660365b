package airflowtest

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// listTaskInstances is GET …/taskInstances of v1. It has no order and no
// largest page; limit=0 counts.
func (d v1) listTaskInstances(c *call) answer {
	q, problem := d.parseQuery(c.query(), "execution_date_gte", "execution_date_lte", "start_date_gte", "start_date_lte",
		"end_date_gte", "end_date_lte", "updated_at_gte", "updated_at_lte", "duration_gte", "duration_lte",
		"state", "pool", "queue", "executor", "limit", "offset")
	if problem != nil {
		return *problem
	}
	if id := c.path["dag"]; id != "~" {
		if !c.mayRead(id) {
			return d.forbidden()
		}
		q.filter.dagIDs = []string{id}
	}
	if id := c.path["run"]; id != "~" {
		q.filter.runIDs = []string{id}
	}
	return d.taskInstances(c, q)
}

// batchTaskInstances is POST …/taskInstances/list of v1.
func (d v1) batchTaskInstances(c *call) answer {
	body, problem := d.readBody(c)
	if problem != nil {
		return *problem
	}
	q := query{limit: 100}
	if problem := d.parseBatch(body, &q); problem != nil {
		return *problem
	}
	var denied []string
	for _, id := range q.filter.dagIDs {
		if (!c.mayRead(id) || c.unknownToRestricted(id)) && !slices.Contains(denied, id) {
			denied = append(denied, id)
		}
	}
	if denied != nil {
		return d.problem(http.StatusForbidden, "Forbidden",
			"User not allowed to access some of these DAGs: "+reprStrings(denied), "PermissionDenied")
	}
	if clamp := c.server.options.ClampPost; clamp > 0 {
		q.limit = min(q.limit, clamp)
	}
	if !d.pagesBatch() {
		q.limit, q.offset = len(c.db.instances), 0
	}
	return d.taskInstances(c, q)
}

// unknownToRestricted reports whether a user without the right to all DAGs
// names one that does not exist, which counts as one that may not be read.
func (c *call) unknownToRestricted(dagID string) bool {
	return c.user != nil && c.user.DagIDs != nil && c.db.dags[dagID] == nil
}

// parseBatch checks the fields of the batch list.
func (d v1) parseBatch(body map[string]any, q *query) *answer {
	var unknown []string
	for _, key := range slices.Sorted(maps.Keys(body)) {
		known, problem := d.parseBatchField(q, key, body[key])
		if problem != nil {
			return problem
		}
		if !known {
			unknown = append(unknown, repr(key)+": ['Unknown field.']")
		}
	}
	if unknown != nil {
		return d.badRequest("{%s}", strings.Join(unknown, ", "))
	}
	return nil
}

func (d v1) parseBatchField(q *query, key string, value any) (known bool, problem *answer) {
	switch key {
	case "page_limit", "page_offset":
		return true, d.parsePage(q, key, value)
	case "state", "dag_ids", "dag_run_ids", "task_ids", "pool", "queue", "executor":
		list, problem := d.parseList(key, value)
		q.filter.setList(key, list)
		return true, problem
	}
	column, op, ok := splitRange(key)
	if !ok || (op != "gte" && op != "lte") {
		return false, nil
	}
	switch column {
	case "execution_date", "start_date", "end_date":
		text, ok := value.(string)
		if !ok {
			return true, d.badRequest("%s is not of type 'string' - '%s'", repr(value), key)
		}
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return true, d.badRequest("%s is not a 'date-time' - '%s'", repr(text), key)
		}
		q.filter.addDate(column, op, at, nullNeverMatches)
		return true, nil
	case "duration":
		number, ok := value.(json.Number)
		if !ok {
			return true, d.badRequest("%s is not of type 'number' - '%s'", repr(value), key)
		}
		seconds, _ := number.Float64() // a number that JSON accepted
		q.filter.addNumber(op, seconds)
		return true, nil
	}
	return false, nil
}

// parsePage checks page_limit, which is at least 1, and page_offset.
func (d v1) parsePage(q *query, key string, value any) *answer {
	number, ok := value.(json.Number)
	if !ok || strings.ContainsAny(number.String(), ".eE") {
		if d.checksBatchBySpec() {
			return d.badRequest("%s is not of type 'integer' - '%s'", repr(value), key)
		}
		return d.badRequest("{'%s': ['Not a valid integer.']}", key)
	}
	n, err := number.Int64()
	if err != nil { // beyond what the database can count
		a := d.crash()
		return &a
	}
	target, least := &q.limit, int64(1)
	if key == "page_offset" {
		target, least = &q.offset, 0
	}
	if n < least {
		if d.checksBatchBySpec() {
			return d.badRequest("%d is less than the minimum of %d - '%s'", n, least, key)
		}
		return d.badRequest("{'%s': ['Must be greater than or equal to %d.']}", key, least)
	}
	*target = int(n)
	return nil
}

// parseList checks a list of strings, or of states.
func (d v1) parseList(key string, value any) ([]string, *answer) {
	elements, ok := value.([]any)
	if !ok {
		return nil, d.badRequest("%s is not of type 'array' - '%s'", repr(value), key)
	}
	list := make([]string, len(elements))
	for i, element := range elements {
		text, isText := element.(string)
		switch {
		case key != "state" && !isText:
			return nil, d.badRequest("%s is not of type 'string' - '%s.%d'", repr(element), key, i)
		case key != "state":
			list[i] = text
		case element == nil || text == "none":
			list[i] = NoStatus
		case isText && slices.Contains(d.states(), text):
			list[i] = text
		default:
			return nil, d.badRequest("%s is not one of %s - 'state.%d'", repr(element), d.stateEnum(), i)
		}
	}
	return list, nil
}

// stateEnum is the list of states in error texts.
func (d v1) stateEnum() string { return "[None, " + reprStrings(d.states())[1:] }

// taskInstances is one page of the rows that match, in no order.
func (d v1) taskInstances(c *call, q query) answer {
	rows := c.find(&q.filter)
	total := len(rows)
	c.shuffle(rows)
	rows = pageOf(rows, q.offset, q.limit)
	for i, ti := range rows {
		if detail := d.badRow(ti, i); detail != "" {
			return d.nonconforming(detail)
		}
	}
	a := d.json(http.StatusOK, object{{"task_instances", encodeRows(rows, v1TaskInstance)}, {"total_entries", total}})
	a.rows = len(rows)
	return a
}

// encodeRows encodes rows while they are written.
func encodeRows(rows []*TaskInstance, encode func(*TaskInstance) object) iter.Seq[object] {
	return func(yield func(object) bool) {
		for _, ti := range rows {
			if !yield(encode(ti)) {
				return
			}
		}
	}
}

// badRow is how the specification of v1 refuses a row, empty if it does not.
func (d v1) badRow(ti *TaskInstance, index int) string {
	if ti.State != NoStatus && !slices.Contains(d.states(), ti.State) {
		return fmt.Sprintf(badStateDetail, repr(ti.State), d.stateEnum(), index)
	}
	kind := "string"
	switch ti.NullColumn {
	case "":
		return ""
	case "try_number", "max_tries":
		kind = "integer"
	}
	return fmt.Sprintf(`None is not of type '%[1]s'

Failed validating 'type' in schema['allOf'][0]['properties']['task_instances']['items']['properties']['%[2]s']:
    {'type': '%[1]s'}

On instance['task_instances'][%[3]d]['%[2]s']:
    None`, kind, ti.NullColumn, index)
}

// badStateDetail is v1's text for a row with a state outside its enum, to be
// filled with the state, the enum and the index of the row.
const badStateDetail = `%[1]s is not one of %[2]s

Failed validating 'enum' in schema['allOf'][0]['properties']['task_instances']['items']['properties']['state']:
    {'description': 'Task state.\n'
                    '\n'
                    "*Changed in version 2.0.2*&#58; 'removed' is added as "
                    'a possible value.\n'
                    '\n'
                    "*Changed in version 2.2.0*&#58; 'deferred' is added "
                    'as a possible value.\n'
                    '\n'
                    "*Changed in version 2.4.0*&#58; 'sensing' state has "
                    'been removed.\n'
                    "*Changed in version 2.4.2*&#58; 'restarting' is added "
                    'as a possible value\n'
                    '\n'
                    '*Changed in version 2.7.0*&#58; Field becomes '
                    'nullable and null primitive is added as a possible '
                    'value.\n'
                    "*Changed in version 2.7.0*&#58; 'none' state is "
                    'deprecated in favor of null.\n',
     'type': 'string',
     'nullable': True,
     'enum': [None,
              'success',
              'running',
              'failed',
              'upstream_failed',
              'skipped',
              'up_for_retry',
              'up_for_reschedule',
              'queued',
              'none',
              'scheduled',
              'deferred',
              'removed',
              'restarting']}

On instance['task_instances'][%[3]d]['state']:
    %[1]s`
