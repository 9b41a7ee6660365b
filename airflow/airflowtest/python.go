package airflowtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// sortedObject is a map as an object with sorted keys.
func sortedObject(m map[string]any) object {
	o := make(object, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		o = append(o, member{key, m[key]})
	}
	return o
}

// repr writes a decoded JSON value as Python's repr, which Airflow's error
// texts are full of.
func repr(value any) string {
	switch v := value.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case json.Number:
		return v.String()
	case string:
		return reprString(v)
	case []any:
		parts := make([]string, len(v))
		for i, element := range v {
			parts[i] = repr(element)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, m := range sortedObject(v) {
			parts = append(parts, repr(m.key)+": "+repr(m.value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return "?"
}

// reprStrings is the repr of a list of strings.
func reprStrings(list []string) string {
	values := make([]any, len(list))
	for i, s := range list {
		values[i] = s
	}
	return repr(values)
}

// reprString is the repr of a string.
func reprString(s string) string {
	quote := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.WriteRune(quote)
	for _, r := range s {
		switch {
		case r == quote, r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteRune(quote)
	return b.String()
}
