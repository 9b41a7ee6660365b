package collector

import (
	"sync"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// sights are when things were first seen of which Airflow does not tell since
// when they are so, and what was ever seen. They outlive a reload.
type sights struct {
	queuedRuns   kept[map[airflow.RunRef]time.Time]
	attempts     kept[map[attempt]attemptSeen] // of unfinished task instances
	workerQueues kept[map[string]struct{}]
	brokenFiles  kept[map[dagFile]time.Time]
	knownDags    kept[map[string]knownDag]
	activeRuns   kept[activeRunsSeen]
	bundles      kept[map[string]struct{}] // that had import errors
}

// attempt is one try of a task instance.
type attempt struct {
	dagID, runID, taskID string
	mapIndex, try        int
}

// attemptSeen is when the exporter first saw an attempt, and first saw it in its present state.
type attemptSeen struct {
	first   time.Time
	state   airflow.State
	entered time.Time
}

// activeRunsSeen is how many runs of each DAG were active then; see activeRunsOf.
type activeRunsSeen struct {
	at   time.Time
	runs map[string]int
}

// dags are the DAGs that Airflow told of, nil if it was never asked.
func (s *sights) dags() map[string]dagFacts {
	known := s.knownDags.get()
	if known == nil {
		return nil
	}
	dags := map[string]dagFacts{}
	for id, k := range known {
		if k.told {
			dags[id] = k.dagFacts
		}
	}
	return dags
}

// kept is a value that may be used by a collection that is about to end and by
// one after a reload: what it holds is replaced as a whole, and never changed.
type kept[T any] struct {
	mu    sync.Mutex
	value T
}

func (k *kept[T]) get() T {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.value
}

func (k *kept[T]) set(value T) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.value = value
}
