package airflow

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonText reads what a JSON string says, piece by piece, from behind its opening quote to its closing one. The decoders
// of JSON hold a string in one piece.
type jsonText struct {
	in    *bufio.Reader
	extra []byte // what is still to be handed out of one character
	high  rune   // the first half of a pair of surrogates, 0 for none
	ended bool
}

// Read implements io.Reader.
func (t *jsonText) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(t.extra) > 0 {
			copied := copy(p[n:], t.extra)
			t.extra, n = t.extra[copied:], n+copied
			continue
		}
		if t.ended {
			break
		}
		if err := t.character(); err != nil {
			return n, noEOF(err)
		}
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// character reads one byte, or one escape, into extra.
func (t *jsonText) character() error {
	t.extra = t.extra[:0]
	c, err := t.in.ReadByte()
	if err != nil {
		return err
	}
	if c == '\\' {
		return t.escape()
	}
	t.alone()
	if c == '"' {
		t.ended = true
		return nil
	}
	t.extra = append(t.extra, c)
	return nil
}

// alone hands out a half of a pair whose other half does not follow.
func (t *jsonText) alone() {
	if t.high != 0 {
		t.extra, t.high = utf8.AppendRune(t.extra, utf8.RuneError), 0
	}
}

func (t *jsonText) escape() error {
	c, err := t.in.ReadByte()
	if err != nil {
		return err
	}
	if c == 'u' {
		return t.codePoint()
	}
	t.alone()
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	default:
		return fmt.Errorf("the escape \\%c in a string", c)
	}
	t.extra = append(t.extra, c)
	return nil
}

func (t *jsonText) codePoint() error {
	r, err := hexDigits(t.in, 4)
	if err != nil {
		return err
	}
	if t.high != 0 {
		if whole := utf16.DecodeRune(t.high, r); whole != utf8.RuneError {
			t.extra, t.high = utf8.AppendRune(t.extra, whole), 0
			return nil
		}
		t.alone()
	}
	if utf16.IsSurrogate(r) && r < 0xdc00 {
		t.high = r
		return nil
	}
	t.extra = utf8.AppendRune(t.extra, r)
	return nil
}

// hexDigits reads a number of n hexadecimal digits.
func hexDigits(in *bufio.Reader, n int) (rune, error) {
	digits := make([]byte, n)
	if _, err := io.ReadFull(in, digits); err != nil {
		return 0, err
	}
	number, err := strconv.ParseUint(string(digits), 16, 32)
	if err != nil {
		return 0, fmt.Errorf("%q are no hexadecimal digits", digits)
	}
	return rune(number), nil //nolint:gosec // what is no rune is written as one that says so
}
