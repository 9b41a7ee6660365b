package airflow

import (
	"fmt"
	"strings"
)

// scheduleSummary is how Airflow sums up a schedule: timetable_summary on
// Airflow 3, and what that would be for schedule_interval on 2.
func scheduleSummary(summary string, interval map[string]any) string {
	if interval != nil {
		summary = intervalSummary(interval)
	}
	if summary == "None" {
		return ""
	}
	return summary
}

// intervalSummary is schedule_interval of Airflow 2 in words: a cron expression,
// which may be any name that a timetable has, or a delta of either kind.
func intervalSummary(interval map[string]any) string {
	switch interval["__type"] {
	case "TimeDelta":
		return timeDelta(number(interval, "days"), number(interval, "seconds"), number(interval, "microseconds"))
	case "RelativeDelta":
		return relativeDelta(interval)
	}
	value, _ := interval["value"].(string)
	return value
}

// timeDelta writes a time delta as Python does.
func timeDelta(days, seconds, microseconds int) string {
	text := fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
	if microseconds != 0 {
		text += fmt.Sprintf(".%06d", microseconds)
	}
	switch days {
	case 0:
		return text
	case 1, -1:
		return fmt.Sprintf("%d day, %s", days, text)
	}
	return fmt.Sprintf("%d days, %s", days, text)
}

// relativeDelta writes a delta of calendar units as dateutil does.
func relativeDelta(interval map[string]any) string {
	var parts []string
	for _, unit := range []string{"years", "months", "days", "leapdays", "hours", "minutes", "seconds", "microseconds"} {
		if n := number(interval, unit); n != 0 {
			parts = append(parts, fmt.Sprintf("%s=%+d", unit, n))
		}
	}
	for _, unit := range []string{"year", "month", "day", "hour", "minute", "second", "microsecond"} {
		if _, ok := interval[unit].(float64); ok {
			parts = append(parts, fmt.Sprintf("%s=%d", unit, number(interval, unit)))
		}
	}
	return "relativedelta(" + strings.Join(parts, ", ") + ")"
}

// number is an integer of a JSON object, 0 if it is missing or null.
func number(o map[string]any, key string) int {
	n, _ := o[key].(float64)
	return int(n)
}

// plansAhead reports whether a schedule of this summary has points in time.
// Those of assets and datasets have none, unless it says "Asset or 0 0 * * *".
func plansAhead(summary string) bool {
	switch summary {
	case "", "Asset", "Dataset", "Partitioned Asset", "PartitionedAtRuntime":
		return false
	}
	return true
}
