package main

import (
	"slices"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

func TestChangesOfExpressions(t *testing.T) {
	for expr, want := range map[string][]change{
		`up > 2`: {
			{"> becomes < in up > 2", "up < 2"},
			{"> becomes >= in up > 2", "up >= 2"},
			{"2 becomes 6 in up > 2", "up > 6"},
			{"2 becomes 0.6667 in up > 2", "up > 0.6666666666666666"},
		},
		`up < 0`: {
			{"< becomes > in up < 0", "up > 0"},
			{"< becomes <= in up < 0", "up <= 0"},
			{"0 becomes 1 in up < 0", "up < 1"},
		},
		`up >= on (job) down`: {
			{">= becomes <= in up >= on (job) down", "up <= on (job) down"},
			{">= becomes > in up >= on (job) down", "up > on (job) down"},
		},
		`up <= down`: {
			{"<= becomes >= in up <= down", "up >= down"},
			{"<= becomes < in up <= down", "up < down"},
		},
		`up == down`: {{"== becomes != in up == down", "up != down"}},
		`up != down`: {{"!= becomes == in up != down", "up == down"}},
		`a and on (x) b unless c`: {
			{"without unless c", "a and on (x) b"},
			{"unless becomes and before c", "a and on (x) b and c"},
			{"without and b", "a unless c"},
			{"and becomes unless before b", "a unless on (x) b unless c"},
		},
		`x * on () (a or b)`: {
			{"without or b", "x * on () (a)"},
			{"only what is right of or, b", "x * on () (b)"},
		},
		`a{b="c",d!="e"}`: {
			{`without b="c" in a{b="c",d!="e"}`, `a{d!="e"}`},
			{`b="c" becomes b="other" in a{b="c",d!="e"}`, `a{b="other",d!="e"}`},
			{`without d!="e" in a{b="c",d!="e"}`, `a{b="c"}`},
			{`d!="e" becomes d!="other" in a{b="c",d!="e"}`, `a{b="c",d!="other"}`},
		},
		`a{b=~"c|d"}`: {
			{`without b=~"c|d" in a{b=~"c|d"}`, `a`},
			{`b=~"c|d" becomes b=~"other" in a{b=~"c|d"}`, `a{b=~"other"}`},
			{`b=~"c|d" becomes b=~"d" in a{b=~"c|d"}`, `a{b=~"d"}`},
			{`b=~"c|d" becomes b=~"c" in a{b=~"c|d"}`, `a{b=~"c"}`},
		},
		`max by (x, y) (a)`: {
			{"max becomes min in max by (x, y) (a)", "min by (x, y) (a)"},
			{"max becomes sum in max by (x, y) (a)", "sum by (x, y) (a)"},
			{"without the label x in max by (x, y) (a)", "max by (y) (a)"},
			{"without the label y in max by (x, y) (a)", "max by (x) (a)"},
		},
		`sum(a)`: {
			{"sum becomes max in sum(a)", "max(a)"},
			{"sum becomes min in sum(a)", "min(a)"},
		},
		`rate(a[6m])`: {
			{"range 6m becomes 18m in a[6m]", "rate(a[18m])"},
			{"range 6m becomes 2m in a[6m]", "rate(a[2m])"},
		},
		`max_over_time((a)[1h:1m])`: {
			{"range 1h becomes 3h in (a)[1h:1m]", "max_over_time((a)[3h:1m])"},
			{"range 1h becomes 20m in (a)[1h:1m]", "max_over_time((a)[20m:1m])"},
		},
		`-(a + 3)`: {
			{"3 becomes 9 in a + 3", "-(a + 9)"},
			{"3 becomes 1 in a + 3", "-(a + 1)"},
		},
		`quantile(0.5, a)`: {
			{"0.5 becomes 1.5 in quantile(0.5, a)", "quantile(1.5, a)"},
			{"0.5 becomes 0.1667 in quantile(0.5, a)", "quantile(0.16666666666666666, a)"},
		},
		`count by (x) (a)`: {{"without the label x in count by (x) (a)", "count(a)"}},
	} {
		t.Run(expr, func(t *testing.T) {
			got, err := changesOf(parser.NewParser(parser.Options{}), expr)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				t.Errorf("\n got %q\nwant %q", got, want)
			}
		})
	}
	if _, err := changesOf(parser.NewParser(parser.Options{}), "up =="); err == nil {
		t.Error("what does not parse is no error")
	}
}
