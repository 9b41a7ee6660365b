package airflow

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

// readPairs reads all pairs.
func readPairs(r io.Reader) (pairs [][2]string, err error) {
	p := newPythonPairs(r)
	for {
		first, ok, err := p.next()
		if err != nil || !ok {
			return pairs, err
		}
		text, err := io.ReadAll(p)
		if err != nil {
			return pairs, err
		}
		pairs = append(pairs, [2]string{first, string(text)})
	}
}

type pythonRepr struct {
	Repr  string
	Pairs [][2]string
}

func pythonReprs(t testing.TB) (list []pythonRepr) {
	text, err := os.ReadFile("testdata/python_reprs.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := stdjson.Unmarshal(text, &list); err != nil || len(list) < 30 {
		t.Fatal(len(list), err)
	}
	return list
}

// What Python itself wrote is read as it was meant, in whatever pieces it comes.
func TestPythonPairs(t *testing.T) {
	for _, r := range pythonReprs(t) {
		for name, reader := range map[string]io.Reader{
			"whole": strings.NewReader(r.Repr), "bytes": iotest.OneByteReader(strings.NewReader(r.Repr)), "half": iotest.HalfReader(strings.NewReader(r.Repr)),
		} {
			got, err := readPairs(reader)
			if err != nil || !slices.Equal(got, r.Pairs) {
				t.Errorf("%s, %s:\ngot  %q\nwant %q, %v", r.Repr, name, got, r.Pairs, err)
			}
		}
	}
}

// What Python's repr does not write, but its strings may hold, and what is no list of pairs.
func TestPythonPairsThatPythonDoesNotWrite(t *testing.T) {
	for text, want := range map[string]string{ // empty: an error
		`[('a', '\a\b\f\v\101\7x\0')]`: "\a\b\f\vA\ax\x00",
		"[('a', 'x\\\ny')]":            "xy",
		`[('a', '\q')]`:                `\q`,
		`[ ( 'a' , 'x' , ) , ]`:        "[ ( 'a' , 'x' , ) , ]",
		`[( 'a' , 'x' , ) , ]`:         "x",
		`[('a', 'x'`:                   "",
		`[('a', 'x')`:                  "",
		`[('a', 'x']`:                  "",
		`[('a', 'x'))`:                 "",
		`(('a', 'x')]`:                 "",
		`(('a', 'x'),`:                 "",
		`() y`:                         "",
		`(a) log`:                      "(a) log",
		`[('a', 'x')] y`:               "",
		`[('a', 'x', 'y')]`:            "",
		`[('a')]`:                      "",
		`[('a', 1)]`:                   "",
		`[('a', '\x4')]`:               "",
		`[('a', '\u00')]`:              "",
		`[(Nothing, 'x')]`:             "",
	} {
		pairs, err := readPairs(strings.NewReader(text))
		if want == "" {
			if err == nil {
				t.Errorf("%s: taken for %q", text, pairs)
			}
			continue
		}
		if err != nil || len(pairs) != 1 || pairs[0][1] != want {
			t.Errorf("%s: got %q, %v", text, pairs, err)
		}
	}
	if _, err := readPairs(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(`[('a', 'x')]`)))); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("got %v", err)
	}
}

// Whatever comes, it is read to an end, and what is told does not depend on the pieces in which it comes.
func FuzzPythonPairs(f *testing.F) {
	for _, r := range pythonReprs(f) {
		f.Add([]byte(r.Repr))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		whole, err := readPairs(bytes.NewReader(text))
		pieces, again := readPairs(iotest.OneByteReader(bytes.NewReader(text)))
		if !slices.Equal(whole, pieces) || (err == nil) != (again == nil) {
			t.Errorf("got %q, %v and %q, %v", whole, err, pieces, again)
		}
	})
}

// The text of a JSON string is what the standard library reads.
func FuzzJSONText(f *testing.F) {
	for _, text := range []string{`plain"`, `\"\\\/\b\f\n\r\t"`, `\u00e9\ud83d\ude00"`, `\ud83d"`, `\ude00x"`, `\ud83d\ud83d\ude00"`, `\ud83dx"`, `\u12`, `\q"`, "\xff\""} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := io.ReadAll(&jsonText{in: newReprLog(iotest.OneByteReader(bytes.NewReader(text))).body})
		var want string
		end := endOfText(text)
		if end < 0 {
			if err == nil {
				t.Errorf("%q has no end, and was read as %q", text, got)
			}
			return
		}
		if !utf8.Valid(text) || stdjson.Unmarshal(append([]byte{'"'}, text[:end]...), &want) != nil {
			return // what is not UTF-8, and control characters, are let through as they are
		}
		if err != nil || string(got) != want {
			t.Errorf("%q: got %q, want %q, %v", text, got, want, err)
		}
	})
}

// endOfText is behind the closing quote, −1 if there is none.
func endOfText(text []byte) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}
