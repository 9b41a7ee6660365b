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
		if advice := airflow.AdviceOnce(u.Err); advice != "" {
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
