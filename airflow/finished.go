package airflow

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// RunQuestion asks which task instances of a run finished.
type RunQuestion struct {
	Run DagRun
	// Since leaves out those that ended before; zero asks for all, those
	// without an end date included.
	Since time.Time
}

// finishedStates are those that a listing of finished instances selects;
// removed is not one: such a row tells nothing about an attempt. UpForRetry is
// there because its row shows the attempt that failed.
var finishedStates = []State{StateSuccess, StateFailed, StateSkipped, StateUpstreamFailed, StateUpForRetry}

const (
	// batchRuns bounds the runs of one request to v2: the database probes its index
	// for each pair of a DAG and a run id, and reads the whole table when they are too many.
	batchRuns = 20
	// batchDags bounds the DAGs of one request to v1, and batchSpan its range of execution dates.
	batchDags = 25
	// wholeSpan is the same for questions without a bound, which fetch all rows of other runs in that range.
	batchSpan = 24 * time.Hour
	wholeSpan = 10 * time.Minute
	// recent is how far back one question to v1 reaches for all DAGs at once, and
	// laggard how far behind a run's watermark may be to take part in it.
	recent  = 48 * time.Hour
	laggard = 10 * time.Minute
)

// runScope is one request's share of the questions.
type runScope struct {
	DagIDs, RunIDs []string  // v2: the cross product; v1: DagIDs only; nil: any
	Since          time.Time // end date; zero: no bound
	From, To       time.Time // v1: execution dates; zero: no bound
	path           *RunRef   // v2: the only run, asked for by GET; nil: by batch
}

// batchFilter is the body of the batch list of task instances on both APIs.
type batchFilter struct {
	States []*State   `json:"state"` // nil for StateNone
	DagIDs []string   `json:"dag_ids,omitempty"`
	RunIDs []string   `json:"dag_run_ids,omitempty"`
	Since  *time.Time `json:"end_date_gte,omitempty"`
	From   *time.Time `json:"execution_date_gte,omitempty"`
	To     *time.Time `json:"execution_date_lte,omitempty"`
	Limit  int        `json:"page_limit"`
	Offset int        `json:"page_offset,omitempty"`
	Order  string     `json:"order_by,omitempty"`
}

func newBatchFilter(q TaskInstanceQuery, offset int) batchFilter {
	s := q.scope
	states := make([]*State, len(q.States))
	for i, state := range q.States {
		if state != StateNone {
			states[i] = &state
		}
	}
	return batchFilter{
		States: states, DagIDs: s.DagIDs, RunIDs: s.RunIDs,
		Since: orNull(s.Since), From: orNull(s.From), To: orNull(s.To), Limit: q.Room, Offset: offset,
	}
}

