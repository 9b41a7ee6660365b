package airflowtest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// runQuery are the checked parameters of a list of DAG runs of v1.
type runQuery struct {
	query
	filter runFilter
	order  string
	fields []string // nil for all
}

// listDagRuns is GET …/dagRuns of v1: at most 100 rows, also for limit=0.
func (d v1) listDagRuns(c *call) answer {
	values := c.query()
	q := runQuery{order: "id"}
	var problem *answer
	if q.query, problem = d.parseQuery(withoutKeys(values, "state", "order_by", "fields", "execution_date_gte", "execution_date_lte",
		"start_date_gte", "start_date_lte", "end_date_gte", "end_date_lte", "updated_at_gte", "updated_at_lte"), "limit", "offset"); problem != nil {
		return *problem
	}
	q.limit = c.clamp(fullPage(q.limit))
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if problem := d.parseRunParameter(&q, key, values[key]); problem != nil {
			return *problem
		}
	}
	if id := c.path["dag"]; id != "~" {
		if !c.mayRead(id) {
			return d.forbidden()
		}
		q.filter.dagIDs = []string{id}
	}
	return d.dagRuns(c, q)
}

func (d v1) parseRunParameter(q *runQuery, key string, values []string) *answer {
	last := values[len(values)-1]
	switch key {
	case "state": // not checked: a state that no run has matches none
		q.filter.states = splitList(values)
		return nil
	case "fields":
		q.fields = splitList(values)
		return nil
	case "order_by":
		q.order = last
		return nil
	}
	column, op, ok := splitRange(key)
	if !ok {
		return nil // limit and offset
	}
	if column == "updated_at" {
		a := unserved(key)
		return &a
	}
	at, problem := d.parseQueryDate(last)
	if problem == nil {
		q.filter.addDate(column, op, at, nullNeverMatches)
	}
	return problem
}

// batchDagRuns is POST /dags/~/dagRuns/list of v1.
func (d v1) batchDagRuns(c *call) answer {
	body, problem := d.readBody(c)
	if problem != nil {
		return *problem
	}
	q := runQuery{order: "id"}
	q.limit = 100
	var unknown []string
	for _, key := range slices.Sorted(maps.Keys(body)) {
		known, problem := d.parseRunField(&q, key, body[key])
		if problem != nil {
			return *problem
		}
		if !known {
			unknown = append(unknown, repr(key)+": ['Unknown field.']")
		}
	}
	if unknown != nil {
		return *d.badRequest("{%s}", strings.Join(unknown, ", "))
	}
	if clamp := c.server.options.ClampPost; clamp > 0 {
		q.limit = min(q.limit, clamp)
	}
	return d.dagRuns(c, q)
}

func (d v1) parseRunField(q *runQuery, key string, value any) (known bool, problem *answer) {
	switch key {
	case "page_limit", "page_offset":
		return true, d.parsePage(&q.query, key, value)
	case "order_by":
		name, ok := value.(string)
		if !ok {
			return true, d.badRequest("%s is not of type 'string' - '%s'", repr(value), key)
		}
		q.order = name
		return true, nil
	case "dag_ids":
		q.filter.dagIDs, problem = d.parseList(key, value)
		return true, problem
	case "states":
		q.filter.states, problem = d.parseList(key, value)
		return true, problem
	}
	column, op, ok := splitRange(key)
	if !ok || (op != "gte" && op != "lte") {
		return false, nil
	}
	switch column {
	case "execution_date", "start_date", "end_date":
	default:
		return false, nil
	}
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
}

// dagRuns is one page of the runs that match.
func (d v1) dagRuns(c *call, q runQuery) answer {
	column, descending := strings.CutPrefix(q.order, "-")
	if !d.runSortable(column) {
		return *d.badRequest("Ordering with '%s' is disallowed or the attribute does not exist on the model", column)
	}
	runs := c.findRuns(&q.filter)
	total := len(runs)
	sortRuns(runs, []orderKey{{column, descending}})
	rows := []any{}
	for i, r := range pageOf(runs, q.offset, q.limit) {
		if !slices.Contains(runStates(), r.State) {
			return d.nonconforming(fmt.Sprintf("%s is not one of %s\n\nOn instance['dag_runs'][%d]['state']:\n    %[1]s",
				repr(r.State), reprStrings(runStates()), i))
		}
		rows = append(rows, v1DagRun(r).only(q.fields))
	}
	a := d.json(http.StatusOK, object{{"dag_runs", rows}, {"total_entries", total}})
	a.rows = len(rows)
	return a
}

// v1DagRun is one run of v1, with sorted keys.
func v1DagRun(r *DagRun) object {
	return object{
		{"conf", r.Conf},
		{"dag_id", r.DagID},
		{"dag_run_id", r.RunID},
		{"data_interval_end", v1Time(r.IntervalEnd)},
		{"data_interval_start", v1Time(r.IntervalStart)},
		{"end_date", v1Time(r.EndDate)},
		{"execution_date", v1Time(r.executionDate())},
		{"external_trigger", r.Type == RunManual},
		{"last_scheduling_decision", v1Time(r.LastDecision)},
		{"logical_date", v1Time(r.executionDate())},
		{"note", orNil(r.Note)},
		{"run_type", r.Type},
		{"start_date", v1Time(r.StartDate)},
		{"state", r.State},
	}
}
