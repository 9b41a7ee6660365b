package airflowtest

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// memoryListener hands out the server ends of net.Pipe connections. It waits on
// channels only, so that a testing/synctest bubble can see it wait.
type memoryListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newMemoryListener() *memoryListener {
	return &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *memoryListener) Addr() net.Addr { return memoryAddr{} }

type memoryAddr struct{}

func (memoryAddr) Network() string { return "memory" }
func (memoryAddr) String() string  { return "airflow.test:80" }

// dial connects to the listener; it is refused like a TCP connection to a
// closed port once the listener is closed.
func (l *memoryListener) dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	link := &link{}
	select {
	case l.conns <- &serverEnd{server, link}:
		return &clientEnd{client, link}, nil
	case <-l.closed:
		return nil, refused()
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: memoryAddr{}, Err: ctx.Err()}
	}
}

func refused() error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: memoryAddr{}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
}

// link is what the two ends of a connection know of each other.
type link struct {
	reset atomic.Bool // the server ended the connection with a reset
}

type serverEnd struct {
	net.Conn
	link *link
}

// reset closes the connection so that the other end sees a reset, not an end.
func (c *serverEnd) reset() {
	c.link.reset.Store(true)
	_ = c.Close()
}

type clientEnd struct {
	net.Conn
	link *link
}

// Read reports a reset as a TCP connection does.
func (c *clientEnd) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if errors.Is(err, io.EOF) && c.link.reset.Load() {
		err = &net.OpError{Op: "read", Net: "tcp", Addr: memoryAddr{}, Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}
	return n, err
}

// Write reports a connection that the server closed as a TCP connection does.
func (c *clientEnd) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if errors.Is(err, io.ErrClosedPipe) {
		err = &net.OpError{Op: "write", Net: "tcp", Addr: memoryAddr{}, Err: os.NewSyscallError("write", syscall.EPIPE)}
	}
	return n, err
}

// countingListener counts the connections that it accepts.
type countingListener struct {
	net.Listener
	accepted *atomic.Int64
}

func (l countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.accepted.Add(1)
	}
	return conn, err
}
