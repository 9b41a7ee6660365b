package airflowtest

import (
	"net/http"
	"time"
)

// The states of a component.
const (
	Healthy   = "healthy"
	Unhealthy = "unhealthy"
)

// Health is what the health endpoint tells. A component is nil if the server
// does not know it, because none of its kind ever started.
type Health struct {
	Metadatabase string // Healthy or Unhealthy
	Scheduler    *Component
	Triggerer    *Component
	DagProcessor *Component
}

// Component is one kind of Airflow's processes.
type Component struct {
	Status    string
	Heartbeat time.Time // zero means just now, always
}

// healthy is the health of a new server. Airflow 2 has a DAG processor only if
// it was set up to have one of its own.
func healthy(r release) Health {
	h := Health{
		Metadatabase: Healthy,
		Scheduler:    &Component{Status: Healthy},
		Triggerer:    &Component{Status: Healthy},
	}
	if r.major == 3 {
		h.DagProcessor = &Component{Status: Healthy}
	}
	return h
}

// component is the status and the heartbeat as they are told.
func (db *Database) component(p *Component, write func(time.Time) any) (status, heartbeat any) {
	if p == nil {
		return nil, nil
	}
	if p.Heartbeat.IsZero() {
		return p.Status, write(db.Now())
	}
	return p.Status, write(p.Heartbeat)
}

func (d v1) healthObject(db *Database) object {
	component := func(name string, p *Component) object {
		status, heartbeat := db.component(p, v1Time)
		return object{{"latest_" + name + "_heartbeat", heartbeat}, {"status", status}}
	}
	return object{
		{"dag_processor", component("dag_processor", db.Health.DagProcessor)},
		{"metadatabase", object{{"status", db.Health.Metadatabase}}},
		{"scheduler", component("scheduler", db.Health.Scheduler)},
		{"triggerer", component("triggerer", db.Health.Triggerer)},
	}
}

// health is GET /api/v1/health.
func (d v1) health(c *call) answer { return d.json(http.StatusOK, d.healthObject(c.db)) }

// rootHealth is GET /health, the same in one line.
func (d v1) rootHealth(c *call) answer {
	return answer{
		status:      http.StatusOK,
		contentType: "application/json",
		body:        style{spaced: true, ascii: true}.encode(d.healthObject(c.db)),
	}
}

// version is GET /api/v1/version.
func (d v1) version(*call) answer {
	return d.json(http.StatusOK, object{{"git_version", d.gitVersion()}, {"version", d.text}})
}

// health is GET /api/v2/monitor/health, which alone of v2 writes +00:00.
func (d v2) health(c *call) answer {
	component := func(name string, p *Component) object {
		status, heartbeat := c.db.component(p, v1Time)
		return object{{"status", status}, {"latest_" + name + "_heartbeat", heartbeat}}
	}
	h := c.db.Health
	return d.json(http.StatusOK, object{
		{"metadatabase", object{{"status", h.Metadatabase}}},
		{"scheduler", component("scheduler", h.Scheduler)},
		{"triggerer", component("triggerer", h.Triggerer)},
		{"dag_processor", component("dag_processor", h.DagProcessor)},
	})
}

// version is GET /api/v2/version.
func (d v2) version(*call) answer {
	return d.json(http.StatusOK, object{{"version", d.text}, {"git_version", d.gitVersion()}})
}
