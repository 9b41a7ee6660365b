// Command mutation measures the tests of the rules: it changes one thing in a
// rule at a time, and tells which changes no test notices.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strconv"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

type options struct {
	rules, tests, equivalent, promtool string
	run                                *regexp.Regexp
}

func main() {
	var o options
	pattern := flag.String("run", "", "only rules that match this regexp")
	flag.StringVar(&o.promtool, "promtool", "promtool", "the promtool to run")
	flag.StringVar(&o.rules, "rules", "airflow.rules.yml", "the rule file")
	flag.StringVar(&o.tests, "tests", "tests", "the directory with its tests")
	flag.StringVar(&o.equivalent, "equivalent", "mutation/equivalent.yml", "the list of mutants that no test can kill")
	flag.Parse()
	v, err := run(context.Background(), &o, *pattern)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
		os.Exit(2)
	}
	for _, s := range v.survivors {
		fmt.Printf("survives: %s: %s\n", s.rule, s.text)
	}
	slices.Sort(v.complaints)
	for _, c := range v.complaints {
		fmt.Println(c)
	}
	fmt.Printf("mutation: killed %d of %d (%d equivalent)\n", v.killed, v.all, v.equivalent)
	if !v.good() {
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options, pattern string) (verdict, error) {
	var err error
	if o.run, err = regexp.Compile(pattern); err != nil {
		return verdict{}, err
	}
	why, err := readEquivalent(o.equivalent)
	if err != nil {
		return verdict{}, err
	}
	set, err := readRules(o.rules)
	if err != nil {
		return verdict{}, err
	}
	tests, err := readTests(o.tests)
	if err != nil {
		return verdict{}, err
	}
	dir, err := os.MkdirTemp("", "mutation")
	if err != nil {
		return verdict{}, err
	}
	defer os.RemoveAll(dir)
	r := runner{o.promtool, dir}
	jobs, err := r.jobs(ctx, set, tests, o.run)
	if err != nil {
		return verdict{}, err
	}
	alive, err := r.survivors(ctx, jobs)
	if err != nil {
		return verdict{}, err
	}
	var mutants []mutant
	for _, j := range jobs {
		mutants = append(mutants, j.mutant)
	}
	return judge(mutants, alive, why, o.run), nil
}

func readRules(file string) (*ruleSet, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	p := parser.NewParser(parser.Options{})
	parsed, errs := rulefmt.Parse(text, false, model.UTF8Validation, p, slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		return nil, fmt.Errorf("%s: %w", file, errs[0])
	}
	return newRuleSet(p, parsed.Groups)
}

// jobs makes the mutants, of rules whose tests pass as long as nothing is changed.
func (r runner) jobs(ctx context.Context, set *ruleSet, tests []testFile, only *regexp.Regexp) ([]job, error) {
	var jobs, unchanged []job
	ids := set.ids()
	for i, rule := range set.rules() {
		if !only.MatchString(ids[i]) {
			continue
		}
		s, err := suiteFor(set, tests, nameOf(rule))
		if err != nil {
			return nil, err
		}
		mutants, err := mutantsOf(set.parser, ids[i], rule)
		if err != nil {
			return nil, err
		}
		for _, m := range mutants {
			jobs = append(jobs, job{m, s, set.with(s.rules, i, m.to)})
		}
		unchanged = append(unchanged, job{mutant{rule: ids[i]}, s, set.with(s.rules, i, rule)})
	}
	return jobs, each(len(unchanged), func(i int) error {
		j := unchanged[i]
		passed, output, err := r.passes(ctx, "unchanged"+strconv.Itoa(i), j.suite, j.groups)
		if err == nil && !passed {
			err = fmt.Errorf("the tests of %s fail without a change:\n%s", j.mutant.rule, output)
		}
		return err
	})
}
