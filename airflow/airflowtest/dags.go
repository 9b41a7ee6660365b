package airflowtest

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// dagFilter is the WHERE of a listing of DAGs. Lists that are empty do not filter.
type dagFilter struct {
	tags     []string
	paused   *bool
	withGone bool
	like     string // a pattern of SQL that is part of the id
}

// iLike is ILIKE of SQL, with the pattern anywhere in the text.
func iLike(pattern string) *regexp.Regexp {
	return regexp.MustCompile("(?is)" + strings.NewReplacer("%", ".*", "_", ".").Replace(regexp.QuoteMeta(pattern)))
}

// findDags returns the DAGs that match and that the user of c may read, by id.
func (c *call) findDags(f dagFilter) []*Dag {
	var dags []*Dag
	like := iLike(f.like)
	for _, id := range slices.Sorted(maps.Keys(c.db.dags)) {
		dag := c.db.dags[id]
		tagged := len(f.tags) == 0 || slices.ContainsFunc(f.tags, func(tag string) bool { return slices.Contains(dag.Tags, tag) })
		if tagged && like.MatchString(id) && (f.withGone || !dag.Stale) && (f.paused == nil || *f.paused == dag.Paused) && c.mayRead(id) {
			dags = append(dags, dag)
		}
	}
	return dags
}

// listDags is GET /dags of v1: at most 100 rows, also for limit=0.
func (d v1) listDags(c *call) answer {
	values := c.query()
	q, problem := d.parseQuery(withoutKeys(values, "tags", "only_active", "paused", "order_by", "fields", "dag_id_pattern"), "limit", "offset")
	if problem != nil {
		return *problem
	}
	f := dagFilter{tags: splitList(values["tags"]), like: values.Get("dag_id_pattern")}
	for _, key := range []string{"only_active", "paused"} {
		if !values.Has(key) {
			continue
		}
		value, err := strconv.ParseBool(values.Get(key))
		if err != nil {
			return *d.badRequest("Wrong type, expected 'boolean' for query parameter '%s'", key)
		}
		if key == "paused" {
			f.paused = &value
		} else {
			f.withGone = !value
		}
	}
	column, descending := strings.CutPrefix(values.Get("order_by"), "-")
	if column != "" && column != "dag_id" {
		return *d.badRequest("Ordering with '%s' is disallowed or the attribute does not exist on the model", column)
	}
	dags := c.findDags(f)
	if descending {
		slices.Reverse(dags)
	}
	rows := []any{}
	for _, dag := range pageOf(dags, q.offset, c.clamp(fullPage(q.limit))) {
		rows = append(rows, v1Dag(dag).only(splitList(values["fields"])))
	}
	o := object{{"dags", rows}, {"total_entries", len(dags)}}
	if values.Has("fields") && !d.countsWithFields() {
		o = o.only([]string{"dags"})
	}
	a := d.json(http.StatusOK, o)
	a.rows = len(rows)
	return a
}

// getDag is GET /dags/{dag} of v1, stale or not.
func (d v1) getDag(c *call) answer {
	if _, problem := d.parseQuery(c.query()); problem != nil {
		return *problem
	}
	id := c.path["dag"]
	if !c.mayRead(id) {
		return d.forbidden()
	}
	dag := c.db.dags[id]
	if dag == nil {
		return d.problem(http.StatusNotFound, "DAG not found", "The DAG with dag_id: "+id+" was not found", "NotFound")
	}
	a := d.json(http.StatusOK, v1Dag(dag))
	a.rows = 1
	return a
}

// splitList is a list parameter of v1, nil for none: repeated, with commas, or both.
func splitList(values []string) []string {
	if values == nil {
		return nil
	}
	return strings.Split(strings.Join(values, ","), ",")
}

// withoutKeys is a copy of values less some keys.
func withoutKeys(values url.Values, keys ...string) url.Values {
	rest := maps.Clone(values)
	for _, key := range keys {
		delete(rest, key)
	}
	return rest
}

// clamp bounds the rows of a GET list of v1, but for that of task instances.
func (c *call) clamp(limit int) int {
	if most := c.server.options.ClampGet; most > 0 {
		return min(limit, most)
	}
	return limit
}

// fullPage is the limit that v1 makes of one in most of its lists.
func fullPage(limit int) int {
	if limit == 0 {
		return 100
	}
	return min(limit, 100)
}

// fileToken stands for the signed path of a DAG's file.
const fileToken = "REDACTED"

// v1Dag is one DAG of v1, with sorted keys.
func v1Dag(dag *Dag) object {
	var tags []any
	for _, tag := range dag.Tags {
		tags = append(tags, object{{"name", tag}})
	}
	return object{
		{"dag_display_name", dag.DisplayName},
		{"dag_id", dag.DagID},
		{"default_view", "grid"},
		{"description", orNil(dag.Description)},
		{"file_token", fileToken},
		{"fileloc", dag.File},
		{"has_import_errors", dag.HasImportErrors},
		{"has_task_concurrency_limits", dag.HasTaskLimits},
		{"is_active", !dag.Stale},
		{"is_paused", dag.Paused},
		{"is_subdag", false},
		{"last_expired", nil},
		{"last_parsed_time", v1Time(dag.ParsedAt)},
		{"last_pickled", nil},
		{"max_active_runs", dag.MaxActiveRuns},
		{"max_active_tasks", dag.MaxActiveTasks},
		{"max_consecutive_failed_dag_runs", 0},
		{"next_dagrun", v1Time(dag.NextLogicalDate)},
		{"next_dagrun_create_after", v1Time(dag.NextRunAfter)},
		{"next_dagrun_data_interval_end", v1Time(dag.NextIntervalEnd)},
		{"next_dagrun_data_interval_start", v1Time(dag.NextIntervalStart)},
		{"owners", dag.Owners},
		{"pickle_id", nil},
		{"root_dag_id", nil},
		{"schedule_interval", v1Schedule(dag)},
		{"scheduler_lock", nil},
		{"tags", tags},
		{"timetable_description", dag.ScheduleText},
	}
}

