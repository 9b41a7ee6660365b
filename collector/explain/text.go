package explain

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/collector/terminal"
)

// WriteText writes the report for people: what follows first, then the facts.
func (r *Report) WriteText(w io.Writer) error {
	t := &text{}
	for _, verdict := range r.Verdicts {
		t.line("%s", verdict)
	}
	if r.Err == nil {
		r.writeFacts(t)
	} else if advice := r.advice(); advice != "" {
		t.line("  -> %s", advice)
	}
	if len(r.Unknown) > 0 {
		t.gap()
	}
	for _, u := range r.Unknown {
		t.line("Unknown: %s: %s", u.What, u.Err)
		if advice := airflow.Advice(u.Err); advice != "" {
			t.line("  -> %s", advice)
		}
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

// text is built line by line; nothing in a line may move the terminal.
type text struct{ b strings.Builder }

func (t *text) line(format string, args ...any) {
	fmt.Fprintln(&t.b, strings.TrimRight(terminal.Line(fmt.Sprintf(format, args...)), " "))
}

// gap is an empty line.
func (t *text) gap() { fmt.Fprintln(&t.b) }

// table writes rows of cells in columns.
func (t *text) table(rows [][]string) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i := range row {
			row[i] = terminal.Line(row[i])
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush() // into memory
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(&t.b, strings.TrimRight(line, " \n"))
	}
}

func (r *Report) writeFacts(t *text) {
	t.gap()
	rows := [][]string{{"DAG", r.dagText()}}
	if r.Run != nil {
		rows = append(rows, []string{"Run", r.runText()})
	}
	if r.Instance != nil {
		rows = append(rows, r.instanceRows(r.Instance)...)
	}
	if next := r.nextRunText(); next != "" {
		rows = append(rows, []string{"Next run", next})
	}
	if r.Run != nil && unfinished(r.Run.State) || r.missed() {
		rows = append(rows, []string{"Scheduler", r.schedulerText()})
	}
	rows = append(rows, []string{"Page", r.Page})
	t.table(rows)
	r.writeActiveRuns(t)
	if r.Instance != nil {
		r.writeInstance(t, r.Instance)
	}
	if r.Overview != nil {
		r.writeOverview(t, r.Overview)
	}
}

func (r *Report) dagText() string {
	text := r.Dag.DagID
	if r.Dag.Paused {
		text += ", paused"
	}
	if r.Dag.Stale {
		text += ", in no file that Airflow can import"
	}
	if r.Dag.Schedule != "" {
		text += ", schedule " + r.Dag.Schedule
	}
	if len(r.Dag.Owners) > 0 {
		text += ", owner " + strings.Join(r.Dag.Owners, ", ")
	}
	return text
}

func (r *Report) runText() string {
	run := r.Run
	text := fmt.Sprintf("%s, %s, %s", run.RunID, run.RunType, run.State)
	switch {
	case run.State == airflow.RunQueued && !run.QueuedAt.IsZero():
		text += " " + r.lasting(run.QueuedAt)
	case run.State == airflow.RunRunning && !run.StartDate.IsZero():
		text += " " + r.lasting(run.StartDate)
	case !run.EndDate.IsZero():
		text += ", ended " + r.ago(run.EndDate)
	}
	if r.Newest {
		text += "; the newest run"
	}
	return text
}

func (r *Report) schedulerText() string {
	s, ok := r.Health["scheduler"]
	switch {
	case !ok:
		return "unknown"
	case !s.Healthy:
		return "unhealthy"
	}
	return "healthy"
}

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
	for i := range o.Groups {
		rows = append(rows, r.groupRow(&o.Groups[i]))
	}
	t.table(rows)
	if o.More > 0 {
		t.line("and %d more lines", o.More)
	}
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
		t.line("Not asked why %s: %s.", strings.Join(about[reason], ", "), reason)
	}
}

func (r *Report) groupRow(g *Group) []string {
	instances := fmt.Sprint(g.Count)
	if len(g.Indexes) > 0 {
		instances += " [" + indexes(g.Indexes, g.Count) + "]"
	}
	try, age := "-", "-"
	if g.Try > 0 {
		try = fmt.Sprintf("%d/%d", g.Try, max(g.MaxTry, g.Try))
	}
	if !g.Since.IsZero() {
		age = fmt.Sprintf("%s (%s)", date(g.Since), span(r.At.Sub(g.Since)))
	}
	return []string{string(g.State), g.TaskID, instances, try, age, g.whyText()}
}

// whyText are the reasons of a group by name, or why they are not known.
func (g *Group) whyText() string {
	if g.Why == nil {
		return ""
	}
	var list []string
	for _, reason := range g.Why.Reasons {
		list = append(list, reason.Reason)
	}
	text := strings.Join(list, ", ")
	if g.Asked > 0 && g.Asked < g.Count {
		text += fmt.Sprintf(" (asked about %d)", g.Asked)
	}
	return text
}
