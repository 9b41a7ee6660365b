package airflowtest

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"time"
)

// runFilter is the WHERE of a listing of DAG runs. Lists that are empty do not filter.
type runFilter struct {
	dagIDs []string
	states []string
	types  []string
	bounds []func(r *DagRun) bool
}

// addDate adds a bound on a date column.
func (f *runFilter) addDate(column, op string, bound time.Time, nulls nullRule) {
	f.bounds = append(f.bounds, func(r *DagRun) bool {
		return dateMatches(r.date(column), op, bound, nulls, r.db.Now())
	})
}

// date is a date column of the run, zero for null.
func (r *DagRun) date(column string) time.Time {
	switch column {
	case "start_date":
		return r.StartDate
	case "end_date":
		return r.EndDate
	case "execution_date":
		return r.executionDate()
	case "logical_date":
		return r.LogicalDate
	case "run_after":
		return r.RunAfter
	}
	panic("airflowtest: no date of a run is named " + column)
}

func (f *runFilter) matches(r *DagRun) bool {
	for _, bound := range f.bounds {
		if !bound(r) {
			return false
		}
	}
	return among(f.states, r.State) && among(f.dagIDs, r.DagID) && among(f.types, r.Type)
}

// findRuns returns the runs that match and that the user of c may read, in the
// order of their creation.
func (c *call) findRuns(f *runFilter) []*DagRun {
	var runs []*DagRun
	for _, r := range c.db.runs {
		if f.matches(r) && c.mayRead(r.DagID) {
			runs = append(runs, r)
		}
	}
	return runs
}

// runSortable reports whether a listing of v1 or v2 may be sorted by this column.
func (d release) runSortable(column string) bool {
	switch column {
	case "id", "state", "dag_id", "dag_run_id", "start_date", "end_date":
		return true
	case "execution_date":
		return d.major == 2
	case "logical_date", "run_after":
		return d.major == 3
	}
	return false
}

// sortRuns sorts by an order, and by id in the end; null comes last, and first
// when descending.
func sortRuns(runs []*DagRun, order []orderKey) {
	slices.SortStableFunc(runs, func(a, b *DagRun) int {
		for _, key := range order {
			n := compareRuns(key.column, a, b)
			if key.descending {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return cmp.Compare(a.id, b.id)
	})
}

func compareRuns(column string, a, b *DagRun) int {
	switch column {
	case "id":
		return cmp.Compare(a.id, b.id)
	case "state":
		return cmp.Compare(a.State, b.State)
	case "dag_id":
		return cmp.Compare(a.DagID, b.DagID)
	case "dag_run_id":
		return cmp.Compare(a.RunID, b.RunID)
	}
	x, y := a.date(column), b.date(column)
	return cmp.Or(compareNulls(x.IsZero(), y.IsZero()), x.Compare(y))
}

// runCursor is the token of the page behind a run, in a listing by id: a
// MessagePack array, as Airflow's is.
func runCursor(id int) string {
	b := []byte{0x91}
	switch {
	case id < 0x80:
		b = append(b, byte(id))
	case id < 0x100:
		b = append(b, 0xcc, byte(id))
	case id < 0x10000:
		b = binary.BigEndian.AppendUint16(append(b, 0xcd), uint16(id))
	default:
		b = binary.BigEndian.AppendUint32(append(b, 0xce), uint32(id))
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// readRunCursor finds the id in a token.
func readRunCursor(token string) (id int, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) < 2 || b[0] != 0x91 {
		return 0, false
	}
	number := b[2:]
	switch {
	case b[1] < 0x80 && len(number) == 0:
		return int(b[1]), true
	case b[1] == 0xcc && len(number) == 1:
		return int(number[0]), true
	case b[1] == 0xcd && len(number) == 2:
		return int(binary.BigEndian.Uint16(number)), true
	case b[1] == 0xce && len(number) == 4:
		return int(binary.BigEndian.Uint32(number)), true
	}
	return 0, false
}
