package airflowtest

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// requiredKeys are those without which a row, or an answer that is none of a
// list, tells nothing: no release sends one without them, or with null.
var requiredKeys = []string{
	"dag_id", "dag_run_id", "task_id", "map_index", "try_number", "max_tries", "pool", "pool_slots", "run_type", "is_paused",
	"name", "slots", "open_slots", "running_slots", "queued_slots", "scheduled_slots", "deferred_slots",
	"import_error_id", "version", "metadatabase", "scheduler", "access_token",
}

// edit changes the right answer as a tree of values; the function gets the
// whole answer and its first row. Of an answer that is none of a list, that is
// the answer itself.
func edit(name string, change func(whole, row *object)) Fault {
	return named(name, Rewrite(func(b []byte) []byte {
		tree, ok := readTree(b).(object)
		if !ok {
			return b
		}
		if rows := tree.rows(); rows != nil && len(*rows) > 0 {
			row, isObject := (*rows)[0].(object)
			if !isObject {
				return b
			}
			change(&tree, &row)
			if rows = tree.rows(); rows != nil && len(*rows) > 0 {
				(*rows)[0] = row
			}
		} else {
			change(&tree, &tree)
		}
		return style{spaced: true}.encode(tree)
	}))
}

// rows is the list of rows of an answer, nil if it has none.
func (o object) rows() *[]any {
	for i := range o {
		if rows, ok := o[i].value.(*[]any); ok {
			return rows
		}
	}
	return nil
}

// set changes the members that meet a condition.
func (o object) set(which func(member) bool, value any) {
	for i, m := range o {
		if which(m) {
			o[i].value = value
		}
	}
}

// bare is what is written as it is.
type bare string

func isRequired(m member) bool { return slices.Contains(requiredKeys, m.key) }

func isNumber(m member) bool {
	_, ok := m.value.(bare)
	return ok && isRequired(m)
}

// firstRequired is the first required member, and lastRequired the last.
func firstRequired(o object) int { return slices.IndexFunc(o, isRequired) }

func lastRequired(o object) int {
	for i := len(o) - 1; i >= 0; i-- {
		if isRequired(o[i]) {
			return i
		}
	}
	return -1
}

// Null lets required values of the first row be null: the first or the last of them.
func Null(last bool) Fault {
	return editRequired("null in a required place", last, func(_ *object, row object, i int) { row[i].value = nil })
}

// Missing lets the first row lack its first or last required value.
func Missing(last bool) Fault {
	return editRequired("missing field", last, func(_ *object, row object, i int) { row[i].key += "_" })
}

// WrongType lets a required value of the first row be of another type.
func WrongType(last bool) Fault {
	return editRequired("wrong type", last, func(_ *object, row object, i int) { row[i].value = []any{} })
}

// BadText puts bytes into the first required text of the first row, as they are.
func BadText(name, text string) Fault {
	return editRequired(name, false, func(_ *object, row object, i int) { row[i].value = bare(text) })
}

func editRequired(name string, last bool, change func(whole *object, row object, i int)) Fault {
	find := firstRequired
	if last {
		name, find = name+" (last)", lastRequired
	}
	return edit(name, func(whole, row *object) {
		if i := find(*row); i >= 0 {
			change(whole, *row, i)
		}
	})
}

// Number puts what stands for a number in the place of the required numbers of the first row.
func Number(text string) Fault {
	return edit("number "+text, func(_, row *object) { row.set(isNumber, bare(text)) })
}

// DuplicateKey repeats a member of the first row.
func DuplicateKey() Fault {
	return edit("duplicate key", func(_, row *object) { *row = append(*row, (*row)[0]) })
}

// DuplicateTopKey repeats the last member of the answer, as the first one.
func DuplicateTopKey() Fault {
	return edit("duplicate top key", func(whole, _ *object) { *whole = append(object{(*whole)[len(*whole)-1]}, *whole...) })
}

// Deep adds a member that is nested so deep.
func Deep(depth int) Fault {
	return edit("deep", func(_, row *object) {
		*row = append(*row, member{"deep", bare(strings.Repeat("[", depth) + strings.Repeat("]", depth))})
	})
}

// UnknownFields adds members that no release sends so far, as a later one may.
func UnknownFields() Fault {
	return edit("unknown fields", func(_, row *object) {
		*row = append(*row, member{"novelty", object{{"a", []any{1, nil, "b"}}}}, member{"größe", 1.5})
	})
}

// readTree reads one JSON value into what style.encode writes, lists as
// *[]any; it is nil for what is no JSON, as an answer with NaN.
func readTree(b []byte) any {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	value, err := readValue(dec)
	if err != nil {
		return nil
	}
	return value
}

func readValue(dec *json.Decoder) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return readObject(dec)
		}
		return readArray(dec)
	case json.Number:
		return bare(t.String()), nil
	}
	return token, nil
}

func readObject(dec *json.Decoder) (any, error) {
	o := object{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		value, err := readValue(dec)
		if err != nil {
			return nil, err
		}
		text, _ := key.(string) // the decoder accepts no other
		o = append(o, member{text, value})
	}
	_, err := dec.Token()
	return o, err
}

func readArray(dec *json.Decoder) (any, error) {
	list := []any{}
	for dec.More() {
		value, err := readValue(dec)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	_, err := dec.Token()
	return &list, err
}
