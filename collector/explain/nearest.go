package explain

import (
	"context"
	"slices"
)

// parts are those that a name has here. With fewer of them, more DAGs than are
// listed at a time may have all but one in common.
const parts = 8

// nearestDags is a hint at the DAGs that may have been meant, empty for none. A
// mistake, or two letters that changed places, is in one part of the name: each
// is left open in turn.
func (g *gatherer) nearestDags(ctx context.Context) string {
	id := []rune(g.options.DagID)
	n := len(id)
	nearest, near := max(2, n/4), []string{}
	for part := range parts {
		pattern := string(id[:part*n/parts]) + "%" + string(id[min((part+1)*n/parts+1, n):])
		_ = within(ctx, patience, func(ctx context.Context) error {
			dags, _, err := g.client.DagsLike(ctx, pattern, countedRuns)
			for _, d := range dags {
				switch away := distance(id, []rune(d.DagID)); {
				case away < nearest:
					nearest, near = away, []string{d.DagID}
				case away == nearest && !slices.Contains(near, d.DagID):
					near = append(near, d.DagID)
				}
			}
			return err // without them there is no hint
		})
	}
	if len(near) == 0 {
		return ""
	}
	slices.Sort(near)
	return "it has " + names(near, func(id string) string { return id })
}

// distance is how many characters must be put in, left out or changed to get from one name to the other.
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j+1]+1, row[j]+1, changed)
		}
	}
	return row[len(b)]
}
