package airflowtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Options say which Airflow to be. Only Version has no default.
type Options struct {
	// Version is the release to behave like: "2.10.2", "3.3.2". A version that
	// is not known behaves like the newest known one before it.
	Version string
	// BasePath is the path prefix of everything, login included: "/airflow".
	BasePath string
	// TCP listens on 127.0.0.1 instead of in memory, for tests that start a binary.
	TCP bool
	// Users may log in; nil means that no login is needed and all may be read.
	Users []User
	// TokenLifetime is how long a token of Airflow 3 is accepted; 0 means 24 hours.
	TokenLifetime time.Duration
	// ClampGet bounds GET listings; 0 means as the version does.
	ClampGet int
	// ClampPost silently bounds page_limit of the batch list, which no release
	// does so far; 0 means unbounded.
	ClampPost int
	// ShuffleSeed varies the order of lists that have none. Attempts, whose order
	// only seems to be one, come in it with seed 0.
	ShuffleSeed uint64
	// Clock is Airflow's clock: of rows, tokens and the Date header. It must be
	// safe for concurrent use. Nil means time.Now.
	Clock func() time.Time
}

// Server is one Airflow. Its methods are safe for concurrent use.
type Server struct {
	// URL is the address of the web page, BasePath included.
	URL string

	options Options
	release release
	dialect dialect
	routes  []route

	requests requestLog
	faults   faultList
	accepted atomic.Int64

	dbMu sync.Mutex
	db   *Database

	keyMu sync.Mutex
	key   string // signs tokens

	mu      sync.Mutex
	address string // of the TCP listener, kept over a restart
	current *serving
}

// serving is the time between a start and the next stop.
type serving struct {
	memory  *memoryListener // nil with Options.TCP
	http    *http.Server
	stopped chan struct{} // closed by stop
	done    sync.WaitGroup
}

// Start starts a server that is closed at the end of the test.
func Start(tb testing.TB, options Options) *Server {
	tb.Helper()
	s, err := New(options)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// New starts a server, which the caller must close.
func New(options Options) (*Server, error) {
	release, err := parseRelease(options.Version)
	if err != nil {
		return nil, err
	}
	if options.BasePath != "" && (!strings.HasPrefix(options.BasePath, "/") || strings.HasSuffix(options.BasePath, "/")) {
		return nil, fmt.Errorf("airflowtest: base path %q is not like /airflow", options.BasePath)
	}
	if options.Clock == nil {
		options.Clock = time.Now
	}
	if options.TokenLifetime == 0 {
		options.TokenLifetime = 24 * time.Hour
	}
	s := &Server{
		options: options,
		release: release,
		dialect: newDialect(release),
		db:      newDatabase(release, options.Clock),
		address: "127.0.0.1:0",
		key:     rand.Text(),
	}
	s.routes = s.dialect.routes()
	if err := s.Restart(); err != nil {
		return nil, err
	}
	s.URL = "http://airflow.test" + options.BasePath
	if options.TCP {
		s.URL = "http://" + s.address + options.BasePath
	}
	return s, nil
}

// Restart starts to serve again after [Server.Stop], at the same address and
// with the same data and key.
func (s *Server) Restart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil {
		return errors.New("airflowtest: the server is not stopped")
	}
	run := &serving{stopped: make(chan struct{})}
	listener, err := s.listen(run)
	if err != nil {
		return fmt.Errorf("airflowtest: %w", err)
	}
	run.http = &http.Server{
		Handler:   &handler{s, run},
		ErrorLog:  log.New(io.Discard, "", 0),
		ConnState: run.track,
	}
	s.current = run
	run.done.Go(func() { _ = run.http.Serve(countingListener{listener, &s.accepted}) })
	return nil
}

func (s *Server) listen(run *serving) (net.Listener, error) {
	if !s.options.TCP {
		run.memory = newMemoryListener()
		return run.memory, nil
	}
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		return nil, err
	}
	s.address = listener.Addr().String()
	return listener, nil
}

// track keeps the count of connections, so that Close can wait for the last.
func (run *serving) track(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		run.done.Add(1)
		select {
		case <-run.stopped: // accepted too late for http.Server.Close to see it
			_ = conn.Close()
		default:
		}
	case http.StateClosed, http.StateHijacked:
		run.done.Done()
	}
}

// Upgrade restarts the server as another version, with the same database, as a migration leaves it.
func (s *Server) Upgrade(version string) error {
	release, err := parseRelease(version)
	if err != nil {
		return err
	}
	s.Close()
	s.Update(func(db *Database) {
		s.release, s.dialect = release, newDialect(release)
		s.routes = s.dialect.routes()
		db.release, db.Health = release, healthy(release)
	})
	return s.Restart()
}

// Stop ends every connection; new ones are refused until [Server.Restart].
func (s *Server) Stop() { s.stop() }

func (s *Server) stop() *serving {
	s.mu.Lock()
	defer s.mu.Unlock()
	run := s.current
	if run == nil {
		return nil
	}
	s.current = nil
	close(run.stopped)
	_ = run.http.Close()
	return run
}

// Close stops the server and waits until nothing of it runs any more.
func (s *Server) Close() {
	if run := s.stop(); run != nil {
		run.done.Wait()
	}
}

// DialContext connects to the server, whatever the address. It is for the
// transport of the client.
func (s *Server) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	s.mu.Lock()
	run, address := s.current, s.address
	s.mu.Unlock()
	if run == nil {
		return nil, refused()
	}
	if run.memory != nil {
		return run.memory.dial(ctx)
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, "tcp", address)
}

// Connections returns how many connections were accepted so far.
func (s *Server) Connections() int { return int(s.accepted.Load()) }

// Update lets f read and change the database. Nothing of db may be used after
// f has returned.
func (s *Server) Update(f func(db *Database)) {
	s.dbMu.Lock()
	defer s.dbMu.Unlock()
	f(s.db)
}
