package lint

import (
	"fmt"
	"maps"
	"path/filepath"

	"github.com/prometheus/prometheus/promql/parser"
)

// Finding is one mistake.
type Finding struct {
	File    string
	Where   string // the rule, panel or line
	Message string
}

func (f Finding) String() string { return f.File + ": " + f.Where + ": " + f.Message }

// Linter knows the metrics of an exposition and of the rules that it has read:
// read rules before what uses them.
type Linter struct {
	parser   parser.Parser
	families map[string]*family
	recorded map[string]*recording
	used     map[string]struct{}
}

// recording is a metric that a rule makes.
type recording struct {
	expr   parser.Expr
	labels map[string]string
	busy   bool // its shape is being worked out: a rule that uses itself has none
}

// New returns a Linter for what the exposition shows.
func New(x *Exposition) *Linter {
	return &Linter{
		parser:   parser.NewParser(parser.Options{}),
		families: maps.Clone(x.families),
		recorded: map[string]*recording{},
		used:     map[string]struct{}{},
	}
}

// Recorded tells of each metric that a rule makes whether anything that was read uses it.
func (l *Linter) Recorded() map[string]bool {
	r := map[string]bool{}
	for name := range l.recorded {
		_, r[name] = l.used[name]
	}
	return r
}

// reporter collects the findings about one rule, panel or line.
type reporter func(format string, args ...any)

func report(findings *[]Finding, file, where string) reporter {
	seen := map[string]struct{}{}
	return func(format string, args ...any) {
		f := Finding{file, where, fmt.Sprintf(format, args...)}
		if _, again := seen[f.Message]; again {
			return
		}
		seen[f.Message] = struct{}{}
		*findings = append(*findings, f)
	}
}

// Files checks rules (.yml) first, then dashboards (.json) and texts (.md).
func (l *Linter) Files(files ...string) ([]Finding, error) {
	var rules []string
	for _, file := range files {
		if filepath.Ext(file) == ".yml" {
			rules = append(rules, file)
		}
	}
	findings, err := l.Rules(rules...)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		var more []Finding
		switch filepath.Ext(file) {
		case ".yml":
		case ".json":
			more, err = l.Dashboard(file)
		case ".md":
			more, err = l.Markdown(file)
		default:
			err = fmt.Errorf("%s is no .yml, .json or .md file", file)
		}
		if err != nil {
			return nil, err
		}
		findings = append(findings, more...)
	}
	return findings, nil
}
