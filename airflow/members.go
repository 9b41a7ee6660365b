package airflow

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// eachMember calls member with each key, quotes included, and value of an object that is known to be valid JSON. Both are
// parts of the object. Names may come twice.
func eachMember(object jsontext.Value, member func(key, value jsontext.Value) error) error {
	if object.Kind() != '{' {
		return fmt.Errorf("%s where { is expected", object.Kind())
	}
	for i := skipTo(object, 1, '"'); i < len(object); i = skipTo(object, i, '"') {
		end := endOfString(object, i)
		key := object[i:end]
		i = end + 1 // the colon, or white space
		for isSpace(object[i]) || object[i] == ':' {
			i++
		}
		end = endOfValue(object, i)
		if err := member(key, object[i:end]); err != nil {
			return err
		}
		i = end
	}
	return nil
}

// skipTo is where c comes next, at the position i or after it.
func skipTo(text []byte, i int, c byte) int {
	for i < len(text) && text[i] != c {
		i++
	}
	return i
}

// endOfString is where the string ends that begins at i.
func endOfString(text []byte, i int) int {
	for end := i + 1; ; end++ {
		end += bytes.IndexByte(text[end:], '"')
		slashes := 0 // before it; an odd one belongs to the quote
		for text[end-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return end + 1
		}
	}
}

// endOfValue is where the value ends that begins at i.
func endOfValue(text []byte, i int) int {
	switch text[i] {
	case '"':
		return endOfString(text, i)
	case '{', '[':
		for depth := 0; ; {
			switch text[i] {
			case '"':
				i = endOfString(text, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
	}
	for c := text[i]; c != ',' && c != '}' && !isSpace(c); c = text[i] {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }
