package lint

import (
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// number is the value of an expression of literals.
func number(e parser.Expr) (value float64, ok bool) {
	switch x := unwrap(e).(type) {
	case *parser.NumberLiteral:
		return x.Val, true
	case *parser.UnaryExpr:
		v, ok := number(x.Expr)
		if x.Op == parser.SUB {
			v = -v
		}
		return v, ok
	case *parser.BinaryExpr:
		a, aok := number(x.LHS)
		b, bok := number(x.RHS)
		if !aok || !bok {
			return 0, false
		}
		switch x.Op {
		case parser.ADD:
			return a + b, true
		case parser.SUB:
			return a - b, true
		case parser.MUL:
			return a * b, true
		case parser.DIV:
			return a / b, true
		}
	}
	return 0, false
}

// checkDivisor wants that no divisor can be 0: NaN compares with nothing.
func (l *Linter) checkDivisor(x *parser.BinaryExpr, report reporter) {
	if (x.Op == parser.DIV || x.Op == parser.MOD) && !l.nonzero(x.RHS) {
		report("the divisor %s can be 0: guard it with > 0", x.RHS)
	}
}

func (l *Linter) nonzero(e parser.Expr) bool {
	if v, ok := number(e); ok {
		return v != 0
	}
	switch x := unwrap(e).(type) {
	case *parser.AggregateExpr:
		switch x.Op {
		case parser.COUNT, parser.GROUP:
			return true
		case parser.SUM, parser.MIN, parser.MAX, parser.AVG:
			return l.nonzero(x.Expr)
		}
	case *parser.Call:
		switch x.Func.Name {
		case "time":
			return true
		case "clamp_min":
			v, ok := number(x.Args[1])
			return ok && v > 0
		case "scalar":
			return l.nonzero(x.Args[0])
		}
	case *parser.VectorSelector:
		r := l.recorded[x.Name]
		return r != nil && l.nonzero(r.expr)
	case *parser.BinaryExpr:
		return l.nonzeroResult(x)
	}
	return false
}

func (l *Linter) nonzeroResult(x *parser.BinaryExpr) bool {
	switch x.Op {
	case parser.LAND, parser.LUNLESS:
		return l.nonzero(x.LHS)
	case parser.LOR, parser.MUL:
		return l.nonzero(x.LHS) && l.nonzero(x.RHS)
	}
	v, ok := number(x.RHS)
	if !ok || x.ReturnBool {
		return false
	}
	switch x.Op {
	case parser.GTR:
		return v >= 0
	case parser.GTE:
		return v > 0
	case parser.LSS:
		return v <= 0
	case parser.LTE:
		return v < 0
	case parser.NEQ:
		return v == 0
	case parser.EQLC:
		return v != 0
	}
	return false
}

// checkSparse reports comparisons that want to hold where nothing is: a sparse family has no series there.
func (l *Linter) checkSparse(x *parser.BinaryExpr, report reporter) {
	series := x.LHS
	v, ok := number(x.RHS)
	if !ok {
		series = x.RHS
		v, ok = number(x.LHS)
	}
	if !ok || !(x.Op == parser.EQLC && v == 0 || x.Op == parser.LTE && v == 0 || x.Op == parser.LSS && v == 1) {
		return
	}
	parser.Inspect(series, func(n parser.Node, path []parser.Node) error {
		s, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		for _, p := range path {
			if b, ok := p.(*parser.BinaryExpr); ok && b.Op == parser.LOR {
				return nil
			}
		}
		for _, name := range l.names(s) {
			if f := l.families[name]; f != nil && f.sparse {
				report("%s is sparse: it is absent, not 0; use unless", name)
			}
		}
		return nil
	})
}

// checkTimes reports points in time that are compared with a number, as if they were ages.
func (l *Linter) checkTimes(x *parser.BinaryExpr, report reporter) {
	if _, ok := number(x.RHS); !ok || !x.Op.IsComparisonOperator() {
		return
	}
	e := unwrap(x.LHS)
	for {
		a, ok := e.(*parser.AggregateExpr)
		if !ok || a.Op != parser.MIN && a.Op != parser.MAX {
			break
		}
		e = unwrap(a.Expr)
	}
	if v, ok := e.(*parser.VectorSelector); ok {
		for _, name := range l.names(v) {
			if strings.HasSuffix(name, "_timestamp_seconds") {
				report("%s is a point in time: compare time() - %s", name, name)
			}
		}
	}
}
