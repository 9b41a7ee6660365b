package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// change is one mutation of an expression: what it is, and what comes of it.
type change struct{ text, expr string }

// exprMutator changes one thing in the tree at a time, prints it, and changes it back.
type exprMutator struct {
	root     parser.Expr
	original string
	changes  []change
}

// changesOf returns all mutations of an expression.
func changesOf(p parser.Parser, expr string) ([]change, error) {
	root, err := p.ParseExpr(expr)
	if err != nil {
		return nil, err
	}
	m := &exprMutator{root: root, original: root.String()}
	m.walk(root, nil, func(e parser.Expr) { m.root = e })
	for _, c := range m.changes {
		if _, err := p.ParseExpr(c.expr); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", c.text, c.expr, err)
		}
	}
	return m.changes, nil
}

// try notes the change that do makes and undo takes back, unless it changes nothing.
func (m *exprMutator) try(do, undo func(), format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	do()
	expr := m.root.String()
	undo()
	if expr != m.original {
		m.changes = append(m.changes, change{text, expr})
	}
}

// walk mutates an expression, then its parts. Its text is taken before, and set puts another one in its place.
func (m *exprMutator) walk(e, parent parser.Expr, set func(parser.Expr)) {
	switch x := e.(type) {
	case *parser.BinaryExpr:
		m.comparison(x)
		m.clause(x, set)
		m.walk(x.LHS, x, func(e parser.Expr) { x.LHS = e })
		m.walk(x.RHS, x, func(e parser.Expr) { x.RHS = e })
	case *parser.AggregateExpr:
		m.aggregation(x)
		if x.Param != nil {
			m.walk(x.Param, x, func(e parser.Expr) { x.Param = e })
		}
		m.walk(x.Expr, x, func(e parser.Expr) { x.Expr = e })
	case *parser.Call:
		for i := range x.Args {
			m.walk(x.Args[i], x, func(e parser.Expr) { x.Args[i] = e })
		}
	case *parser.ParenExpr:
		m.walk(x.Expr, x, func(e parser.Expr) { x.Expr = e })
	case *parser.UnaryExpr:
		m.walk(x.Expr, x, func(e parser.Expr) { x.Expr = e })
	case *parser.SubqueryExpr:
		m.rangeOf(&x.Range, x)
		m.walk(x.Expr, x, func(e parser.Expr) { x.Expr = e })
	case *parser.MatrixSelector:
		m.rangeOf(&x.Range, x)
		m.walk(x.VectorSelector, x, func(e parser.Expr) { x.VectorSelector = e })
	case *parser.VectorSelector:
		m.matchers(x)
	case *parser.NumberLiteral:
		m.number(x, parent)
	}
}

func (m *exprMutator) comparison(x *parser.BinaryExpr) {
	var others []parser.ItemType
	switch x.Op {
	case parser.GTR:
		others = []parser.ItemType{parser.LSS, parser.GTE}
	case parser.LSS:
		others = []parser.ItemType{parser.GTR, parser.LTE}
	case parser.GTE:
		others = []parser.ItemType{parser.LTE, parser.GTR}
	case parser.LTE:
		others = []parser.ItemType{parser.GTE, parser.LSS}
	case parser.EQLC:
		others = []parser.ItemType{parser.NEQ}
	case parser.NEQ:
		others = []parser.ItemType{parser.EQLC}
	}
	op, text := x.Op, brief(x)
	for _, other := range others {
		m.try(func() { x.Op = other }, func() { x.Op = op }, "%s becomes %s in %s", op, other, text)
	}
}

func (m *exprMutator) clause(x *parser.BinaryExpr, set func(parser.Expr)) {
	if !x.Op.IsSetOperator() {
		return
	}
	op, text := x.Op, brief(x.RHS)
	back := func() { set(x) }
	m.try(func() { set(x.LHS) }, back, "without %s %s", op, text)
	switch op {
	case parser.LOR:
		m.try(func() { set(x.RHS) }, back, "only what is right of or, %s", text)
	case parser.LAND:
		m.try(func() { x.Op = parser.LUNLESS }, func() { x.Op = op }, "and becomes unless before %s", text)
	case parser.LUNLESS:
		m.try(func() { x.Op = parser.LAND }, func() { x.Op = op }, "unless becomes and before %s", text)
	}
}

func (m *exprMutator) aggregation(x *parser.AggregateExpr) {
	text := brief(x)
	all := []parser.ItemType{parser.MAX, parser.MIN, parser.SUM}
	if op := x.Op; slices.Contains(all, op) {
		for _, other := range all {
			m.try(func() { x.Op = other }, func() { x.Op = op }, "%s becomes %s in %s", op, other, text)
		}
	}
	by := x.Grouping
	for i, name := range by {
		m.try(func() { x.Grouping = slices.Delete(slices.Clone(by), i, i+1) }, func() { x.Grouping = by }, "without the label %s in %s", name, text)
	}
}

func (m *exprMutator) rangeOf(r *time.Duration, e parser.Expr) {
	is, text := *r, brief(e)
	for _, other := range []time.Duration{3 * is, is / 3} {
		m.try(func() { *r = other }, func() { *r = is }, "range %s becomes %s in %s", model.Duration(is), model.Duration(other), text)
	}
}

func (m *exprMutator) number(x *parser.NumberLiteral, parent parser.Expr) {
	text := ""
	if parent != nil {
		text = " in " + brief(parent)
	}
	is, before := x.Val, x.String()
	others := []float64{3 * is, is / 3}
	if is == 0 {
		others = []float64{1}
	}
	for _, other := range others {
		m.try(func() { x.Val = other }, func() { x.Val = is }, "%s becomes %.4g%s", before, other, text)
	}
}

// otherValue is what no test has.
const otherValue = "other"

func (m *exprMutator) matchers(x *parser.VectorSelector) {
	is := x.LabelMatchers
	text := brief(x)
	back := func() { x.LabelMatchers = is }
	for i, matcher := range is {
		if matcher.Name == model.MetricNameLabel {
			continue
		}
		m.try(func() { x.LabelMatchers = slices.Delete(slices.Clone(is), i, i+1) }, back, "without %s in %s", matcher, text)
		for _, value := range otherValues(matcher) {
			other := labels.MustNewMatcher(matcher.Type, matcher.Name, value)
			m.try(func() {
				x.LabelMatchers = slices.Clone(is)
				x.LabelMatchers[i] = other
			}, back, "%s becomes %s in %s", matcher, other, text)
		}
	}
}

// otherValues leaves out each alternative of a regexp in turn.
func otherValues(m *labels.Matcher) []string {
	values := []string{otherValue}
	alternatives := m.SetMatches()
	if len(alternatives) < 2 {
		return values
	}
	for i := range alternatives {
		values = append(values, strings.Join(slices.Delete(slices.Clone(alternatives), i, i+1), "|"))
	}
	return values
}

// brief is the begin and the end of an expression: enough to find it in its rule.
func brief(e parser.Expr) string {
	const begin, end = 70, 40
	text := []rune(e.String())
	if len(text) <= begin+end {
		return string(text)
	}
	return string(text[:begin]) + "…" + string(text[len(text)-end:])
}
