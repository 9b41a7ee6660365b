package main

import (
	"context"
	"html/template"
	"io"
	"net/http"

	"github.com/prometheus/common/version"
)

// wary tells browsers to take each answer as what it says it is, to load
// nothing for it and to show it in no other page. What --web.config.file says wins.
func wary(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for _, header := range [][2]string{{"Content-Security-Policy", "default-src 'none'"}, {"X-Content-Type-Options", "nosniff"}, {"X-Frame-Options", "DENY"}} {
			if h.Get(header[0]) == "" {
				h.Set(header[0], header[1])
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (e *exporter) handler() http.Handler {
	mux := http.NewServeMux()
	slots := make(chan struct{}, maxScrapes)
	pattern := e.flags.telemetryPath
	if pattern == "/" {
		pattern = "/{$}"
	}
	mux.HandleFunc("GET "+pattern, func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		default:
			http.Error(w, "too many scrapes at once", http.StatusServiceUnavailable)
			return
		}
		g := e.acquire()
		defer g.scrapes.Done()
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(e.hurry, cancel)() //nolint:contextcheck // the end of the program ends every wait
		g.collector.ServeMetrics(w, r.WithContext(ctx), e.registry)
	})
	if e.flags.telemetryPath != "/" {
		mux.HandleFunc("GET /{$}", e.landing)
	}
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, name+" is healthy\n")
	})
	mux.HandleFunc("GET /-/ready", e.ready)
	mux.HandleFunc("POST /-/reload", func(w http.ResponseWriter, _ *http.Request) {
		if !e.flags.lifecycle {
			http.Error(w, "start with --web.enable-lifecycle to reload over HTTP", http.StatusForbidden)
			return
		}
		if err := e.reload(); err != nil {
			http.Error(w, "the configuration was not reloaded, see the log", http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, "reloaded\n")
	})
	return wary(mux)
}

// ready tells whether new scrapes are welcome.
func (e *exporter) ready(w http.ResponseWriter, _ *http.Request) {
	e.mu.RLock()
	draining := e.draining
	e.mu.RUnlock()
	if draining {
		http.Error(w, name+" is stopping", http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, name+" is ready\n")
}

var landingPage = template.Must(template.New("landing").Parse(`<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>airflow_exporter</title></head>
<body>
<h1>airflow_exporter</h1>
<p>Prometheus exporter for Apache Airflow, version {{.Version}}</p>
<ul>
<li><a href="{{.Metrics}}">Metrics</a></li>
<li><a href="/-/healthy">Healthy</a></li>
<li><a href="/-/ready">Ready</a></li>
</ul>
</body>
</html>
`))

func (e *exporter) landing(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = landingPage.Execute(w, struct{ Version, Metrics string }{version.Version, e.flags.telemetryPath})
}
