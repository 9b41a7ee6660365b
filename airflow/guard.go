package airflow

import (
	"bytes"
	"fmt"
	"io"
	"math"
)

const (
	// maxString bounds one JSON string, which the decoder must hold in one piece.
	maxString = 1 << 20
	// maxBare bounds what else it must: a number, blanks, or something that is no JSON.
	maxBare = 64 << 10
	// maxRow bounds one row of a listing, where the decoder holds that in one piece.
	maxRow = 4 << 20
)

// limitError says which bound a body broke.
type limitError struct {
	what  string
	limit int64
}

func (e *limitError) Error() string { return fmt.Sprintf("%s of more than %d bytes", e.what, e.limit) }

// guard stands between the network and the JSON decoder. It bounds the body and
// each string in it, and what is between strings, and it writes null for the bare NaN, Infinity and
// -Infinity that Airflow 2 sends for such durations and that are not JSON: a
// number that is not finite is unknown to us.
type guard struct {
	src    io.Reader
	limit  int64
	read   int64
	failed error // what src returned, other than io.EOF

	// rowEnd is how much may be read until the next row must have begun; 0: each string is looked at instead.
	rowEnd int64

	inString bool
	escaped  bool
	length   int64 // of the string that is being read
	bare     int   // of what is being read that is neither a string nor a mark of punctuation

	// What comes before the first such word is read right into the buffer of who wants it.
	out  []byte // what follows that, checked and not yet handed on
	word []byte // a bare word that may go on in the next read
	end  error  // what to return when out is empty
}

func newGuard(src io.Reader, limit int64) *guard { return &guard{src: src, limit: limit} }

// byRow is a guard of a listing without such numbers. It bounds rows, not strings, so that it need not look at each byte;
// row must be called before each row.
func byRow(src io.Reader, limit int64) *guard { return &guard{src: src, limit: limit, rowEnd: maxRow} }

// asItIs bounds nothing but the body, and hands it on as it came.
func asItIs(src io.Reader, limit int64) *guard {
	return &guard{src: src, limit: limit, rowEnd: math.MaxInt64}
}

// row tells that a row begins.
func (g *guard) row() {
	if g.rowEnd > 0 {
		g.rowEnd = g.read + maxRow
	}
}

// Read implements io.Reader.
func (g *guard) Read(p []byte) (int, error) {
	for len(g.out) == 0 && g.end == nil {
		if n := g.fill(p); n > 0 {
			return n, nil
		}
	}
	if len(g.out) == 0 {
		return 0, g.end
	}
	n := copy(p, g.out)
	g.out = g.out[n:]
	return n, nil
}

// fill reads into p, and returns how much of it can be handed on as it is. What follows that goes to out.
func (g *guard) fill(p []byte) int {
	n, err := g.src.Read(p)
	g.read += int64(n)
	plain := 0
	switch {
	case g.rowEnd > 0:
		plain = n
		if g.read > g.rowEnd {
			g.end = &limitError{"a row", maxRow}
		}
	case len(g.word) == 0:
		plain = g.skip(p[:n])
	}
	if plain < n && g.end == nil {
		g.out = g.scan(g.out[:0], p[plain:n])
	}
	switch {
	case g.end != nil: // a row or a string above its limit
		return 0
	case g.read > g.limit:
		g.out, g.end = nil, &limitError{"a body", g.limit}
		return 0
	case err == io.EOF:
		g.out, g.end = g.flushWord(g.out), io.EOF
	case err != nil:
		g.failed, g.end = err, err
	}
	return plain
}

// skip returns where the first word begins that may have to be replaced.
func (g *guard) skip(in []byte) int {
	for i := 0; i < len(in); {
		if g.inString {
			i += g.skipString(in[i:])
			if g.end != nil {
				return 0
			}
			continue
		}
		c := in[i]
		if c == 'N' || c == 'I' || c == '-' && (i+1 == len(in) || isLetter(in[i+1])) {
			return i
		}
		if g.between(c); g.end != nil {
			return 0
		}
		i++
	}
	return len(in)
}

// between takes a byte that is in no string.
func (g *guard) between(c byte) {
	switch c {
	case '"':
		g.inString, g.length, g.bare = true, 0, 0
	case '{', '}', '[', ']', ':', ',':
		g.bare = 0
	default:
		if g.bare++; g.bare > maxBare {
			g.end = &limitError{"blanks or a number", maxBare}
		}
	}
}

// skipString returns how many bytes belong to the string that is being read, its closing quote included.
func (g *guard) skipString(in []byte) int {
	for i := 0; i < len(in); i++ {
		if g.escaped {
			g.escaped = false
			continue
		}
		quote := bytes.IndexByte(in[i:], '"')
		end := i + quote
		if quote < 0 {
			end = len(in)
		}
		slashes := 0 // before it
		for end-slashes > i && in[end-slashes-1] == '\\' {
			slashes++
		}
		escaped := slashes%2 == 1
		switch {
		case quote < 0:
			g.escaped = escaped
			return g.grow(len(in))
		case !escaped:
			g.inString = false
			return g.grow(end + 1)
		}
		i = end
	}
	return g.grow(len(in))
}

// grow adds n bytes to the string that is being read.
func (g *guard) grow(n int) int {
	if g.length += int64(n); g.length > maxString {
		g.end = &limitError{"a string", maxString}
	}
	return n
}

// scan appends the checked form of in to out. Outside strings, letters and
// minus signs are collected into words; everything else passes as it is.
func (g *guard) scan(out, in []byte) []byte {
	for i := 0; i < len(in); {
		if g.inString {
			n := g.skipString(in[i:])
			if g.end != nil {
				return nil
			}
			out = append(out, in[i:i+n]...)
			i += n
			continue
		}
		c := in[i]
		i++
		if len(g.word) > 0 {
			if isLetter(c) && len(g.word) <= len("-Infinity") {
				g.word = append(g.word, c)
				continue
			}
			out = g.flushWord(out)
		}
		// The first letters of the words that must be replaced; no other JSON word begins with them.
		if c == 'N' || c == 'I' || c == '-' {
			g.word = append(g.word, c)
			continue
		}
		if g.between(c); g.end != nil {
			return nil
		}
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
