package main

import "math"

// process is what the Go client tells of the exporter's process.
type process struct {
	started    int64
	cpu        float64
	heap       float64 // bytes that grow until the next garbage collection
	goroutines float64
}

const (
	baseMemory = 41e6
	gcMemory   = 9e6
)

// exposeProcess appends what the process tells of itself and its configuration.
func (e *exporter) exposeProcess(samples gauges, now int64) gauges {
	p := &e.process
	if p.started == 0 {
		p.started = now - 17
	}
	p.cpu += 0.035 + 0.00002*float64(len(samples)) + 0.004*e.random.Float64()
	if p.heap += 0.4e6 + 1.2e6*e.random.Float64(); p.heap > gcMemory {
		p.heap = 1.5e6 * e.random.Float64()
	}
	p.goroutines = 19 + float64(e.random.IntN(4))
	memory := baseMemory + 900*float64(len(samples)) + p.heap
	version := []string{"branch", "main", "goarch", "amd64", "goos", "linux", "goversion", "go1.26.8", "revision", "unknown", "tags", "unknown", "version", "1.0.0"}
	samples.add("airflow_exporter_build_info", 1, version...)
	samples.add("airflow_exporter_config_last_reload_successful", 1)
	samples.add("airflow_exporter_config_last_reload_success_timestamp_seconds", float64(p.started))
	samples.add("process_start_time_seconds", float64(p.started))
	samples.add("process_cpu_seconds_total", math.Round(p.cpu*100)/100)
	samples.add("process_resident_memory_bytes", 4096*math.Floor(memory/4096))
	samples.add("process_open_fds", 11+float64(e.random.IntN(3)))
	samples.add("process_max_fds", 1048576)
	samples.add("go_goroutines", p.goroutines)
	return samples
}
