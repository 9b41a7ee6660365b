package main

import (
	"testing"
	"time"
)

func TestCronFindsTheNextTime(t *testing.T) {
	const monday = "2026-10-05T06:07:30Z"
	for text, want := range map[string]string{
		"*/5 * * * *":     "2026-10-05T06:10:00Z",
		"7 * * * *":       "2026-10-05T07:07:00Z",
		"0 2 * * *":       "2026-10-06T02:00:00Z",
		"20 */4 * * *":    "2026-10-05T08:20:00Z",
		"15 4 * * 2":      "2026-10-06T04:15:00Z",
		"0 5 * * 0":       "2026-10-11T05:00:00Z",
		"0,30 9-17 1 * *": "2026-11-01T09:00:00Z",
	} {
		c, err := parseCron(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		from, err := time.Parse(time.RFC3339, monday)
		if err != nil {
			t.Fatal(err)
		}
		if got := time.Unix(c.next(from.Unix()), 0).UTC().Format(time.RFC3339); got != want {
			t.Errorf("%s: after %s comes %s, want %s", text, monday, got, want)
		}
	}
}

func TestCronRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, text := range []string{"", "@daily", "* * * *", "60 * * * *", "* 24 * * *", "*/0 * * * *", "* * * * MON", "1- * * * x"} {
		if c, err := parseCron(text); err == nil {
			t.Errorf("%q is taken as %v", text, c)
		}
	}
}
