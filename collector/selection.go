package collector

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// DagsConfig says which DAGs are wanted. The YAML keys are those of the section "dags".
type DagsConfig struct {
	// Include and Exclude are regular expressions (RE2) for the whole dag_id of
	// the DAGs that are wanted, and of those among them that are not. Empty: all, and none.
	Include string `yaml:"include"`
	Exclude string `yaml:"exclude"`
}

// DefaultDagsConfig selects every DAG.
func DefaultDagsConfig() DagsConfig { return DagsConfig{Include: ".*"} }

// Validate reports the first expression that is wrong, naming the key and the place in it.
func (c *DagsConfig) Validate() error {
	_, err := c.selection()
	return err
}

// selection is which DAGs are wanted; the zero value: all, but one that has the
// name of other, whose series could not be told from those of all that have none.
// Nothing but totals may tell of those that are not: each part drops their rows
// when it has them from Airflow.
type selection struct{ include, exclude *regexp.Regexp }

func (c *DagsConfig) selection() (s selection, err error) {
	if s.include, err = wholeID("dags.include", c.Include); err != nil {
		return selection{}, err
	}
	if s.exclude, err = wholeID("dags.exclude", c.Exclude); err != nil {
		return selection{}, err
	}
	return s, nil
}

// wholeID is an expression for a whole dag_id, nil for an empty one. It must be
// right alone, or else it might end the brackets around it and still be right
// among them; and right among them, where \Q without \E takes the one that ends it.
func wholeID(key, expression string) (*regexp.Regexp, error) {
	if expression == "" {
		return nil, nil
	}
	compile := regexp.Compile
	_, err := compile(expression)
	if err == nil {
		compile = compileWhole
		var whole *regexp.Regexp
		if whole, err = compile(expression); err == nil {
			return whole, nil
		}
	}
	reason, at := placeOf(err, expression, compile)
	return nil, fmt.Errorf("%s: %q: %s at character %d; want a regular expression (RE2) for the whole dag_id", key, expression, reason, at)
}

func compileWhole(expression string) (*regexp.Regexp, error) {
	whole, err := regexp.Compile(`^(?s:` + expression + `)$`)
	if e, ok := errors.AsType[*syntax.Error](err); ok && e.Code == syntax.ErrMissingParen {
		e.Code = `\Q without \E`
	}
	return whole, err
}

// placeOf is what is wrong with an expression that does not compile, and at which character, from 1 on.
func placeOf(err error, expression string, compile func(string) (*regexp.Regexp, error)) (reason string, at int) {
	e, ok := errors.AsType[*syntax.Error](err)
	if !ok {
		return err.Error(), 1
	}
	before := strings.Index(expression, e.Expr)
	if before < 0 || e.Expr == expression { // the error names no part of it: what comes before is right
		for before = len(expression); before > 0; before-- {
			if _, err := compile(expression[:before]); err == nil {
				break
			}
		}
	}
	return e.Code.String(), utf8.RuneCountInString(expression[:before]) + 1
}

// has reports whether a DAG is wanted.
func (s selection) has(dagID string) bool {
	return dagID != other && (s.include == nil || s.include.MatchString(dagID)) && (s.exclude == nil || !s.exclude.MatchString(dagID))
}

// runs are those of the DAGs that are wanted.
func (s selection) runs(all []airflow.DagRun) []airflow.DagRun {
	return slices.DeleteFunc(all, func(r airflow.DagRun) bool { return !s.has(r.DagID) })
}

// facts are those of the DAGs that are wanted, nil if there are none yet.
func (s selection) facts(all map[string]dagFacts) map[string]dagFacts {
	if all == nil || s == (selection{}) {
		return all
	}
	some := map[string]dagFacts{}
	for id, d := range all {
		if s.has(id) {
			some[id] = d
		}
	}
	return some
}

// dags are those that are wanted.
func (s selection) dags(all []airflow.Dag) []airflow.Dag {
	return slices.DeleteFunc(all, func(d airflow.Dag) bool { return !s.has(d.DagID) })
}
