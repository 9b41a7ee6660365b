package airflowtest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// runStates are the states of DAG runs, in the order of error texts.
func runStates() []string { return []string{Queued, Running, Success, Failed} }

// runListing is a checked question of v2 for DAG runs.
type runListing struct {
	filter runFilter
	limit  int
	offset int
	order  []orderKey
	cursor *string // nil for paging by offset
}

// listDagRuns is GET …/dagRuns of v2. Keys that it does not know are ignored.
func (d v2) listDagRuns(c *call) answer {
	var l runListing
	var problem *answer
	if l.limit, l.offset, problem = d.paging(c); problem != nil {
		return *problem
	}
	if id := c.path["dag"]; id != "~" {
		if !c.mayRead(id) {
			return d.forbidden()
		}
		if c.db.dags[id] == nil {
			return d.detail(http.StatusNotFound, fmt.Sprintf("The Dag with ID: `%s` was not found", id))
		}
		l.filter.dagIDs = []string{id}
	}
	if problem := d.parseRunFilter(c, &l.filter); problem != nil {
		return *problem
	}
	names := c.query()["order_by"]
	if len(names) == 0 {
		names = []string{"id"}
	}
	if l.order, problem = d.parseOrder(names, d.runSortable); problem != nil {
		return *problem
	}
	if d.hasCursors() && c.query().Has("cursor") {
		l.cursor = new(c.query().Get("cursor"))
		l.offset = 0
	}
	return d.dagRuns(c, l)
}

// parseRunFilter reads the filters of the GET list.
func (d v2) parseRunFilter(c *call, f *runFilter) *answer {
	for key, values := range c.query() {
		switch key {
		case "state":
			for _, state := range values {
				if !slices.Contains(runStates(), state) {
					a := d.detail(http.StatusUnprocessableEntity, "Invalid value for state. Valid values are "+strings.Join(runStates(), ", "))
					return &a
				}
			}
			f.states = values
			continue
		case "run_type":
			f.types = values
			continue
		}
		column, op, ok := splitRange(key)
		if unservedRunFilter(key) || ok && (column == "updated_at" || column == "duration") {
			a := unserved(key)
			return &a
		}
		if !ok || column == "execution_date" || !d.knowsOp(op) {
			continue
		}
		at, problem := d.parseQueryDate(key, values[len(values)-1])
		if problem != nil {
			return problem
		}
		nulls := nullNeverMatches
		if column == "start_date" || column == "end_date" {
			nulls = d.nullDates()
		}
		f.addDate(column, op, at, nulls)
	}
	return nil
}

// unservedRunFilter reports whether Airflow has this filter, but not this server.
func unservedRunFilter(key string) bool {
	switch key {
	case "dag_version", "bundle_version", "conf_contains", "partition_date_gte", "partition_date_lte":
		return true
	}
	return strings.HasSuffix(key, "_pattern")
}

// batchDagRuns is POST /dags/~/dagRuns/list of v2.
func (d v2) batchDagRuns(c *call) answer {
	body, problem := d.readBody(c)
	if problem != nil {
		return *problem
	}
	l := runListing{limit: 100}
	names, problem := d.parseBatchOrder(body)
	if problem != nil {
		return *problem
	}
	delete(body, "order_by")
	for _, key := range slices.Sorted(maps.Keys(body)) {
		if problem := d.parseRunField(&l, key, body[key]); problem != nil {
			return *problem
		}
	}
	if l.order, problem = d.parseOrder(names, d.runSortable); problem != nil {
		return *problem
	}
	if clamp := c.server.options.ClampPost; clamp > 0 {
		l.limit = min(l.limit, clamp)
	}
	return d.dagRuns(c, l)
}

func (d v2) parseRunField(l *runListing, key string, value any) (problem *answer) {
	switch key {
	case "page_limit":
		return d.parsePage(&l.limit, key, value)
	case "page_offset":
		return d.parsePage(&l.offset, key, value)
	case "dag_ids", "states":
		if value == nil {
			return nil
		}
		list := &l.filter.dagIDs
		if key == "states" {
			list = &l.filter.states
		}
		*list, problem = d.parseList(key, value)
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
		a := unserved(key)
		return &a
	}
	at, problem := d.parseBatchDate(key, value)
	if problem == nil {
		l.filter.addDate(column, op, at, nullNeverMatches)
	}
	return problem
}

// dagRuns is one page of the runs that match.
func (d v2) dagRuns(c *call, l runListing) answer {
	runs := c.findRuns(&l.filter)
	total := len(runs)
	sortRuns(runs, l.order)
	var next, previous any
	if l.cursor != nil {
		if len(l.order) != 1 || l.order[0].descending {
			return d.detail(http.StatusBadRequest, "airflowtest does not serve a cursor with this order")
		}
		if *l.cursor != "" {
			behind, ok := readRunCursor(*l.cursor)
			if !ok {
				return d.detail(http.StatusBadRequest, "Invalid cursor token")
			}
			runs = slices.DeleteFunc(runs, func(r *DagRun) bool { return r.id <= behind })
		}
		page := pageOf(runs, 0, l.limit)
		if n := len(page); n > 0 && n < len(runs) {
			next = runCursor(page[n-1].id)
		}
		if len(page) > 0 && *l.cursor != "" {
			previous = "~" + runCursor(page[0].id)
		}
		runs = page
	} else {
		runs = pageOf(runs, l.offset, l.limit)
	}
	rows := make([]any, len(runs))
	for i, r := range runs {
		if !slices.Contains(runStates(), r.State) {
			return internalServerError()
		}
		rows[i] = d.dagRun(r)
	}
	a := d.json(http.StatusOK, d.envelope("dag_runs", rows, l.cursor != nil, total, next, previous))
	a.rows = len(rows)
	return a
}

// dagRun is one run of v2, with keys in the order of its model.
func (d v2) dagRun(r *DagRun) object {
	dag := r.db.dags[r.DagID]
	o := object{
		{"dag_run_id", r.RunID},
		{"dag_id", r.DagID},
		{"logical_date", v2Time(r.LogicalDate)},
		{"queued_at", v2Time(r.QueuedAt)},
		{"start_date", v2Time(r.StartDate)},
		{"end_date", v2Time(r.EndDate)},
	}
	if d.hasDisplayNames() {
		o = append(o, member{"duration", r.seconds()})
	}
	o = append(o, object{
		{"data_interval_start", v2Time(r.IntervalStart)},
		{"data_interval_end", v2Time(r.IntervalEnd)},
		{"run_after", v2Time(r.RunAfter)},
		{"last_scheduling_decision", v2Time(r.LastDecision)},
		{"run_type", r.Type},
		{"state", r.State},
		{"triggered_by", r.TriggeredBy},
	}...)
	if d.hasDisplayNames() {
		o = append(o, member{"triggering_user_name", orNil(r.TriggeringUser)})
	}
	o = append(o, object{
		{"conf", r.Conf},
		{"note", orNil(r.Note)},
		{"dag_versions", []any{d.dagVersion(r.db, dag)}},
		{"bundle_version", nil},
	}...)
	if d.hasDisplayNames() {
		o = append(o, member{"dag_display_name", dag.DisplayName})
	}
	if d.atLeast(3, 2, 0) {
		o = append(o, member{"partition_key", nil})
	}
	if d.atLeast(3, 3, 0) {
		o = append(o, member{"partition_date", nil})
	}
	return o
}

// seconds is how long the run took, null while it has not ended.
func (r *DagRun) seconds() any {
	if r.StartDate.IsZero() || r.EndDate.IsZero() {
		return nil
	}
	return r.EndDate.Sub(r.StartDate).Seconds()
}
