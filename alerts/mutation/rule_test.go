package main

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

func TestMutantsOfARule(t *testing.T) {
	r := rulefmt.Rule{
		Alert: "A", Expr: "up\n== bool\n down and down == bool down", For: model.Duration(5 * time.Minute), KeepFiringFor: model.Duration(time.Hour),
		Labels: map[string]string{"severity": "critical", "window": "1h", "component": "{{ $labels.component }}"},
	}
	mutants, err := mutantsOf(parser.NewParser(parser.Options{}), "A", r)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		text   string
		change func(*rulefmt.Rule)
	}{
		{"without and down == bool down", func(r *rulefmt.Rule) { r.Expr = "up == bool down" }},
		{"and becomes unless before down == bool down", func(r *rulefmt.Rule) { r.Expr = "up == bool down unless down == bool down" }},
		{"== becomes != in up == bool down", func(r *rulefmt.Rule) { r.Expr = "up != bool down and down == bool down" }},
		{"== becomes != in down == bool down", func(r *rulefmt.Rule) { r.Expr = "up == bool down and down != bool down" }},
		{"without for", func(r *rulefmt.Rule) { r.For = 0 }},
		{"for 5m twice as long", func(r *rulefmt.Rule) { r.For = model.Duration(10 * time.Minute) }},
		{"without keep_firing_for", func(r *rulefmt.Rule) { r.KeepFiringFor = 0 }},
		{"keep_firing_for 1h twice as long", func(r *rulefmt.Rule) { r.KeepFiringFor = model.Duration(2 * time.Hour) }},
		{"label severity is warning", func(r *rulefmt.Rule) { r.Labels["severity"] = "warning" }},
		{"label window is other", func(r *rulefmt.Rule) { r.Labels["window"] = "other" }},
	}
	if len(mutants) != len(want) {
		t.Fatalf("%d mutants, want %d: %v", len(mutants), len(want), mutants)
	}
	for i, w := range want {
		to := r
		to.Labels = maps.Clone(r.Labels)
		w.change(&to)
		got := mutants[i]
		if got.text != w.text || got.rule != "A" || got.to.For != to.For || got.to.KeepFiringFor != to.KeepFiringFor || !maps.Equal(got.to.Labels, to.Labels) || got.to.Expr != to.Expr {
			t.Errorf("got %q %+v, want %q %+v", got.text, got.to, w.text, to)
		}
	}
	if r.Labels["severity"] != "critical" {
		t.Error("the rule itself was changed")
	}
}

func TestMutantsWithTheSameTextAreNumbered(t *testing.T) {
	mutants, err := mutantsOf(parser.NewParser(parser.Options{}), "A", rulefmt.Rule{Record: "r", Expr: "a[5m] == a[5m]"})
	if err == nil {
		t.Fatalf("ranges compare: %v", mutants)
	}
	mutants, err = mutantsOf(parser.NewParser(parser.Options{}), "A", rulefmt.Rule{Record: "r", Expr: "(a == b) + (a == b)"})
	if err != nil || len(mutants) != 2 || mutants[0].text != "== becomes != in a == b" || mutants[1].text != "== becomes != in a == b (2)" {
		t.Errorf("%v %v", mutants, err)
	}
}

func testSet(t *testing.T) *ruleSet {
	t.Helper()
	s, err := newRuleSet(parser.NewParser(parser.Options{}), []rulefmt.RuleGroup{
		{Name: "records", Rules: []rulefmt.Rule{
			{Record: "a:b:c", Expr: "sum(b)"}, {Record: "d:e:f", Expr: "sum(a:b:c)"}, {Record: "g:h:i", Expr: "sum(h)"}}},
		{Name: "alerts", Rules: []rulefmt.Rule{
			{Alert: "One", Expr: "d:e:f > 1", Labels: map[string]string{"severity": "info"}},
			{Alert: "One", Expr: "b > 1", Labels: map[string]string{"severity": "critical"}}}},
		{Name: "others", Rules: []rulefmt.Rule{{Alert: "Two", Expr: "g:h:i > 1"}, {Alert: "Three", Expr: `ALERTS{alertname="Two"} > 0`}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sorted(names map[string]struct{}) string {
	return strings.Join(slices.Sorted(maps.Keys(names)), " ")
}

func TestWhatBelongsToARule(t *testing.T) {
	s := testSet(t)
	if got := strings.Join(s.ids(), " "); got != "a:b:c d:e:f g:h:i One[info] One[critical] Two Three" {
		t.Errorf("ids: %s", got)
	}
	if got := sorted(s.affected("a:b:c")); got != "One a:b:c d:e:f" {
		t.Errorf("affected: %s", got)
	}
	if got := sorted(s.affected("Two")); got != "Three Two" {
		t.Errorf("affected through ALERTS: %s", got)
	}
	if got := sorted(s.needed(map[string]struct{}{"Two": {}})); got != "Two g:h:i h" {
		t.Errorf("needed: %s", got)
	}
	groups := s.with(map[string]struct{}{"One": {}, "a:b:c": {}}, 4, rulefmt.Rule{Alert: "One", Expr: "changed"})
	var got []string
	for _, g := range groups {
		for _, r := range g.Rules {
			got = append(got, g.Name+" "+r.Expr)
		}
	}
	if want := []string{"records sum(b)", "alerts d:e:f > 1", "alerts changed"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if s.rules()[4].Expr != "b > 1" {
		t.Error("the set itself was changed")
	}
}
