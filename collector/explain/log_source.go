package explain

import (
	"regexp"
	"strings"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// maxSaidRunes bounds what Airflow says of a log that it could not read.
const maxSaidRunes = 500

// sourceDetails tells the log itself from what Airflow puts before it about where
// it found it: a group of lines without a time, or on Airflow 2 lines that begin with "*** ".
type sourceDetails struct {
	inside  bool // the group
	begun   bool // the log has
	trouble []string
}

// takes reports whether a line is of the details, and keeps what went wrong.
func (s *sourceDetails) takes(l *airflow.LogLine) bool {
	if !l.Time.IsZero() {
		s.inside, s.begun = false, true
		return false
	}
	note, starred := strings.CutPrefix(l.Text, "*** ")
	switch {
	case strings.HasSuffix(l.Text, "::group::Log message source details"):
		s.inside = true
		return true
	case s.inside && strings.HasSuffix(l.Text, "::endgroup::"):
		s.inside = false
		return true
	case s.inside, starred && !s.begun:
		if note = strings.TrimSpace(note); note != "" && !isSource(note) {
			s.trouble = append(s.trouble, note)
		}
		return true
	}
	s.begun = true
	return false
}

// source is where Airflow found a log: "Found local files:", "  * /opt/airflow/logs/…", "s3://…".
var source = regexp.MustCompile(`^(Found .*:$|\*|/|[a-z][a-z0-9+.-]*://)`)

func isSource(note string) bool { return source.MatchString(note) }

// err is what Airflow said of a log of which nothing came.
func (s *sourceDetails) err() error {
	if len(s.trouble) == 0 {
		return nil
	}
	return &unreadable{shorten(strings.Join(s.trouble, " "), maxSaidRunes)}
}

// unreadable is a log that Airflow itself could not read.
type unreadable struct{ said string }

func (u *unreadable) Error() string { return u.said }
