package main

import "strings"

// view is the series of one scrape by family.
type view map[string][]series

// series is one sample with its labels taken apart.
type series struct {
	labels map[string]string
	value  float64
}

// labelReader takes labels apart, each text once.
type labelReader map[string]map[string]string

func (r labelReader) read(text string) map[string]string {
	labels, ok := r[text]
	if ok {
		return labels
	}
	labels = map[string]string{}
	for text := text; text != ""; {
		name, rest, _ := strings.Cut(text, `="`)
		value, after, _ := strings.Cut(rest, `"`)
		labels[name] = value
		text = strings.TrimPrefix(after, ",")
	}
	r[text] = labels
	return labels
}

func (r labelReader) view(samples []sample) view {
	v := view{}
	for _, s := range samples {
		v[s.name] = append(v[s.name], series{r.read(s.labels), s.value})
	}
	return v
}

// of are the series of a family with these labels, given by name and value in turn.
func (v view) of(name string, labels ...string) []series {
	var found []series
	for _, s := range v[name] {
		matches := true
		for i := 0; i+1 < len(labels); i += 2 {
			matches = matches && s.labels[labels[i]] == labels[i+1]
		}
		if matches {
			found = append(found, s)
		}
	}
	return found
}

func (v view) sum(name string, labels ...string) float64 {
	total := 0.0
	for _, s := range v.of(name, labels...) {
		total += s.value
	}
	return total
}

// one is the only series with these labels; absent is -1, more than one -2: no family has such values.
func (v view) one(name string, labels ...string) float64 {
	switch found := v.of(name, labels...); len(found) {
	case 0:
		return -1
	case 1:
		return found[0].value
	default:
		return -2
	}
}
