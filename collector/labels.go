package collector

import (
	"cmp"
	"fmt"
	"slices"
	"unicode/utf8"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
)

// labelPairs are the labels of many series, which have most of them in common. What has one of them shares it, and never changes it.
type labelPairs map[label]*dto.LabelPair

type label struct{ name, value string }

// of returns the labels of a series, by name, as Prometheus wants them. Those that it would refuse are a bug of the caller, and panic.
func (p labelPairs) of(id metricID, values []string) []*dto.LabelPair {
	if len(values) != len(labelOrder[id]) {
		panic(fmt.Sprintf("%s%q: want %d labels", table[id].Name, values, len(labelOrder[id])))
	}
	pairs := make([]*dto.LabelPair, len(values))
	for i, at := range labelOrder[id] {
		key := label{table[id].Labels[at], values[at]}
		if p[key] == nil {
			if !utf8.ValidString(key.value) {
				panic(fmt.Sprintf("%s%q: not UTF-8", table[id].Name, values))
			}
			p[key] = &dto.LabelPair{Name: proto.String(key.name), Value: proto.String(key.value)}
		}
		pairs[i] = p[key]
	}
	return pairs
}

// labelOrder is, by family, which label of the table comes first by name, which comes next, and so on.
var labelOrder = orderLabels()

func orderLabels() [metricCount][]int {
	var orders [metricCount][]int
	for id, m := range table {
		for i := range m.Labels {
			orders[id] = append(orders[id], i)
		}
		slices.SortFunc(orders[id], func(a, b int) int { return cmp.Compare(m.Labels[a], m.Labels[b]) })
	}
	return orders
}

// labelsOf are the values of a series' labels, in the order of the table.
func labelsOf(id metricID, m *dto.Metric) []string {
	values := make([]string, len(labelOrder[id]))
	for i, at := range labelOrder[id] {
		values[at] = m.GetLabel()[i].GetValue()
	}
	return values
}

// compareLabels is the order of the series of a family.
func compareLabels(a, b *dto.Metric) int {
	return slices.CompareFunc(a.GetLabel(), b.GetLabel(), func(a, b *dto.LabelPair) int {
		if a == b {
			return 0
		}
		return cmp.Compare(a.GetValue(), b.GetValue())
	})
}
