package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// cron is a schedule of five fields: minute, hour, day of the month, month, day of the week. A set bit is a value that matches.
type cron [5]uint64

var cronFields = [5]struct {
	name      string
	low, high int
}{{"minute", 0, 59}, {"hour", 0, 23}, {"day", 1, 31}, {"month", 1, 12}, {"weekday", 0, 6}}

// parseCron reads a cron expression of numbers, *, lists, ranges and steps.
func parseCron(text string) (cron, error) {
	var c cron
	fields := strings.Fields(text)
	if len(fields) != len(c) {
		return c, fmt.Errorf("schedule %q: want 5 fields, have %d", text, len(fields))
	}
	for i, field := range fields {
		for _, item := range strings.Split(field, ",") {
			bits, err := cronBits(item, cronFields[i].low, cronFields[i].high)
			if err != nil {
				return c, fmt.Errorf("schedule %q: %s: %w", text, cronFields[i].name, err)
			}
			c[i] |= bits
		}
	}
	return c, nil
}

// cronBits reads one item of a list: *, a number or a range, each with or without a step.
func cronBits(item string, low, high int) (uint64, error) {
	span, stepText, hasStep := strings.Cut(item, "/")
	step := 1
	if hasStep {
		var err error
		if step, err = strconv.Atoi(stepText); err != nil || step < 1 {
			return 0, fmt.Errorf("%q is no step", stepText)
		}
	}
	if span != "*" {
		from, to, isRange := strings.Cut(span, "-")
		if !isRange && !hasStep {
			to = from
		}
		var err error
		if low, err = cronNumber(from, low, high); err != nil {
			return 0, err
		}
		if to != "" {
			if high, err = cronNumber(to, low, high); err != nil {
				return 0, err
			}
		}
	}
	var bits uint64
	for v := low; v <= high; v += step {
		bits |= 1 << v
	}
	return bits, nil
}

func cronNumber(text string, low, high int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%q is no number from %d to %d", text, low, high)
	}
	return n, nil
}

func (c cron) has(field, value int) bool { return c[field]&(1<<value) != 0 }

// next is the first time after t that matches, in UTC. Day and weekday must both match, unlike in cron: no schedule here has both.
func (c cron) next(t int64) int64 {
	at := time.Unix(t, 0).UTC().Truncate(time.Minute).Add(time.Minute)
	for {
		switch {
		case !c.has(3, int(at.Month())) || !c.has(2, at.Day()) || !c.has(4, int(at.Weekday())):
			at = at.Truncate(24 * time.Hour).Add(24 * time.Hour)
		case !c.has(1, at.Hour()):
			at = at.Truncate(time.Hour).Add(time.Hour)
		case !c.has(0, at.Minute()):
			at = at.Add(time.Minute)
		default:
			return at.Unix()
		}
	}
}
