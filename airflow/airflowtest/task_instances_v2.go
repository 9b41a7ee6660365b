package airflowtest

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// listing is a checked question for task instances.
type listing struct {
	filter filter
	limit  int
	offset int
	order  []orderKey
	cursor *string // nil for paging by offset
}

// listTaskInstances is GET …/taskInstances of v2. Keys that it does not know
// are ignored.
func (d v2) listTaskInstances(c *call) answer {
	var l listing
	var problem *answer
	if l.limit, l.offset, problem = d.paging(c); problem != nil {
		return *problem
	}
	if problem := d.parsePath(c, &l.filter); problem != nil {
		return *problem
	}
	if problem := d.parseFilter(c, &l.filter); problem != nil {
		return *problem
	}
	names := c.query()["order_by"]
	if len(names) == 0 {
		names = []string{"map_index"}
	}
	if l.order, problem = d.parseOrder(names, sortable); problem != nil {
		return *problem
	}
	if d.hasCursors() && c.query().Has("cursor") {
		l.cursor = new(c.query().Get("cursor"))
		l.offset = 0
	}
	return d.taskInstances(c, l)
}

// parsePath filters by the DAG and the run that the path names.
func (d v2) parsePath(c *call, f *filter) *answer {
	refuse := func(status int, detail string) *answer {
		a := d.detail(status, detail)
		return &a
	}
	dagID, runID := c.path["dag"], c.path["run"]
	if dagID != "~" {
		if !c.mayRead(dagID) {
			a := d.forbidden()
			return &a
		}
		if c.db.dags[dagID] == nil && runID == "~" {
			return refuse(http.StatusNotFound, fmt.Sprintf("The Dag with ID: `%s` was not found", dagID))
		}
		f.dagIDs = []string{dagID}
	}
	if runID == "~" {
		return nil
	}
	if dagID == "~" && d.needsDagOfRun() {
		return refuse(http.StatusBadRequest, "dag_id is required when dag_run_id is specified")
	}
	if dagID != "~" && c.db.Run(dagID, runID) == nil {
		return refuse(http.StatusNotFound, fmt.Sprintf("DagRun with dag_id: `%s` and run_id: `%s` was not found", dagID, runID))
	}
	f.runIDs = []string{runID}
	return nil
}

// unserved answers a request with a filter that Airflow has, but this server
// has not: one that were ignored would make a wrong test pass.
func unserved(key string) answer {
	return text(http.StatusNotImplemented, "airflowtest does not serve the filter "+key)
}

// unservedFilter reports whether Airflow has this filter, but not this server.
func unservedFilter(key string) bool {
	switch key {
	case "try_number", "map_index", "operator", "version_number", "task_group_id", "task_id":
		return true
	}
	return strings.HasSuffix(key, "_pattern")
}

// parseFilter reads the filters of a GET list.
func (d v2) parseFilter(c *call, f *filter) *answer {
	for key, values := range c.query() {
		if unservedFilter(key) {
			a := unserved(key)
			return &a
		}
		switch key {
		case "pool", "queue", "executor":
			f.setList(key, values)
			continue
		case "state":
			for _, state := range values {
				if state == "none" || (state == "no_status" && d.atLeast(3, 0, 3)) {
					state = NoStatus
				} else if !slices.Contains(d.states(), state) {
					a := d.detail(http.StatusUnprocessableEntity, "Invalid value for state. Valid values are "+strings.Join(d.states(), ", "))
					return &a
				}
				f.states = append(f.states, state)
			}
			continue
		}
		column, op, ok := splitRange(key)
		if !ok || column == "execution_date" || !d.knowsOp(op) {
			continue
		}
		if problem := d.parseRange(f, key, column, op, values[len(values)-1]); problem != nil {
			return problem
		}
	}
	return nil
}

func (d v2) knowsOp(op string) bool { return op == "gte" || op == "lte" || d.hasOpenRanges() }

