package airflowtest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// StatusOf answers with a status and what Airflow says, an object with detail.
func StatusOf(code int, header http.Header) Fault {
	h := header.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Set("Content-Type", "application/json")
	body := `{"detail": "injected"}`
	if code == http.StatusNoContent || code == http.StatusNotModified {
		body = ""
	}
	f := Status(code, h, body)
	if after := header.Get("Retry-After"); after != "" {
		f.name += ", Retry-After " + after
	}
	return f
}

// WithStatus gives the right answer another status.
func WithStatus(code int) Fault {
	return Fault{name: "right answer with status " + strconv.Itoa(code), serve: func(x *exchange) {
		a := x.answer()
		a.status = code
		x.send(a)
	}}
}

// WithContentType gives the right answer another content type; empty is none.
func WithContentType(contentType string) Fault {
	return Fault{name: "content type " + strconv.Quote(contentType), serve: func(x *exchange) {
		a := x.answer()
		a.contentType = ""
		a.header = http.Header{"Content-Type": nil} // net/http guesses none
		if contentType != "" {
			a.header = http.Header{"Content-Type": {contentType}}
		}
		x.send(a)
	}}
}

// WithEncoding says that the right answer is encoded, which it is not.
func WithEncoding(encoding string) Fault {
	return Fault{name: "content encoding " + encoding, serve: func(x *exchange) {
		a := x.answer()
		x.head(a)
		x.w.Header().Set("Content-Encoding", encoding)
		x.status(a.status)
		x.write(a.body)
	}}
}

// HugeHeader adds a header of so many bytes to the right answer.
func HugeHeader(size int) Fault {
	return Fault{name: "huge header", serve: func(x *exchange) {
		a := x.answer()
		x.w.Header().Set("X-Padding", strings.Repeat("x", size))
		x.send(a)
	}}
}

// EarlyHints sends so many informational answers before the right one.
func EarlyHints(n int) Fault {
	return Fault{name: "early hints", serve: func(x *exchange) {
		a := x.answer()
		for range n {
			x.w.WriteHeader(http.StatusEarlyHints)
		}
		x.send(a)
	}}
}

// SlowStart sends the headers of the right answer at once, and its body late.
func SlowStart(d time.Duration) Fault {
	return Fault{name: "slow body", serve: func(x *exchange) {
		a := x.answer()
		x.head(a)
		x.w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
		x.status(a.status)
		if !x.flush() || !x.pause(d) {
			panic(http.ErrAbortHandler)
		}
		x.write(a.body)
	}}
}

// HangAfter sends the first n bytes of the right answer's body, and then nothing more.
func HangAfter(n int) Fault {
	return Fault{name: "hang after " + strconv.Itoa(n) + " bytes", serve: func(x *exchange) {
		a := x.answer()
		x.head(a)
		x.w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
		x.status(a.status)
		x.write(a.body[:min(n, len(a.body))])
		x.flush()
		x.wait(nil)
		panic(http.ErrAbortHandler)
	}}
}
