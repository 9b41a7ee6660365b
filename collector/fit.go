package collector

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sync"

	dto "github.com/prometheus/client_model/go"
)

// remainders are how the gauges by DAG are summed up that find no room. Those
// with nil cannot be, and are left out.
var remainders = map[metricID]func(a, b float64) float64{
	taskInstances:         sum,
	taskInstancesOldest:   math.Min,
	taskInstancesRetrying: sum,
	taskInstancesBlocked:  sum,
	poolUsedSlots:         sum,

	dagRuns:                sum,
	dagRunsOldest:          math.Min,
	dagRunsStalled:         sum,
	dagLastRunState:        nil,
	dagLastRunEnd:          nil,
	dagLastRunDuration:     nil,
	dagLastSuccess:         nil,
	dagLastSuccessDuration: nil,
	dagNextRun:             nil,
	dagAtMaxActiveRuns:     nil,
	dagScheduleInterval:    nil,
	dagPaused:              nil,
	dagInfo:                nil,
}

func sum(a, b float64) float64 { return a + b }

// gaugeLimit fits the gauges by DAG into what counters and histograms leave. A
// DAG has all of its gauges, or its tasks are summed up, or it is summed up with
// others. Those that had room come first, in the order in which they got it, then
// the others by name. Some room stays free whenever someone new gets in or someone
// has to go, so that no one else has to when there are a few series more. It
// outlives a reload, as its ledger does.
type gaugeLimit struct {
	ledger *Ledger

	mu     sync.Mutex // guards what follows
	max    int
	newest *fit
	of     []*exposition // that the newest one was made of
	size   ledgerSize    // likewise
	tight  bool          // not all had room
	fits   int           // so far
	named  seats         // DAGs that have room, and
	detail seats         // those of them whose tasks have, too
}

// seats are DAGs that have room, with the number of the fit that gave it to
// them. One whose gauges are absent keeps its seat until it is gone: the part
// that tells of it may be back soon.
type seats map[string]int

// fit is what the gauges by DAG of all parts come to.
type fit struct {
	whole   []*exposition // all of their gauges
	some    []gaugeSample // and these
	dropped map[metricID]int

	// gathered are its families, which are gathered once.
	gathered func() ([]*dto.MetricFamily, error)
}

func newFit() *fit {
	f := &fit{dropped: map[metricID]int{}}
	f.gathered = sync.OnceValues(f.families)
	return f
}

func (f *fit) families() ([]*dto.MetricFamily, error) {
	var g gaugesByFamily
	for _, part := range f.whole {
		g.add(part.byDag)
	}
	g.add(f.some)
	return g.families()
}

// freeShare is which part of the room stays free.
const freeShare = 16

func newGaugeLimit(l *Ledger, maxSeries int) *gaugeLimit {
	return &gaugeLimit{ledger: l, max: maxSeries, named: seats{}, detail: seats{}}
}

// resize takes over Config.MaxSeries.
func (g *gaugeLimit) resize(maxSeries int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.max, g.newest = maxSeries, nil
}

// addIDs adds the DAGs that have room.
func (g *gaugeLimit) addIDs(ids map[string]struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id := range g.named {
		ids[id] = struct{}{}
	}
}

// forget takes the room of DAGs that are gone.
func (g *gaugeLimit) forget(gone func(dagID string) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range []seats{g.named, g.detail} {
		maps.DeleteFunc(s, func(id string, _ int) bool { return gone(id) })
	}
}

// emit fits the gauges of what e includes, and tells what had no room.
func (g *gaugeLimit) emit(e *exposition) {
	size := g.ledger.size()
	e.fitted = g.fit(e.included, size)
	for _, id := range limited() {
		e.gauge(droppedSeries, float64(size.dropped[id]+e.fitted.dropped[id]), table[id].Name)
	}
}

// fit is made once for a collection, unless counters and histograms are born.
func (g *gaugeLimit) fit(parts []*exposition, size ledgerSize) *fit {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.newest != nil && g.size.lines == size.lines && g.size.expected == size.expected && slices.Equal(g.of, parts) {
		return g.newest
	}
	g.of, g.size = slices.Clone(parts), size
	g.fits++
	room, wanted := g.max, 0
	for _, part := range parts {
		room -= part.totals
		wanted += len(part.byDag)
	}
	// When not all have room, what is going to be taken from them is not given to them first.
	tight := max(room-size.expected, 0)
	if g.tight {
		g.tight = wanted > tight-tight/freeShare
	} else {
		g.tight = wanted > room-size.lines
	}
	if !g.tight {
		g.newest = newFit()
		g.newest.whole = g.of
		g.seatAll(parts)
		return g.newest
	}
	g.newest = g.squeeze(g.of, tight)
	return g.newest
}

// seatAll notes that all have room: those that come later take none of it.
func (g *gaugeLimit) seatAll(parts []*exposition) {
	for _, part := range parts {
		for i := range part.byDag {
			id := part.byDag[i].dagID()
			for _, s := range []seats{g.named, g.detail} {
				if _, ok := s[id]; !ok && id != other {
					s[id] = g.fits
				}
			}
		}
	}
}

// dagGauges are the gauges of a DAG.
type dagGauges struct {
	own    []*gaugeSample // without a task_id
	tasks  []*gaugeSample
	folded folded // the tasks, summed up
}

// folded is what gauges come to that are summed up, by label set.
type folded map[string]*remainder

type remainder struct {
	id     metricID
	labels []string
	value  float64
}

