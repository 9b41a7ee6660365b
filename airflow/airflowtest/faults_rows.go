package airflowtest

import "strconv"

// totalKey is how many rows a list says there are.
const totalKey = "total_entries"

// Total changes how many rows a list says there are.
func Total(name string, change func(total int) any) Fault {
	return edit(name, func(whole, _ *object) {
		for i, m := range *whole {
			if text, ok := m.value.(bare); ok && m.key == totalKey {
				n, _ := strconv.Atoi(string(text))
				(*whole)[i].value = change(n)
			}
		}
	})
}

// NoTotal leaves out how many rows there are.
func NoTotal() Fault {
	return edit("no total", func(whole, _ *object) { *whole = whole.without(totalKey) })
}

// rowsEdit changes the rows of a list.
func rowsEdit(name string, change func(rows []any) []any) Fault {
	return edit(name, func(whole, _ *object) {
		if rows := whole.rows(); rows != nil && len(*rows) > 0 {
			*rows = change(*rows)
		}
	})
}

// LoseRow leaves out a row of a list, the first or the last, but counts it.
func LoseRow(last bool) Fault {
	if last {
		return rowsEdit("lost row (last)", func(rows []any) []any { return rows[:len(rows)-1] })
	}
	return rowsEdit("lost row", func(rows []any) []any { return append([]any{}, rows[1:]...) })
}

// LoseRows answers with none of the rows that it counts.
func LoseRows() Fault { return rowsEdit("no rows", func([]any) []any { return []any{} }) }

// RepeatRow sends the last row of a list twice.
func RepeatRow() Fault {
	return rowsEdit("repeated row", func(rows []any) []any { return append(rows, rows[len(rows)-1]) })
}

// RowsOfOtherType puts a text where a row should be.
func RowsOfOtherType() Fault {
	return rowsEdit("row of another type", func(rows []any) []any { return append(rows, "row") })
}

// NoState lets the first row of a list have no state.
func NoState() Fault {
	return edit("null state", func(whole, row *object) {
		if rows := whole.rows(); rows != nil && len(*rows) > 0 {
			row.set(func(m member) bool { return m.key == "state" }, nil)
		}
	})
}

// ShiftPage answers a request for a page by offset with the page that begins n
// rows later, or earlier if n is negative: rows went or came meanwhile. Other
// requests are answered rightly.
func ShiftPage(n int) Fault {
	name := "page loses rows"
	if n < 0 {
		name = "page overlaps"
	}
	return Fault{name: name, serve: func(x *exchange) {
		q := x.r.URL.Query()
		if offset, err := strconv.Atoi(q.Get("offset")); err == nil && offset > 0 {
			q.Set("offset", strconv.Itoa(max(0, offset+n)))
			x.r.URL.RawQuery = q.Encode()
		}
		x.send(x.answer())
	}}
}

// SameCursor answers with a cursor that leads back to this page.
func SameCursor() Fault {
	return edit("cursor loop", func(whole, _ *object) {
		whole.set(func(m member) bool { return m.key == "next_cursor" && m.value != nil }, "loop")
	})
}
