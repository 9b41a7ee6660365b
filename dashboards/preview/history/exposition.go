package main

import (
	"io"
	"math"
	"strconv"
	"strings"
)

// sample is one line of an exposition without its time.
type sample struct {
	name   string
	labels string // as in the exposition, without braces
	value  float64
}

// pairs writes labels that are given by name and value in turn. No value here needs escaping.
func pairs(labels ...string) string {
	if len(labels) == 0 {
		return ""
	}
	var b strings.Builder
	for i := 0; i+1 < len(labels); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(labels[i])
		b.WriteString(`="`)
		b.WriteString(labels[i+1])
		b.WriteByte('"')
	}
	return b.String()
}

// gauges collects samples.
type gauges []sample

func (g *gauges) add(name string, value float64, labels ...string) {
	*g = append(*g, sample{name, pairs(labels...), value})
}

// tally counts label sets in the order in which they were first seen, so that the output has always the same order.
type tally[K comparable] struct {
	keys   []K
	values map[K]float64
}

func newTally[K comparable]() *tally[K] { return &tally[K]{values: map[K]float64{}} }

func (t *tally[K]) at(key K) {
	if _, ok := t.values[key]; !ok {
		t.keys = append(t.keys, key)
		t.values[key] = 0
	}
}

func (t *tally[K]) add(key K, n float64) {
	t.at(key)
	t.values[key] += n
}

// earliest keeps the smallest of what is put at a key.
func (t *tally[K]) earliest(key K, at int64) {
	old, ok := t.values[key]
	if !ok {
		t.keys = append(t.keys, key)
	}
	if !ok || float64(at) < old {
		t.values[key] = float64(at)
	}
}

// each goes over all label sets.
func (t *tally[K]) each(do func(key K, value float64)) {
	for _, key := range t.keys {
		do(key, t.values[key])
	}
}

// writeSamples writes samples of one time in the OpenMetrics format, with the labels that a scrape adds to all of them.
func writeSamples(w io.Writer, samples []sample, target string, at int64, buffer []byte) ([]byte, error) {
	buffer = buffer[:0]
	for _, s := range samples {
		buffer = append(buffer, s.name...)
		buffer = append(buffer, '{')
		buffer = append(buffer, target...)
		if s.labels != "" {
			buffer = append(buffer, ',')
			buffer = append(buffer, s.labels...)
		}
		buffer = append(buffer, '}', ' ')
		buffer = appendValue(buffer, s.value)
		buffer = append(buffer, ' ')
		buffer = strconv.AppendInt(buffer, at, 10)
		buffer = append(buffer, '\n')
	}
	_, err := w.Write(buffer)
	return buffer, err
}

func appendValue(b []byte, v float64) []byte {
	if math.IsInf(v, 1) {
		return append(b, "+Inf"...)
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}

// boolean is 1 or 0.
func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
