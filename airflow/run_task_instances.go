package airflow

import (
	"context"
	"errors"
	"slices"
)

// RunTaskInstances lists the task instances of one run, in whatever state, room
// of them at most, and tells how many there are (POST …/taskInstances/list; with
// [ListGet] on Airflow 3 GET /dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances, in
// pages of 100). A run that is gone has none. On Airflow 2 those that had no room are counted together with rows of
// other runs of the DAG with the same date, if there are any. The error is an *Error.
func (c *Client) RunTaskInstances(ctx context.Context, run DagRun, room int) (rows []TaskInstance, total int, err error) {
	s, err := c.server(ctx)
	if err != nil {
		return nil, 0, err
	}
	unfinished, err := c.UnfinishedStates(ctx)
	if err != nil {
		return nil, 0, err
	}
	q := TaskInstanceQuery{Room: room, most: room, scope: s.dialect.scope([]RunQuestion{{Run: run}})}
	q.States = slices.Concat([]State{StateNone}, unfinished, []State{StateSuccess, StateFailed, StateSkipped, StateUpstreamFailed, StateRemoved})
	if c.listsByGet(s) && run.hasPath() {
		q.scope.path = &run.RunRef
	}
	err = c.listRuns(ctx, s, q, func(t TaskInstance) bool {
		if t.Run() != run.RunRef {
			return true
		}
		if total++; total <= room {
			rows = append(rows, t)
		}
		return true
	})
	if short, ok := errors.AsType[*IncompleteError](err); ok {
		return rows, short.Total, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return rows, total, nil
}
