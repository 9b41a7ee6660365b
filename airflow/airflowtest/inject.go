package airflowtest

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// faultList are the faults that wait for their requests.
type faultList struct {
	mu   sync.Mutex
	list []*injection
}

// injection is one call of [Server.Inject].
type injection struct {
	match func(*http.Request) bool
	fault Fault
	seen  int // matching requests so far
}

// Inject lets the requests that match meet a fault, until remove is called. Of
// several faults for one request the one injected first strikes. A nil match
// is every request; match may read the body.
func (s *Server) Inject(match func(*http.Request) bool, fault Fault) (remove func()) {
	l := &s.faults
	l.mu.Lock()
	defer l.mu.Unlock()
	added := &injection{match: match, fault: fault}
	l.list = append(l.list, added)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.list = slices.DeleteFunc(l.list, func(i *injection) bool { return i == added })
	}
}

// On matches requests of a method (any if it is empty) whose path ends so.
func On(method, pathSuffix string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return (method == "" || r.Method == method) && strings.HasSuffix(r.URL.Path, pathSuffix)
	}
}

// due returns the fault that strikes r.
func (l *faultList) due(r *http.Request, body []byte) (Fault, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range l.list {
		r.Body = io.NopCloser(bytes.NewReader(body))
		if i.match != nil && !i.match(r) {
			continue
		}
		i.seen++
		if i.seen >= i.fault.first && (i.fault.last == 0 || i.seen <= i.fault.last) {
			return i.fault, true
		}
	}
	return Fault{}, false
}
