package airflow

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-json-experiment/json/jsontext"
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
	f.Add([]byte(`[--NaN, -a, 1NaN, -]`))
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

// A listing by rows bounds each of them, wherever the answer grows, and hands on the rest as it is.
func TestGuardBoundsRows(t *testing.T) {
	long := strings.Repeat(" ", maxRow)
	row := `{"x": "` + strings.Repeat("a", maxRow-1000) + `"}`
	for name, tc := range map[string]struct{ body, want string }{
		"rows below the limit":   {`{"rows": [` + row + "," + row + "," + row + `]}`, ""},
		"a row above it":         {`{"rows": [` + row + `,{"x": "` + strings.Repeat("a", 2*maxRow) + `"}]}`, "a row of more than 4194304 bytes"},
		"nothing where a row is": {`{"rows": [` + long + long + `]}`, "a row of more than 4194304 bytes"},
		"no rows":                {`{"a": [` + long + long + `], "rows": []}`, "a row of more than 4194304 bytes"},
		"more after the rows":    {`{"rows": [` + row + `], "a": [` + long + long + `]}`, "a row of more than 4194304 bytes"},
		"not a number":           {`{"rows": [NaN]}`, "invalid character 'N'"},
	} {
		g := byRow(strings.NewReader(tc.body), 1<<30)
		_, err := decodeListing(g, "rows", func(dec *jsontext.Decoder) error {
			g.row()
			_, err := dec.ReadValue()
			return err
		}, lenient...)
		if got := errorText(err); tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
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
		for kind, guarded := range map[string]func(io.Reader, int64) *guard{"by strings": newGuard, "by rows": byRow} {
			t.Run(name+" "+kind, func(t *testing.T) {
				body := io.LimitReader(io.MultiReader(strings.NewReader(tc.begin), &endless{more: []byte(tc.more)}), size)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err := decodeListing(guarded(body, size-1), "rows", nil, lenient...)
				runtime.ReadMemStats(&after)
				most := uint64(8 << 20)
				if kind == "by rows" {
					most = 5 * maxRow // the buffer of the decoder grows by doubling
				}
				n := after.TotalAlloc - before.TotalAlloc
				if err == nil || n > most {
					t.Errorf("%d MiB were allocated, %v", n>>20, err)
				}
				t.Logf("FIGURE C10 allocated_mebibytes=%.1f", float64(n)/(1<<20))
			})
		}
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
