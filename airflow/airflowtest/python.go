package airflowtest

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
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
		if strings.Contains(v, "'") && !strings.Contains(v, `"`) {
			return `"` + v + `"`
		}
		return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`).Replace(v) + "'"
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
