package airflow

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TaskInstanceFilter selects task instances of a list. What is zero selects
// nothing out; values of one field are alternatives, fields add up. No list and
// no version of Airflow knows all of them: where one is not known, listing ends
// with an error that wraps [errors.ErrUnsupported] before anything is asked.
type TaskInstanceFilter struct {
	States                   []State // StateNone included
	Pools, Queues, Executors []string

	// LogicalDate is the execution date on Airflow 2.
	LogicalDate TimeRange
	RunAfter    TimeRange // Airflow 3
	// StartDate and EndDate select no row without that date. By GET, Airflow 3.0.3
	// and later takes such a row for one that starts, or ends, now or later, and
	// sends it: it is left out here, but Offset counts it.
	StartDate, EndDate TimeRange
	UpdatedAt          TimeRange // by GET
	// Duration is in whole seconds in the batch list of Airflow 2.
	Duration DurationRange

	// These are for the batch list. On Airflow 2, an account that may not read
	// one of DagIDs gets none, but a 403.
	DagIDs, RunIDs, TaskIDs []string

	// The rest is for the GET lists of Airflow 3; TaskID, TaskGroupID and the
	// patterns of DAGs, runs and TaskDisplayName only for List.
	TaskID           string
	TaskGroupID      string // 3.2 and later, for one DAG
	DagVersions      []int
	Operators        []string // 3.1 and later, as MapIndexes and TryNumbers
	MapIndexes       []int
	TryNumbers       []int
	TaskDisplayName  Pattern
	DagID, RunID     Pattern // 3.2 and later
	OperatorName     Pattern // 3.2 and later
	PoolName         Pattern // 3.2 and later
	QueueName        Pattern // 3.2 and later
	RenderedMapIndex Pattern // 3.3 and later

	// OrderBy are fields in Airflow's words, with a minus for descending order:
	// "-start_date". Airflow 2 orders only what ListMapped lists, by one field.
	// Airflow 3.0, and the batch list, take one, too.
	OrderBy []string
	// Offset leaves out so many rows at the beginning. The lists of Airflow 2 have no
	// order, but for ListMapped, so that nobody knows which rows these are.
	Offset int
	// Limit ends the list after so many rows; 0: all of them.
	Limit int
	// Room is how many rows one answer may hold where a list is one answer, as it is by batch, and
	// always on Airflow 2; 0: 10,000, or Limit if that is more. A list that has more ends with an IncompleteError.
	Room int
}

// TimeRange bounds a date from both sides; zero is no bound. GT and LT need Airflow 3.1.
type TimeRange struct{ GTE, GT, LTE, LT time.Time }

// DurationRange bounds a duration from both sides; zero is no bound. GT and LT need Airflow 3.1.
type DurationRange struct{ GTE, GT, LTE, LT time.Duration }

// Pattern selects names by a part of them, in any case, or by how they begin,
// which is case-sensitive, cheaper, and needs Airflow 3.3. In both, "|" is between alternatives.
type Pattern struct{ Contains, Prefix string }

func (r TimeRange) isSet() bool {
	return !r.GTE.IsZero() || !r.GT.IsZero() || !r.LTE.IsZero() || !r.LT.IsZero()
}

// boundsDates reports whether a date is bounded that a row may not have.
func (f *TaskInstanceFilter) boundsDates() bool { return f.StartDate.isSet() || f.EndDate.isSet() }

// hasDates reports whether a row has those dates that are bounded.
func (f *TaskInstanceFilter) hasDates(t *TaskInstance) bool {
	return (!f.StartDate.isSet() || !t.StartDate.IsZero()) && (!f.EndDate.isSet() || !t.EndDate.IsZero())
}

// taskInstanceList is one of the three lists.
type taskInstanceList int

const (
	listOfRun taskInstanceList = iota
	listOfMapped
	listByBatch
)

func (l taskInstanceList) String() string { return [...]string{"List", "ListMapped", "ListBatch"}[l] }

// term is one condition of a filter.
type term struct {
	field string // of TaskInstanceFilter
	key   string // in Airflow 3's words
	value any    // string, []string, []int, []State, time.Time, time.Duration
}

