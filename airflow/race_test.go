//go:build race

package airflow

// underRace reports whether the race detector watches, which takes five times as long.
const underRace = true
