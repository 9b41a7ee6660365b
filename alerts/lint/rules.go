package lint

import (
	"log/slog"
	"maps"
	"os"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

const (
	runbooks       = "https://github.com/seed-9c0ac15d/airflow_exporter/blob/main/alerts/runbooks/"
	longestSummary = 80
)

// Rules checks rule files, which may use the recorded series of each other.
func (l *Linter) Rules(files ...string) ([]Finding, error) {
	var findings []Finding
	groups := map[string][]rulefmt.RuleGroup{}
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // the caller names its files
		if err != nil {
			return nil, err
		}
		parsed, errs := rulefmt.Parse(text, false, model.UTF8Validation, l.parser, slog.New(slog.DiscardHandler))
		for _, err := range errs {
			report(&findings, file, "rule file")("%v", err)
		}
		if parsed == nil || len(errs) > 0 {
			continue
		}
		groups[file] = parsed.Groups
		l.learn(parsed.Groups)
	}
	seen := map[string]struct{}{}
	for _, file := range slices.Sorted(maps.Keys(groups)) {
		for _, g := range groups[file] {
			for _, r := range g.Rules {
				report := report(&findings, file, nameOf(r))
				e, err := l.parser.ParseExpr(r.Expr)
				if err != nil {
					report("%v", err)
					continue
				}
				if _, again := seen[identity(r)]; again {
					report("the rule is there twice, by name and labels")
				}
				seen[identity(r)] = struct{}{}
				l.checkExpr(e, report)
				if r.Alert != "" {
					l.checkAlert(r, e, report)
				}
			}
		}
	}
	return findings, nil
}

func nameOf(r rulefmt.Rule) string { return r.Alert + r.Record }

func identity(r rulefmt.Rule) string {
	id := nameOf(r)
	for _, name := range slices.Sorted(maps.Keys(r.Labels)) {
		id += "\xff" + name + "\xff" + r.Labels[name]
	}
	return id
}

// learn makes the recorded series known, and ALERTS, which Prometheus has of alerts.
func (l *Linter) learn(groups []rulefmt.RuleGroup) {
	var alerts []rulefmt.Rule
	for _, g := range groups {
		for _, r := range g.Rules {
			if r.Alert != "" {
				alerts = append(alerts, r)
			} else if e, err := l.parser.ParseExpr(r.Expr); err == nil {
				l.recorded[r.Record] = &recording{expr: e, labels: r.Labels}
			}
		}
	}
	states := shape{"alertname": nil, "alertstate": {"pending": {}, "firing": {}}, "severity": severities()}
	for _, r := range alerts {
		for name := range r.Labels {
			if !states.has(name) {
				states[name] = nil
			}
		}
		if e, err := l.parser.ParseExpr(r.Expr); err == nil {
			for name := range l.shapeOf(e) {
				states[name] = nil
			}
		}
	}
	for _, name := range []string{"ALERTS", "ALERTS_FOR_STATE"} {
		l.families[name] = &family{kind: gauge, labels: states}
	}
}

func severities() values { return values{"critical": {}, "warning": {}, "info": {}} }

func (l *Linter) checkAlert(r rulefmt.Rule, e parser.Expr, report reporter) {
	if !conditional(e) {
		report("no condition: it fires whenever there is data")
	}
	if r.For == 0 {
		report("no for")
	}
	if s := r.Labels["severity"]; !severities().has(s) {
		report("severity is %q, not critical, warning or info", s)
	}
	if r.Labels["component"] == "" {
		report("no label component")
	}
	for _, name := range []string{"summary", "description"} {
		if r.Annotations[name] == "" {
			report("no annotation %s", name)
		}
	}
	if want := runbooks + r.Alert + ".md"; r.Annotations["runbook_url"] != want {
		report("runbook_url is %q, not %s", r.Annotations["runbook_url"], want)
	}
	if uid := r.Annotations["dashboard_uid"]; !slices.Contains(dashboards(), uid) {
		report("dashboard_uid is %q, which is no dashboard", uid)
	}
	shape := l.shapeOf(e)
	if shape.has("dag_id") && !l.mindsPaused(e) {
		report("no clause: and on (cluster, dag_id) airflow_dag_paused == 0")
	}
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		if a, ok := n.(*parser.AggregateExpr); ok && (a.Op == parser.TOPK || a.Op == parser.BOTTOMK) {
			report("%s in an alert: what fires changes all the time", a.Op)
		}
		return nil
	})
	checkTemplates(r, shape, report)
}

