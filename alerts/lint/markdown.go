package lint

import (
	"fmt"
	"os"
	"strings"
)

// Markdown checks the PromQL blocks of a text, each of which is one expression.
func (l *Linter) Markdown(file string) ([]Finding, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the caller names its files
	if err != nil {
		return nil, err
	}
	var findings []Finding
	var block []string
	begin := 0
	for i, line := range strings.Split(string(text), "\n") {
		fence := strings.TrimSpace(line)
		switch {
		case begin == 0 && fence == "```promql":
			begin, block = i+1, nil
		case begin > 0 && fence == "```":
			report := report(&findings, file, fmt.Sprintf("line %d", begin))
			e, err := l.parser.ParseExpr(strings.Join(block, "\n"))
			if err != nil {
				report("%v", err)
			} else {
				l.checkExpr(e, report)
			}
			begin = 0
		case begin > 0:
			block = append(block, line)
		}
	}
	if begin > 0 {
		report(&findings, file, fmt.Sprintf("line %d", begin))("the block has no end")
	}
	return findings, nil
}
