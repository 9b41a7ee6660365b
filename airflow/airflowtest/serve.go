package airflowtest

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
)

const (
	// maxRequestBody bounds what is read of a request.
	maxRequestBody = 64 << 20
	// gzipFrom is the size of the smallest answer that Airflow 3 compresses.
	gzipFrom = 1024
	// gzipLevel is Airflow 3's.
	gzipLevel = 5
)

// answer is what an endpoint says.
type answer struct {
	status      int
	contentType string
	header      http.Header // more headers; may be nil
	body        []byte
	rows        int // rows of a listing
}

// handler answers requests while its serving lasts.
type handler struct {
	server *Server
	run    *serving
}

// exchange is one request and its answer.
type exchange struct {
	server  *Server
	stopped <-chan struct{}
	w       http.ResponseWriter
	r       *http.Request
	body    []byte
	entry   *Request // in the request log; changed under its lock
}

// ServeHTTP logs the request and answers it, with a fault if one is due.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := h.server
	// Only when the body is read does net/http watch the connection and end
	// the request's context.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBody))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	x := &exchange{server: s, stopped: h.run.stopped, w: w, r: r, body: body}
	x.entry = s.requests.add(r, body, s.options.Clock())
	if fault, ok := s.faults.due(r, body); ok {
		s.requests.edit(func() { x.entry.Fault = fault.name })
		fault.serve(x)
		return
	}
	x.send(x.answer())
}

// answer asks the endpoint; nothing is sent.
func (x *exchange) answer() answer {
	s := x.server
	s.dbMu.Lock()
	defer s.dbMu.Unlock()
	c := &call{server: s, db: s.db, request: x.r, body: x.body}
	a := s.route(c)
	s.requests.edit(func() {
		x.entry.Rows = a.rows
		if c.user != nil {
			x.entry.User = c.user.Name
		}
	})
	return a
}

// send sends a as this release does.
func (x *exchange) send(a answer) {
	x.head(a)
	if x.server.release.major == 3 && len(a.body) >= gzipFrom && strings.Contains(x.r.Header.Get("Accept-Encoding"), "gzip") {
		a.body = compress(a.body)
		x.w.Header().Set("Content-Encoding", "gzip")
		x.w.Header().Set("Vary", "Accept-Encoding")
	}
	x.w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	x.status(a.status)
	x.write(a.body)
}

// head sets all headers but those that depend on how the body is sent.
func (x *exchange) head(a answer) {
	h := x.w.Header()
	h.Set("Date", x.server.options.Clock().UTC().Format(http.TimeFormat))
	if a.contentType != "" {
		h.Set("Content-Type", a.contentType)
	}
	x.server.dialect.head(h)
	for key, values := range a.header {
		h[http.CanonicalHeaderKey(key)] = values
	}
}

func (x *exchange) status(status int) {
	x.server.requests.edit(func() { x.entry.Status = status })
	x.w.WriteHeader(status)
}

// write sends a part of the body; it reports whether the client still listens.
func (x *exchange) write(b []byte) bool {
	n, err := x.w.Write(b)
	x.server.requests.edit(func() { x.entry.ResponseBytes += int64(n) })
	return err == nil
}

func compress(b []byte) []byte {
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, gzipLevel)
	if err != nil {
		panic(err) // the level is a constant
	}
	_, _ = w.Write(b) // a bytes.Buffer takes everything
	_ = w.Close()
	return buf.Bytes()
}
