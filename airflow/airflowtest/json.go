package airflowtest

import (
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// object is a JSON object whose members are written in this order.
type object []member

type member struct {
	key   string
	value any
}

// only is the object with these members alone; nil is all.
func (o object) only(keys []string) object {
	if keys == nil {
		return o
	}
	return slices.DeleteFunc(slices.Clone(o), func(m member) bool { return !slices.Contains(keys, m.key) })
}

// without is the object less these members.
func (o object) without(keys ...string) object {
	return slices.DeleteFunc(slices.Clone(o), func(m member) bool { return slices.Contains(keys, m.key) })
}

// style is how a server writes JSON.
type style struct {
	pretty bool // indented by two spaces, as Airflow 2 does
	spaced bool // in one line, with Python's blanks after , and :
	ascii  bool // everything else as \uXXXX
}

// encode writes a value made of nil, bool, string, int, float64, object,
// []any, *[]any, []string, map[string]any, iter.Seq[object] and bare.
func (s style) encode(value any) []byte {
	return s.append(nil, value, 0)
}

func (s style) append(b []byte, value any, depth int) []byte {
	switch v := value.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case float64:
		return appendFloat(b, v)
	case string:
		return s.appendString(b, v)
	case bare:
		return append(b, v...)
	case object:
		return s.appendObject(b, v, depth)
	case map[string]any:
		if len(v) == 0 {
			return append(b, "{}"...)
		}
		return s.appendObject(b, sortedObject(v), depth)
	case []string:
		return s.appendArray(b, depth, func(yield func(any) bool) {
			for _, element := range v {
				if !yield(element) {
					return
				}
			}
		})
	case []any:
		return s.appendArray(b, depth, func(yield func(any) bool) {
			for _, element := range v {
				if !yield(element) {
					return
				}
			}
		})
	case *[]any:
		return s.append(b, *v, depth)
	case iter.Seq[object]:
		return s.appendArray(b, depth, func(yield func(any) bool) {
			for element := range v {
				if !yield(element) {
					return
				}
			}
		})
	}
	panic("airflowtest: a value that JSON does not know")
}

func (s style) appendObject(b []byte, o object, depth int) []byte {
	if len(o) == 0 {
		return append(b, "{}"...)
	}
	b = append(b, '{')
	for i, m := range o {
		b = s.appendComma(b, i, depth+1)
		b = s.appendString(b, m.key)
		b = append(b, ':')
		if s.pretty || s.spaced {
			b = append(b, ' ')
		}
		b = s.append(b, m.value, depth+1)
	}
	return append(s.appendNewline(b, depth), '}')
}

func (s style) appendArray(b []byte, depth int, elements iter.Seq[any]) []byte {
	b = append(b, '[')
	n := 0
	for element := range elements {
		b = s.appendComma(b, n, depth+1)
		b = s.append(b, element, depth+1)
		n++
	}
	if n > 0 {
		b = s.appendNewline(b, depth)
	}
	return append(b, ']')
}

func (s style) appendComma(b []byte, i, depth int) []byte {
	if i > 0 {
		b = append(b, ',')
		if s.spaced {
			b = append(b, ' ')
		}
	}
	return s.appendNewline(b, depth)
}

func (s style) appendNewline(b []byte, depth int) []byte {
	if !s.pretty {
		return b
	}
	b = append(b, '\n')
	for range depth {
		b = append(b, "  "...)
	}
	return b
}

func (s style) appendString(b []byte, text string) []byte {
	b = append(b, '"')
	plain := 0 // start of what needs no escape
	for i, r := range text {
		if r >= ' ' && r != '"' && r != '\\' && (r <= '~' || !s.ascii) {
			continue
		}
		b = append(b, text[plain:i]...)
		_, size := utf8.DecodeRuneInString(text[i:])
		plain = i + size
		switch r {
		case '"', '\\':
			b = append(b, '\\', byte(r))
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			b = appendEscape(b, r)
		}
	}
	return append(append(b, text[plain:]...), '"')
}

func appendEscape(b []byte, r rune) []byte {
	if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
		return appendEscape(appendEscape(b, high), low)
	}
	const hex = "0123456789abcdef"
	return append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}

// appendFloat writes a number as Python does, with NaN and Infinity bare.
func appendFloat(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "NaN"...)
	case math.IsInf(f, 1):
		return append(b, "Infinity"...)
	case math.IsInf(f, -1):
		return append(b, "-Infinity"...)
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-4 || abs >= 1e16) {
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return append(b, text...)
}
