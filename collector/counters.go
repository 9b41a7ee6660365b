package collector

import (
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// shared is what counters have in common: labels, and the millisecond in which they were born, which is what Prometheus reads of it.
type shared struct {
	labels labelPairs
	born   *timestamppb.Timestamp
}

func newShared() shared { return shared{labels: labelPairs{}} }

// newCounter returns a counter of a family, at 0.
func (c *shared) newCounter(id metricID, labels []string, born time.Time) *dto.Metric {
	if c.born == nil || c.born.AsTime().UnixMilli() != born.UnixMilli() {
		c.born = timestamppb.New(born)
	}
	return &dto.Metric{Label: c.labels.of(id, labels), Counter: &dto.Counter{Value: proto.Float64(0), CreatedTimestamp: c.born}}
}

// added is a counter that has counted more. The former one may be in use by a scrape.
func added(m *dto.Metric, x float64) *dto.Metric {
	return &dto.Metric{Label: m.GetLabel(), Counter: &dto.Counter{
		Value: proto.Float64(m.GetCounter().GetValue() + x), CreatedTimestamp: m.GetCounter().GetCreatedTimestamp(),
	}}
}

// counters is v as it is now; nil when it has no series.
func (v *vector) counters() *dto.MetricFamily {
	if v.sorted == nil {
		for key, s := range v.series {
			if s.key == key {
				v.sorted = append(v.sorted, s)
			}
		}
		slices.SortFunc(v.sorted, func(a, b *series) int { return compareLabels(a.counter, b.counter) })
	}
	if len(v.sorted) == 0 {
		return nil
	}
	all := make([]*dto.Metric, len(v.sorted))
	for i, s := range v.sorted {
		all[i] = s.counter
	}
	return sortedFamily(v.id, dto.MetricType_COUNTER, all)
}
