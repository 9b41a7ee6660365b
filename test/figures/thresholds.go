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
		{id: "C16", name: "worst_age_error_seconds", value: 1},
		{id: "C16", name: "stale_families", value: 0},
		{id: "C16", name: "timestamps", value: 0},
		// It never dies, and never grows.
		{id: "C4", name: "panics", value: 100, least: true},
		{id: "C4", name: "caught", value: 100, least: true},
		{id: "C4", name: "uncounted", value: 0},
		{id: "C4", name: "exits", value: 0},
		{id: "C6", name: "leaked_goroutines", value: 0},
		{id: "C6", name: "aborted", value: 200, least: true},
		{id: "C10", name: "peak_rss_mebibytes", value: 128},
		{id: "C10", name: "peak_rss_mebibytes_with_40000_series", value: 70},
		{id: "C10", name: "series_of_100000_instances", value: 39_000, least: true},
		{id: "C10", name: "mebibytes_for_a_body_of_100000_rows", value: 8},
		{id: "C10", name: "series", value: 2000},
		{id: "C10", name: "allocated_mebibytes", value: 20},
		{id: "C10", name: "mebibytes_of_an_answer", value: 9},
		{id: "C20", name: "scrapes", value: 20_000, least: true},
		{id: "C20", name: "faults", value: 2000, least: true},
		{id: "C20", name: "heap_beyond_bytes", value: 0}, // what it grew by beyond 5 % or 2 MiB, whichever is more
		{id: "C20", name: "goroutines", value: 3},
		{id: "C20", name: "connections", value: 3},
		{id: "C20", name: "descriptors", value: 3},
		{id: "C20", name: "descriptor_scrapes", value: 500, least: true},
		// In time.
		{id: "C5", name: "overrun_milliseconds", value: 100},
		{id: "C7", name: "collections_of_50_scrapes", value: 1},
		// No harm to Airflow.
		{id: "C8", name: "requests_beyond_budget", value: 0},
		{id: "C8", name: "requests_before_retry_after", value: 0},
		{id: "C8", name: "resends_per_lost_connection", value: 1},
		{id: "C9", name: "requests_per_scrape_of_an_outage", value: 1},
		{id: "C9", name: "logins_in_a_day", value: 150},
		// What a collection costs.
		{id: "cost", name: "wall_over_latency_bound", value: 1.15},
		{id: "cost", name: "connections_beyond_need", value: 0},
		{id: "cost", name: "rows_over_bound", value: 1},
		{id: "cost", name: "rows_of_history", value: 0},
		{id: "C21", name: "allocations_per_row", value: 0.2},
		// No secret comes out.
		{id: "C11", name: "secret_hits", value: 0},
		{id: "C11", name: "kinds", value: 16, least: true},
		{id: "C12", name: "redirects_followed", value: 0},
		{id: "C12", name: "credentials_elsewhere", value: 0},
		{id: "C12", name: "cases", value: 400, least: true},
		// It heals alone.
		{id: "C17", name: "late_recoveries", value: 0},
		{id: "C17", name: "wrong_samples", value: 0},
		{id: "C17", name: "most_logins_per_incident", value: 2},
		{id: "C17", name: "most_logins_per_scrape", value: 1},
		{id: "C17", name: "most_refused_at_once", value: 5},
		{id: "C17", name: "incidents", value: 130, least: true},
		{id: "C18", name: "wrong_samples", value: 0},
		{id: "C18", name: "counters_that_fell", value: 0},
		{id: "C18", name: "counted_twice", value: 0},
		{id: "C18", name: "killed_at", value: 200, least: true},
		{id: "C18", name: "lost_in_upgrades", value: 0},
		{id: "C18", name: "late_after_upgrades", value: 0},
		{id: "C18", name: "bad_reloads_kept", value: 50, least: true},
		{id: "C18", name: "lost_by_reloads", value: 0},
		{id: "C18", name: "failed_scrapes", value: 0},
		{id: "C19", name: "late_recoveries", value: 0},
		{id: "C19", name: "wrong_samples", value: 0},
		{id: "C19", name: "cases", value: 10, least: true},
		{id: "C19", name: "open_without_password", value: 0},
		{id: "C19", name: "own_port_cases", value: 2, least: true},
		// The own port.
		{id: "C13", name: "dials_elsewhere", value: 0},
		{id: "C13", name: "targets", value: 200, least: true},
		{id: "C14", name: "unescaped", value: 0},
		{id: "C14", name: "pprof_pages", value: 0},
		{id: "C14", name: "missing_headers", value: 0},
		{id: "C15", name: "slowest_cut_seconds", value: 6},
		{id: "C15", name: "half_requests", value: 500, least: true},
	}
}
