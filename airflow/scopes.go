package airflow

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// finding is what comes of scopes that are asked at once: a row, or the end of one scope.
type finding struct {
	row      TaskInstance
	answered []RunQuestion // by a scope whose rows have all come
	err      error         // of a scope that failed
	panicked any
}

// askScopes asks what finished in some runs, several requests at once, but begins none after one that failed. The
// findings must be read to their end.
func (c *Client) askScopes(ctx context.Context, s *server, questions []RunQuestion, room int) <-chan finding {
	findings := make(chan finding)
	go func() {
		defer close(findings)
		var g errgroup.Group
		g.SetLimit(c.cfg.Concurrency)
		var failed atomic.Bool
		open := questions
		for _, scope := range c.finishedScopes(s, questions) {
			answered, left := scope.split(open)
			if len(answered) == 0 {
				continue // an earlier scope holds all of it
			}
			open = left
			g.Go(func() error {
				if failed.Load() {
					return nil
				}
				f := finding{answered: answered}
				defer func() {
					if r := recover(); r != nil { // whoever reads the findings knows what to do
						f = finding{panicked: fmt.Sprintf("%v\n%s", r, debug.Stack())}
					}
					failed.Store(failed.Load() || f.answered == nil)
					findings <- f
				}()
				if err := c.askScope(ctx, s, scope, answered, room, findings); err != nil {
					f = finding{err: err}
				}
				return nil
			})
		}
		_ = g.Wait()
	}()
	return findings
}

// askScope asks for the rows that answer these questions.
func (c *Client) askScope(ctx context.Context, s *server, scope runScope, questions []RunQuestion, room int, findings chan<- finding) error {
	asked := make(map[RunRef]RunQuestion, len(questions))
	for _, q := range questions {
		asked[q.Run.RunRef] = q
	}
	q := TaskInstanceQuery{States: finishedStates, Room: room, scope: scope}
	return c.listRuns(ctx, s, q, func(t TaskInstance) bool {
		question, ok := asked[t.Run()]
		if ok && (question.Since.IsZero() || !t.EndDate.IsZero()) {
			findings <- finding{row: t}
		} // else it is of a run that no one asked for, or that another scope answers; or a GET that matches null
		return true
	})
}
