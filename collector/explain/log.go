package explain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// maxLineRunes bounds a line of the log that is shown.
const maxLineRunes = 1000

// chooseLog reads the log of the attempt that was wanted, or of the last one
// that has one: what is under way may not have written anything yet.
func (g *gatherer) chooseLog(ctx context.Context, i *Instance) {
	if try := g.options.Try; try > 0 {
		if !slices.ContainsFunc(i.Attempts, func(t airflow.TaskInstance) bool { return t.TryNumber == try }) {
			i.Log = &Log{TryNumber: try, Err: &noAttempt{try, i.Attempts}}
			return
		}
		if i.Log = g.log(ctx, i, try); i.Log == nil {
			i.Log = &Log{TryNumber: try}
		}
		return
	}
	started := i.started()
	for _, try := range started[:min(2, len(started))] {
		l := g.log(ctx, i, try)
		if i.Log == nil || l != nil && len(l.Lines) > 0 {
			i.Log = l
		}
		if i.State.Finished() || l != nil && !l.nothing() {
			return
		}
	}
}

// started are the numbers of the attempts that may have a log, the last one first.
func (i *Instance) started() []int {
	var list []int
	for _, t := range slices.Backward(i.Attempts) {
		if !t.StartDate.IsZero() && t.State != airflow.StateNone && t.State != airflow.StateUpstreamFailed {
			list = append(list, t.TryNumber)
		}
	}
	return list
}

// nothing reports whether there is no log yet, as far as Airflow can tell.
func (l *Log) nothing() bool {
	_, ok := errors.AsType[*unreadable](l.Err)
	return len(l.Lines) == 0 && (l.Err == nil || ok)
}

// lastFailed is the number of the last attempt that failed before the one whose log is shown, 0 for none.
func (i *Instance) lastFailed() int {
	for _, t := range slices.Backward(i.Attempts) {
		if t.TryNumber < i.Log.TryNumber && t.State == airflow.StateFailed {
			return t.TryNumber
		}
	}
	return 0
}

// noAttempt is an error for the log of an attempt that is not there.
type noAttempt struct {
	try      int
	attempts []airflow.TaskInstance
}

func (n *noAttempt) Error() string {
	if len(n.attempts) == 0 {
		return "there is no attempt yet"
	}
	list := make([]string, len(n.attempts))
	for i := range n.attempts {
		list[i] = fmt.Sprint(n.attempts[i].TryNumber)
	}
	return fmt.Sprintf("there is no attempt %d, only %s", n.try, strings.Join(list, ", "))
}

// log is the last lines of the log of an attempt, which is read to its end; nil: there is none.
func (g *gatherer) log(ctx context.Context, i *Instance, try int) *Log {
	l := &Log{TryNumber: try}
	var details sourceDetails
	l.Err = within(ctx, logPatience, func(ctx context.Context) error {
		stream, err := g.api.Log(ctx, i.Ref(), l.TryNumber, airflow.LogQuery{Stream: true})
		if err != nil {
			return err
		}
		for line, err := range stream.Lines() {
			if err != nil {
				return err // what came before it is shown
			}
			if details.takes(&line) {
				continue
			}
			for text := range strings.SplitSeq(strings.TrimRight(logText(&line), "\n"), "\n") {
				l.Lines = append(l.Lines, shorten(text, maxLineRunes))
			}
			if extra := len(l.Lines) - g.options.LogLines; extra > 0 {
				l.Before += extra
				l.Lines = append(l.Lines[:0], l.Lines[extra:]...)
			}
		}
		return nil
	})
	switch {
	case isStatus(l.Err, http.StatusNotFound):
		return nil
	case l.Err == nil && len(l.Lines) == 0:
		l.Err = details.err()
	}
	return l
}

// logText is a line with what Airflow tells of it.
func logText(l *airflow.LogLine) string {
	var b strings.Builder
	if !l.Time.IsZero() {
		b.WriteString(l.Time.UTC().Format(time.TimeOnly) + " ")
	}
	if l.Level != "" {
		b.WriteString(strings.ToUpper(l.Level) + " ")
	}
	b.WriteString(l.Text)
	for _, e := range exceptions(l) {
		b.WriteString("\n" + e)
	}
	return b.String()
}

// exceptions are those that a message of Airflow 3 carries beside its text: what failed, then what that came from.
func exceptions(l *airflow.LogLine) []string {
	var details []struct {
		Type  string `json:"exc_type"`
		Value string `json:"exc_value"`
	}
	if err := json.Unmarshal(l.Fields["error_detail"], &details); err != nil {
		return nil // there is none, or it is not of the usual form
	}
	var list []string
	for n, d := range details {
		text := fmt.Sprintf("%s: %s", d.Type, d.Value)
		if n > 0 {
			text = "caused by " + text
		}
		list = append(list, text)
	}
	return list
}

// shorten cuts a text that is too long to be read.
func shorten(line string, most int) string {
	n := 0
	for i := range line {
		if n++; n > most {
			return line[:i] + "…"
		}
	}
	return line
}
