package airflow

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// messageLines is the log as application/x-ndjson of Airflow 3. Before 3.1.2, some of its lines may be bare text, such as
// "(Log stream stopped - …)".
type messageLines struct {
	body  *guard
	lines logLines
	text  []byte
}

// newMessageLines leaves the bound of a line to the guard, for whom it is a row.
func newMessageLines(body *guard) *messageLines {
	return &messageLines{body: body, lines: newLogLines(body, math.MaxInt)}
}

func (l *messageLines) next() (piece logPiece, err error) {
	for {
		l.body.row()
		line, err := l.lines.next()
		if err != nil {
			return logPiece{}, err
		}
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0:
			continue
		case line[0] == '{' || line[0] == '"':
			piece, l.text, err = message(line, l.text)
		default:
			piece, l.text = textMessage(string(line), l.text)
		}
		return piece, err
	}
}

func (l *messageLines) token() (string, bool) { return "", false }

// message reads one message: an object, or a string where Airflow could not read one. The text of the piece is in the buffer.
func message(value jsontext.Value, buffer []byte) (piece logPiece, _ []byte, err error) {
	switch value.Kind() {
	case '"':
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return logPiece{}, buffer, err
		}
		piece, buffer = textMessage(text, buffer)
		return piece, buffer, nil
	case '{':
		if piece.line, err = parseMessage(value); err != nil {
			return logPiece{}, buffer, err
		}
		compact := value.Clone()
		if err := compact.Compact(); err != nil {
			return logPiece{}, buffer, err
		}
		buffer = append(append(buffer[:0], compact...), '\n')
		piece.isLine, piece.text = true, buffer
		return piece, buffer, nil
	}
	return logPiece{}, buffer, fmt.Errorf("a log message that is %s", value.Kind())
}

// textMessage is a message that is no more than a text, a JSON string for who reads lines of JSON.
func textMessage(text string, buffer []byte) (logPiece, []byte) {
	piece := logPiece{line: parseLogLine("", []byte(text)), isLine: true}
	buffer, _ = jsontext.AppendQuote(buffer[:0], text) // what is not UTF-8 is replaced
	buffer = append(buffer, '\n')
	piece.text = buffer
	return piece, buffer
}

// messageLog is the log as application/json of Airflow 3: {"content": [message, …], "continuation_token": …}.
type messageLog struct {
	body         *guard
	dec          *jsontext.Decoder
	text         []byte
	state        messageLogState
	continuation string
}

type messageLogState int

const (
	beforeContent messageLogState = iota
	inContent
	afterContent
)

func newMessageLog(body *guard) *messageLog {
	return &messageLog{body: body, dec: jsontext.NewDecoder(body)}
}

func (l *messageLog) token() (string, bool) { return l.continuation, l.continuation != "" }

func (l *messageLog) next() (logPiece, error) {
	if l.state == beforeContent {
		if err := expect(l.dec, '{'); err != nil {
			return logPiece{}, err
		}
		if err := l.members(); err != nil {
			return logPiece{}, err
		}
	}
	if l.state == inContent {
		if l.dec.PeekKind() != ']' {
			l.body.row()
			value, err := l.dec.ReadValue()
			if err != nil {
				return logPiece{}, noEOF(err)
			}
			var piece logPiece
			piece, l.text, err = message(value, l.text)
			return piece, err
		}
		if _, err := l.dec.ReadToken(); err != nil {
			return logPiece{}, err
		}
		l.state = afterContent
		if err := l.members(); err != nil {
			return logPiece{}, err
		}
		if l.state == inContent {
			return logPiece{}, errors.New("content comes twice")
		}
	}
	if _, err := l.dec.ReadToken(); err == nil {
		return logPiece{}, errors.New("something follows the end of the log")
	} else if !errors.Is(err, io.EOF) {
		return logPiece{}, err
	}
	return logPiece{}, io.EOF
}

// members reads what is beside the content, up to it or to the end.
func (l *messageLog) members() error {
	for l.dec.PeekKind() != '}' {
		key, err := l.dec.ReadToken()
		if err != nil {
			return noEOF(err)
		}
		switch key.String() {
		case "content":
			l.state = inContent
			return expect(l.dec, '[')
		case "continuation_token":
			var token *string
			if err := json.UnmarshalDecode(l.dec, &token); err != nil {
				return noEOF(err)
			}
			l.continuation = orZero(token)
		default:
			if err := l.dec.SkipValue(); err != nil {
				return noEOF(err)
			}
		}
	}
	if _, err := l.dec.ReadToken(); err != nil {
		return noEOF(err)
	}
	if l.state == beforeContent {
		return errors.New("an answer without content")
	}
	return nil
}

// noEOF is err, where the end of the body is not the end of the log.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parseMessage reads a message of Airflow 3. A field that is not of the usual kind is left among the others, null included.
func parseMessage(object jsontext.Value) (LogLine, error) {
	var fields map[string]jsontext.Value
	if err := json.Unmarshal(object, &fields); err != nil {
		return LogLine{}, err
	}
	text := func(key string) (s string) {
		if value := fields[key]; value.Kind() == '"' && json.Unmarshal(value, &s) == nil {
			delete(fields, key)
		}
		return s
	}
	line := LogLine{Text: text("event"), Level: strings.ToLower(text("level")), Logger: text("logger")}
	var at time.Time
	if value, ok := fields["timestamp"]; ok && json.Unmarshal(value, &at) == nil { // null is the zero time
		line.Time = at
		delete(fields, "timestamp")
	}
	var number int
	if value := fields["lineno"]; value.Kind() == '0' && json.Unmarshal(value, &number) == nil {
		if line.Source = text("filename"); line.Source != "" {
			line.Source += ":" + strconv.Itoa(number)
			delete(fields, "lineno")
		}
	}
	if len(fields) > 0 {
		line.Fields = make(map[string]stdjson.RawMessage, len(fields))
		for key, value := range fields {
			line.Fields[key] = stdjson.RawMessage(bytes.Clone(value))
		}
	}
	return line, nil
}
