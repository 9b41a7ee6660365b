package explain

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// maxLineRunes bounds a line of the log that is shown.
const maxLineRunes = 1000

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
