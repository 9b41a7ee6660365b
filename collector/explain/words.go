package explain

import (
	"fmt"
	"strings"
	"time"
)

// span is a duration for people, in two units at most: 280ms, 12s, 3m5s, 2h, 1d4h.
func span(d time.Duration) string {
	d = max(d, 0)
	const day = 24 * time.Hour
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Hour:
		d = d.Truncate(time.Second)
	case d < day:
		d = d.Truncate(time.Minute)
	default:
		if hours := d % day / time.Hour; hours > 0 {
			return fmt.Sprintf("%dd%dh", d/day, hours)
		}
		return fmt.Sprintf("%dd", d/day)
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// date is a point in time for people, on Airflow's clock, which is in UTC.
func date(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// ago is a point in time, and how long it is past.
func (r *Report) ago(t time.Time) string {
	if t.After(r.At) {
		return fmt.Sprintf("in %s (%s)", span(t.Sub(r.At)), date(t))
	}
	return fmt.Sprintf("%s ago (%s)", span(r.At.Sub(t)), date(t))
}

// lasting is for how long something has been so.
func (r *Report) lasting(t time.Time) string {
	return fmt.Sprintf("for %s (since %s)", span(r.At.Sub(t)), date(t))
}

const (
	// namedInVerdict is how many names of what failed are told, namedInTable how many of the rest.
	namedInVerdict = 10
	namedInTable   = 3
)

// few are the first so many names, and how many others there are.
func few(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s, … and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// plural is "1 run", "2 runs".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
