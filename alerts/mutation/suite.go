package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/prometheus/prometheus/model/rulefmt"
	"go.yaml.in/yaml/v3"
)

// testFile is a file of tests of rules, read as a tree, so that what is written again says the same.
type testFile struct {
	name string
	root *yaml.Node
}

func readTests(dir string) ([]testFile, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.yml"))
	if err != nil {
		return nil, err
	}
	var files []testFile
	for _, name := range names {
		text, err := os.ReadFile(name) //nolint:gosec // the files that the caller names
		if err != nil {
			return nil, err
		}
		var doc yaml.Node
		if err := yaml.Unmarshal(text, &doc); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
			return nil, fmt.Errorf("%s holds no tests", name)
		}
		files = append(files, testFile{filepath.Base(name), plain(doc.Content[0])})
	}
	return files, nil
}

// plain replaces aliases by what they stand for: the anchors may be cut away.
func plain(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return plain(n.Alias)
	}
	c := *n
	c.Anchor = ""
	c.Content = nil
	for _, child := range n.Content {
		c.Content = append(c.Content, plain(child))
	}
	return &c
}

func value(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

func text(mapping *yaml.Node, key string) string {
	if v := value(mapping, key); v != nil {
		return v.Value
	}
	return ""
}

// testCase is a file with one test.
type testCase struct {
	name string
	text []byte
}

// suite is what is left of all tests for one rule: a mutant cannot change anything else.
type suite struct {
	cases []testCase
	rules map[string]struct{} // what the tests need
	order *order
}

// order is that in which cases are run: what killed the last mutant may well kill the next.
type order struct {
	mu    sync.Mutex
	cases []int
}

func newOrder(n int) *order {
	o := &order{}
	for i := range n {
		o.cases = append(o.cases, i)
	}
	return o
}

func (o *order) now() []int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.cases)
}

func (o *order) first(i int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := slices.Index(o.cases, i)
	o.cases = slices.Insert(slices.Delete(o.cases, at, at+1), 0, i)
}

// suiteFor keeps the tests that look at what a change of the named rule can change.
func suiteFor(s *ruleSet, tests []testFile, name string) (suite, error) {
	affected := s.affected(name)
	made := suite{rules: maps.Clone(affected)}
	var files []testFile
	for _, f := range tests {
		kept, err := f.only(s, affected, made.rules)
		if err != nil {
			return suite{}, fmt.Errorf("%s: %w", f.name, err)
		}
		files = append(files, kept...)
	}
	made.rules = s.needed(made.rules)
	for _, f := range files {
		if err := f.point(s, made.rules); err != nil {
			return suite{}, fmt.Errorf("%s: %w", f.name, err)
		}
		text, err := yaml.Marshal(f.root)
		if err != nil {
			return suite{}, err
		}
		made.cases = append(made.cases, testCase{f.name, text})
	}
	made.order = newOrder(len(made.cases))
	return made, nil
}

// only returns a file for each test that looks at what is affected, and notes what these tests look at.
func (f testFile) only(s *ruleSet, affected, looksAt map[string]struct{}) ([]testFile, error) {
	all := value(f.root, "tests")
	if all == nil {
		return nil, nil
	}
	var kept []testFile
	for i := range all.Content {
		root := plain(f.root)
		tests := value(root, "tests")
		tests.Content = tests.Content[i : i+1]
		group := tests.Content[0]
		checks := keep(value(group, "alert_rule_test"), func(alert *yaml.Node) bool {
			_, ok := affected[text(alert, "alertname")]
			return ok
		})
		var failed error
		checks += keep(value(group, "promql_expr_test"), func(e *yaml.Node) bool {
			names, err := s.series(text(e, "expr"))
			if err != nil {
				failed = err
			}
			if !overlap(names, affected) {
				return false
			}
			maps.Copy(looksAt, names)
			return true
		})
		if failed != nil {
			return nil, failed
		}
		if checks > 0 {
			kept = append(kept, testFile{fmt.Sprintf("%d_%s", i, f.name), root})
		}
	}
	return kept, nil
}

// keep drops from a list what is not wanted, and returns how much is left.
func keep(list *yaml.Node, wanted func(*yaml.Node) bool) int {
	if list == nil {
		return 0
	}
	list.Content = slices.DeleteFunc(list.Content, func(n *yaml.Node) bool { return !wanted(n) })
	return len(list.Content)
}

func overlap(a, b map[string]struct{}) bool {
	for name := range a {
		if _, ok := b[name]; ok {
			return true
		}
	}
	return false
}

const rulesName = "rules.yml"

// point names the rule file of the mutant, and of the groups those that it still has.
func (f testFile) point(s *ruleSet, rules map[string]struct{}) error {
	files := value(f.root, "rule_files")
	if files == nil || len(files.Content) != 1 {
		return errors.New("it has not one rule file")
	}
	files.Content[0] = &yaml.Node{Kind: yaml.ScalarNode, Value: rulesName}
	keep(value(f.root, "group_eval_order"), func(name *yaml.Node) bool {
		return slices.ContainsFunc(s.groups, func(g rulefmt.RuleGroup) bool {
			return g.Name == name.Value && slices.ContainsFunc(g.Rules, func(r rulefmt.Rule) bool {
				_, ok := rules[nameOf(r)]
				return ok
			})
		})
	})
	return nil
}
