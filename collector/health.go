package collector

import (
	"context"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// healthValue is which Airflow answers and how its components are.
type healthValue struct {
	version airflow.Version
	url     string
	health  airflow.Health
}

// healthPart asks for version and health. Neither needs a login.
type healthPart struct{}

func (healthPart) name() string          { return "health" }
func (healthPart) open() bool            { return true }
func (healthPart) minAge() time.Duration { return 0 }

func (healthPart) fetch(ctx context.Context, client *airflow.Client, _ facts) (value, error) {
	version, err := client.Version(ctx)
	if err != nil {
		return nil, err
	}
	health, err := client.Health(ctx)
	if err != nil {
		return nil, err
	}
	return &healthValue{version: version, url: client.URL(), health: health}, nil
}

func (*healthValue) truncated() bool { return false }

func (v *healthValue) emit(e *exposition) {
	e.gauge(info, 1, v.version.Number, v.version.API, v.url)
	for name, component := range v.health {
		e.gauge(componentHealthy, boolean(component.Healthy), name)
		if !component.Heartbeat.IsZero() {
			e.gauge(componentHeartbeat, seconds(component.Heartbeat), name)
		}
	}
}

// seconds is a point in time as Prometheus wants it, exact to the microsecond, as Airflow stores it.
func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
