package airflowtest

import (
	"net"
	"net/http"
	"strconv"
	"time"
)

// Fault is one way in which a request goes wrong. The functions of this file
// make the faults there are.
type Fault struct {
	name  string
	serve func(x *exchange)
	first int // the first matching request that it strikes, counted from 1
	last  int // and the last; 0 means no end
}

// String is the name of the fault, as it stands in the request log.
func (f Fault) String() string { return f.name }

// Nth is the same fault, but only on the n-th matching request, counted from 1.
func (f Fault) Nth(n int) Fault {
	f.first, f.last = n, n
	return f
}

// First is the same fault, but only on the first n matching requests.
func (f Fault) First(n int) Fault {
	f.first, f.last = 1, n
	return f
}

// Hang gives no answer until the client goes or the server stops.
func Hang() Fault {
	return Fault{name: "hang", serve: func(x *exchange) {
		x.wait(nil)
		panic(http.ErrAbortHandler)
	}}
}

// Delay answers rightly, but late.
func Delay(d time.Duration) Fault {
	return Fault{name: "delay", serve: func(x *exchange) {
		if !x.pause(d) {
			panic(http.ErrAbortHandler)
		}
		x.send(x.answer())
	}}
}

// Status answers with a status, headers and a body of its own. It may be used
// for proxies that fail: 502, or 429 with Retry-After.
func Status(code int, header http.Header, body string) Fault {
	return Fault{name: "status " + strconv.Itoa(code), serve: func(x *exchange) {
		x.send(answer{status: code, header: header, body: []byte(body)})
	}}
}

// LoginPage answers 200 with a page of HTML, as a login proxy does.
func LoginPage() Fault {
	return Fault{name: "login page", serve: func(x *exchange) {
		x.send(page(http.StatusOK, "text/html; charset=utf-8", htmlPage("login")))
	}}
}

// Redirect sends the client elsewhere.
func Redirect(location string, code int) Fault {
	return Fault{name: "redirect " + strconv.Itoa(code), serve: func(x *exchange) {
		x.send(answer{status: code, header: http.Header{"Location": {location}}})
	}}
}

// Reset closes the connection without an answer.
func Reset() Fault {
	return Fault{name: "reset", serve: func(x *exchange) {
		conn, _, err := http.NewResponseController(x.w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler) // the connection has ended already
		}
		reset(conn)
	}}
}

// reset closes a connection in a way that the client sees as a reset.
func reset(conn net.Conn) {
	switch c := conn.(type) {
	case *serverEnd:
		c.reset()
		return
	case *net.TCPConn:
		_ = c.SetLinger(0)
	}
	_ = conn.Close()
}

// Truncate announces the length of the whole answer, sends its first n bytes
// and closes the connection.
func Truncate(n int) Fault {
	return Fault{name: "truncate", serve: func(x *exchange) {
		a := x.answer()
		x.head(a)
		x.w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
		x.status(a.status)
		x.breakOff(a.body[:min(n, len(a.body))])
	}}
}

// TruncateChunked sends the first n bytes of the answer in a chunk, and closes
// the connection without the chunk that ends the body.
func TruncateChunked(n int) Fault {
	return Fault{name: "truncate chunked", serve: func(x *exchange) {
		a := x.answer()
		x.head(a)
		x.status(a.status)
		x.breakOff(a.body[:min(n, len(a.body))])
	}}
}

// Rewrite changes the body of the right answer; its length is told rightly.
func Rewrite(change func(body []byte) []byte) Fault {
	return Fault{name: "rewrite", serve: func(x *exchange) {
		a := x.answer()
		a.body = change(a.body)
		x.send(a)
	}}
}

// Drip sends the right answer n bytes at a time.
func Drip(n int, interval time.Duration) Fault {
	return Fault{name: "drip", serve: func(x *exchange) {
		a := x.answer()
		x.head(a)
		x.w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
		x.status(a.status)
		for len(a.body) > 0 {
			n := min(n, len(a.body))
			if !x.write(a.body[:n]) || !x.flush() || !x.pause(interval) {
				panic(http.ErrAbortHandler)
			}
			a.body = a.body[n:]
		}
	}}
}

// EndlessBody begins an answer that never ends, as fast as the client reads.
func EndlessBody() Fault {
	return Fault{name: "endless body", serve: func(x *exchange) {
		x.head(answer{contentType: "application/json"})
		x.status(http.StatusOK)
		blanks := make([]byte, 32<<10)
		for i := range blanks {
			blanks[i] = ' '
		}
		for x.write(blanks) {
			select {
			case <-x.stopped:
				panic(http.ErrAbortHandler)
			default:
			}
		}
	}}
}

// breakOff sends a part of the body and closes the connection.
func (x *exchange) breakOff(part []byte) {
	x.write(part)
	x.flush()
	panic(http.ErrAbortHandler)
}

func (x *exchange) flush() bool { return http.NewResponseController(x.w).Flush() == nil }

// wait waits for done; it is false when the client went or the server stopped before.
func (x *exchange) wait(done <-chan time.Time) bool {
	select {
	case <-done:
		return true
	case <-x.r.Context().Done():
	case <-x.stopped:
	}
	return false
}

// pause waits for a while, in the way of wait.
func (x *exchange) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	return x.wait(timer.C)
}
