package airflow

import (
	"sync"
	"time"
)

// names keeps the strings that come again and again in answers (ids of DAGs, runs and tasks, pools, queues), so that
// they take memory once, and none at all when the next answer holds them again. It forgets what did not come for a while.
type names struct {
	mu         sync.Mutex
	young, old map[string]string
	bytes      int       // of the young ones
	turned     time.Time // when the young ones became old
}

const (
	// generation is how long names stay young.
	generation = 5 * time.Minute
	// maxYoung is how many bytes the young names have at most.
	maxYoung = 2 << 20
	// perName is what a name takes beside its bytes.
	perName = 48
	// longestName is how long a string may be to be kept.
	longestName = 512
)

// age lets names grow old that came a while ago, and forgets those that did not come since they were old.
func (n *names) age(now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now.Sub(n.turned) >= generation {
		n.turn()
		n.turned = now
	}
}

func (n *names) turn() { n.old, n.young, n.bytes = n.young, map[string]string{}, 0 }

// of is b as a string.
func (n *names) of(b []byte) string {
	if len(b) > longestName {
		return string(b)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if s, ok := n.young[string(b)]; ok {
		return s
	}
	s, ok := n.old[string(b)]
	if !ok {
		s = string(b)
	}
	if n.bytes+len(s)+perName > maxYoung || n.young == nil {
		n.turn()
	}
	n.young[s] = s
	n.bytes += len(s) + perName
	return s
}
