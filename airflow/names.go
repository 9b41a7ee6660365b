package airflow

import "sync"

// names keeps the strings that come again and again in answers (ids of DAGs, runs and tasks, pools, queues), so that
// they take memory once, and none at all when the next answer holds them again. It forgets what did not come for a while.
type names struct {
	mu         sync.Mutex
	young, old map[string]string
}

// maxYoung is how many names come until those that did not come since the last time are forgotten.
const maxYoung = 1 << 16

// longestName is how long a string may be to be kept.
const longestName = 512

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
	if len(n.young) >= maxYoung || n.young == nil {
		n.old, n.young = n.young, map[string]string{}
	}
	n.young[s] = s
	return s
}
