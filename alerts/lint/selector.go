package lint

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// placeholder stands for what a variable of a dashboard holds.
const placeholder = "__variable__"

func isPlaceholder(value string) bool { return strings.Contains(value, placeholder) }

// names are the known metrics that the selector can select.
func (l *Linter) names(v *parser.VectorSelector) []string {
	if v.Name != "" {
		return []string{v.Name}
	}
	var found []string
	for _, m := range v.LabelMatchers {
		if m.Name != model.MetricNameLabel || isPlaceholder(m.Value) {
			continue
		}
		switch m.Type {
		case labels.MatchEqual:
			return []string{m.Value}
		case labels.MatchRegexp:
			for _, name := range l.known() {
				if m.Matches(name) {
					found = append(found, name)
				}
			}
		}
	}
	return found
}

func (l *Linter) known() []string {
	names := slices.Collect(maps.Keys(l.families))
	return slices.Sorted(slices.Values(slices.AppendSeq(names, maps.Keys(l.recorded))))
}

func (l *Linter) isKnown(metric string) bool {
	return l.families[metric] != nil || l.recorded[metric] != nil
}

func (l *Linter) checkSelector(v *parser.VectorSelector, report reporter) {
	l.checkName(v, report)
	for _, name := range l.names(v) {
		l.used[name] = struct{}{}
		if !l.isKnown(name) {
			report("there is no metric %q", name)
			continue
		}
		s := l.shapeOfMetric(name)
		if s == nil {
			continue
		}
		for _, m := range v.LabelMatchers {
			if m.Name != model.MetricNameLabel {
				checkMatcher(name, s, m, report)
			}
		}
	}
}

// checkName looks at matchers of __name__, which otherwise would select nothing without a word.
func (l *Linter) checkName(v *parser.VectorSelector, report reporter) {
	if v.Name != "" {
		return
	}
	named := false
	for _, m := range v.LabelMatchers {
		if m.Name != model.MetricNameLabel {
			continue
		}
		named = named || m.Type == labels.MatchEqual || m.Type == labels.MatchRegexp
		checkRegexp(m, report)
		if m.Type != labels.MatchRegexp || isPlaceholder(m.Value) {
			continue
		}
		alternatives := m.SetMatches()
		for _, name := range alternatives {
			if !l.isKnown(name) {
				report("there is no metric %q", name)
			}
		}
		if len(alternatives) == 0 && len(l.names(v)) == 0 {
			report("no metric matches %s", m)
		}
	}
	if !named {
		report("%s names no metric", v)
	}
}

func checkMatcher(metric string, s shape, m *labels.Matcher, report reporter) {
	checkRegexp(m, report)
	vs, ok := s[m.Name]
	if !ok {
		report("metric %s has no label %q", metric, m.Name)
		return
	}
	if vs == nil || isPlaceholder(m.Value) || m.Value == "" {
		return
	}
	fixed := []string{m.Value}
	if m.Type == labels.MatchRegexp || m.Type == labels.MatchNotRegexp {
		fixed = m.SetMatches()
	}
	for _, v := range fixed {
		if v != "" && !vs.has(v) {
			report("label %q of %s is never %q", m.Name, metric, v)
		}
	}
	if len(fixed) == 0 && !matchesAny(m, vs) {
		report("no value of label %q of %s matches %s", m.Name, metric, m)
	}
}

func matchesAny(m *labels.Matcher, vs values) bool {
	positive := m
	if m.Type == labels.MatchNotRegexp {
		positive = labels.MustNewMatcher(labels.MatchRegexp, m.Name, m.Value)
	}
	for v := range vs {
		if positive.Matches(v) {
			return true
		}
	}
	return false
}

func checkRegexp(m *labels.Matcher, report reporter) {
	if m.Type != labels.MatchRegexp && m.Type != labels.MatchNotRegexp || isPlaceholder(m.Value) {
		return
	}
	if regexp.QuoteMeta(m.Value) == m.Value || len(m.SetMatches()) == 1 || m.Value == ".*" {
		report("needless regexp: %s", m)
	}
}