func v1Schedule(dag *Dag) any {
	switch {
	case dag.Schedule != "":
		return object{{"__type", "CronExpression"}, {"value", dag.Schedule}}
	case dag.Every != 0:
		days := dag.Every / (24 * time.Hour)
		rest := dag.Every % (24 * time.Hour)
		return object{{"__type", "TimeDelta"}, {"days", int(days)}, {"microseconds", int(rest % time.Second / time.Microsecond)}, {"seconds", int(rest / time.Second)}}
	}
	return nil
}

// listDags is GET /dags of v2.
func (d v2) listDags(c *call) answer {
	limit, offset, problem := d.paging(c)
	if problem != nil {
		return *problem
	}
	var f dagFilter
	descending := false
	for key, values := range c.query() {
		last := values[len(values)-1]
		switch key {
		case "limit", "offset":
		case "tags":
			f.tags = values
		case "dag_id_pattern":
			f.like = last
		case "paused", "exclude_stale":
			value, err := strconv.ParseBool(last)
			if err != nil {
				return *d.unprocessable(invalid{kind: "bool_parsing", where: "query", field: key, index: -1, input: last,
					message: "Input should be a valid boolean, unable to interpret input"})
			}
			if key == "paused" {
				f.paused = &value
			} else {
				f.withGone = !value
			}
		case "order_by":
			order, problem := d.parseOrder(values, func(column string) bool { return column == "dag_id" })
			if problem != nil {
				return *problem
			}
			descending = order[0].descending
		case "tags_match_mode", "owners", "has_import_errors", "last_dag_run_state", "bundle_name", "bundle_version", "has_asset_schedule",
			"asset_dependency", "dag_run_state", "is_favorite", "timetable_type", "dag_id_prefix_pattern",
			"dag_display_name_pattern", "dag_display_name_prefix_pattern":
			return unserved(key)
		}
	}
	dags := c.findDags(f)
	if descending {
		slices.Reverse(dags)
	}
	rows := []any{}
	for _, dag := range pageOf(dags, offset, limit) {
		rows = append(rows, d.dag(dag))
	}
	a := d.json(http.StatusOK, object{{"dags", rows}, {"total_entries", len(dags)}})
	a.rows = len(rows)
	return a
}

// getDag is GET /dags/{dag} of v2, stale or not.
func (d v2) getDag(c *call) answer {
	id := c.path["dag"]
	if !c.mayRead(id) {
		return d.forbidden()
	}
	dag := c.db.dags[id]
	if dag == nil {
		return d.detail(http.StatusNotFound, fmt.Sprintf("The Dag with ID: `%s` was not found", id))
	}
	a := d.json(http.StatusOK, d.dag(dag))
	a.rows = 1
	return a
}

// dag is one DAG of v2, with keys in the order of its model.
func (d v2) dag(dag *Dag) object {
	o := object{
		{"dag_id", dag.DagID},
		{"dag_display_name", dag.DisplayName},
		{"is_paused", dag.Paused},
		{"is_stale", dag.Stale},
		{"last_parsed_time", v2Time(dag.ParsedAt)},
	}
	if d.hasDisplayNames() {
		o = append(o, member{"last_parse_duration", dag.ParseFor.Seconds()})
	}
	var summary any
	switch {
	case dag.Schedule != "":
		summary = dag.Schedule
	case dag.Every != 0:
		summary = timeDelta(dag.Every)
	}
	o = append(o, object{
		{"last_expired", nil},
		{"bundle_name", defaultBundle},
		{"bundle_version", nil},
		{"relative_fileloc", path.Base(dag.File)},
		{"fileloc", dag.File},
		{"description", orNil(dag.Description)},
		{"timetable_summary", summary},
		{"timetable_description", dag.ScheduleText},
	}...)
	if d.hasTimetableKinds() {
		o = append(o, member{"timetable_partitioned", false}, member{"timetable_periodic", dag.periodic()})
	}
	o = append(o, object{
		{"tags", d.tags(dag)},
		{"max_active_tasks", dag.MaxActiveTasks},
		{"max_active_runs", dag.MaxActiveRuns},
		{"max_consecutive_failed_dag_runs", 0},
		{"has_task_concurrency_limits", dag.HasTaskLimits},
		{"has_import_errors", dag.HasImportErrors},
		{"next_dagrun_logical_date", v2Time(dag.NextLogicalDate)},
		{"next_dagrun_data_interval_start", v2Time(dag.NextIntervalStart)},
		{"next_dagrun_data_interval_end", v2Time(dag.NextIntervalEnd)},
		{"next_dagrun_run_after", v2Time(dag.NextRunAfter)},
	}...)
	if d.hasTimetableKinds() {
		o = append(o, member{"allowed_run_types", nil})
	}
	o = append(o, member{"owners", dag.Owners})
	if d.hasTimetableKinds() {
		o = append(o, member{"is_backfillable", dag.periodic()})
	}
	return append(o, member{"file_token", fileToken})
}

func (d v2) tags(dag *Dag) []any {
	tags := []any{}
	for _, tag := range dag.Tags {
		o := object{{"name", tag}, {"dag_id", dag.DagID}}
		if d.hasDisplayNames() {
			o = append(o, member{"dag_display_name", dag.DisplayName})
		}
		tags = append(tags, o)
	}
	return tags
}
