package airflow

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// TaskInstance is one row of Airflow's task instance listings. A zero time
// means that Airflow sent null.
type TaskInstance struct {
	// ID is Airflow 3's id of the row, a UUID. It changes with every retry and
	// every clear, so it names neither the instance (see Ref) nor the attempt,
	// but one that differs from the last one seen tells that either happened.
	// It is zero on Airflow 2, and in the rows of Tries.
	ID        RowID
	DagID     string
	RunID     string
	TaskID    string
	MapIndex  int   // −1: not mapped, or not expanded yet
	State     State // StateNone for null
	TryNumber int   // of the current or last attempt, counted from 1 when it is scheduled; 0 before
	MaxTries  int   // attempts after which a failure is final, less one; a clear raises it

	// QueuedWhen and ScheduledWhen belong to the current attempt once it is in
	// that state. ScheduledWhen is always zero on Airflow 2.
	QueuedWhen    time.Time
	ScheduledWhen time.Time
	// StartDate and EndDate belong to the last started attempt: a queued second
	// attempt still shows those of the first one. In up_for_reschedule they are
	// those of the last poke.
	StartDate time.Time
	EndDate   time.Time
	// Duration is how long the attempt ran; it is that of the last ended
	// attempt, so it belongs to this one only in a finished state and in
	// up_for_retry. HasDuration is false for null and for numbers that are not finite.
	Duration    time.Duration
	HasDuration bool

	Pool      string
	PoolSlots int
	Queue     string // empty: Airflow sent null
}

// Ref names the task instance. Airflow 3's id does not: it changes with each retry.
func (t *TaskInstance) Ref() TaskInstanceRef {
	return TaskInstanceRef{t.DagID, t.RunID, t.TaskID, t.MapIndex}
}

// Run names the DAG run of the task instance.
func (t *TaskInstance) Run() RunRef { return RunRef{t.DagID, t.RunID} }

// TaskInstanceQuery selects task instances of all DAGs and runs that the account may read.
type TaskInstanceQuery struct {
	States []State // at least one, StateNone excluded
	// Room is how many rows one answer may hold. A listing by batch is one
	// answer, so that it is a consistent picture; make it larger than what is expected.
	Room int
	// What finished is asked by run; none of these for what is unfinished.
	scope runScope
	most  int // rows that may come in all; 0: any number

	// ByGet pages through the GET list instead of asking for one batch. Airflow 2
	// is asked for one batch all the same: its pages have no order.
	ByGet bool
}

// IncompleteError ends a listing that the server cut: it says that there are
// Total rows and sent Received distinct ones. Ask with more room, or count.
type IncompleteError struct {
	Received int
	Total    int
	// Clamped: the server sent fewer rows than it was given room for. It bounds
	// its answers, or rows came or went between its counting and its listing.
	Clamped bool
}

func (e *IncompleteError) Error() string {
	return fmt.Sprintf("the listing holds %d of %d rows", e.Received, e.Total)
}

const (
	taskInstancesPath = "/dags/~/dagRuns/~/taskInstances"
	opList            = "list task instances"
)

// TaskInstances lists task instances, each one once, row by row as they
// arrive (POST …/taskInstances/list, or GET …/taskInstances with q.ByGet). The
// last pair of a listing that failed has an error: an *Error, which may wrap
// an *IncompleteError; the rows before it must then be thrown away. While the
// loop body runs, the request holds one of the connections of Config.Concurrency.
func (c *Client) TaskInstances(ctx context.Context, q TaskInstanceQuery) iter.Seq2[TaskInstance, error] {
	return func(yield func(TaskInstance, error) bool) {
		if err := c.listTaskInstances(ctx, q, func(t TaskInstance) bool { return yield(t, nil) }); err != nil && !errors.Is(err, errStop) {
			yield(TaskInstance{}, err)
		}
	}
}

func (c *Client) listTaskInstances(ctx context.Context, q TaskInstanceQuery, yield func(TaskInstance) bool) error {
	if len(q.States) == 0 {
		return &Error{Op: opList, Class: ClassInternal, Detail: "no state is selected"}
	}
	s, err := c.server(ctx)
	if err != nil {
		return err
	}
	w := listing(c, s, taskInstances(&c.names, s, q), yield)
	if q.ByGet && s.dialect.instancesInOrder() {
		return w.pages(ctx)
	}
	return w.oneBatch(ctx)
}

// taskInstances are the rows that q selects.
func taskInstances(n *names, s *server, q TaskInstanceQuery) rowsOf[TaskInstance, TaskInstanceRef] {
	n.age(time.Now())
	of := rowsOf[TaskInstance, TaskInstanceRef]{
		op: opList, key: "task_instances", decode: q.decoder(n), ref: (*TaskInstance).Ref,
		path: taskInstancesPath, params: url.Values{},
		body:    func(offset int) any { return s.dialect.batchFilter(q, offset) },
		ordered: s.dialect.instancesInOrder(), room: q.Room, most: q.most, byRow: s.dialect.finite(), lenient: true,
	}
	for _, state := range q.States {
		of.params.Add("state", string(state))
	}
	if run := q.scope.path; run != nil {
		of.byGet, of.path, of.endpoint = true, run.path()+"/taskInstances", runPath+"/taskInstances"
		addDate(of.params, "end_date_gte", q.scope.Since)
	}
	return of
}

// decoder reads rows, and refuses one in a state that was not asked for: whatever it is, the filter was not obeyed.
func (q TaskInstanceQuery) decoder(n *names) func(*jsontext.Decoder) (TaskInstance, error) {
	d := rowDecoder{names: n}
	return func(dec *jsontext.Decoder) (TaskInstance, error) {
		t, err := d.decode(dec)
		if err == nil && !slices.Contains(q.States, t.State) {
			return t, fmt.Errorf("a task instance in the state %q, which was not asked for", oneLine(string(t.State)))
		}
		return t, err
	}
}

// orZero is the value behind p, or the zero value for null.
func orZero[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

const opCount = "count task instances"

// CountTaskInstances returns how many task instances are in a state, StateNone
// included, without fetching one (GET …/taskInstances?state=…&limit=0).
func (c *Client) CountTaskInstances(ctx context.Context, state State) (int, error) {
	s, err := c.server(ctx)
	if err != nil {
		return 0, err
	}
	k := c.call(s, opCount, http.MethodGet, taskInstancesPath)
	k.query = url.Values{"state": {string(state)}, "limit": {"0"}}
	a, err := c.do(ctx, k)
	if err != nil {
		return 0, err
	}
	defer a.Close()
	var body struct {
		Total *int `json:"total_entries"`
	}
	if err := a.decode(&body); err != nil {
		return 0, err
	}
	if body.Total == nil || *body.Total < 0 {
		return 0, a.errorf(ClassDecode, nil, "an answer without total_entries")
	}
	return *body.Total, nil
}
