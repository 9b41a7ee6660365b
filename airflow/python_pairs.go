package airflow

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// pythonPairs reads the repr of a Python list of pairs of strings, [('a', "it's"), (None, ”), …], or of a tuple of them, which
// logs of Google Cloud Logging are, piece by piece: next goes to a pair and returns its first string, Read reads its second one.
// A text that is neither is one pair without a first string.
type pythonPairs struct {
	in     *bufio.Reader
	begun  bool
	plain  bool   // it is no list
	end    byte   // what ends the list
	shut   byte   // what ends the pair that is being read
	quote  byte   // what ends the string that is being read; 0: it has ended
	extra  []byte // what is still to be handed out of one character
	inPair bool
}

func newPythonPairs(r io.Reader) *pythonPairs { return &pythonPairs{in: bufio.NewReader(r)} }

// next goes to the next pair. It is false at the end of the list.
func (p *pythonPairs) next() (first string, ok bool, err error) {
	if !p.begun {
		p.begun = true
		head, err := p.in.Peek(2)
		switch {
		case len(head) == 0 && errors.Is(err, io.EOF):
			return "", false, nil
		case string(head) == "[(" || string(head) == "[[" || string(head) == "[]":
			p.end = ']'
			_, _ = p.in.Discard(1)
		case string(head) == "((" || string(head) == "()":
			p.end = ')'
			_, _ = p.in.Discard(1)
		case err != nil && !errors.Is(err, io.EOF):
			return "", false, err
		default:
			p.plain, p.inPair = true, true
			return "", true, nil
		}
	} else if p.inPair {
		if _, err := io.Copy(io.Discard, p); err != nil {
			return "", false, err
		}
	}
	if p.plain {
		return "", false, nil
	}
	c, err := nextByte(p.in)
	if err == nil && c == ',' {
		c, err = nextByte(p.in)
	}
	switch {
	case err != nil:
		return "", false, noEOF(err)
	case c == p.end:
		if c, err := nextByte(p.in); err == nil {
			return "", false, fmt.Errorf("%q follows the list of logs", c)
		} else if !errors.Is(err, io.EOF) {
			return "", false, err
		}
		return "", false, nil
	case c == '(':
		p.shut = ')'
	case c == '[':
		p.shut = ']'
	default:
		return "", false, fmt.Errorf("%q in the list of logs", c)
	}
	first, err = p.pair()
	return first, err == nil, noEOF(err)
}

// pair reads the first string and goes to the second.
func (p *pythonPairs) pair() (string, error) {
	if err := p.open(); err != nil {
		return "", err
	}
	first, err := io.ReadAll(io.LimitReader(stringReader{p}, maxBare+1))
	if err != nil {
		return "", err
	}
	if len(first) > maxBare {
		return "", &limitError{"the name of a host", maxBare}
	}
	if err := expectByte(p.in, ','); err != nil {
		return "", err
	}
	p.inPair = true
	return string(first), p.open()
}

// open goes behind the opening quote, or behind None, which is an empty string.
func (p *pythonPairs) open() error {
	c, err := nextByte(p.in)
	switch {
	case err != nil:
		return err
	case c == '\'' || c == '"':
		p.quote = c
		return nil
	case c == 'N':
		p.quote = 0
		return expectWord(p.in, "one")
	}
	return fmt.Errorf("%q where a string is expected", c)
}

// Read implements io.Reader: it reads the second string of the pair.
func (p *pythonPairs) Read(b []byte) (int, error) {
	if !p.inPair {
		return 0, io.EOF
	}
	if p.plain {
		n, err := p.in.Read(b)
		p.inPair = err == nil
		return n, err
	}
	n, err := p.readString(b)
	if errors.Is(err, io.EOF) {
		p.inPair = false
		if err := p.shutPair(); err != nil {
			return 0, noEOF(err)
		}
	}
	return n, err
}

func (p *pythonPairs) shutPair() error {
	c, err := nextByte(p.in)
	if err == nil && c == ',' {
		c, err = nextByte(p.in)
	}
	if err == nil && c != p.shut {
		err = fmt.Errorf("%q at the end of a log", c)
	}
	return err
}

// stringReader reads the string that is open.
type stringReader struct{ p *pythonPairs }

func (s stringReader) Read(b []byte) (int, error) { return s.p.readString(b) }

func (p *pythonPairs) readString(b []byte) (n int, err error) {
	for n < len(b) {
		if len(p.extra) > 0 {
			copied := copy(b[n:], p.extra)
			p.extra, n = p.extra[copied:], n+copied
			continue
		}
		if p.quote == 0 {
			break
		}
		if err := p.character(); err != nil {
			return n, noEOF(err)
		}
	}
	if n == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// character reads one byte, or one escape, into extra.
func (p *pythonPairs) character() error {
	p.extra = p.extra[:0]
	c, err := p.in.ReadByte()
	switch {
	case err != nil:
		return err
	case c == p.quote:
		p.quote = 0
		return nil
	case c == '\\':
		return p.escape()
	}
	p.extra = append(p.extra, c)
	return nil
}

// oneLetter are the escapes of one letter, in pairs: the letter, and what it stands for.
const oneLetter = "\\\\''\"\"n\nr\rt\ta\ab\bf\fv\v"

func (p *pythonPairs) escape() error {
	c, err := p.in.ReadByte()
	if err != nil {
		return err
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
	if digits > 0 {
		r, err := hexDigits(p.in, digits)
		if err != nil {
			return err
		}
		p.extra = utf8.AppendRune(p.extra, r)
		return nil
	}
	if '0' <= c && c <= '7' {
		p.octal(rune(c - '0'))
		return nil
	}
	for i := 0; i < len(oneLetter); i += 2 {
		if oneLetter[i] == c {
			p.extra = append(p.extra, oneLetter[i+1])
			return nil
		}
	}
	if c != '\n' { // a line break goes with its backslash; any other stays
		p.extra = append(p.extra, '\\', c)
	}
	return nil
}

// octal reads up to two more octal digits. An error before them is found again by who reads on.
func (p *pythonPairs) octal(r rune) {
	for range 2 {
		next, _ := p.in.Peek(1)
		if len(next) == 0 || next[0] < '0' || next[0] > '7' {
			break
		}
		r = r<<3 | rune(next[0]-'0')
		_, _ = p.in.Discard(1)
	}
	p.extra = utf8.AppendRune(p.extra, r)
}