// parseRange reads one bound of a GET list.
func (d v2) parseRange(f *filter, key, column, op, value string) *answer {
	if column == "duration" {
		seconds, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return d.unprocessable(invalid{kind: "float_parsing", where: "query", field: key, index: -1, input: value,
				message: "Input should be a valid number, unable to parse string as a number"})
		}
		d.addDuration(f, op, seconds)
		return nil
	}
	nulls := nullNeverMatches
	if column == "start_date" || column == "end_date" {
		nulls = d.nullDates()
	}
	at, problem := d.parseQueryDate(key, value)
	if problem == nil {
		f.addDate(column, op, at, nulls)
	}
	return problem
}

// parseQueryDate reads the date of a GET list.
func (d v2) parseQueryDate(key, value string) (time.Time, *answer) {
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		return time.UnixMicro(int64(seconds * 1e6)), nil
	}
	at, err := time.Parse(time.RFC3339Nano, value)
	if err == nil {
		return at, nil
	}
	if isNaive(value) {
		a := d.databaseError()
		return at, &a
	}
	reason := "input is too short"
	if len(value) > len("2006-01-02") {
		reason = "unexpected extra characters at the end of the input"
	}
	return at, d.unprocessable(invalid{kind: "datetime_from_date_parsing", where: "query", field: key, index: -1, input: value,
		message: "Input should be a valid datetime or date, " + reason, context: object{{"error", reason}}})
}

// isNaive reports whether text is a date, but without a time zone.
func isNaive(text string) bool {
	for _, layout := range []string{"2006-01-02", "2006-01-02T15:04:05.999999999"} {
		if _, err := time.Parse(layout, text); err == nil {
			return true
		}
	}
	return false
}

// databaseError is the answer when the database refuses a query.
func (d v2) databaseError() answer {
	if !d.atLeast(3, 1, 0) {
		return internalServerError()
	}
	return d.detail(http.StatusInternalServerError, object{
		{"reason", "Database error"},
		{"statement", "hidden"},
		{"orig_error", "hidden"},
		{"message", "Serious error when handling your request. Check logs for more details - you will find it in api server when you look for ID uYC8iff8"},
	})
}

// addDuration adds a bound; v2 takes 0 for none.
func (d v2) addDuration(f *filter, op string, seconds float64) {
	if seconds != 0 {
		f.addNumber(op, seconds)
	}
}

// taskInstances is one page of the rows that match.
func (d v2) taskInstances(c *call, l listing) answer {
	rows := c.find(&l.filter)
	total := len(rows)
	slices.SortStableFunc(rows, compareRows(l.order))
	var next, previous any
	switch {
	case l.cursor != nil:
		page, refusal := cutAtCursor(rows, l.order, *l.cursor, l.limit)
		if refusal != "" {
			return d.detail(http.StatusBadRequest, refusal)
		}
		rows, next, previous = page.rows, page.next, page.previous
	default:
		rows = pageOf(rows, l.offset, l.limit)
	}
	for _, ti := range rows {
		if d.badRow(ti) {
			return internalServerError()
		}
	}
	a := d.json(http.StatusOK, d.envelope("task_instances", encodeRows(rows, d.taskInstance), l.cursor != nil, total, next, previous))
	a.rows = len(rows)
	return a
}

// totalLimit is how far a page with a cursor counts.
const totalLimit = 50_000

// envelope is a page of a list that may be read with a cursor.
func (d v2) envelope(name string, rows any, withCursor bool, total int, next, previous any) object {
	var entries, limit any = total, nil
	if withCursor {
		entries, limit = nil, nil
		if d.countsWithCursor() {
			entries, limit = min(total, totalLimit), totalLimit
		}
	}
	o := object{{name, rows}, {"total_entries", entries}}
	if d.countsWithCursor() {
		o = append(o, member{"total_entries_limit", limit})
	}
	if d.hasCursors() {
		o = append(o, member{"next_cursor", next}, member{"previous_cursor", previous})
	}
	return o
}

// badRow reports whether v2 fails to answer with this row.
func (d v2) badRow(ti *TaskInstance) bool {
	if ti.State != NoStatus && !slices.Contains(d.states(), ti.State) {
		return true
	}
	if ti.Duration != nil && (math.IsNaN(*ti.Duration) || math.IsInf(*ti.Duration, 0)) {
		return true
	}
	switch ti.NullColumn {
	case "try_number", "max_tries", "executor_config":
		return true
	}
	return false
}
