package collector

import (
	"context"
	"math"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// poolsValue is all pools with their slots.
type poolsValue struct{ pools []airflow.Pool }

// poolsPart asks for the pools, seldom: Airflow runs several statements and commits per pool.
type poolsPart struct{}

func (poolsPart) name() string          { return "pools" }
func (poolsPart) open() bool            { return false }
func (poolsPart) minAge() time.Duration { return time.Minute }

func (poolsPart) fetch(ctx context.Context, client *airflow.Client, _ facts) (value, error) {
	pools, err := client.Pools(ctx)
	if err != nil {
		return nil, err
	}
	return &poolsValue{pools}, nil
}

func (*poolsValue) truncated() bool { return false }

func (v *poolsValue) emit(e *exposition) {
	for _, p := range v.pools {
		size := float64(p.Slots)
		if p.Slots == airflow.Unlimited {
			size = math.Inf(1)
		} else {
			e.gauge(poolSlots, float64(p.Open), p.Name, "open")
		}
		e.gauge(poolSize, size, p.Name)
		e.gauge(poolSlots, float64(p.Running), p.Name, "running")
		e.gauge(poolSlots, float64(p.Queued), p.Name, "queued")
		e.gauge(poolSlots, float64(p.Scheduled), p.Name, "scheduled")
		e.gauge(poolSlots, float64(p.Deferred), p.Name, "deferred")
	}
}
