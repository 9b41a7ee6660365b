package main

import (
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
