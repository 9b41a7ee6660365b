package airflow

import (
	"fmt"
	"io"
)

const (
	// maxString bounds one JSON string, which the decoder must hold in one piece.
	maxString = 1 << 20
	// maxBare bounds whatever else it must: a number, or something that is no JSON.
	maxBare = 1 << 10
)

// limitError says which bound a body broke.
type limitError struct {
	what  string
	limit int64
}

func (e *limitError) Error() string { return fmt.Sprintf("%s of more than %d bytes", e.what, e.limit) }

// guard stands between the network and the JSON decoder. It bounds the body and
// each string and number in it, makes one blank of many, which the decoder would
// hold in one piece, too, and writes null for the bare NaN, Infinity and
// -Infinity that Airflow 2 sends for such durations and that are not JSON: a
// number that is not finite is unknown to us.
type guard struct {
	src    io.Reader
	limit  int64
	read   int64
	failed error // what src returned, other than io.EOF

	out      []byte // checked, not yet handed on
	buf      []byte
	inString bool
	escaped  bool
	length   int64  // of the string that is being read
	bare     int    // likewise, of a number
	blank    bool   // the last byte was a blank
	word     []byte // a bare word that may go on in the next read
	end      error  // what to return when out is empty
}

func newGuard(src io.Reader, limit int64) *guard {
	return &guard{src: src, limit: limit, buf: make([]byte, 32<<10)}
}

// Read implements io.Reader.
func (g *guard) Read(p []byte) (int, error) {
	for len(g.out) == 0 && g.end == nil {
		g.fill()
	}
	if len(g.out) == 0 {
		return 0, g.end
	}
	n := copy(p, g.out)
	g.out = g.out[n:]
	return n, nil
}

func (g *guard) fill() {
	n, err := g.src.Read(g.buf)
	g.read += int64(n)
	g.out = g.scan(g.out[:0], g.buf[:n])
	switch {
	case g.end != nil: // scan met a string above its limit
	case g.read > g.limit:
		g.out, g.end = nil, &limitError{"a body", g.limit}
	case err == io.EOF:
		g.out, g.end = g.flushWord(g.out), io.EOF
	case err != nil:
		g.failed, g.end = err, err
	}
}

// scan appends the checked form of in to out. Outside strings, letters and
// minus signs are collected into words; everything else passes as it is.
func (g *guard) scan(out, in []byte) []byte {
	for i := 0; i < len(in); i++ {
		c := in[i]
		if g.inString {
			g.length++
			switch {
			case g.escaped:
				g.escaped = false
			case c == '\\':
				g.escaped = true
			case c == '"':
				g.inString = false
			}
			if g.length > maxString {
				g.end = &limitError{"a string", maxString}
				return nil
			}
			out = append(out, c)
			continue
		}
		// The first letters of the words that must be replaced; no other JSON word begins with them.
		if len(g.word) > 0 || c == 'N' || c == 'I' || c == '-' {
			if isLetter(c) || (c == '-' && len(g.word) == 0) {
				if len(g.word) <= len("-Infinity") {
					g.word, g.blank = append(g.word, c), false
					continue
				}
			}
			out = g.flushWord(out)
		}
		switch c {
		case ' ', '\t', '\r', '\n':
			if g.blank {
				continue
			}
			g.blank, g.bare = true, 0
			out = append(out, c)
			continue
		case '"':
			g.inString, g.length, g.bare = true, 0, 0
		case '{', '}', '[', ']', ':', ',':
			g.bare = 0
		default:
			if g.bare++; g.bare > maxBare {
				g.end = &limitError{"a number", maxBare}
				return nil
			}
		}
		g.blank = false
		out = append(out, c)
	}
	return out
}

// flushWord appends null for a word that is a non-finite number, or else the word.
func (g *guard) flushWord(out []byte) []byte {
	switch string(g.word) {
	case "NaN", "Infinity", "-Infinity":
		out = append(out, "null"...)
	default:
		out = append(out, g.word...)
	}
	g.word = g.word[:0]
	return out
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
