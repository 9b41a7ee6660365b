package explain

import (
	"cmp"
	"slices"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// severity is the order in which states are told, the worst first. States of a
// newer Airflow come after those that are known.
var severity = []airflow.State{
	airflow.StateFailed, airflow.StateUpForRetry, airflow.StateScheduled, airflow.StateQueued, airflow.StateAwaitingInput,
	airflow.StateUpstreamFailed, airflow.StateDeferred, airflow.StateUpForReschedule, airflow.StateRestarting, airflow.StateRunning,
	airflow.StateNone, airflow.StateRemoved, airflow.StateSkipped, airflow.StateSuccess,
}

func rank(s airflow.State) int {
	if i := slices.Index(severity, s); i >= 0 {
		return i
	}
	return len(severity)
}

// worstFirst orders instances by what is worst, then by how long it has been so, then by index.
func worstFirst(a, b airflow.TaskInstance) int {
	return cmp.Or(
		cmp.Compare(rank(a.State), rank(b.State)),
		since(&a).Compare(since(&b)),
		cmp.Compare(a.TaskID, b.TaskID),
		cmp.Compare(a.MapIndex, b.MapIndex))
}

// shownIndexes is how many map indexes are named.
const shownIndexes = 5

// countStates counts instances by state, the worst first, with the indexes of the first ones.
func countStates(instances []airflow.TaskInstance) []StateCount {
	var counts []StateCount
	for _, t := range slices.SortedStableFunc(slices.Values(instances), func(a, b airflow.TaskInstance) int {
		return cmp.Or(cmp.Compare(rank(a.State), rank(b.State)), cmp.Compare(a.State, b.State), cmp.Compare(a.MapIndex, b.MapIndex))
	}) {
		if len(counts) == 0 || counts[len(counts)-1].State != t.State {
			counts = append(counts, StateCount{State: t.State})
		}
		last := &counts[len(counts)-1]
		last.Count++
		if t.MapIndex >= 0 && len(last.Indexes) < shownIndexes {
			last.Indexes = append(last.Indexes, t.MapIndex)
		}
	}
	return counts
}
