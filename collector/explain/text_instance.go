package explain

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// instanceRows are the facts about an instance that have a line each.
func (r *Report) instanceRows(i *Instance) [][]string {
	name := i.TaskID
	if i.MapIndex >= 0 {
		name = fmt.Sprintf("%s[%d]", name, i.MapIndex)
		if i.Details != nil && i.Details.RenderedMapIndex != nil && *i.Details.RenderedMapIndex != strconv.Itoa(i.MapIndex) {
			name += " (" + *i.Details.RenderedMapIndex + ")" // the task's own name of it
		}
	}
	rows := [][]string{{"Task", name + r.operator(i)}}
	state := string(i.State)
	switch at := i.since(); {
	case at.IsZero():
	case i.State.Finished() || i.State == airflow.StateUpForRetry:
		state += " " + r.ago(at)
	default:
		state += " " + r.lasting(at)
	}
	switch {
	case i.TryNumber > 0 && i.State == airflow.StateNone:
		state += ", cleared after " + plural(i.TryNumber, "attempt")
	case i.TryNumber > 0:
		state += ", " + i.attempt()
	}
	rows = append(rows, []string{"State", state})
	if m := r.Mapped; m != nil {
		rows = append(rows, []string{"Mapped", m.text()})
	}
	if holdsPool(i.State) {
		rows = append(rows, []string{"Pool", i.poolText()}, []string{"Queue", cmp.Or(i.Queue, "default")})
	}
	if i.Details != nil && i.Details.Hostname != nil && *i.Details.Hostname != "" && i.State != airflow.StateNone && i.State != airflow.StateScheduled && i.State != airflow.StateQueued {
		rows = append(rows, []string{"Worker", *i.Details.Hostname})
	}
	if i.Details != nil && i.Details.Note != nil && *i.Details.Note != "" {
		rows = append(rows, []string{"Note", *i.Details.Note})
	}
	return rows
}

func (r *Report) operator(i *Instance) string {
	if i.Details == nil || i.Details.Operator == nil || *i.Details.Operator == "" {
		return ""
	}
	return ", " + *i.Details.Operator
}

// text sums up a mapped task.
func (m *Mapped) text() string {
	var list []string
	for _, c := range m.States {
		list = append(list, fmt.Sprintf("%d %s [%s]", c.Count, c.State, indexes(c.Indexes, c.Count)))
	}
	text := strings.Join(list, ", ")
	if !m.Named {
		text += fmt.Sprintf("; this is [%d], the one that is worst off", m.Chosen)
	}
	return text
}

func (i *Instance) poolText() string {
	name, wants := i.TaskInstance.Pool, fmt.Sprintf("; this one takes %d", i.PoolSlots)
	p := i.Pool
	switch {
	case i.NoPool:
		return name + ", which does not exist"
	case p == nil:
		return name + wants
	case p.Slots == airflow.Unlimited:
		return fmt.Sprintf("%s, unlimited: %d running, %d queued, %d scheduled, %d deferred%s", name, p.Running, p.Queued, p.Scheduled, p.Deferred, wants)
	}
	return fmt.Sprintf("%s, %d of %d slots open: %d running, %d queued, %d scheduled, %d deferred%s", name, p.Open, p.Slots, p.Running, p.Queued, p.Scheduled, p.Deferred, wants)
}

// writeInstance writes the tables and lists about an instance.
func (r *Report) writeInstance(t *text, i *Instance) {
	if i.Why != nil && len(i.Why.Reasons) > 0 {
		t.gap()
		t.line("Why it waits:")
		for _, reason := range i.Why.Reasons {
			if reason.Name == "" {
				t.line("  %s: %s", reason.Reason, reason.Text)
				continue
			}
			t.line("  %s: %s: %s", reason.Reason, reason.Name, reason.Text)
		}
	}
	if len(i.Attempts) > 0 {
		t.gap()
		rows := [][]string{{"TRY", "RESULT", "STARTED", "TOOK"}}
		for n := range i.Attempts {
			rows = append(rows, r.attemptRow(&i.Attempts[n]))
		}
		t.table(rows)
	}
	if i.Log != nil {
		i.Log.write(t)
		if n := i.lastFailed(); n > 0 && unfinished(r.Run.State) && !i.State.Finished() {
			t.line("The log of attempt %d, which failed: --try=%d.", n, n)
		}
	}
	if len(i.Links) > 0 {
		t.gap()
		t.line("Links:")
		for _, l := range i.Links {
			t.line("  %s: %s", l.Name, l.URL)
		}
	}
}

func (r *Report) attemptRow(a *airflow.TaskInstance) []string {
	took := "-"
	switch {
	case a.StartDate.IsZero(): // the duration is that of another one
	case a.State == airflow.StateRunning:
		took = span(r.At.Sub(a.StartDate)) + " so far"
	case a.HasDuration:
		took = span(a.Duration)
	case !a.EndDate.IsZero():
		took = span(a.EndDate.Sub(a.StartDate))
	}
	return []string{fmt.Sprint(a.TryNumber), string(a.State), date(a.StartDate), took}
}

func (l *Log) write(t *text) {
	t.gap()
	switch {
	case len(l.Lines) == 0 && l.Err == nil:
		t.line("The log of attempt %d is empty.", l.TryNumber)
	case l.Before > 0:
		t.line("The log of attempt %d, the last %d of %d lines:", l.TryNumber, len(l.Lines), l.Before+len(l.Lines))
	case len(l.Lines) > 0:
		t.line("The log of attempt %d:", l.TryNumber)
	}
	for _, line := range l.Lines {
		t.line("  %s", line)
	}
	if l.Err != nil {
		end := ""
		if len(l.Lines) > 0 {
			end = " to its end"
		}
		if u, ok := errors.AsType[*unreadable](l.Err); ok {
			t.line("Airflow could not read the log of attempt %d: %s", l.TryNumber, u)
			t.line("  -> a worker serves its logs while it lives, under a name that Airflow's web server must resolve; remote logging keeps them")
			return
		}
		if n, ok := errors.AsType[*noAttempt](l.Err); ok {
			t.line("No log: %s.", n)
			return
		}
		t.line("The log of attempt %d could not be read%s: %s", l.TryNumber, end, l.Err)
		if airflow.ClassOf(l.Err) == airflow.ClassForbidden {
			t.line("  missing right: can read on Task Logs")
		}
		t.line("  -> %s", airflow.AdviceOnce(l.Err))
	}
}
