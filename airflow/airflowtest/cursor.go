package airflowtest

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"slices"
)

// orderKey is one column that a listing is sorted by.
type orderKey struct {
	column     string
	descending bool
}

// sortable reports whether a listing may be sorted by this column.
func sortable(column string) bool {
	switch column {
	case "id", "state", "duration", "start_date", "end_date", "map_index", "try_number", "logical_date", "run_after",
		"operator", "rendered_map_index":
		return true
	}
	return false
}

// compareRows compares rows by an order; null comes last, and first when descending.
func compareRows(order []orderKey) func(a, b *TaskInstance) int {
	return func(a, b *TaskInstance) int {
		for _, key := range order {
			n := compareColumn(key.column, a, b)
			if key.descending {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return 0
	}
}

func compareColumn(column string, a, b *TaskInstance) int {
	switch column {
	case "id":
		return cmp.Compare(a.ID, b.ID)
	case "map_index":
		return cmp.Compare(a.MapIndex, b.MapIndex)
	case "try_number":
		return cmp.Compare(a.TryNumber, b.TryNumber)
	case "operator":
		return cmp.Compare(a.Operator, b.Operator)
	case "rendered_map_index":
		return cmp.Or(compareNulls(a.RenderedIndex == "", b.RenderedIndex == ""), cmp.Compare(a.RenderedIndex, b.RenderedIndex))
	case "state":
		return cmp.Or(compareNulls(a.State == "", b.State == ""), cmp.Compare(a.State, b.State))
	case "duration":
		if n := compareNulls(a.Duration == nil, b.Duration == nil); n != 0 || a.Duration == nil {
			return n
		}
		return cmp.Compare(*a.Duration, *b.Duration)
	}
	x, y := a.date(column), b.date(column)
	return cmp.Or(compareNulls(x.IsZero(), y.IsZero()), x.Compare(y))
}

func compareNulls(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// cursorPage is a page and the tokens of its neighbours, nil for none.
type cursorPage struct {
	rows           []*TaskInstance
	next, previous any
}

// cursorToken is what a token holds: where a page begins, behind which row.
// Airflow's own is a MessagePack array, just as opaque.
type cursorToken struct {
	Columns  []string `json:"c"`
	ID       string   `json:"id"`
	MapIndex int      `json:"i"`
}

// cutAtCursor cuts the page out of sorted rows that begins behind token; the
// empty token is the first page. A token that does not fit is refused with
// Airflow's words. Only the orders "id" and "map_index" are served, and no
// tokens that lead back.
func cutAtCursor(rows []*TaskInstance, order []orderKey, token string, limit int) (p cursorPage, refusal string) {
	var columns []string
	for _, key := range order {
		columns = append(columns, key.column)
		if (key.column != "id" && key.column != "map_index") || key.descending {
			return p, "airflowtest does not serve a cursor with this order"
		}
	}
	start := 0
	if token != "" {
		behind, ok := readCursor(token)
		if !ok {
			return p, "Invalid cursor token"
		}
		if !slices.Equal(behind.Columns, columns) {
			return p, "Cursor token does not match current query shape"
		}
		mark := &TaskInstance{Key: Key{MapIndex: behind.MapIndex}, ID: behind.ID}
		compare := compareRows(order)
		start = len(rows)
		if i := slices.IndexFunc(rows, func(ti *TaskInstance) bool { return compare(ti, mark) > 0 }); i >= 0 {
			start = i
		}
	}
	p.rows = pageOf(rows, start, limit)
	if len(p.rows) == 0 {
		return p, ""
	}
	if start+len(p.rows) < len(rows) {
		p.next = writeCursor(columns, p.rows[len(p.rows)-1])
	}
	if token != "" {
		p.previous = "~" + writeCursor(columns, p.rows[0])
	}
	return p, ""
}

func writeCursor(columns []string, ti *TaskInstance) string {
	b, err := json.Marshal(cursorToken{columns, ti.ID, ti.MapIndex})
	if err != nil {
		panic(err) // strings and numbers only
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func readCursor(token string) (t cursorToken, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	ok = err == nil && json.Unmarshal(b, &t) == nil && t.ID != ""
	return t, ok
}