// terms are the conditions that are set.
func (f *TaskInstanceFilter) terms() []term {
	terms := []term{
		{"States", "state", f.States}, {"Pools", "pool", f.Pools}, {"Queues", "queue", f.Queues}, {"Executors", "executor", f.Executors},
		{"DagIDs", "dag_ids", f.DagIDs}, {"RunIDs", "dag_run_ids", f.RunIDs}, {"TaskIDs", "task_ids", f.TaskIDs},
		{"TaskID", "task_id", f.TaskID}, {"TaskGroupID", "task_group_id", f.TaskGroupID},
		{"DagVersions", "version_number", f.DagVersions}, {"Operators", "operator", f.Operators},
		{"MapIndexes", "map_index", f.MapIndexes}, {"TryNumbers", "try_number", f.TryNumbers},
	}
	for _, r := range []struct {
		field, key string
		TimeRange
	}{
		{"LogicalDate", "logical_date", f.LogicalDate}, {"RunAfter", "run_after", f.RunAfter}, {"StartDate", "start_date", f.StartDate},
		{"EndDate", "end_date", f.EndDate}, {"UpdatedAt", "updated_at", f.UpdatedAt},
	} {
		terms = append(terms, bounds(r.field, r.key, r.GTE, r.GT, r.LTE, r.LT)...)
	}
	terms = append(terms, bounds("Duration", "duration", f.Duration.GTE, f.Duration.GT, f.Duration.LTE, f.Duration.LT)...)
	for _, p := range []struct {
		field, key string
		Pattern
	}{
		{"TaskDisplayName", "task_display_name", f.TaskDisplayName}, {"DagID", "dag_id", f.DagID}, {"RunID", "run_id", f.RunID},
		{"OperatorName", "operator_name", f.OperatorName}, {"PoolName", "pool_name", f.PoolName}, {"QueueName", "queue_name", f.QueueName},
		{"RenderedMapIndex", "rendered_map_index", f.RenderedMapIndex},
	} {
		terms = append(terms, term{p.field + ".Contains", p.key + "_pattern", p.Contains}, term{p.field + ".Prefix", p.key + "_prefix_pattern", p.Prefix})
	}
	return slices.DeleteFunc(terms, func(t term) bool { return len(t.parameters()) == 0 })
}

func bounds[T any](field, key string, gte, gt, lte, lt T) []term {
	return []term{
		{field + ".GTE", key + "_gte", gte}, {field + ".GT", key + "_gt", gt},
		{field + ".LTE", key + "_lte", lte}, {field + ".LT", key + "_lt", lt},
	}
}

// parameters are the values of a query; none for a condition that is not set.
func (t *term) parameters() []string {
	var list []string
	switch value := t.value.(type) {
	case string:
		if value != "" {
			list = append(list, value)
		}
	case []string:
		list = value
	case []int:
		for _, n := range value {
			list = append(list, strconv.Itoa(n))
		}
	case []State:
		for _, s := range value {
			list = append(list, string(s))
		}
	case time.Time:
		if !value.IsZero() {
			list = append(list, value.UTC().Format(time.RFC3339Nano))
		}
	case time.Duration:
		if value != 0 {
			list = append(list, strconv.FormatFloat(value.Seconds(), 'f', -1, 64))
		}
	}
	return list
}

// json is the value in the body of the batch list.
func (t *term) json() any {
	switch value := t.value.(type) {
	case []State:
		states := make([]*State, len(value))
		for i := range value {
			if value[i] != StateNone {
				states[i] = &value[i]
			}
		}
		return states
	case time.Time:
		return value.UTC()
	case time.Duration:
		return value.Seconds()
	}
	return t.value
}

// selection is what a list is asked for.
type selection struct {
	params url.Values     // of GET
	body   map[string]any // of the batch list, but for its page
}

// newSelection is the selection of these conditions, whose keys may have another name in this version.
func newSelection(terms []term, name func(key string) string) selection {
	s := selection{url.Values{}, map[string]any{}}
	for i := range terms {
		key := name(terms[i].key)
		s.params[key], s.body[key] = terms[i].parameters(), terms[i].json()
	}
	return s
}

// bound splits a key like "start_date_gte" into the column and the operator.
func bound(key string) (column, op string) {
	i := strings.LastIndexByte(key, '_')
	switch op := key[i+1:]; op {
	case "gte", "gt", "lte", "lt":
		return key[:i], op
	}
	return key, ""
}

