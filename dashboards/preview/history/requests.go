package main

import "math"

// The endpoints that the exporter asks, as it calls them.
const (
	endpointLogin         = "/auth/token"
	endpointVersion       = "/version"
	endpointHealthV1      = "/health"
	endpointHealthV2      = "/monitor/health"
	endpointInstances     = "/dags/~/dagRuns/~/taskInstances"
	endpointInstancesList = "/dags/~/dagRuns/~/taskInstances/list"
	endpointRunsList      = "/dags/~/dagRuns/list"
	endpointRuns          = "/dags/{dag_id}/dagRuns"
	endpointDags          = "/dags"
	endpointPools         = "/pools"
	endpointImportErrors  = "/importErrors"
	endpointDependencies  = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/dependencies"
	endpointTries         = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/tries"
)

// cost is how long an answer takes, in seconds, and how large it is, in bytes: as such, and for each row.
type cost struct{ seconds, perRow, bytes, bytesPerRow float64 }

func costOf(endpoint string) cost {
	switch endpoint {
	case endpointVersion:
		return cost{0.006, 0, 47, 0}
	case endpointHealthV1, endpointHealthV2:
		return cost{0.011, 0, 359, 0}
	case endpointLogin:
		return cost{0.24, 0, 620, 0}
	case endpointInstances:
		return cost{0.028, 0, 49, 0}
	case endpointInstancesList:
		return cost{0.035, 0.0006, 49, 1640}
	case endpointRunsList:
		return cost{0.03, 0.0005, 44, 690}
	case endpointRuns:
		return cost{0.022, 0.0005, 44, 690}
	case endpointDags:
		return cost{0.06, 0.0012, 40, 1180}
	case endpointPools:
		return cost{0.031, 0.006, 40, 260}
	case endpointImportErrors:
		return cost{0.014, 0.001, 50, 1900}
	case endpointDependencies:
		return cost{0.042, 0, 240, 0}
	default:
		return cost{0.03, 0.002, 50, 900}
	}
}

// request makes one request and returns how long it took.
func (e *exporter) request(endpoint, code string, rows int, seconds float64) float64 {
	c := costOf(endpoint)
	size := c.bytes + c.bytesPerRow*float64(rows)
	switch {
	case code == "error" && seconds == 0: // refused
		seconds, size = 0.0012+0.001*e.random.Float64(), 0
	case seconds == 0:
		load := 1 + 0.006*float64(len(e.airflow.active))
		if e.airflow.story.apiSlow.has(e.airflow.now) {
			load *= 9
		}
		seconds = (c.seconds + c.perRow*float64(rows)) * load * math.Exp(0.3*e.random.NormFloat64())
	}
	if code != "200" && code != "201" {
		size = min(size, 180)
	}
	e.observe(endpoint, code, size, seconds)
	return seconds
}

// ask makes one request that is answered.
func (e *exporter) ask(endpoint string, rows int) float64 { return e.request(endpoint, "200", rows, 0) }

// observe counts a request.
func (e *exporter) observe(endpoint, code string, size, seconds float64) {
	seconds = microseconds(seconds)
	e.telemetry.of("airflow_exporter_api_requests", nil, false, "endpoint", endpoint, "code", code).value++
	e.telemetry.of("airflow_exporter_api_request_duration_seconds", requestBounds(), false, "endpoint", endpoint).observe(seconds)
	e.telemetry.of("airflow_exporter_api_response_bytes", nil, false, "endpoint", endpoint).value += size
}

// logIn is what an exporter asks before anything else: which API there is, and on Airflow 3 for a token.
func (e *exporter) logIn() {
	if e.airflow.api == "v1" {
		e.request(endpointVersion, "404", 0, 0)
		return
	}
	e.request(endpointLogin, "201", 0, 0)
}
