package airflowtest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// batchTaskInstances is POST …/taskInstances/list of v2.
func (d v2) batchTaskInstances(c *call) answer {
	body, problem := d.readBody(c)
	if problem != nil {
		return *problem
	}
	l := listing{limit: 100}
	names, problem := d.parseBatchOrder(body)
	if problem != nil {
		return *problem
	}
	delete(body, "order_by")
	for _, key := range slices.Sorted(maps.Keys(body)) {
		if problem := d.parseBatchField(&l, key, body[key]); problem != nil {
			return *problem
		}
	}
	if l.order, problem = d.parseOrder(names, sortable); problem != nil {
		return *problem
	}
	if clamp := c.server.options.ClampPost; clamp > 0 {
		l.limit = min(l.limit, clamp)
	}
	return d.taskInstances(c, l)
}

// readBody decodes the JSON object of a POST.
func (d v2) readBody(c *call) (map[string]any, *answer) {
	value, err := decodeJSON(c.body)
	if err != nil {
		return nil, d.unprocessable(invalid{kind: "json_invalid", where: "body", field: "", index: -1, input: object{},
			message: "JSON decode error", context: object{{"error", "Expecting value"}}})
	}
	body, ok := value.(map[string]any)
	if !ok {
		return nil, d.unprocessable(invalid{kind: "model_attributes_type", where: "body", index: -1, input: value,
			message: "Input should be a valid dictionary or object to extract fields from"})
	}
	return body, nil
}

// parseBatchOrder reads order_by of a POST, which is one name.
func (d v2) parseBatchOrder(body map[string]any) ([]string, *answer) {
	value := body["order_by"]
	name, ok := value.(string)
	switch {
	case ok:
		return []string{name}, nil
	case value == nil:
		return []string{"id"}, nil
	}
	return nil, d.unprocessable(invalid{kind: "string_type", where: "body", field: "order_by", index: -1, input: plain(value),
		message: "Input should be a valid string"})
}

func (d v2) parseBatchField(l *listing, key string, value any) *answer {
	switch key {
	case "page_limit":
		return d.parsePage(&l.limit, key, value)
	case "page_offset":
		return d.parsePage(&l.offset, key, value)
	case "state", "dag_ids", "dag_run_ids", "task_ids", "pool", "queue", "executor":
		if value == nil {
			return nil
		}
		list, problem := d.parseList(key, value)
		l.filter.setList(key, list)
		return problem
	}
	column, op, ok := splitRange(key)
	if !ok || column == "execution_date" || column == "updated_at" || !d.knowsOp(op) {
		return d.unprocessable(invalid{kind: "extra_forbidden", where: "body", field: key, index: -1, input: plain(value),
			message: "Extra inputs are not permitted"})
	}
	if value == nil {
		return nil
	}
	if column == "duration" {
		number, ok := value.(json.Number)
		if !ok {
			return d.unprocessable(invalid{kind: "float_type", where: "body", field: key, index: -1, input: plain(value),
				message: "Input should be a valid number"})
		}
		seconds, _ := number.Float64() // a number that JSON accepted
		d.addDuration(&l.filter, op, seconds)
		return nil
	}
	at, problem := d.parseBatchDate(key, value)
	if problem == nil {
		l.filter.addDate(column, op, at, nullNeverMatches)
	}
	return problem
}

// parseBatchDate reads a date of a POST.
func (d v2) parseBatchDate(key string, value any) (time.Time, *answer) {
	text, _ := value.(string)
	at, err := time.Parse(time.RFC3339Nano, text)
	switch {
	case err == nil:
		return at, nil
	case isNaive(text):
		return at, d.unprocessable(invalid{kind: "timezone_aware", where: "body", field: key, index: -1, input: text,
			message: "Input should have timezone info"})
	}
	return at, d.unprocessable(invalid{kind: "datetime_from_date_parsing", where: "body", field: key, index: -1, input: plain(value),
		message: "Input should be a valid datetime or date, input is too short", context: object{{"error", "input is too short"}}})
}

func (d v2) parsePage(target *int, key string, value any) *answer {
	number, _ := value.(json.Number)
	n, err := number.Int64()
	if err != nil {
		return d.unprocessable(invalid{kind: "int_type", where: "body", field: key, index: -1, input: plain(value),
			message: "Input should be a valid integer"})
	}
	if n < 0 {
		return d.tooSmall("body", key, int(n))
	}
	*target = int(n)
	return nil
}

// parseList checks a list of strings, or of states.
func (d v2) parseList(key string, value any) ([]string, *answer) {
	elements, ok := value.([]any)
	if !ok {
		return nil, d.unprocessable(invalid{kind: "list_type", where: "body", field: key, index: -1, input: plain(value),
			message: "Input should be a valid list"})
	}
	list := make([]string, len(elements))
	for i, element := range elements {
		text, isText := element.(string)
		switch {
		case (key == "state" || key == "states") && element == nil:
			list[i] = NoStatus
		case key == "state" && !slices.Contains(d.states(), text):
			return nil, d.unknownState(key, d.states(), i, element)
		case key == "states" && !slices.Contains(runStates(), text):
			return nil, d.unknownState(key, runStates(), i, element)
		case !isText:
			return nil, d.unprocessable(invalid{kind: "string_type", where: "body", field: key, index: i, input: plain(element),
				message: "Input should be a valid string"})
		default:
			list[i] = text
		}
	}
	return list, nil
}

func (d v2) unknownState(field string, states []string, index int, input any) *answer {
	last := len(states) - 1
	expected := "'" + strings.Join(states[:last], "', '") + "' or '" + states[last] + "'"
	return d.unprocessable(invalid{kind: "enum", where: "body", field: field, index: index, input: plain(input),
		message: "Input should be " + expected, context: object{{"expected", expected}}})
}

// plain makes a decoded value one that can be encoded again.
func plain(value any) any {
	switch v := value.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return int(n)
		}
		f, _ := v.Float64() // a number that JSON accepted
		return f
	case []any:
		list := make([]any, len(v))
		for i, element := range v {
			list[i] = plain(element)
		}
		return list
	case map[string]any:
		o := make(map[string]any, len(v))
		for key, element := range v {
			o[key] = plain(element)
		}
		return o
	}
	return value
}

// parseOrder reads the order of a listing; the id always comes last.
func (d v2) parseOrder(names []string, sortable func(column string) bool) ([]orderKey, *answer) {
	var order []orderKey
	for _, name := range names {
		column, descending := strings.CutPrefix(name, "-")
		if !sortable(column) {
			a := d.detail(http.StatusBadRequest, "Ordering with '"+column+"' is disallowed or the attribute does not exist on the model")
			return nil, &a
		}
		order = append(order, orderKey{column, descending})
	}
	if order[len(order)-1].column != "id" {
		order = append(order, orderKey{column: "id"})
	}
	return order, nil
}
