package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// mutant is a rule with one change.
type mutant struct {
	rule string // the id of the rule
	text string // the change, unique in the rule
	to   rulefmt.Rule
}

// mutantsOf returns all mutants of a rule. The text of the expression is the parser's in all of them.
func mutantsOf(p parser.Parser, id string, r rulefmt.Rule) ([]mutant, error) {
	changes, err := changesOf(p, r.Expr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", id, err)
	}
	var mutants []mutant
	seen := map[string]int{}
	add := func(text string, change func(*rulefmt.Rule)) {
		seen[text]++
		if n := seen[text]; n > 1 {
			text = fmt.Sprintf("%s (%d)", text, n)
		}
		to := r
		to.Labels = maps.Clone(r.Labels)
		change(&to)
		mutants = append(mutants, mutant{id, text, to})
	}
	for _, c := range changes {
		add(c.text, func(r *rulefmt.Rule) { r.Expr = c.expr })
	}
	if r.For > 0 {
		add("without for", func(r *rulefmt.Rule) { r.For = 0 })
		add("for "+r.For.String()+" twice as long", func(r *rulefmt.Rule) { r.For *= 2 })
	}
	if r.KeepFiringFor > 0 {
		add("without keep_firing_for", func(r *rulefmt.Rule) { r.KeepFiringFor = 0 })
		add("keep_firing_for "+r.KeepFiringFor.String()+" twice as long", func(r *rulefmt.Rule) { r.KeepFiringFor *= 2 })
	}
	for _, name := range slices.Sorted(maps.Keys(r.Labels)) {
		if strings.Contains(r.Labels[name], "{{") {
			continue
		}
		other := otherLabel(name, r.Labels[name])
		add(fmt.Sprintf("label %s is %s", name, other), func(r *rulefmt.Rule) { r.Labels[name] = other })
	}
	return mutants, nil
}

func otherLabel(name, value string) string {
	switch {
	case name != "severity":
		return otherValue
	case value == "critical":
		return "warning"
	}
	return "critical"
}

// ruleSet is a rule file, with what uses what.
type ruleSet struct {
	parser parser.Parser
	groups []rulefmt.RuleGroup
	uses   map[string]map[string]struct{} // what each rule uses, by name
}

func newRuleSet(p parser.Parser, groups []rulefmt.RuleGroup) (*ruleSet, error) {
	s := &ruleSet{p, groups, map[string]map[string]struct{}{}}
	for _, r := range s.rules() {
		names, err := s.series(r.Expr)
		if err != nil {
			return nil, err
		}
		if s.uses[nameOf(r)] == nil {
			s.uses[nameOf(r)] = map[string]struct{}{}
		}
		maps.Copy(s.uses[nameOf(r)], names)
	}
	return s, nil
}

func nameOf(r rulefmt.Rule) string { return r.Alert + r.Record }

func (s *ruleSet) rules() []rulefmt.Rule {
	var all []rulefmt.Rule
	for _, g := range s.groups {
		all = append(all, g.Rules...)
	}
	return all
}

// ids tell rules of the same name apart by their severity.
func (s *ruleSet) ids() []string {
	count := map[string]int{}
	for _, r := range s.rules() {
		count[nameOf(r)]++
	}
	var ids []string
	for _, r := range s.rules() {
		id := nameOf(r)
		if count[id] > 1 {
			id += "[" + r.Labels["severity"] + "]"
		}
		ids = append(ids, id)
	}
	return ids
}

// series are the names in an expression; of ALERTS, those of the alerts.
func (s *ruleSet) series(expr string) (map[string]struct{}, error) {
	e, err := s.parser.ParseExpr(expr)
	if err != nil {
		return nil, err
	}
	names := map[string]struct{}{}
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		switch v, ok := n.(*parser.VectorSelector); {
		case !ok:
		case v.Name == "ALERTS" || v.Name == "ALERTS_FOR_STATE":
			for _, r := range s.rules() {
				if r.Alert != "" && selects(v, r.Alert) {
					names[r.Alert] = struct{}{}
				}
			}
		default:
			names[v.Name] = struct{}{}
		}
		return nil
	})
	return names, nil
}

func selects(v *parser.VectorSelector, alert string) bool {
	for _, m := range v.LabelMatchers {
		if m.Name == model.AlertNameLabel && !m.Matches(alert) {
			return false
		}
	}
	return true
}

// affected are the rules whose results a change of the named one can change.
func (s *ruleSet) affected(name string) map[string]struct{} {
	return closure(map[string]struct{}{name: {}}, func(known map[string]struct{}) {
		for user, used := range s.uses {
			for u := range used {
				if _, ok := known[u]; ok {
					known[user] = struct{}{}
				}
			}
		}
	})
}

// needed are the rules that the named ones use, and those themselves.
func (s *ruleSet) needed(names map[string]struct{}) map[string]struct{} {
	return closure(names, func(known map[string]struct{}) {
		for name := range maps.Clone(known) {
			maps.Copy(known, s.uses[name])
		}
	})
}

func closure(from map[string]struct{}, grow func(map[string]struct{})) map[string]struct{} {
	known := maps.Clone(from)
	for before := -1; before != len(known); {
		before = len(known)
		grow(known)
	}
	return known
}

// with returns the groups with only the named rules, and the one at the index, counted over all rules, replaced.
func (s *ruleSet) with(names map[string]struct{}, index int, to rulefmt.Rule) []rulefmt.RuleGroup {
	var groups []rulefmt.RuleGroup
	at := 0
	for _, g := range s.groups {
		var kept []rulefmt.Rule
		for _, r := range g.Rules {
			if _, ok := names[nameOf(r)]; ok {
				if at == index {
					r = to
				}
				kept = append(kept, r)
			}
			at++
		}
		if len(kept) > 0 {
			g.Rules = kept
			groups = append(groups, g)
		}
	}
	return groups
}
