package collector

import (
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// airflowNow is the time on Airflow's clock, as far as it is known.
func airflowNow(client *airflow.Client) time.Time {
	skew, _ := client.ClockSkew()
	return time.Now().Round(0).Add(-skew) // by the wall clock: when that is put right, the skew is another one
}