// FinishedTaskInstances lists the task instances of some runs that finished, or
// wait for a retry, since the time each question names, each one once (POST
// …/taskInstances/list). Rows of a run may also be older than its question.
// There must be one question for a run. It asks by run, because Airflow has no
// index on end dates: on Airflow 3 in batches of up to 20 runs, of which those
// without a Since hold no rows of other runs; on Airflow 2 once for all recent
// runs and in batches of 25 DAGs for the others. With [ListGet] Airflow 3 is
// asked for one run after the other (GET /dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances,
// in pages of 100, as many as there are), but for runs with an id that no path leads to.
//
// One answer by batch holds room rows. A server that bounds its answers is asked for the
// rest page by page on Airflow 3; the pages of Airflow 2 have no order, so such
// a listing fails there, with an *IncompleteError that is Clamped. As many requests are under way at once as the
// concurrency allows, and none begins after one that failed. The last pair of a listing that failed has an
// error, an *Error that may wrap an *IncompleteError; done was called with the questions of each
// answer that was complete, each one once.
func (c *Client) FinishedTaskInstances(ctx context.Context, questions []RunQuestion, room int, done func([]RunQuestion)) iter.Seq2[TaskInstance, error] {
	return func(yield func(TaskInstance, error) bool) {
		s, err := c.server(ctx)
		if err != nil {
			yield(TaskInstance{}, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		findings := c.askScopes(ctx, s, questions, room)
		defer func() {
			cancel()
			for range findings { // until nothing is under way any more
			}
		}()
		for f := range findings {
			switch {
			case f.panicked != nil:
				panic(f.panicked)
			case f.err != nil:
				err = cmp.Or(err, f.err)
			case f.answered != nil:
				done(f.answered)
			case !yield(f.row, nil):
				return
			}
		}
		if err != nil {
			yield(TaskInstance{}, err)
		}
	}
}

// finishedScopes are the requests that the questions make.
func (c *Client) finishedScopes(s *server, questions []RunQuestion) []runScope {
	if !c.listsByGet(s) {
		return s.dialect.batches(questions, c.airflowNow())
	}
	var scopes []runScope
	var pathless []RunQuestion
	for _, q := range questions {
		if !q.Run.hasPath() {
			pathless = append(pathless, q)
			continue
		}
		scope := s.dialect.scope([]RunQuestion{q})
		scope.path = &q.Run.RunRef
		scopes = append(scopes, scope)
	}
	return append(scopes, s.dialect.batches(pathless, c.airflowNow())...)
}

// listsByGet reports whether lists are asked for by GET.
func (c *Client) listsByGet(s *server) bool {
	return c.cfg.List == ListGet && s.dialect.instancesInOrder()
}

// listRuns lists task instances of some runs. A run that is gone has none.
func (c *Client) listRuns(ctx context.Context, s *server, q TaskInstanceQuery, yield func(TaskInstance) bool) error {
	err := listing(c, s, taskInstances(&c.names, s, q), yield).list(ctx)
	if e, ok := errors.AsType[*Error](err); ok && q.scope.path != nil && e.Status == http.StatusNotFound && strings.Contains(e.Detail, "was not found") {
		return nil
	}
	return err
}

// split tells the questions that a complete answer to the scope answers from the others.
func (s runScope) split(questions []RunQuestion) (answered, left []RunQuestion) {
	for _, q := range questions {
		if s.covers(q) {
			answered = append(answered, q)
		} else {
			left = append(left, q)
		}
	}
	return answered, left
}

func (s runScope) covers(q RunQuestion) bool {
	switch {
	case s.DagIDs != nil && !slices.Contains(s.DagIDs, q.Run.DagID),
		s.RunIDs != nil && !slices.Contains(s.RunIDs, q.Run.RunID),
		!s.Since.IsZero() && (q.Since.IsZero() || q.Since.Before(s.Since)),
		!s.From.IsZero() && q.Run.LogicalDate.Before(s.From),
		!s.To.IsZero() && q.Run.LogicalDate.After(s.To):
		return false
	}
	return true
}

// batches of v2. What costs are the rows of runs that no one asked for, which
// the cross product of DAGs and run ids may hold. With a bound they are few,
// and the product of any 20 neighbours is cheap. Questions without a bound,
// which fetch whole runs, go apart, and only where the product holds no others.
func (v2) batches(questions []RunQuestion, _ time.Time) []runScope {
	var bounded, whole []RunQuestion
	for _, q := range questions {
		if q.Since.IsZero() {
			whole = append(whole, q)
		} else {
			bounded = append(bounded, q)
		}
	}
	slices.SortFunc(bounded, func(a, b RunQuestion) int {
		return cmp.Or(cmp.Compare(a.Run.RunID, b.Run.RunID), cmp.Compare(a.Run.DagID, b.Run.DagID))
	})
	var scopes []runScope
	for batch := range slices.Chunk(bounded, batchRuns) {
		scopes = append(scopes, v2{}.scope(batch))
	}
	for _, batch := range exactBatches(whole) {
		scopes = append(scopes, v2{}.scope(batch))
	}
	return scopes
}

// exactBatches are batches whose cross product of DAGs and run ids holds no
// other run: one run id of many DAGs, one DAG with many runs, and runs with ids
// that no other DAG has.
func exactBatches(questions []RunQuestion) [][]RunQuestion {
	var batches [][]RunQuestion
	byRunID := func(q RunQuestion) string { return q.Run.RunID }
	byDagID := func(q RunQuestion) string { return q.Run.DagID }
	for _, shared := range []func(RunQuestion) string{byRunID, byDagID} {
		slices.SortFunc(questions, func(a, b RunQuestion) int {
			return cmp.Or(cmp.Compare(shared(a), shared(b)), cmp.Compare(a.Run.RunID, b.Run.RunID), cmp.Compare(a.Run.DagID, b.Run.DagID))
		})
		var single []RunQuestion
		for group := range chunksBy(questions, shared) {
			for batch := range slices.Chunk(group, batchRuns) {
				if len(batch) == 1 {
					single = append(single, batch[0])
					continue
				}
				batches = append(batches, batch)
			}
		}
		questions = single
	}
	var own []RunQuestion
	for _, q := range questions {
		if q.Run.hasOwnID() {
			own = append(own, q)
			continue
		}
		batches = append(batches, []RunQuestion{q})
	}
	return slices.AppendSeq(batches, slices.Chunk(own, batchRuns))
}

// hasOwnID reports whether hardly any other DAG has a run of this id: Airflow
// puts the microsecond into it, while scheduled and backfill runs bear the date
// of their schedule. A person may have given two runs one name; that costs rows
// that are thrown away, no more.
func (r *DagRun) hasOwnID() bool {
	switch r.RunType {
	case "manual", "asset_triggered", "dataset_triggered":
		return true
	}
	return false
}

// batches of v1: one question for all recent runs, however many, because by
// run it would cost more. Runs with old dates, runs that are far behind and
// questions without a bound are asked by DAG and a range of execution dates.
func (v1) batches(questions []RunQuestion, now time.Time) []runScope {
	var together, apart []RunQuestion
	for _, q := range questions {
		if !q.Since.IsZero() && now.Sub(q.Run.LogicalDate) <= recent && now.Sub(q.Since) <= laggard {
			together = append(together, q)
		} else {
			apart = append(apart, q)
		}
	}
	var scopes []runScope
	if len(together) > 0 {
		from, _ := dates(together)
		scopes = append(scopes, runScope{Since: earliestSince(together), From: from})
	}
	slices.SortFunc(apart, func(a, b RunQuestion) int {
		return cmp.Or(cmp.Compare(boolToInt(a.Since.IsZero()), boolToInt(b.Since.IsZero())), a.Run.LogicalDate.Compare(b.Run.LogicalDate))
	})
	for len(apart) > 0 {
		n, first, span := 0, apart[0], batchSpan
		if first.Since.IsZero() {
			span = wholeSpan
		}
		dags := map[string]struct{}{}
		for _, q := range apart {
			dags[q.Run.DagID] = struct{}{}
			if q.Since.IsZero() != first.Since.IsZero() || q.Run.LogicalDate.Sub(first.Run.LogicalDate) > span || len(dags) > batchDags {
				break
			}
			n++
		}
		scopes = append(scopes, v1{}.scope(apart[:n]))
		apart = apart[n:]
	}
	return scopes
}

// scope of v2 is a cross product of DAGs and run ids.
func (v2) scope(batch []RunQuestion) runScope {
	return runScope{DagIDs: dagIDs(batch), RunIDs: runIDs(batch), Since: earliestSince(batch)}
}

// scope of v1 is all runs of some DAGs within a range of execution dates.
func (v1) scope(batch []RunQuestion) runScope {
	from, to := dates(batch)
	return runScope{DagIDs: dagIDs(batch), Since: earliestSince(batch), From: from, To: to}
}

// chunksBy splits a slice wherever the key changes.
func chunksBy[T any, K comparable](list []T, key func(T) K) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		for len(list) > 0 {
			n := slices.IndexFunc(list, func(t T) bool { return key(t) != key(list[0]) })
			if n < 0 {
				n = len(list)
			}
			if !yield(list[:n]) {
				return
			}
			list = list[n:]
		}
	}
}

func dagIDs(batch []RunQuestion) []string {
	return distinct(batch, func(q RunQuestion) string { return q.Run.DagID })
}

func runIDs(batch []RunQuestion) []string {
	return distinct(batch, func(q RunQuestion) string { return q.Run.RunID })
}

func distinct(batch []RunQuestion, field func(RunQuestion) string) []string {
	set := map[string]struct{}{}
	for _, q := range batch {
		set[field(q)] = struct{}{}
	}
	return slices.Sorted(maps.Keys(set))
}

// earliestSince is the earliest bound of a batch, zero when one has none.
func earliestSince(batch []RunQuestion) time.Time {
	return slices.MinFunc(batch, func(a, b RunQuestion) int { return a.Since.Compare(b.Since) }).Since
}

// dates are the first and last execution date of a batch.
func dates(batch []RunQuestion) (first, last time.Time) {
	byDate := func(a, b RunQuestion) int { return a.Run.LogicalDate.Compare(b.Run.LogicalDate) }
	return slices.MinFunc(batch, byDate).Run.LogicalDate, slices.MaxFunc(batch, byDate).Run.LogicalDate
}
