package airflow

import (
	"context"
	"net/http"
	"time"
)

// Health is what Airflow says of its components, by Airflow's name of each:
// metadatabase, scheduler, triggerer, dag_processor. One that this
// installation does not have is not in the map.
type Health map[string]ComponentHealth

// ComponentHealth is the state of one component.
type ComponentHealth struct {
	Healthy bool
	// Heartbeat is zero for a component that has none, or had none yet.
	Heartbeat time.Time
}

const opHealth = "ask for the health of the components"

// Health asks for the health of Airflow's components (GET /health of v1,
// GET /monitor/health of v2; no login needed). Airflow answers 200 whatever
// the health, and without asking the components: it compares heartbeats.
func (c *Client) Health(ctx context.Context) (Health, error) {
	s, err := c.server(ctx)
	if err != nil {
		return nil, err
	}
	path := s.dialect.healthPath()
	k := call{op: opHealth, method: http.MethodGet, endpoint: path, path: root(s.dialect) + path, open: true}
	a, err := c.do(ctx, k)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	type component struct {
		Status *string `json:"status"`
	}
	var body struct {
		Metadatabase *component `json:"metadatabase"`
		Scheduler    *struct {
			component
			Heartbeat *time.Time `json:"latest_scheduler_heartbeat"`
		} `json:"scheduler"`
		Triggerer *struct {
			component
			Heartbeat *time.Time `json:"latest_triggerer_heartbeat"`
		} `json:"triggerer"`
		DagProcessor *struct {
			component
			Heartbeat *time.Time `json:"latest_dag_processor_heartbeat"`
		} `json:"dag_processor"`
	}
	if err := a.decode(&body); err != nil {
		return nil, err
	}
	if body.Metadatabase == nil || body.Scheduler == nil {
		return nil, a.errorf(ClassDecode, nil, "an answer without metadatabase or scheduler")
	}
	health := Health{}
	add := func(name string, status *string, heartbeat *time.Time) {
		if status != nil {
			health[name] = ComponentHealth{Healthy: *status == "healthy", Heartbeat: orZero(heartbeat)}
		}
	}
	add("metadatabase", body.Metadatabase.Status, nil)
	add("scheduler", body.Scheduler.Status, body.Scheduler.Heartbeat)
	if t := body.Triggerer; t != nil {
		add("triggerer", t.Status, t.Heartbeat)
	}
	if p := body.DagProcessor; p != nil {
		add("dag_processor", p.Status, p.Heartbeat)
	}
	return health, nil
}
