package airflow

import (
	stdjson "encoding/json"
	"errors"
	"io"
	"iter"
	"time"
)

// LogLine is one line of the log of a task instance.
type LogLine struct {
	// Host is where the line was written, as far as Airflow 2 tells. With
	// LogQuery.Stream it is the first host for all lines: nothing in the text tells
	// the name of a second one from a line of the log, so that it comes as one.
	Host string
	// Time is zero where Airflow does not tell it, as for its own notes before
	// the log, and on Airflow 2 for the further lines of a message and for lines
	// that are not in the default format of [logging] log_format.
	Time   time.Time
	Level  string // in lower case: "info"; empty: unknown
	Logger string // Airflow 3: "task.stdout"
	Source string // file and line: "taskinstance.py:2632"
	Text   string // the message; the whole line where nothing else of it is known
	// Fields are what else a message of Airflow 3 holds, as Airflow sent it, with
	// what is not of the kind of the fields above, such as "level": null.
	Fields map[string]stdjson.RawMessage
}

// LogStream is the log of one attempt on its way. It is read once, as lines
// or as an [io.Reader], and holds one of the connections of Config.Concurrency
// until it is closed. It is not safe for concurrent use.
type LogStream struct {
	answer *answer
	source logSource
	unread []byte // of the newest piece
	err    error  // io.EOF at the end
	closed bool
}

// logSource reads the pieces of one answer.
type logSource interface {
	// next returns the next piece, which is valid until the next call, and io.EOF at the end.
	next() (logPiece, error)
	// token is the continuation token and whether it leads to more, known at the end.
	token() (string, bool)
}

// logPiece is one line, or what is between lines.
type logPiece struct {
	line   LogLine
	isLine bool
	text   []byte
}

// Lines returns the lines, and closes the stream when the loop ends. The last
// pair of a log that broke off has an error, an [*Error].
//
// A message of Airflow 3 is one line, whatever breaks it has. On Airflow 2 a
// line of more than 1 MiB comes in pieces, as lines of their own.
func (s *LogStream) Lines() iter.Seq2[LogLine, error] {
	return func(yield func(LogLine, error) bool) {
		defer s.Close()
		for {
			piece, err := s.next()
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(LogLine{}, err)
				return
			case piece.isLine && !yield(piece.line, nil):
				return
			}
		}
	}
}

// Read implements [io.Reader]. On Airflow 2 it reads the text as Airflow sends
// it to those who ask for text/plain: the name of a host on a line of its own
// before what was written there. On Airflow 3 it reads a JSON object a line, or
// a JSON string for a message that is only a text.
func (s *LogStream) Read(p []byte) (int, error) {
	for len(s.unread) == 0 {
		piece, err := s.next()
		if err != nil {
			return 0, err
		}
		s.unread = piece.text
	}
	n := copy(p, s.unread)
	s.unread = s.unread[n:]
	return n, nil
}

func (s *LogStream) next() (logPiece, error) {
	if s.err == nil && s.closed {
		s.err = &Error{Op: opLog, Class: ClassInternal, Detail: "the log stream is closed"}
	}
	if s.err != nil {
		return logPiece{}, s.err
	}
	piece, err := s.source.next()
	switch {
	case errors.Is(err, io.EOF):
		s.err = io.EOF
	case err != nil:
		s.err = s.answer.decodeError(err)
	}
	return piece, s.err
}

// Token continues the log where this stream ended, for [LogQuery]. It is known
// once all was read, and empty where Airflow gave none, and with LogQuery.Stream.
func (s *LogStream) Token() string {
	if !s.complete() {
		return ""
	}
	token, _ := s.source.token()
	return token
}

// More reports whether there is, or will be, more to read with Token. On
// Airflow 2, which always gives a token, the token itself says so.
func (s *LogStream) More() bool {
	if !s.complete() {
		return false
	}
	_, more := s.source.token()
	return more
}

func (s *LogStream) complete() bool { return errors.Is(s.err, io.EOF) }

// Close gives the connection back. It may be called again, and has no error.
func (s *LogStream) Close() error {
	if !s.closed {
		s.closed = true
		s.answer.Close()
	}
	return nil
}