func (v1) selection(s *server, f *TaskInstanceFilter, list taskInstanceList) (selection, error) {
	op := "list task instances by " + list.String()
	terms := f.terms()
	for i := range terms {
		t := &terms[i]
		if !knownToV1(t.key, list) {
			return selection{}, unsupported(op, s, "TaskInstanceFilter."+t.field+" there")
		}
		if d, ok := t.value.(time.Duration); ok && list == listByBatch && d%time.Second != 0 {
			return selection{}, unsupported(op, s, "fractions of a second in TaskInstanceFilter."+t.field+" there")
		}
	}
	for _, state := range f.States {
		if !slices.Contains(unfinishedV1, state) && !state.Finished() && state != StateNone {
			return selection{}, unsupported(op, s, fmt.Sprintf("the state %q of TaskInstanceFilter.States", state))
		}
	}
	switch {
	case len(f.OrderBy) > 0 && list != listOfMapped, len(f.OrderBy) > 1:
		return selection{}, unsupported(op, s, fmt.Sprintf("TaskInstanceFilter.OrderBy of %d fields there", len(f.OrderBy)))
	case f.Offset > 0 && list == listByBatch && !s.AtLeast(2, 10, 3):
		return selection{}, unsupported(op, s, "TaskInstanceFilter.Offset there")
	}
	sel := newSelection(terms, func(key string) string {
		if column, op := bound(key); column == "logical_date" {
			return "execution_date_" + op
		}
		return key
	})
	if len(f.OrderBy) > 0 {
		sel.params["order_by"] = f.OrderBy
	}
	return sel, nil
}

// knownToV1 reports whether a list of Airflow 2 has a filter, by its name in Airflow 3.
func knownToV1(key string, list taskInstanceList) bool {
	switch column, op := bound(key); column {
	case "state", "pool", "queue", "executor":
		return true
	case "dag_ids", "dag_run_ids", "task_ids":
		return list == listByBatch
	case "logical_date", "start_date", "end_date", "duration":
		return op == "gte" || op == "lte"
	case "updated_at":
		return (op == "gte" || op == "lte") && list != listByBatch
	}
	return false
}

func (v2) selection(s *server, f *TaskInstanceFilter, list taskInstanceList) (selection, error) {
	op := "list task instances by " + list.String()
	terms := f.terms()
	for i := range terms {
		if minor, ok := sinceV2(terms[i].key, list); !ok || !s.AtLeast(3, minor, 0) {
			return selection{}, unsupported(op, s, "TaskInstanceFilter."+terms[i].field+" there")
		}
	}
	if slices.Contains(f.States, StateAwaitingInput) && !s.AtLeast(3, 3, 0) {
		return selection{}, unsupported(op, s, fmt.Sprintf("the state %q of TaskInstanceFilter.States", StateAwaitingInput))
	}
	if len(f.OrderBy) > 1 && (list == listByBatch || !s.AtLeast(3, 1, 0)) {
		return selection{}, unsupported(op, s, fmt.Sprintf("TaskInstanceFilter.OrderBy of %d fields there", len(f.OrderBy)))
	}
	sel := newSelection(terms, func(key string) string { return key })
	// Only what is unique brings all rows in one order; Airflow itself adds the id to what is not.
	order := f.OrderBy
	switch {
	case len(order) > 0:
	case list == listOfMapped:
		order = []string{"map_index"}
	default:
		order = []string{"id"}
	}
	sel.params["order_by"], sel.body["order_by"] = order, order[0]
	return sel, nil
}

// sinceV2 is the minor version of Airflow 3 that brought a filter of a list; it is false for one that the list does not have.
func sinceV2(key string, list taskInstanceList) (minor int, ok bool) {
	byGet := list != listByBatch
	switch column, op := bound(key); column {
	case "logical_date", "run_after", "start_date", "end_date", "duration", "updated_at":
		if op == "gt" || op == "lt" {
			minor = 1
		}
		return minor, byGet || column != "updated_at"
	case "state", "pool", "queue", "executor":
		return 0, true
	case "dag_ids", "dag_run_ids", "task_ids":
		return 0, list == listByBatch
	case "version_number":
		return 0, byGet
	case "task_id", "task_display_name_pattern":
		return 0, list == listOfRun
	case "operator", "map_index", "try_number":
		return 1, byGet
	case "task_group_id", "dag_id_pattern", "run_id_pattern":
		return 2, list == listOfRun
	case "operator_name_pattern", "pool_name_pattern", "queue_name_pattern":
		return 2, byGet
	case "dag_id_prefix_pattern", "run_id_prefix_pattern", "task_display_name_prefix_pattern":
		return 3, list == listOfRun
	case "operator_name_prefix_pattern", "pool_name_prefix_pattern", "queue_name_prefix_pattern",
		"rendered_map_index_pattern", "rendered_map_index_prefix_pattern":
		return 3, byGet
	}
	return 0, false
}
