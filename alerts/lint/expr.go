package lint

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

// shortestRange holds four scrapes of half a minute; with fewer, one lost scrape empties it.
const shortestRange = 2 * time.Minute

// checkExpr reports the mistakes that are mistakes everywhere.
func (l *Linter) checkExpr(e parser.Expr, report reporter) {
	parser.Inspect(e, func(n parser.Node, path []parser.Node) error {
		switch x := n.(type) {
		case *parser.VectorSelector:
			l.checkSelector(x, report)
			l.checkKind(x, path, report)
		case *parser.MatrixSelector:
			checkRange(x.Range, x, report)
		case *parser.SubqueryExpr:
			checkRange(x.Range, x, report)
		case *parser.Call:
			l.checkCall(x, report)
		case *parser.AggregateExpr:
			l.checkGrouping(x, report)
		case *parser.BinaryExpr:
			l.checkDivisor(x, report)
			l.checkMatching(x, report)
			l.checkSparse(x, report)
			l.checkTimes(x, report)
		}
		return nil
	})
}

func checkRange(r time.Duration, e parser.Expr, report reporter) {
	if r > 0 && r < shortestRange {
		report("range %s of %s is shorter than %s", r, e, shortestRange)
	}
}

func isRate(function string) bool {
	return function == "rate" || function == "increase" || function == "irate"
}

// checkKind wants the rate of counters, and of nothing else.
func (l *Linter) checkKind(v *parser.VectorSelector, path []parser.Node, report reporter) {
	function, counted := around(path)
	for _, name := range l.names(v) {
		if l.recorded[name] != nil {
			if isRate(function) {
				report("%s() of the recorded series %s", function, name)
			}
			continue
		}
		f := l.families[name]
		switch {
		case f == nil:
		case f.kind == histogram && (!isRate(function) || needsNumbers(path)):
			report("%s is a histogram: use its _bucket, _sum or _count", name)
		case f.kind == gauge && isRate(function):
			report("%s() of the gauge %s", function, name)
		case f.kind == counter && !isRate(function) && !counted:
			report("counter %s without rate() or increase()", name)
		}
	}
}

// needsNumbers tells whether a selector is part of what native histograms are not for: they can be summed, averaged and
// scaled, and read by the functions for histograms. max, min and topk drop them without a word.
func needsNumbers(path []parser.Node) bool {
	for _, n := range slices.Backward(path) {
		switch x := n.(type) {
		case *parser.Call:
			switch {
			case strings.HasPrefix(x.Func.Name, "histogram_"):
				return false
			case !isRate(x.Func.Name) && x.Func.Name != "label_replace" && x.Func.Name != "label_join":
				return true
			}
		case *parser.AggregateExpr:
			if !slices.Contains([]parser.ItemType{parser.SUM, parser.AVG, parser.COUNT, parser.GROUP}, x.Op) {
				return true
			}
		case *parser.BinaryExpr:
			scaled := (x.Op == parser.MUL || x.Op == parser.DIV) && (x.LHS.Type() == parser.ValueTypeScalar || x.RHS.Type() == parser.ValueTypeScalar)
			if !x.Op.IsSetOperator() && !scaled {
				return true
			}
		}
	}
	return false
}

// native tells whether all that an expression selects are whole histograms.
func (l *Linter) native(e parser.Expr) bool {
	all, some := true, false
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok {
			for _, name := range l.names(v) {
				all, some = all && l.families[name] != nil && l.families[name].kind == histogram, true
			}
		}
		return nil
	})
	return all && some
}

// around is the innermost function around a selector, and whether the values of the series do not matter.
func around(path []parser.Node) (function string, counted bool) {
	for _, n := range slices.Backward(path) {
		switch x := n.(type) {
		case *parser.Call:
			if function == "" {
				function = x.Func.Name
			}
			counted = counted || slices.Contains([]string{"absent", "absent_over_time", "resets", "count_over_time", "present_over_time"}, x.Func.Name)
		case *parser.AggregateExpr:
			counted = counted || x.Op == parser.COUNT || x.Op == parser.GROUP
		}
	}
	return function, counted
}

func (l *Linter) checkCall(x *parser.Call, report reporter) {
	switch {
	case x.Func.Name == "histogram_quantile":
		if in := l.shapeOf(x.Args[1]); in != nil && !in.has("le") && !l.native(x.Args[1]) {
			report("histogram_quantile() of %s, which has no label le", x.Args[1])
		}
	case isRate(x.Func.Name):
		if sub, ok := unwrap(x.Args[0]).(*parser.SubqueryExpr); ok {
			if _, plain := unwrap(sub.Expr).(*parser.VectorSelector); !plain {
				report("%s() of %s, which is no counter", x.Func.Name, sub.Expr)
			}
		}
	}
}

