package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	"go.yaml.in/yaml/v3"
)

// equivalent is a mutant that no test can kill, and why.
type equivalent struct {
	Rule     string `yaml:"rule"`
	Mutation string `yaml:"mutation"`
	Why      string `yaml:"why"`
}

type mutation struct{ rule, text string }

// readEquivalent reads the list; each mutant may be there once.
func readEquivalent(file string) (map[mutation]string, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	var list []equivalent
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&list); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	why := map[mutation]string{}
	for _, e := range list {
		m := mutation{e.Rule, e.Mutation}
		if _, again := why[m]; again {
			return nil, fmt.Errorf("%s: %s: %s is there twice", file, e.Rule, e.Mutation)
		}
		if e.Why == "" {
			return nil, fmt.Errorf("%s: %s: %s: why is not said", file, e.Rule, e.Mutation)
		}
		why[m] = e.Why
	}
	return why, nil
}

// verdict is what came of all mutants.
type verdict struct {
	killed, all, equivalent int
	survivors               []mutation
	complaints              []string // about the list of equivalent mutants
}

// judge compares what survived with what is said to be equivalent; of that, what rules the pattern lets through.
func judge(mutants []mutant, alive map[int]struct{}, why map[mutation]string, rules *regexp.Regexp) verdict {
	v := verdict{all: len(mutants)}
	known := map[mutation]bool{}
	for i, m := range mutants {
		id := mutation{m.rule, m.text}
		_, lives := alive[i]
		_, expected := why[id]
		known[id] = true
		switch {
		case lives && expected:
			v.equivalent++
		case lives:
			v.survivors = append(v.survivors, id)
		default:
			v.killed++
			if expected {
				v.complaints = append(v.complaints, fmt.Sprintf("%s: %s: called equivalent, but killed", id.rule, id.text))
			}
		}
	}
	for id := range why {
		if !known[id] && rules.MatchString(id.rule) {
			v.complaints = append(v.complaints, fmt.Sprintf("%s: %s: called equivalent, but there is no such mutant", id.rule, id.text))
		}
	}
	return v
}

// good tells whether enough of the mutants that can be killed are.
func (v verdict) good() bool {
	const enough = 0.95
	return len(v.complaints) == 0 && float64(v.killed) >= enough*float64(v.all-v.equivalent)
}
