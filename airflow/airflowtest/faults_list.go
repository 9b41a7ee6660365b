package airflowtest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind is one of the faults that [Kinds] knows.
type Kind struct {
	Fault
	// Harmless: a client that is patient and careful gets the whole truth all the same.
	Harmless bool
	// Total: the fault is about total_entries alone. Rows: it is about the rows of lists.
	Total, Rows bool
}

// Kinds are the kinds of faults there are, each under a name of its own. The
// faults of a [Server] that is stopped, of TLS, DNS and credential files are
// not among them: they are not about an answer.
func Kinds() []Kind {
	return slices.Concat(slowKinds(), brokenKinds(), statusKinds(), redirectKinds(), bodyKinds(), jsonKinds(), rowKinds())
}

func harmless(faults ...Fault) []Kind {
	kinds := harmful(faults...)
	for i := range kinds {
		kinds[i].Harmless = true
	}
	return kinds
}

func harmful(faults ...Fault) []Kind {
	kinds := make([]Kind, len(faults))
	for i, f := range faults {
		kinds[i].Fault = f
	}
	return kinds
}

// named is a fault by another name.
func named(name string, f Fault) Fault {
	f.name = name
	return f
}

func slowKinds() []Kind {
	late, slow := named("delay for ever", Delay(10*time.Minute)), named("drip for ever", Drip(1, time.Second))
	return append(harmless(Delay(500*time.Millisecond), Drip(200, time.Millisecond), SlowStart(500*time.Millisecond), EarlyHints(3)),
		harmful(late, slow, Hang(), HangAfter(0), HangAfter(20))...)
}

func brokenKinds() []Kind {
	return harmful(Reset(), ResetIn("status line"), ResetIn("headers"), ResetIn("body"), CloseSilently(), NoHTTP(), BadHeader(), BadChunk(),
		WrongLength(100), WrongLength(-10), CutUnseen(0.5), named("truncate at 0", Truncate(0)), Truncate(40), named("truncate chunked at 0", TruncateChunked(0)), TruncateChunked(40),
		HugeHeader(12<<20), EndlessHeaders())
}

func statusKinds() []Kind {
	var faults []Fault
	for _, code := range []int{204, 304, 400, 401, 403, 404, 405, 409, 410, 422, 429, 500, 502, 503, 504} {
		faults = append(faults, StatusOf(code, nil))
	}
	for _, after := range []string{"60", "0", "soon"} {
		faults = append(faults, StatusOf(429, http.Header{"Retry-After": {after}}), StatusOf(503, http.Header{"Retry-After": {after}}))
	}
	return harmful(append(faults, WithStatus(202), WithStatus(206), WithStatus(500), WithContentType(""), WithContentType("text/plain"),
		WithContentType("application/xml"), WithEncoding("br"), WithEncoding("gzip"), LoginPage())...)
}

func redirectKinds() []Kind {
	var faults []Fault
	for _, code := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{"/login", "https://login.test/?next=1", "http://airflow.test:8081/"} {
			faults = append(faults, named("redirect "+strconv.Itoa(code)+" to "+to, Redirect(to, code)))
		}
	}
	return harmful(faults...)
}

func bodyKinds() []Kind {
	return append(harmless(Around("blanks around", " \n", "\r\n\t ")), harmful(
		GzipBomb(64<<20), GzipCut(), GzipSpoilt(), EndlessBody(), EndlessArray(), EndlessString(),
		Body("empty body", ""), Body("null", "null"), Body("empty list", "[]"), Body("empty object", "{}"), Body("a text", `"error"`),
		Body("bare NaN", "NaN"), Body("an error with 200", `{"detail": "Internal Server Error"}`),
		Around("trailing garbage", "", "<html>"), Around("two values", "", "{}"), Around("guarded", ")]}'\n", ""), Around("byte order mark", "\ufeff", ""),
	)...)
}

func jsonKinds() []Kind {
	return append(harmless(UnknownFields()), harmful(
		Null(false), Null(true), Missing(false), Missing(true), WrongType(false), WrongType(true),
		Number("NaN"), Number("Infinity"), Number("-Infinity"), Number("1e400"), Number("1e30"), Number("1.5"), Number(`"7"`),
		DuplicateKey(), DuplicateTopKey(), Deep(20_000),
		BadText("bad UTF-8", "\"a\xff\""), BadText("half a surrogate", `"a\ud800"`), BadText("unknown escape", `"\x"`),
		BadText("raw line break", "\"a\nb\""), BadText("empty text", `""`), BadText("10 MiB string", hugeText()),
	)...)
}

// hugeText is a text of 10 MiB, in quotes.
func hugeText() string { return `"` + strings.Repeat("x", 10<<20) + `"` }

func rowKinds() []Kind {
	plus := func(n int) func(int) any { return func(total int) any { return total + n } }
	total := func(value string) func(int) any { return func(int) any { return bare(value) } }
	kinds := harmful(
		Total("total null", func(int) any { return nil }), Total("total negative", total("-1")), Total("total a text", total(`"3"`)),
		Total("total NaN", total("NaN")), Total("total huge", total("1e30")), NoTotal(),
		Total("total one more", plus(1)), Total("total a thousand more", plus(1000)),
		Total("total one less", plus(-1)), Total("total 1", total("1")), Total("total 0", total("0")),
	)
	for i := range kinds {
		kinds[i].Total = true
	}
	rows := harmful(LoseRow(false), LoseRow(true), LoseRows(), RowsOfOtherType(), NoState(), ShiftPage(1), ShiftPage(-1), SameCursor(), RepeatRow())
	for i := range rows {
		rows[i].Rows = true
	}
	return slices.Concat(kinds, rows)
}
