package explain

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

var (
	upstreamSet = regexp.MustCompile(`upstream_task_ids=(?:frozenset\()?\{([^}]*)\}`)
	quotedID    = regexp.MustCompile(`'([^']*)'|"([^"]*)"`)
)

// upstreamIDs are the tasks that Airflow names in the text of a trigger rule.
func upstreamIDs(text string) map[string]struct{} {
	ids := map[string]struct{}{}
	for _, set := range upstreamSet.FindAllStringSubmatch(text, -1) {
		for _, id := range quotedID.FindAllStringSubmatch(set[1], -1) {
			ids[cmp.Or(id[1], id[2])] = struct{}{}
		}
	}
	return ids
}

// upstream finds what the tasks that a trigger rule speaks of are in, of each
// the instance that is worst off. Those that succeeded keep nothing waiting.
func (g *gatherer) upstream(ctx context.Context, why *Why) {
	ids := map[string]struct{}{}
	for _, reason := range why.Reasons {
		if reason.Reason == "trigger_rule" {
			for id := range upstreamIDs(reason.Text) {
				ids[id] = struct{}{}
			}
		}
	}
	if len(ids) == 0 {
		return
	}
	if err := g.list(ctx); err != nil {
		g.unknown("the tasks for which it waits", err)
		return
	}
	worst := map[string]airflow.TaskInstance{}
	for _, t := range g.rows {
		if _, ok := ids[t.TaskID]; !ok || t.State == airflow.StateSuccess {
			continue
		}
		if w, ok := worst[t.TaskID]; !ok || worstFirst(t, w) < 0 {
			worst[t.TaskID] = t
		}
	}
	for _, t := range worst {
		why.Upstream = append(why.Upstream, t)
	}
	slices.SortFunc(why.Upstream, worstFirst)
}

// waitsFor names what the tasks before it are in, empty for nothing that is known.
func (r *Report) waitsFor(upstream []airflow.TaskInstance) string {
	names := make([]string, len(upstream))
	for i := range upstream {
		names[i] = r.standing(&upstream[i])
	}
	return few(names, namedInTable)
}

// standing is "extract (failed 5m ago)", "load[3] (queued for 29m)".
func (r *Report) standing(t *airflow.TaskInstance) string {
	text := instanceName(t) + " (" + string(t.State)
	switch at := since(t); {
	case at.IsZero():
	case t.State.Finished() || t.State == airflow.StateUpForRetry:
		text += " " + span(r.At.Sub(at)) + " ago"
	default:
		text += " for " + span(r.At.Sub(at))
	}
	return text + ")"
}

func instanceName(t *airflow.TaskInstance) string {
	if t.MapIndex < 0 {
		return t.TaskID
	}
	return fmt.Sprintf("%s[%d]", t.TaskID, t.MapIndex)
}
