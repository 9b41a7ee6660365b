package airflow

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
)

// reprLog is the log as application/json of Airflow 2: {"content": "[('<host>', '<log>'), …]", "continuation_token": …},
// where the content is the repr of a Python list. It is read as it comes: a log may be longer than memory is large.
type reprLog struct {
	body         *bufio.Reader
	content      jsonText
	tuples       *pythonPairs // nil before the content
	lines        logLines
	host         string
	inText, done bool
	continuation string
}

func newReprLog(r io.Reader) *reprLog { return &reprLog{body: bufio.NewReader(r)} }

func (l *reprLog) next() (logPiece, error) {
	switch {
	case l.done:
		return logPiece{}, io.EOF
	case l.inText:
		return l.line()
	case l.tuples == nil:
		if err := l.open(); err != nil {
			return logPiece{}, noEOF(err)
		}
	}
	host, ok, err := l.tuples.next()
	if err != nil {
		return logPiece{}, noEOF(err)
	}
	if !ok {
		if err := l.finish(); err != nil {
			return logPiece{}, noEOF(err)
		}
		l.done = true
		return logPiece{}, io.EOF
	}
	l.host, l.inText, l.lines = host, true, newLogLines(l.tuples, maxString)
	return logPiece{text: []byte(host + "\n")}, nil
}

// line is the next one of what was written at one host.
func (l *reprLog) line() (logPiece, error) {
	text, err := l.lines.next()
	if errors.Is(err, io.EOF) {
		l.inText = false
		return logPiece{text: []byte("\n")}, nil
	}
	if err != nil {
		return logPiece{}, err
	}
	return logPiece{line: parseLogLine(l.host, text), isLine: true, text: text}, nil
}

// open goes to the content.
func (l *reprLog) open() error {
	if err := expectByte(l.body, '{'); err != nil {
		return err
	}
	found, err := l.members(true)
	if err == nil && !found {
		err = errors.New("an answer without content")
	}
	l.content = jsonText{in: l.body}
	l.tuples = newPythonPairs(&l.content)
	return err
}

// finish reads what follows the content.
func (l *reprLog) finish() error {
	if _, err := io.Copy(io.Discard, &l.content); err != nil {
		return err
	}
	comma, err := nextByte(l.body)
	switch {
	case err != nil:
		return err
	case comma == ',':
		if _, err := l.members(false); err != nil {
			return err
		}
	case comma != '}':
		return fmt.Errorf("%q after the content", comma)
	}
	switch c, err := nextByte(l.body); {
	case err == nil:
		return fmt.Errorf("%q follows the end of the log", c)
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// members reads strings and nulls by their keys, up to the text of the content or to the end.
func (l *reprLog) members(contentWanted bool) (found bool, err error) {
	for {
		key, isNull, err := l.short()
		switch {
		case err != nil:
			return false, err
		case isNull:
			return false, errors.New("a key that is no string")
		}
		if err := expectByte(l.body, ':'); err != nil {
			return false, err
		}
		if key == "content" {
			if !contentWanted {
				return false, errors.New("content comes twice")
			}
			return true, expectByte(l.body, '"')
		}
		value, _, err := l.short()
		if err != nil {
			return false, err
		}
		if key == "continuation_token" {
			l.continuation = value
		}
		switch c, err := nextByte(l.body); {
		case err != nil:
			return false, err
		case c == '}':
			return false, nil
		case c != ',':
			return false, fmt.Errorf("%q between two members", c)
		}
	}
}

// short reads a string, which is not the log, or null.
func (l *reprLog) short() (value string, isNull bool, err error) {
	c, err := nextByte(l.body)
	switch {
	case err != nil:
		return "", false, err
	case c == 'n':
		return "", true, expectWord(l.body, "ull")
	case c != '"':
		return "", false, fmt.Errorf("%q where a string or null is expected", c)
	}
	text, err := io.ReadAll(io.LimitReader(&jsonText{in: l.body}, maxBare+1))
	if err == nil && len(text) > maxBare {
		err = &limitError{"a string beside the log", maxBare}
	}
	return string(text), false, err
}

// nextByte is the next one that is no white space.
func nextByte(in *bufio.Reader) (byte, error) {
	for {
		c, err := in.ReadByte()
		if err != nil || !isSpace(c) {
			return c, err
		}
	}
}

func expectByte(in *bufio.Reader, want byte) error {
	c, err := nextByte(in)
	if err == nil && c != want {
		err = fmt.Errorf("%q where %q is expected", c, want)
	}
	return err
}

// expectWord reads the rest of a word.
func expectWord(in *bufio.Reader, want string) error {
	word := make([]byte, len(want))
	if _, err := io.ReadFull(in, word); err != nil {
		return err
	}
	if string(word) != want {
		return fmt.Errorf("%q where %q is expected", word, want)
	}
	return nil
}

// token is always there; whether the log has ended stands in it, readable though signed: base64 of {"end_of_log": true, …}.
func (l *reprLog) token() (string, bool) {
	return l.continuation, l.continuation != "" && !endOfLog(l.continuation)
}

// endOfLog reads a token of itsdangerous. What it does not understand is no end.
func endOfLog(token string) bool {
	payload, compressed := strings.CutPrefix(token, ".")
	payload, _, _ = strings.Cut(payload, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return false
	}
	if compressed {
		unpacked, err := zlib.NewReader(bytes.NewReader(text))
		if err != nil {
			return false
		}
		if text, err = io.ReadAll(io.LimitReader(unpacked, maxBare)); err != nil {
			return false
		}
	}
	var metadata struct {
		EndOfLog any `json:"end_of_log"`
	}
	if json.Unmarshal(text, &metadata) != nil {
		return false
	}
	return metadata.EndOfLog == true || metadata.EndOfLog == "true" // which some log handlers write
}
