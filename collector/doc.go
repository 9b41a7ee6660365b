// Package collector decides what to ask Airflow and how often, keeps what it
// answered, and renders it as Prometheus metrics.
//
// A scrape triggers a collection, unless one is under way or younger than
// Config.Refresh. A collection refreshes the parts that are due, side by side;
// each part is one group of facts with its own file: value type, fetch, emit.
// A [Snapshot] is what is known at one moment: values that are right, and for
// those that are missing the reason.
package collector