func (l *Linter) checkGrouping(x *parser.AggregateExpr, report reporter) {
	in := l.shapeOf(x.Expr)
	if in == nil {
		return
	}
	for _, name := range x.Grouping {
		if !in.has(name) {
			report("%s groups by the label %q, which %s does not have", x.Op, name, x.Expr)
		}
	}
}

// checkMatching reports sides that never meet.
func (l *Linter) checkMatching(x *parser.BinaryExpr, report reporter) {
	match := x.VectorMatching
	if match == nil || !isSeries(x.LHS) || !isSeries(x.RHS) {
		return
	}
	left, right := l.shapeOf(x.LHS), l.shapeOf(x.RHS)
	if left == nil || right == nil {
		return
	}
	compared := match.MatchingLabels
	if match.On {
		for _, name := range compared {
			if !left.has(name) {
				report("%s on the label %q, which %s does not have", x.Op, name, x.LHS)
			}
			if !right.has(name) {
				report("%s on the label %q, which %s does not have", x.Op, name, x.RHS)
			}
		}
	} else {
		a, b := left.without(match.MatchingLabels...), right.without(match.MatchingLabels...)
		if only := append(missing(a, b), missing(b, a)...); len(only) > 0 && x.Op != parser.LOR {
			report("%s never matches: only one side has %s", x.Op, strings.Join(only, ", "))
		}
		compared = slices.Sorted(maps.Keys(a))
	}
	for _, name := range compared {
		if x.Op != parser.LOR && left.disjoint(right, name) {
			report("%s never matches: the sides have no value of %q in common", x.Op, name)
		}
	}
	one, other, oneSide := right, left, x.RHS
	if match.Card == parser.CardOneToMany {
		one, other, oneSide = left, right, x.LHS
	}
	if match.Card != parser.CardOneToOne {
		one = l.widest(oneSide)
	}
	if match.On && !x.Op.IsSetOperator() && (match.Card == parser.CardOneToOne || !onePer(oneSide, compared)) {
		twice := missing(one, one.only(compared))
		if match.Card == parser.CardOneToOne {
			twice = append(twice, missing(other, other.only(compared))...)
		}
		if len(twice) > 0 {
			report("%s fails when there are two series that differ in %s only: aggregate the side", x.Op, strings.Join(twice, ", "))
		}
	}
	for _, name := range match.Include {
		if !one.has(name) {
			report("%s takes over the label %q, which is not there", x.Op, name)
		}
	}
}

// onePer tells whether e has one series at most for each set of these labels, because it picks one: topk by (cluster) (1, …).
func onePer(e parser.Expr, labels []string) bool {
	switch x := unwrap(e).(type) {
	case *parser.AggregateExpr:
		if x.Without || slices.ContainsFunc(x.Grouping, func(l string) bool { return !slices.Contains(labels, l) }) {
			return false
		}
		if x.Op != parser.TOPK && x.Op != parser.BOTTOMK {
			return x.Op != parser.LIMITK && x.Op != parser.LIMIT_RATIO && x.Op != parser.COUNT_VALUES
		}
		n, ok := x.Param.(*parser.NumberLiteral)
		return ok && n.Val == 1
	case *parser.Call:
		if x.Func.Name != "label_replace" && x.Func.Name != "label_join" {
			return false
		}
		made, ok := x.Args[1].(*parser.StringLiteral)
		return ok && !slices.Contains(labels, made.Val) && onePer(x.Args[0], labels)
	case *parser.BinaryExpr:
		switch {
		case x.Op == parser.LOR:
			on := x.VectorMatching.On && !slices.ContainsFunc(x.VectorMatching.MatchingLabels, func(l string) bool { return !slices.Contains(labels, l) })
			return on && onePer(x.LHS, labels) && onePer(x.RHS, labels)
		case x.Op.IsSetOperator():
			return onePer(x.LHS, labels)
		case x.LHS.Type() == parser.ValueTypeScalar:
			return onePer(x.RHS, labels)
		case x.RHS.Type() == parser.ValueTypeScalar:
			return onePer(x.LHS, labels)
		}
	}
	return false
}

// widest has all labels that series of e may have: with an or, those of both sides.
func (l *Linter) widest(e parser.Expr) shape {
	x, ok := unwrap(e).(*parser.BinaryExpr)
	if !ok || x.Op != parser.LOR {
		return l.shapeOf(e)
	}
	wide := maps.Clone(l.widest(x.LHS))
	if wide == nil {
		return l.widest(x.RHS)
	}
	maps.Copy(wide, l.widest(x.RHS))
	return wide
}

// missing are the labels of a that b does not have.
func missing(a, b shape) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if !b.has(name) {
			names = append(names, name)
		}
	}
	return names
}
