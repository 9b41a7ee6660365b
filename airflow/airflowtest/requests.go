package airflowtest

import (
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Request is one request as the server saw it.
type Request struct {
	Time   time.Time // of its arrival, on the server's clock
	Method string
	Host   string
	Path   string // escaped
	Query  url.Values
	Header http.Header
	Body   string
	User   string // who was logged in; empty for nobody

	Status        int    // of the answer; 0 while there is none
	Rows          int    // rows in the answer
	ResponseBytes int64  // of the body as it was sent
	Fault         string // name of the injected fault; empty for none
}

// requestLog keeps the requests in the order of their arrival.
type requestLog struct {
	mu   sync.Mutex
	list []*Request
}

func (l *requestLog) add(r *http.Request, body []byte, at time.Time) *Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	entry := &Request{
		Time:   at,
		Method: r.Method,
		Host:   r.Host,
		Path:   r.URL.EscapedPath(),
		Query:  r.URL.Query(),
		Header: r.Header.Clone(),
		Body:   string(body),
	}
	l.list = append(l.list, entry)
	return entry
}

// edit lets f change entries.
func (l *requestLog) edit(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

// Requests returns every request since the start or the last reset, also those
// that have no answer yet, in the order of their arrival.
func (s *Server) Requests() []Request {
	s.requests.mu.Lock()
	defer s.requests.mu.Unlock()
	list := make([]Request, len(s.requests.list))
	for i, entry := range s.requests.list {
		list[i] = *entry
	}
	return slices.Clip(list)
}

// ResetRequests empties the request log.
func (s *Server) ResetRequests() {
	s.requests.mu.Lock()
	defer s.requests.mu.Unlock()
	s.requests.list = nil
}