// add adds a gauge as one with other labels, if it can be summed up.
func (f folded) add(id metricID, value float64, labels []string) {
	combine := remainders[id]
	if combine == nil {
		return
	}
	key := table[id].Name + separator + keyOfLabels(labels)
	if old := f[key]; old != nil {
		old.value = combine(old.value, value)
		return
	}
	f[key] = &remainder{id, labels, value}
}

// with is the label set of a gauge with another value of the label at index i.
func (s *gaugeSample) with(i int, value string) []string {
	labels := labelsOf(s.id, s.metric)
	labels[i] = value
	return labels
}

func (s *gaugeSample) value() float64 { return s.metric.GetGauge().GetValue() }

// dagID and taskID are those labels; a family without a task_id has an empty one.
func (s *gaugeSample) dagID() string  { return s.labelAt(dagLabel[s.id]) }
func (s *gaugeSample) taskID() string { return s.labelAt(taskLabel[s.id]) }

// labelAt is the value of the label that is at index i of the table; empty if there is none.
func (s *gaugeSample) labelAt(i int) string {
	if at := slices.Index(labelOrder[s.id], i); at >= 0 {
		return s.metric.GetLabel()[at].GetValue()
	}
	return ""
}

// squeeze decides which DAGs have room.
func (g *gaugeLimit) squeeze(parts []*exposition, room int) *fit {
	dags := byDag(parts)
	rest := folded{} // at most
	for _, d := range dags {
		d.addTo(rest)
	}
	ids := slices.DeleteFunc(slices.Sorted(maps.Keys(dags)), func(id string) bool { return id == other })
	q := quota{left: room - len(rest), free: room / freeShare, fit: g.fits}
	q.admit(ids, g.named, func(id string) int { return len(dags[id].own) + len(dags[id].folded) })
	for _, id := range ids {
		if !g.named.has(id) {
			delete(g.detail, id)
		}
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return !g.named.has(id) })
	q.admit(ids, g.detail, func(id string) int { return len(dags[id].tasks) - len(dags[id].folded) })

	f := newFit()
	pairs := labelPairs{}
	rest = folded{}
	for id, d := range dags {
		switch {
		case id == other: // those of DAGs that are not selected
			d.addTo(rest)
			continue
		case !g.named.has(id):
			d.addTo(rest)
			f.drop(d.own)
			f.drop(d.tasks)
			continue
		}
		f.take(d.own)
		if g.detail.has(id) {
			f.take(d.tasks)
			continue
		}
		f.drop(d.tasks)
		f.takeFolded(d.folded, pairs)
	}
	f.takeFolded(rest, pairs)
	return f
}

func byDag(parts []*exposition) map[string]*dagGauges {
	dags := map[string]*dagGauges{}
	for _, part := range parts {
		for i := range part.byDag {
			s := &part.byDag[i]
			id := s.dagID()
			d := dags[id]
			if d == nil {
				d = &dagGauges{folded: folded{}}
				dags[id] = d
			}
			if s.taskID() != "" {
				d.tasks = append(d.tasks, s)
				d.folded.add(s.id, s.value(), s.with(taskLabel[s.id], other))
				continue
			}
			d.own = append(d.own, s)
		}
	}
	return dags
}

// addTo sums up a DAG with others.
func (d *dagGauges) addTo(rest folded) {
	for _, s := range d.own {
		rest.add(s.id, s.value(), s.with(dagLabel[s.id], other))
	}
	for _, r := range d.folded {
		labels := slices.Clone(r.labels)
		labels[dagLabel[r.id]] = other
		rest.add(r.id, r.value, labels)
	}
}

// quota is room that is given away.
type quota struct{ left, free, fit int }

// admit gives room to those that had some, then to others; who gets none loses
// what it had. Those that got it in the same fit may use what is free if that
// keeps them all. Or else some of them have to go, and it becomes free again.
func (q *quota) admit(ids []string, had seats, cost func(id string) int) {
	since := func(id string) int {
		if n, ok := had[id]; ok {
			return n
		}
		return q.fit
	}
	slices.SortStableFunc(ids, func(a, b string) int { return cmp.Compare(since(a), since(b)) })
	for len(ids) > 0 {
		n, wanted, first := 0, 0, since(ids[0])
		for n < len(ids) && since(ids[n]) == first {
			wanted += cost(ids[n])
			n++
		}
		room := q.left
		if wanted > q.left || first == q.fit {
			room -= q.free
		}
		q.give(ids[:n], had, room, first, cost)
		ids = ids[n:]
	}
}

func (q *quota) give(to []string, had seats, room, since int, cost func(id string) int) {
	for _, id := range to {
		n := cost(id)
		if n > room {
			delete(had, id)
			continue
		}
		room -= n
		q.left -= n
		had[id] = since
	}
}

func (s seats) has(id string) bool {
	_, ok := s[id]
	return ok
}

func has(set map[string]struct{}, id string) bool {
	_, ok := set[id]
	return ok
}

func (f *fit) take(samples []*gaugeSample) {
	for _, s := range samples {
		f.some = append(f.some, *s)
	}
}

func (f *fit) takeFolded(of folded, pairs labelPairs) {
	for _, r := range of {
		f.some = append(f.some, newGauge(r.id, r.value, pairs.of(r.id, r.labels)))
	}
}

func (f *fit) drop(samples []*gaugeSample) {
	for _, s := range samples {
		f.dropped[s.id]++
	}
}
