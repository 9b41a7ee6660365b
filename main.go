// Command airflow_exporter answers Prometheus' scrapes with what Apache
// Airflow's stable REST API says.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web"
	sloggokit "github.com/tjhop/slog-gokit"

	"github.com/seed-9c0ac15d/airflow_exporter/collector"
)

const (
	name = "airflow_exporter"
	// After SIGTERM, scrapes wait so long for Airflow and are then answered with
	// what is known; the program ends at the latest after drainTimeout.
	hurryAfter   = 15 * time.Second
	drainTimeout = 25 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	stdlog.SetOutput(io.Discard) // net/http quotes there what a server sends unasked, which may be a secret
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr); err != nil {
		status, text := statusOf(err)
		if text != "" {
			fmt.Fprintln(os.Stderr, name+": "+text)
		}
		os.Exit(status)
	}
}

// newLoggers returns the program's logger, and the same one without time and
// caller for the web toolkit, which adds its own.
func newLoggers(f flags, w io.Writer) (log.Logger, *slog.Logger) {
	w = log.NewSyncWriter(w)
	bare := log.NewLogfmtLogger(w)
	if f.logFormat == "json" {
		bare = log.NewJSONLogger(w)
	}
	bare = level.NewFilter(bare, level.Allow(level.ParseDefault(f.logLevel, level.InfoValue())))
	logger := log.With(bare, "time", log.DefaultTimestampUTC, "caller", log.DefaultCaller)
	return logger, slog.New(sloggokit.NewGoKitHandler(bare, slog.LevelDebug))
}

// exporter is the running program: the collector in use, and what surrounds it.
type exporter struct {
	flags     flags
	getenv    func(string) string
	logger    log.Logger
	telemetry *collector.Telemetry
	ledger    *collector.Ledger
	registry  *prometheus.Registry // what is not a collector's: build, process, telemetry

	collected func()          // see collector.Options
	hurry     context.Context // ends when scrapes must not wait for Airflow any more
	hurryUp   context.CancelFunc
	reloading sync.Mutex // one reload at a time
	mu        sync.RWMutex
	current   *generation
	draining  bool
}

// generation is one loaded configuration with the scrapes that it still answers.
type generation struct {
	collector *collector.Collector
	scrapes   sync.WaitGroup
}

func newExporter(f flags, getenv func(string) string, logger log.Logger) *exporter {
	e := &exporter{flags: f, getenv: getenv, logger: logger, telemetry: collector.NewTelemetry(), ledger: collector.NewLedger(), registry: prometheus.NewRegistry()}
	e.hurry, e.hurryUp = context.WithCancel(context.Background())
	e.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		versioncollector.NewCollector(name),
		e.telemetry,
	)
	return e
}

// load puts a collector with the present configuration in place, or leaves
// everything as it is. The former one is closed after its last scrape.
func (e *exporter) load() error {
	e.reloading.Lock()
	defer e.reloading.Unlock()
	next, err := e.build()
	e.telemetry.Loaded(err == nil, time.Now())
	if err != nil {
		return err
	}
	e.mu.Lock()
	last := e.current
	e.current = &generation{collector: next}
	e.mu.Unlock()
	if last != nil {
		go func() {
			last.scrapes.Wait()
			last.collector.Close()
		}()
	}
	return nil
}

func (e *exporter) build() (*collector.Collector, error) {
	cfg, err := loadConfig(e.flags, e.getenv)
	if err != nil {
		return nil, err
	}
	c, err := collector.New(collector.Options{Config: cfg.Collector, Dags: cfg.Dags, Airflow: cfg.Airflow, Telemetry: e.telemetry, Ledger: e.ledger, Logger: e.logger, Collected: e.collected})
	if err != nil {
		return nil, err
	}
	_ = level.Info(e.logger).Log("msg", "configuration loaded", "airflow", cfg.Airflow.URL, "username", cfg.Airflow.Username, "list", cfg.Airflow.List)
	return c, nil
}

// reload is load with a word in the log.
func (e *exporter) reload() error {
	err := e.load()
	if err != nil {
		_ = level.Error(e.logger).Log("msg", "the configuration was not reloaded, the former one stays in use", "err", err)
		return err
	}
	_ = level.Info(e.logger).Log("msg", "configuration reloaded")
	return nil
}

// acquire returns the generation that answers a new scrape; its scrapes.Done must be called.
func (e *exporter) acquire() *generation {
	e.mu.RLock()
	defer e.mu.RUnlock()
	e.current.scrapes.Add(1)
	return e.current
}

// serve answers scrapes. It returns when ctx ends and all of them are answered.
func serve(ctx context.Context, f flags, getenv func(string) string, stdout, stderr io.Writer) error {
	logger, webLogger := newLoggers(f, stderr)
	e := newExporter(f, getenv, logger)
	if getenv("GOGC") == "" {
		// A third less memory, for a tenth more of our own CPU: much of what a collection needs is garbage after it.
		debug.SetGCPercent(50)
		e.collected = runtime.GC
	}
	if f.check {
		c, err := e.build()
		if err != nil {
			return err
		}
		c.Close()
		if err := errors.Join(c.CheckFiles(), web.Validate(*f.web.WebConfigFile)); err != nil {
			return err
		}
		_, err = fmt.Fprintln(stdout, "the configuration is valid")
		return err
	}
	if err := e.load(); err != nil {
		return err
	}
	_ = level.Info(logger).Log("msg", "starting "+name, "version", version.Info(), "build", version.BuildContext())

	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	server := newServer(e.handler(), slog.NewLogLogger(webLogger.Handler(), slog.LevelError))
	served := make(chan error, 1)
	go func() { served <- web.ListenAndServe(server, f.web, webLogger) }()
	for {
		select {
		case err := <-served:
			e.close()
			return fmt.Errorf("cannot serve: %w", err)
		case <-hup:
			_ = e.reload()
		case <-ctx.Done():
			return e.drain(server, served) //nolint:contextcheck // the context that ended is why it drains
		}
	}
}

// drain answers the scrapes that are under way and ends the collector.
func (e *exporter) drain(server *http.Server, served <-chan error) error {
	_ = level.Info(e.logger).Log("msg", "stopping: no new scrapes, those under way are answered")
	e.mu.Lock()
	e.draining = true
	e.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	defer time.AfterFunc(hurryAfter, e.hurryUp).Stop()
	err := server.Shutdown(ctx)
	<-served //nolint:errcheck // http.ErrServerClosed
	e.close()
	if err != nil {
		return fmt.Errorf("not every connection was ended within %s: %w", drainTimeout, err)
	}
	return nil
}

func (e *exporter) close() {
	e.hurryUp()
	e.mu.RLock()
	defer e.mu.RUnlock()
	e.current.collector.Close()
}

// maxScrapes bounds the scrapes that are answered at once.
const maxScrapes = 100

// newServer sets every limit that net/http leaves open.
func newServer(handler http.Handler, errorLog *stdlog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      collector.MaxBudget + 30*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          errorLog,
	}
}
