package lint

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// board is one dashboard, as Grafana's classic JSON has it.
type board struct {
	Templating struct {
		List []struct {
			Name       string `json:"name"`
			Query      any    `json:"query"` // text, or an object with the text in query
			Definition string `json:"definition"`
		} `json:"list"`
	} `json:"templating"`
}

// Dashboard checks a dashboard of Grafana.
func (l *Linter) Dashboard(file string) ([]Finding, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the caller names its files
	if err != nil {
		return nil, err
	}
	var b board
	var all any
	if err := json.Unmarshal(text, &b); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var findings []Finding
	w := &boardWalk{linter: l, file: file, findings: &findings, used: map[string]string{}}
	w.walk(all, "dashboard", "")
	defined := map[string]struct{}{}
	for _, v := range b.Templating.List {
		defined[v.Name] = struct{}{}
		w.variable(v.Name, v.Query)
	}
	for _, name := range slices.Sorted(maps.Keys(defined)) {
		if _, ok := w.used[name]; !ok {
			report(&findings, file, "variable "+name)("nothing uses it")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.used)) {
		if _, ok := defined[name]; !ok {
			report(&findings, file, w.used[name])("the variable $%s is not defined", name)
		}
	}
	return findings, nil
}

type boardWalk struct {
	linter   *Linter
	file     string
	findings *[]Finding
	used     map[string]string // variables, and where the first use is
}

// walk looks at every value of a dashboard: variables may be used anywhere.
func (w *boardWalk) walk(v any, panel, key string) {
	switch x := v.(type) {
	case map[string]any:
		_, isPanel := x["type"].(string)
		if title, ok := x["title"].(string); ok && isPanel && title != "" {
			panel = "panel " + title
		}
		for _, k := range slices.Sorted(maps.Keys(x)) {
			w.walk(x[k], panel, k)
		}
	case []any:
		for _, c := range x {
			w.walk(c, panel, key)
		}
	case string:
		w.text(x, panel, key)
	}
}

func (w *boardWalk) text(s, panel, key string) {
	switch key {
	case "repeat":
		w.use(s, panel)
	case "expr":
		w.expr(s, panel)
	}
	for _, m := range variable.FindAllStringSubmatch(s, -1) {
		w.use(m[1]+m[2]+m[3], panel)
	}
}

func (w *boardWalk) use(name, panel string) {
	if name == "" || strings.HasPrefix(name, "__") {
		return
	}
	if _, ok := w.used[name]; !ok {
		w.used[name] = panel
	}
}

func (w *boardWalk) expr(s, where string) {
	report := report(w.findings, w.file, where)
	e, err := w.linter.parser.ParseExpr(replaceVariables(s))
	if err != nil {
		report("%q: %v", s, err)
		return
	}
	w.linter.checkExpr(e, report)
}

// variable checks the query that fills a variable.
func (w *boardWalk) variable(name string, query any) {
	if object, ok := query.(map[string]any); ok {
		query = object["query"]
	}
	text, _ := query.(string)
	where := "variable " + name
	if m := queryResult.FindStringSubmatch(text); m != nil {
		w.expr(m[1], where)
		return
	}
	m := labelValues.FindStringSubmatch(text)
	if m == nil || m[1] == "" {
		return
	}
	report := report(w.findings, w.file, where)
	e, err := w.linter.parser.ParseExpr("group(" + replaceVariables(m[1]) + ")")
	if err != nil {
		report("%q: %v", text, err)
		return
	}
	w.linter.checkExpr(e, report)
	if e, err = w.linter.parser.ParseExpr(replaceVariables(m[1])); err == nil {
		if s := w.linter.shapeOf(e); s != nil && !s.has(m[2]) {
			report("%s has no label %q", m[1], m[2])
		}
	}
}

var (
	labelValues = regexp.MustCompile(`^label_values\((?:(.*),)?\s*([A-Za-z_]\w*)\s*\)$`)
	queryResult = regexp.MustCompile(`^query_result\((.*)\)$`)
	// variable matches $name, ${name}, ${name:format} and [[name]].
	variable = regexp.MustCompile(`\$([A-Za-z_]\w*)|\$\{([A-Za-z_]\w*)[^}]*\}|\[\[([A-Za-z_]\w*)[^\]]*\]\]`)
)

// replaceVariables puts in what lets PromQL be parsed: in a label value the
// placeholder, in a range a duration, elsewhere a number.
func replaceVariables(expr string) string {
	var out strings.Builder
	quoted, ranged := false, false
	for at := 0; at < len(expr); {
		if m := variable.FindStringIndex(expr[at:]); m != nil && m[0] == 0 {
			switch name := strings.Trim(expr[at:at+m[1]], "${}[]"); {
			case quoted:
				out.WriteString(placeholder)
			case ranged && strings.HasPrefix(name, "__range"):
				out.WriteString("1h")
			case ranged, name == "__interval", name == "__rate_interval":
				out.WriteString("5m")
			default:
				out.WriteString("1")
			}
			at += m[1]
			continue
		}
		switch expr[at] {
		case '\\':
			if quoted && at+1 < len(expr) {
				out.WriteByte(expr[at])
				at++
			}
		case '"':
			quoted = !quoted
		case '[':
			ranged = !quoted || ranged
		case ']':
			ranged = ranged && quoted
		}
		out.WriteByte(expr[at])
		at++
	}
	return out.String()
}
