package lint

import (
	"maps"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// values are those that a label can have; nil: any.
type values map[string]struct{}

func (vs values) has(value string) bool {
	_, ok := vs[value]
	return ok
}

// shape is the labels that series have. A nil shape is not known.
type shape map[string]values

func (s shape) add(label, value string) {
	if s[label] == nil {
		s[label] = values{}
	}
	s[label][value] = struct{}{}
}

func (s shape) has(label string) bool {
	_, ok := s[label]
	return ok
}

func (s shape) only(names []string) shape {
	kept := shape{}
	for _, name := range names {
		if vs, ok := s[name]; ok {
			kept[name] = vs
		}
	}
	return kept
}

func (s shape) without(names ...string) shape {
	kept := maps.Clone(s)
	for _, name := range names {
		delete(kept, name)
	}
	return kept
}

// common is what series of either shape have.
func (s shape) common(o shape) shape {
	both := shape{}
	for label, vs := range s {
		others, ok := o[label]
		if !ok {
			continue
		}
		if vs == nil || others == nil {
			both[label] = nil
			continue
		}
		both[label] = maps.Clone(vs)
		maps.Copy(both[label], others)
	}
	return both
}

// narrow keeps the values that the matchers let through.
func (s shape) narrow(matchers []*labels.Matcher) shape {
	narrowed := maps.Clone(s)
	for _, m := range matchers {
		vs := narrowed[m.Name]
		if vs == nil {
			if s.has(m.Name) && m.Type == labels.MatchEqual && !isPlaceholder(m.Value) {
				narrowed[m.Name] = values{m.Value: {}}
			}
			continue
		}
		if isPlaceholder(m.Value) {
			continue
		}
		kept := values{}
		for v := range vs {
			if m.Matches(v) {
				kept[v] = struct{}{}
			}
		}
		if len(kept) == 0 {
			kept = nil // such a matcher is a finding of its own
		}
		narrowed[m.Name] = kept
	}
	return narrowed
}

// disjoint tells the shapes of which no two series agree in the label.
func (s shape) disjoint(o shape, label string) bool {
	mine, others := s[label], o[label]
	if mine == nil || others == nil {
		return false
	}
	for v := range mine {
		if others.has(v) {
			return false
		}
	}
	return true
}

// shapeOf is the labels that every series of the result has.
func (l *Linter) shapeOf(e parser.Expr) shape {
	switch x := e.(type) {
	case *parser.ParenExpr:
		return l.shapeOf(x.Expr)
	case *parser.UnaryExpr:
		return l.shapeOf(x.Expr)
	case *parser.SubqueryExpr:
		return l.shapeOf(x.Expr)
	case *parser.MatrixSelector:
		return l.shapeOf(x.VectorSelector)
	case *parser.VectorSelector:
		return l.shapeOfSelector(x)
	case *parser.AggregateExpr:
		return l.shapeOfAggregate(x)
	case *parser.Call:
		return l.shapeOfCall(x)
	case *parser.BinaryExpr:
		return l.shapeOfBinary(x)
	}
	return shape{}
}

func (l *Linter) shapeOfSelector(x *parser.VectorSelector) shape {
	var all shape
	for _, name := range l.names(x) {
		s := l.shapeOfMetric(name)
		switch {
		case s == nil:
			return nil
		case all == nil:
			all = s
		default:
			all = all.common(s)
		}
	}
	if all == nil {
		return nil
	}
	return all.narrow(x.LabelMatchers)
}

func (l *Linter) shapeOfMetric(name string) shape {
	if f := l.families[name]; f != nil {
		return f.labels
	}
	r := l.recorded[name]
	if r == nil || r.busy {
		return nil
	}
	r.busy = true
	defer func() { r.busy = false }()
	s := l.shapeOf(r.expr)
	if s == nil {
		return nil
	}
	s = maps.Clone(s)
	for label, value := range r.labels {
		s[label] = values{value: {}}
	}
	return s
}

func (l *Linter) shapeOfAggregate(x *parser.AggregateExpr) shape {
	in := l.shapeOf(x.Expr)
	if in == nil {
		return nil
	}
	switch {
	case x.Op == parser.TOPK || x.Op == parser.BOTTOMK || x.Op == parser.LIMITK || x.Op == parser.LIMIT_RATIO:
		return in
	case x.Without:
		in = in.without(x.Grouping...)
	default:
		in = in.only(x.Grouping)
	}
	if name, ok := x.Param.(*parser.StringLiteral); ok && x.Op == parser.COUNT_VALUES {
		in = maps.Clone(in)
		in[name.Val] = nil
	}
	return in
}

func (l *Linter) shapeOfCall(x *parser.Call) shape {
	switch x.Func.Name {
	case "absent", "absent_over_time":
		return absentLabels(x.Args[0])
	case "vector", "time", "scalar", "pi":
		return shape{}
	case "info":
		return nil
	}
	for _, arg := range x.Args {
		if !isSeries(arg) {
			continue
		}
		in := l.shapeOf(arg)
		if in == nil {
			return nil
		}
		switch x.Func.Name {
		case "histogram_quantile":
			return in.without("le")
		case "label_replace", "label_join":
			if to, ok := x.Args[1].(*parser.StringLiteral); ok {
				in = maps.Clone(in)
				in[to.Val] = nil
			}
		}
		return in
	}
	return shape{}
}

// absentLabels are those that absent() gives to what is missing: the ones that its selector pins down.
func absentLabels(e parser.Expr) shape {
	var matchers []*labels.Matcher
	switch x := unwrap(e).(type) {
	case *parser.VectorSelector:
		matchers = x.LabelMatchers
	case *parser.MatrixSelector:
		if v, ok := x.VectorSelector.(*parser.VectorSelector); ok {
			matchers = v.LabelMatchers
		}
	}
	s := shape{}
	for _, m := range matchers {
		if m.Type == labels.MatchEqual && m.Name != model.MetricNameLabel {
			s[m.Name] = values{m.Value: {}}
		}
	}
	return s
}

func (l *Linter) shapeOfBinary(x *parser.BinaryExpr) shape {
	if !isSeries(x.LHS) {
		return l.shapeOf(x.RHS)
	}
	left := l.shapeOf(x.LHS)
	if !isSeries(x.RHS) {
		return left
	}
	right := l.shapeOf(x.RHS)
	match := x.VectorMatching
	switch {
	case x.Op == parser.LAND || x.Op == parser.LUNLESS:
		return left
	case left == nil || right == nil:
		return nil
	case x.Op == parser.LOR:
		return left.common(right)
	case match.Card == parser.CardOneToMany:
		return including(right, left, match.Include)
	case match.Card == parser.CardManyToOne:
		return including(left, right, match.Include)
	case match.On:
		return left.only(match.MatchingLabels)
	}
	return left.without(match.MatchingLabels...)
}

func including(many, one shape, names []string) shape {
	s := maps.Clone(many)
	maps.Copy(s, one.only(names))
	return s
}

func isSeries(e parser.Expr) bool {
	return e.Type() == parser.ValueTypeVector || e.Type() == parser.ValueTypeMatrix
}

func unwrap(e parser.Expr) parser.Expr {
	for {
		p, ok := e.(*parser.ParenExpr)
		if !ok {
			return e
		}
		e = p.Expr
	}
}
