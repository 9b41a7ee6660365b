package airflowtest

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// filter is the WHERE of a listing. Lists that are empty do not filter.
type filter struct {
	dagIDs, runIDs, taskIDs  []string
	states                   []string // NoStatus for null
	pools, queues, executors []string
	bounds                   []func(ti *TaskInstance) bool
}

// setList sets the list that a request names so.
func (f *filter) setList(name string, list []string) {
	switch name {
	case "dag_ids":
		f.dagIDs = list
	case "dag_run_ids":
		f.runIDs = list
	case "task_ids":
		f.taskIDs = list
	case "state":
		f.states = list
	case "pool":
		f.pools = list
	case "queue":
		f.queues = list
	case "executor":
		f.executors = list
	default:
		panic("airflowtest: no list is named " + name)
	}
}

// nullRule says how a null date compares with a bound.
type nullRule int

const (
	nullNeverMatches nullRule = iota
	nullIsNow
	nullPassesLowerBounds // and upper bounds that are not in the past
)

// splitRange splits "end_date_gte" into column and operator.
func splitRange(name string) (column, op string, ok bool) {
	i := strings.LastIndexByte(name, '_')
	if i < 0 {
		return "", "", false
	}
	column, op = name[:i], name[i+1:]
	switch op {
	case "gte", "lte", "gt", "lt":
	default:
		return "", "", false
	}
	switch column {
	case "execution_date", "logical_date", "run_after", "start_date", "end_date", "updated_at", "duration":
		return column, op, true
	}
	return "", "", false
}

// addDate adds a bound on a date column.
func (f *filter) addDate(column, op string, bound time.Time, nulls nullRule) {
	f.bounds = append(f.bounds, func(ti *TaskInstance) bool {
		return dateMatches(ti.date(column), op, bound, nulls, ti.db.Now())
	})
}

// dateMatches reports whether a date, zero for null, is within a bound.
func dateMatches(date time.Time, op string, bound time.Time, nulls nullRule, now time.Time) bool {
	if !date.IsZero() {
		return within(date.Compare(bound), op)
	}
	switch nulls {
	case nullIsNow:
		return within(now.Compare(bound), op)
	case nullPassesLowerBounds:
		return strings.HasPrefix(op, "g") || within(now.Compare(bound), op)
	}
	return false
}

// addNumber adds a bound on the duration.
func (f *filter) addNumber(op string, bound float64) {
	f.bounds = append(f.bounds, func(ti *TaskInstance) bool {
		if ti.Duration == nil {
			return false
		}
		switch {
		case *ti.Duration < bound:
			return within(-1, op)
		case *ti.Duration == bound:
			return within(0, op)
		}
		return within(1, op) // NaN is larger than all numbers, as in PostgreSQL
	})
}

// within reports whether a comparison has the result that op asks for.
func within(comparison int, op string) bool {
	switch op {
	case "gte":
		return comparison >= 0
	case "gt":
		return comparison > 0
	case "lte":
		return comparison <= 0
	}
	return comparison < 0
}

// date is a date column of the row or its run, zero for null.
func (ti *TaskInstance) date(column string) time.Time {
	switch column {
	case "start_date":
		return ti.StartDate
	case "end_date":
		return ti.EndDate
	case "updated_at":
		return ti.UpdatedAt
	case "execution_date":
		return ti.run().executionDate()
	case "logical_date":
		return ti.run().LogicalDate
	case "run_after":
		return ti.run().RunAfter
	}
	panic("airflowtest: no date is named " + column)
}

func (f *filter) matches(ti *TaskInstance) bool {
	for _, bound := range f.bounds {
		if !bound(ti) {
			return false
		}
	}
	return among(f.states, ti.State) &&
		among(f.dagIDs, ti.DagID) && among(f.runIDs, ti.RunID) && among(f.taskIDs, ti.TaskID) &&
		among(f.pools, ti.Pool) && among(f.queues, ti.Queue) && among(f.executors, ti.Executor)
}

func among(list []string, value string) bool { return len(list) == 0 || slices.Contains(list, value) }

// find returns the rows that match and that the user of c may read, in the
// order of their creation.
func (c *call) find(f *filter) []*TaskInstance {
	var rows []*TaskInstance
	for _, ti := range c.db.instances {
		if f.matches(ti) && c.mayRead(ti.DagID) {
			rows = append(rows, ti)
		}
	}
	return rows
}

// shuffle brings rows into the order of a list that has none: the same for the
// same request, and another one for the next page.
func (c *call) shuffle(rows []*TaskInstance) {
	hash := c.server.options.ShuffleSeed
	for _, text := range []string{c.request.Method, c.request.URL.RawQuery, string(c.body)} {
		for _, b := range []byte(text) {
			hash = (hash ^ uint64(b)) * 1099511628211 // FNV-1a
		}
	}
	r := rand.New(rand.NewPCG(c.server.options.ShuffleSeed, hash))
	r.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
}