func dashboards() []string {
	return []string{"airflow-overview", "airflow-dags", "airflow-dag", "airflow-tasks", "airflow-slo", "airflow-exporter"}
}

func checkTemplates(r rulefmt.Rule, s shape, report reporter) {
	check := func(what, name, text string) {
		use, err := useOf(text)
		if err != nil {
			report("%s %s: %v", what, name, err)
			return
		}
		for _, label := range use.labels {
			if s != nil && !s.has(label) {
				report("%s %s uses the label %q, which the expression does not keep", what, name, label)
			}
		}
		if what == "label" && use.value {
			report("label %s holds $value: each value would be another alert", name)
		}
		if name == "summary" && use.plain > longestSummary {
			report("summary has %d characters of plain text, more than %d", use.plain, longestSummary)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Annotations)) {
		check("annotation", name, r.Annotations[name])
	}
	for _, name := range slices.Sorted(maps.Keys(r.Labels)) {
		check("label", name, r.Labels[name])
	}
}

// conditional tells expressions that can have no result although there is data.
func conditional(e parser.Expr) bool {
	switch x := unwrap(e).(type) {
	case *parser.BinaryExpr:
		switch {
		case x.Op == parser.LUNLESS:
			return true
		case x.Op == parser.LOR:
			return conditional(x.LHS) && conditional(x.RHS)
		case x.Op.IsComparisonOperator() && !x.ReturnBool:
			v, ok := number(x.RHS)
			return !ok || v != 0 || x.Op != parser.GTE // nothing here is below 0
		}
		return conditional(x.LHS) || conditional(x.RHS)
	case *parser.AggregateExpr:
		return conditional(x.Expr)
	case *parser.Call:
		if x.Func.Name == "absent" || x.Func.Name == "absent_over_time" {
			return true
		}
		for _, arg := range x.Args {
			if conditional(arg) {
				return true
			}
		}
	case *parser.SubqueryExpr:
		return conditional(x.Expr)
	}
	return false
}

// mindsPaused tells expressions whose every result is of a DAG that is known not to be paused.
func (l *Linter) mindsPaused(e parser.Expr) bool {
	switch x := unwrap(e).(type) {
	case *parser.BinaryExpr:
		switch x.Op {
		case parser.LAND:
			return byDag(x.VectorMatching.On, x.VectorMatching.MatchingLabels) && l.notPaused(x.RHS) || l.mindsPaused(x.LHS)
		case parser.LUNLESS:
			return l.mindsPaused(x.LHS)
		case parser.LOR:
			return l.mindsPaused(x.LHS) && l.mindsPaused(x.RHS)
		}
		return l.mindsPaused(x.LHS) || l.mindsPaused(x.RHS)
	case *parser.AggregateExpr:
		return l.mindsPaused(x.Expr)
	}
	return false
}

// byDag tells matchings and groupings that tell the DAGs of each Airflow apart, and nothing else.
func byDag(by bool, names []string) bool {
	return by && slices.Equal(slices.Sorted(slices.Values(names)), []string{"cluster", "dag_id"})
}

// notPaused tells whether an expression is the DAGs that no exporter has seen paused.
func (l *Linter) notPaused(e parser.Expr) bool {
	x, ok := unwrap(e).(*parser.BinaryExpr)
	if !ok {
		return false
	}
	if x.Op == parser.LAND {
		return l.notPaused(x.LHS) || l.notPaused(x.RHS)
	}
	if v, ok := number(x.RHS); !ok || v != 0 || x.Op != parser.EQLC {
		return false
	}
	a, ok := unwrap(x.LHS).(*parser.AggregateExpr)
	if !ok || a.Op != parser.MAX || !byDag(!a.Without, a.Grouping) {
		return false
	}
	e = unwrap(a.Expr)
	if c, ok := e.(*parser.Call); ok && c.Func.Name == "max_over_time" {
		if m, ok := c.Args[0].(*parser.MatrixSelector); ok {
			e = m.VectorSelector
		}
	}
	v, ok := e.(*parser.VectorSelector)
	return ok && slices.Contains(l.names(v), "airflow_dag_paused")
}
