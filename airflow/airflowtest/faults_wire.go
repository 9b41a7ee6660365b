package airflowtest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// raw writes an answer by hand and ends the connection.
func raw(name string, write func(conn net.Conn, a answer)) Fault {
	return Fault{name: name, serve: func(x *exchange) {
		a := x.answer()
		conn, _, err := http.NewResponseController(x.w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler) // the connection has ended already
		}
		write(conn, a)
		_ = conn.Close()
	}}
}

// rawHead is how a right answer begins, with more lines of headers, if any.
func rawHead(lines ...string) string {
	return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + strings.Join(append(lines, "\r\n"), "\r\n")
}

// CloseSilently closes the connection without an answer, in good order.
func CloseSilently() Fault { return raw("close without an answer", func(net.Conn, answer) {}) }

// ResetIn resets the connection in the middle of the status line, of the
// headers or of the body.
func ResetIn(stage string) Fault {
	return raw("reset in the "+stage, func(conn net.Conn, a answer) {
		head := rawHead(fmt.Sprintf("Content-Length: %d", len(a.body)))
		text := map[string]string{
			"status line": head[:12], "headers": head[:len(head)-8], "body": head + string(a.body[:len(a.body)/2]),
		}[stage]
		_, _ = io.WriteString(conn, text)
		reset(conn)
	})
}

// NoHTTP answers with something that is not HTTP.
func NoHTTP() Fault {
	return raw("not HTTP", func(conn net.Conn, _ answer) { _, _ = io.WriteString(conn, "SSH-2.0-OpenSSH_9.6\r\n") })
}

// BadHeader sends the right answer with a header line that is none.
func BadHeader() Fault {
	return raw("bad header", func(conn net.Conn, a answer) {
		_, _ = io.WriteString(conn, rawHead(fmt.Sprintf("Content-Length: %d", len(a.body)), "this is no header")+string(a.body))
	})
}

// BadChunk sends the right answer in a chunk whose length is no number.
func BadChunk() Fault {
	return raw("bad chunk", func(conn net.Conn, a answer) {
		_, _ = io.WriteString(conn, rawHead("Transfer-Encoding: chunked")+"zz\r\n"+string(a.body)+"\r\n0\r\n\r\n")
	})
}

// WrongLength announces a body that is so many bytes longer than it is (or
// shorter, if n is negative), and closes the connection after it.
func WrongLength(n int) Fault {
	name := "length too large"
	if n < 0 {
		name = "length too small"
	}
	return raw(name, func(conn net.Conn, a answer) {
		_, _ = io.WriteString(conn, rawHead(fmt.Sprintf("Content-Length: %d", max(0, len(a.body)+n)))+string(a.body))
	})
}

// CutUnseen ends the body early, where only the end of the connection ends it.
func CutUnseen(part float64) Fault {
	return raw("cut unseen", func(conn net.Conn, a answer) {
		_, _ = io.WriteString(conn, rawHead("Connection: close")+string(a.body[:int(part*float64(len(a.body)))]))
	})
}

// EndlessHeaders begins an answer whose headers never end.
func EndlessHeaders() Fault {
	return raw("endless headers", func(conn net.Conn, _ answer) {
		_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
		line := strings.Repeat("X-Padding: "+strings.Repeat("x", 1000)+"\r\n", 32)
		for err == nil {
			_, err = io.WriteString(conn, line)
		}
	})
}
