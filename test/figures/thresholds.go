package main

import "fmt"

// threshold is the largest, or with least the smallest, value of a figure that is good.
type threshold struct {
	id, name string
	value    float64
	least    bool
}

func (t threshold) key() string { return t.id + " " + t.name }

// verdict is empty for a value that is good.
func (t threshold) verdict(value float64) string {
	switch {
	case t.least && !(value >= t.value): // NaN is not
		return fmt.Sprintf("%s is %v, want at least %v", t.key(), value, t.value)
	case !t.least && !(value <= t.value):
		return fmt.Sprintf("%s is %v, want at most %v", t.key(), value, t.value)
	}
	return ""
}

// thresholds are what the exporter promises.
func thresholds() []threshold {
	return []threshold{
		// Right or absent, whatever fails.
		{id: "C1", name: "wrong_samples", value: 0},
		{id: "C1", name: "cases", value: 400, least: true},
		{id: "C2", name: "unflagged_gaps", value: 0},
		{id: "C2", name: "false_flags", value: 0},
		// In time.
		{id: "C5", name: "overrun_milliseconds", value: 100},
		{id: "C7", name: "collections_of_50_scrapes", value: 1},
		// No harm to Airflow.
		{id: "C8", name: "requests_beyond_budget", value: 0},
		{id: "C8", name: "requests_before_retry_after", value: 0},
		{id: "C8", name: "resends_per_lost_connection", value: 1},
		{id: "C9", name: "requests_per_scrape_of_an_outage", value: 1},
		{id: "C9", name: "logins_in_a_day", value: 150},
		// No secret comes out.
		{id: "C11", name: "secret_hits", value: 0},
		{id: "C11", name: "kinds", value: 16, least: true},
		// The own port.
		{id: "C15", name: "slowest_cut_seconds", value: 6},
		{id: "C15", name: "half_requests", value: 500, least: true},
	}
}
