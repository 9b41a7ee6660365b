package airflow

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"time"
)

// logLines cuts a text into lines.
type logLines struct {
	in      *bufio.Reader
	longest int
	line    []byte
}

func newLogLines(r io.Reader, longest int) logLines {
	return logLines{in: bufio.NewReader(r), longest: longest}
}

// next is the next line with its line break; one that is longer than the longest comes in pieces.
func (l *logLines) next() ([]byte, error) {
	l.line = l.line[:0]
	for {
		part, err := l.in.ReadSlice('\n')
		l.line = append(l.line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && len(l.line) < l.longest:
			continue
		case err == nil, errors.Is(err, bufio.ErrBufferFull), errors.Is(err, io.EOF) && len(l.line) > 0:
			return l.line, nil
		}
		return nil, err
	}
}

// textLog is the log as text/plain of Airflow 2: the name of the host, a line break, the log, a line break.
type textLog struct {
	lines logLines
	host  string
	begun bool
}

func newTextLog(r io.Reader) *textLog { return &textLog{lines: newLogLines(r, maxString)} }

func (l *textLog) next() (logPiece, error) {
	text, err := l.lines.next()
	if err != nil {
		return logPiece{}, err
	}
	if !l.begun {
		l.begun, l.host = true, string(bytes.TrimRight(text, "\n"))
		return logPiece{text: text}, nil
	}
	if len(text) == 1 && text[0] == '\n' {
		if _, err := l.lines.in.Peek(1); errors.Is(err, io.EOF) {
			return logPiece{text: text}, nil // it is not part of the log
		}
	}
	return logPiece{line: parseLogLine(l.host, text), isLine: true, text: text}, nil
}

func (l *textLog) token() (string, bool) { return "", false }

// parseLogLine reads a line in Airflow 2's own format, "[2026-11-24T08:19:17.049+0000] {taskinstance.py:2632} INFO - text".
func parseLogLine(host string, line []byte) LogLine {
	text := string(bytes.TrimRight(line, "\r\n"))
	plain := LogLine{Host: host, Text: text}
	stamp, rest, ok := cutBetween(text, "[", "] ")
	if !ok {
		return plain
	}
	at, err := time.Parse("2006-01-02T15:04:05.000-0700", stamp)
	if err != nil {
		return plain
	}
	source, rest, ok := cutBetween(rest, "{", "} ")
	if !ok {
		return plain
	}
	level, message, ok := strings.Cut(rest, " - ")
	if !ok || strings.ContainsAny(level, " \t") {
		return plain
	}
	return LogLine{Host: host, Time: at, Level: strings.ToLower(level), Source: source, Text: message}
}

// cutBetween returns what is between open, with which text begins, and shut, and what follows.
func cutBetween(text, open, shut string) (inside, rest string, ok bool) {
	if text, ok = strings.CutPrefix(text, open); !ok {
		return "", "", false
	}
	return strings.Cut(text, shut)
}
