package explain

import (
	"cmp"
	"slices"
	"strings"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// group sums up the task instances of the run: all of them by state, and those
// that have not succeeded by task, state and reason.
func (g *gatherer) group(whys map[airflow.TaskInstanceRef]*Why) {
	o := g.report.Overview
	o.Counts = countStates(g.rows)
	groups := map[string]*Group{}
	for i := range g.rows {
		t := &g.rows[i]
		if settled(t.State) {
			continue
		}
		why := whys[t.Ref()]
		key := strings.Join([]string{t.TaskID, string(t.State), why.key()}, "\x00")
		group := groups[key]
		if group == nil {
			group = &Group{TaskID: t.TaskID, State: t.State, Why: why}
			groups[key] = group
		}
		group.add(t)
		if why != nil && why.Asked {
			group.Asked++
		}
	}
	for _, group := range groups {
		slices.Sort(group.Indexes)
		group.Indexes = group.Indexes[:min(shownIndexes, len(group.Indexes))]
		o.Groups = append(o.Groups, *group)
	}
	o.mergeUnasked()
	slices.SortFunc(o.Groups, func(a, b Group) int {
		return cmp.Or(
			cmp.Compare(rank(a.State), rank(b.State)),
			a.Since.Compare(b.Since),
			cmp.Compare(a.TaskID, b.TaskID),
			cmp.Compare(a.Why.key(), b.Why.key()))
	})
}

// settled reports whether there is nothing to explain about an instance in this state.
func settled(s airflow.State) bool {
	return s == airflow.StateSuccess || s == airflow.StateSkipped || s == airflow.StateRemoved
}

func (g *Group) add(t *airflow.TaskInstance) {
	g.Count++
	if t.MapIndex >= 0 {
		g.Indexes = append(g.Indexes, t.MapIndex)
	}
	if s := since(t); !s.IsZero() && (g.Since.IsZero() || s.Before(g.Since)) {
		g.Since = s
	}
	g.Try, g.MaxTry = max(g.Try, t.TryNumber), max(g.MaxTry, t.MaxTries+1)
}

// key tells reasons apart.
func (w *Why) key() string {
	if w == nil {
		return ""
	}
	var names []string
	for _, r := range w.Reasons {
		names = append(names, r.Reason)
	}
	return strings.Join(names, " ") + "\x00" + w.NotAsked
}

// mergeUnasked counts those that were not asked about, because another one of
// their task was, with that one: most often they wait for the same.
func (o *Overview) mergeUnasked() {
	asked := func(g *Group) bool { return g.Why != nil && g.Why.Asked }
	for i := range o.Groups {
		g := &o.Groups[i]
		if g.Why == nil || g.Why.NotAsked != othersAsked {
			continue
		}
		n := slices.IndexFunc(o.Groups, func(other Group) bool {
			return other.TaskID == g.TaskID && other.State == g.State && asked(&other)
		})
		if n < 0 {
			continue
		}
		into := &o.Groups[n]
		into.Count += g.Count
		into.Indexes = append(into.Indexes, g.Indexes...)
		slices.Sort(into.Indexes)
		into.Indexes = into.Indexes[:min(shownIndexes, len(into.Indexes))]
		if !g.Since.IsZero() && (into.Since.IsZero() || g.Since.Before(into.Since)) {
			into.Since = g.Since
		}
		into.Try, into.MaxTry = max(into.Try, g.Try), max(into.MaxTry, g.MaxTry)
		g.Count = 0
	}
	o.Groups = slices.DeleteFunc(o.Groups, func(g Group) bool { return g.Count == 0 })
}
