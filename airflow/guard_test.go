package airflow

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

func TestGuardWritesNullForNumbersThatAreNotFinite(t *testing.T) {
	for in, want := range map[string]string{
		`{"duration": NaN, "next": 1}`:        `{"duration": null, "next": 1}`,
		`[Infinity, -Infinity,NaN]`:           `[null, null,null]`,
		`NaN`:                                 `null`,
		`{"a": -1.5e-3, "b": true, "c": "-"}`: `{"a": -1.5e-3, "b": true, "c": "-"}`,
		`{"task": "NaN Infinity \" NaN \\"}`:  `{"task": "NaN Infinity \" NaN \\"}`,
		`{"a": -NaN}`:                         `{"a": -NaN}`,
		`{"a": Infinite}`:                     `{"a": Infinite}`,
		`{"a": 1NaN}`:                         `{"a": 1null}`, // is not JSON either way
		`[null, false]`:                       `[null, false]`,
		``:                                    ``,
	} {
		for name, src := range map[string]io.Reader{
			"whole":         strings.NewReader(in),
			"byte by byte":  iotest.OneByteReader(strings.NewReader(in)),
			"data and EOF":  iotest.DataErrReader(strings.NewReader(in)),
			"half the size": iotest.HalfReader(strings.NewReader(in)),
		} {
			got, err := io.ReadAll(newGuard(src, 1<<20))
			if err != nil || string(got) != want {
				t.Errorf("%s, %s: got %s, %v, want %s", in, name, got, err, want)
			}
		}
	}
}

func TestGuardBoundsBodyAndStrings(t *testing.T) {
	for name, tc := range map[string]struct {
		body  string
		limit int64
		want  string
	}{
		"body at its limit":    {`"` + strings.Repeat("a", 98) + `"`, 100, ""},
		"body above its limit": {`"` + strings.Repeat("a", 99) + `"`, 100, "a body of more than 100 bytes"},
		"long string":          {`"` + strings.Repeat("a", maxString-1) + `"`, 4 << 20, ""},
		"too long string":      {`"` + strings.Repeat("a", maxString) + `"`, 4 << 20, "a string of more than 1048576 bytes"},
		"two strings":          {`["` + strings.Repeat("a", maxString-1) + `","` + strings.Repeat("b", maxString-1) + `"]`, 4 << 20, ""},
	} {
		_, err := io.ReadAll(newGuard(strings.NewReader(tc.body), tc.limit))
		if got := errorText(err); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

func TestGuardRemembersWhyTheNetworkFailed(t *testing.T) {
	broken := errors.New("broken")
	g := newGuard(io.MultiReader(strings.NewReader(`{"a":`), iotest.ErrReader(broken)), 1<<20)
	got, err := io.ReadAll(g)
	if string(got) != `{"a":` || !errors.Is(err, broken) || !errors.Is(g.failed, broken) {
		t.Errorf("got %q, %v, failed %v", got, err, g.failed)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func FuzzGuardKeepsValidJSON(f *testing.F) {
	f.Add([]byte(`{"a": [1, -2.5e7, "NaN\"", null, true]}`))
	f.Add([]byte(`[NaN, -Infinity, Infinity]`))
	f.Fuzz(func(t *testing.T, in []byte) {
		out, err := io.ReadAll(newGuard(iotest.OneByteReader(strings.NewReader(string(in))), 1<<20))
		if err != nil {
			return
		}
		whole, err := io.ReadAll(newGuard(strings.NewReader(string(in)), 1<<20))
		if err != nil || string(whole) != string(out) {
			t.Fatalf("%q: %q byte by byte, %q, %v as a whole", in, out, whole, err)
		}
		if !strings.Contains(string(in), "NaN") && !strings.Contains(string(in), "Infinity") && string(out) != string(in) {
			t.Fatalf("%q became %q", in, out)
		}
	})
}

// What the decoder holds in one piece, or skips, takes no more memory than a string may.
func TestNoBodyFillsTheMemory(t *testing.T) {
	const size = 64 << 20
	for name, tc := range map[string]struct{ begin, more string }{
		"blanks":  {"", " "},
		"breaks":  {`{"a": [`, "\r\n"},
		"digits":  {`{"a": 1`, "0"},
		"letters": {`{"a": `, "x"},
		"minuses": {`{"a": `, "-"},
		"a text":  {`{"a": "`, "x"},
		"lists":   {`{"a": `, "["},
	} {
		t.Run(name, func(t *testing.T) {
			body := io.LimitReader(io.MultiReader(strings.NewReader(tc.begin), &endless{more: []byte(tc.more)}), size)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := decodeListing(newGuard(body, size-1), "rows", nil)
			runtime.ReadMemStats(&after)
			if n := (after.TotalAlloc - before.TotalAlloc) >> 20; err == nil || n > 8 {
				t.Errorf("%d MiB were allocated, %v", n, err)
			}
		})
	}
}

// endless repeats a text.
type endless struct {
	more []byte
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.more[e.at]
		e.at = (e.at + 1) % len(e.more)
	}
	return len(p), nil
}
