package airflow

import (
	"cmp"
	"context"
	"errors"
	"slices"
)

// StatelessTaskInstances lists the task instances without a state of the first
// of these runs and of those of the others that one request is good for (POST
// …/taskInstances/list): on Airflow 3 at most 20 runs, those first that share
// the run id of the first one, or else its DAG; on Airflow 2 those of at most
// 25 DAGs with execution dates within a day; with [ListGet] on Airflow 3 of the
// first run alone (GET /dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances, in
// pages of 100). Who gives the most urgent run first, and next
// time those that are not in listed, gets to all of them.
//
// One answer holds room rows. When there are more, the question is put again
// about half as many of the first runs as would fit on average, and then about
// the first run alone: a call is at most three requests, and the pages of an
// Airflow 3 that bounds its answers, room rows in all for each of them. On
// success listed names the runs that rows is complete for, in the order in
// which they were given. On failure rows is nil and listed names the runs of
// the last request, none if there was none. The error is an *Error; one that
// wraps an *IncompleteError is about a single run, the one in listed: set it
// aside, or the next call ends the same way. Its Total is more than room when
// the run does not fit, and otherwise rows moved between two pages, or an
// Airflow 2 bounds its answers.
func (c *Client) StatelessTaskInstances(ctx context.Context, runs []DagRun, room int) (rows []TaskInstance, listed []RunRef, err error) {
	if len(runs) == 0 {
		return nil, nil, nil
	}
	s, err := c.server(ctx)
	if err != nil {
		return nil, nil, err
	}
	batch := runs[:1]
	if !c.listsByGet(s) || !runs[0].hasPath() {
		batch = s.dialect.neighbours(runs)
	}
	for request := 1; ; request++ {
		rows, err = c.listStateless(ctx, s, batch, room)
		short, ok := errors.AsType[*IncompleteError](err)
		if !ok || len(batch) == 1 {
			break
		}
		fit := 1
		if request == 1 {
			fit = max(1, len(batch)*short.Received/short.Total/2)
		}
		batch = batch[:fit]
	}
	for _, r := range batch {
		listed = append(listed, r.RunRef)
	}
	return rows, listed, err
}

// listStateless makes one request about the batch.
func (c *Client) listStateless(ctx context.Context, s *server, batch []DagRun, room int) (rows []TaskInstance, err error) {
	asked := map[RunRef]struct{}{}
	questions := make([]RunQuestion, len(batch))
	for i, r := range batch {
		asked[r.RunRef] = struct{}{}
		questions[i].Run = r
	}
	scope := s.dialect.scope(questions)
	if c.listsByGet(s) && len(batch) == 1 && batch[0].hasPath() {
		scope.path = &batch[0].RunRef
	}
	q := TaskInstanceQuery{States: []State{StateNone}, Room: room, most: room, scope: scope}
	err = c.listRuns(ctx, s, q, func(t TaskInstance) bool {
		if _, ok := asked[t.Run()]; ok {
			rows = append(rows, t)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// neighbours of v2 share the run id of the first run if they can, or else its
// DAG: the fewer other runs the cross product of both holds. Their rows without
// a state are fetched, too, but they are few, and 20 runs are one request.
func (v2) neighbours(runs []DagRun) []DagRun {
	distance := func(r DagRun) int {
		switch {
		case r.RunID == runs[0].RunID:
			return 0
		case r.DagID == runs[0].DagID:
			return 1
		}
		return 2
	}
	nearest := slices.SortedStableFunc(slices.Values(runs), func(a, b DagRun) int { return cmp.Compare(distance(a), distance(b)) })
	return nearest[:min(batchRuns, len(nearest))]
}

// neighbours of v1 lie within a day. It also fetches the rows of other runs of
// their DAGs in that time.
func (v1) neighbours(runs []DagRun) []DagRun {
	var batch []DagRun
	from, to := runs[0].LogicalDate, runs[0].LogicalDate
	dags := map[string]struct{}{}
	for _, r := range runs {
		earliest, latest := from, to
		if r.LogicalDate.Before(from) {
			earliest = r.LogicalDate
		}
		if r.LogicalDate.After(to) {
			latest = r.LogicalDate
		}
		_, known := dags[r.DagID]
		if latest.Sub(earliest) > batchSpan || !known && len(dags) == batchDags {
			continue
		}
		dags[r.DagID] = struct{}{}
		from, to = earliest, latest
		batch = append(batch, r)
	}
	return batch
}
