package explain

import (
	"fmt"
	"strings"
)

// writeOverview writes the tasks of a run.
func (r *Report) writeOverview(t *text, o *Overview) {
	t.gap()
	if o.Total == 0 {
		t.line("It has no task instance yet.")
		return
	}
	var counts []string
	for _, c := range o.Counts {
		counts = append(counts, fmt.Sprintf("%d %s", c.Count, c.State))
	}
	t.line("%s: %s", plural(o.Total, "task instance"), strings.Join(counts, ", "))
	if o.Looked < o.Total {
		t.line("Only the first %d were looked at.", o.Looked)
	}
	if len(o.Groups) == 0 {
		return
	}
	t.gap()
	rows := [][]string{{"STATE", "TASK", "INSTANCES", "TRY", "SINCE", "WHY"}}
	for _, line := range o.lines() {
		rows = append(rows, r.overviewRow(line))
	}
	t.table(rows)
	o.writeNotAsked(t)
}

// writeNotAsked writes each reason not to ask once, below the table.
func (o *Overview) writeNotAsked(t *text) {
	var reasons []string
	about := map[string][]string{}
	for i := range o.Groups {
		g := &o.Groups[i]
		if g.Why == nil || g.Why.NotAsked == "" || len(g.Why.Reasons) > 0 {
			continue
		}
		if about[g.Why.NotAsked] == nil {
			reasons = append(reasons, g.Why.NotAsked)
		}
		about[g.Why.NotAsked] = append(about[g.Why.NotAsked], g.name())
	}
	for _, reason := range reasons {
		t.gap()
		t.line("Not asked why %s: %s.", few(about[reason], namedInTable), reason)
	}
}

// lines are the groups of one state and reason together, in their order.
func (o *Overview) lines() [][]*Group {
	var lines [][]*Group
	at := map[[2]string]int{}
	for i := range o.Groups {
		g := &o.Groups[i]
		key := [2]string{string(g.State), g.Why.names()}
		n, ok := at[key]
		if !ok {
			n = len(lines)
			at[key] = n
			lines = append(lines, nil)
		}
		lines[n] = append(lines[n], g)
	}
	return lines
}

func (r *Report) overviewRow(line []*Group) []string {
	sum := *line[0]
	names := make([]string, len(line))
	names[0] = sum.TaskID
	for i, g := range line[1:] {
		names[i+1] = g.TaskID
		sum.Count, sum.Asked = sum.Count+g.Count, sum.Asked+g.Asked
		sum.Try, sum.MaxTry = max(sum.Try, g.Try), max(sum.MaxTry, g.MaxTry)
		if !g.Since.IsZero() && (sum.Since.IsZero() || g.Since.Before(sum.Since)) {
			sum.Since = g.Since
		}
	}
	task, instances := few(names, namedInTable), fmt.Sprint(sum.Count)
	switch {
	case len(line) > 1:
		task = fmt.Sprintf("%d tasks: %s", len(line), task)
	case len(sum.Indexes) > 0:
		instances += " [" + indexes(sum.Indexes, sum.Count) + "]"
	}
	try, age := "-", "-"
	if sum.Try > 0 {
		try = fmt.Sprintf("%d/%d", sum.Try, max(sum.MaxTry, sum.Try))
	}
	if !sum.Since.IsZero() {
		age = fmt.Sprintf("%s (%s)", date(sum.Since), span(r.At.Sub(sum.Since)))
	}
	why := sum.Why.names()
	if sum.Asked > 0 && sum.Asked < sum.Count {
		why += fmt.Sprintf(" (asked about %d)", sum.Asked)
	}
	return []string{string(sum.State), task, instances, try, age, why}
}

// names are the reasons by name.
func (w *Why) names() string {
	if w == nil {
		return ""
	}
	var list []string
	for _, reason := range w.Reasons {
		list = append(list, reason.Reason)
	}
	return strings.Join(list, ", ")
}
