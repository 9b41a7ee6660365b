package airflow

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// TaskInstance is one row of Airflow's task instance listings. A zero time
// means that Airflow sent null.
type TaskInstance struct {
	// ID is Airflow 3's id of the row, a UUID. It changes with every retry and
	// every clear, so it names neither the instance (see Ref) nor the attempt,
	// but one that differs from the last one seen tells that either happened.
	// It is empty on Airflow 2, and in the rows of Tries.
	ID        string
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
	// getLimit is what Airflow 3 clamps the page of a GET list to, unless configured otherwise.
	getLimit = 100
	// maxPages ends a walk that a broken cursor leads round in circles.
	maxPages = 10_000
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
	w := &walk{client: c, server: s, query: q, yield: yield, seen: map[TaskInstanceRef]struct{}{}}
	if q.ByGet && s.dialect.pagesByGet() {
		return w.pages(ctx)
	}
	return w.batch(ctx)
}

// walk is one listing under way.
type walk struct {
	client *Client
	server *server
	query  TaskInstanceQuery
	yield  func(TaskInstance) bool
	seen   map[TaskInstanceRef]struct{} // what was yielded
	page   page
}

// page is what the newest answer held.
type page struct {
	envelope
	rows        int
	first, last TaskInstanceRef
}

// batch asks for everything at once. Airflow up to 2.10.2 ignores the room, and sends everything, too.
func (w *walk) batch(ctx context.Context) error {
	k := w.client.call(w.server, opList, http.MethodPost, taskInstancesPath+"/list")
	var err error
	if k.body, err = json.Marshal(w.server.dialect.batchFilter(w.query)); err != nil {
		return k.errorf(ClassInternal, err, "%v", err)
	}
	if err := w.fetch(ctx, k); err != nil {
		return err
	}
	return w.complete(k, w.page.total, w.page.rows < w.query.Room)
}

// complete checks that every row there is has been yielded.
func (w *walk) complete(k call, total int, clamped bool) error {
	if total < 0 {
		return k.errorf(ClassDecode, nil, "an answer without total_entries")
	}
	if len(w.seen) >= total {
		return nil
	}
	return w.incomplete(k, total, clamped)
}

func (w *walk) incomplete(k call, total int, clamped bool) error {
	cause := &IncompleteError{Received: len(w.seen), Total: total, Clamped: clamped}
	return k.errorf(ClassTooLarge, cause, "%v", cause)
}

// pages walks the GET list by cursor; a server that answers without the key
// next_cursor has none, and is walked by offset.
func (w *walk) pages(ctx context.Context) error {
	k := w.client.call(w.server, opList, http.MethodGet, taskInstancesPath)
	cursors := map[string]struct{}{}
	cursor := ""
	for range maxPages {
		k.query = w.params(getLimit)
		k.query.Set("cursor", cursor)
		if err := w.fetch(ctx, k); err != nil {
			return err
		}
		if !w.page.hasCursor {
			return w.offsets(ctx, k)
		}
		if w.page.cursor == "" {
			return nil
		}
		cursor = w.page.cursor
		if _, again := cursors[cursor]; again {
			break
		}
		cursors[cursor] = struct{}{}
	}
	return k.errorf(ClassDecode, nil, "the cursor leads round in circles")
}

// offsets goes on by offset after the first page. Each page begins with the
// last row of the one before: where it does not, rows came or went in between
// and others were passed over unseen, so the listing is not complete.
func (w *walk) offsets(ctx context.Context, k call) error {
	for range maxPages {
		if w.page.total < 0 {
			return k.errorf(ClassDecode, nil, "an answer without total_entries")
		}
		if len(w.seen) >= w.page.total || w.page.rows == 0 {
			break
		}
		received, last := len(w.seen), w.page.last
		k.query = w.params(max(getLimit, w.query.Room))
		k.query.Set("offset", strconv.Itoa(received-1))
		if err := w.fetch(ctx, k); err != nil {
			return err
		}
		if w.page.rows == 0 || len(w.seen) == received {
			break
		}
		if w.page.first != last { // whatever the total says: what left makes room in it for what was passed over
			return w.incomplete(k, w.page.total, false)
		}
	}
	return w.complete(k, w.page.total, false)
}

// params are the parameters of every page of the GET list.
func (w *walk) params(limit int) url.Values {
	v := url.Values{"order_by": {"id"}, "limit": {strconv.Itoa(limit)}}
	for _, state := range w.query.States {
		v.Add("state", string(state))
	}
	return v
}

// fetch makes one request and yields the rows of its answer that were not there before.
func (w *walk) fetch(ctx context.Context, k call) error {
	k.maxBytes = w.client.cfg.MaxResponseBytes
	a, err := w.client.do(ctx, k)
	if err != nil {
		return err
	}
	defer a.Close()
	w.page = page{}
	w.page.envelope, err = decodeListing(a.body, "task_instances", w.row)
	if errors.Is(err, errStop) {
		return errStop
	}
	return a.decodeError(err)
}

// row decodes one row and yields it once.
func (w *walk) row(dec *jsontext.Decoder) error {
	t, err := decodeTaskInstance(dec)
	if err != nil {
		return fmt.Errorf("row %d: %w", w.page.rows, err)
	}
	key := t.Ref()
	if w.page.rows == 0 {
		w.page.first = key
	}
	w.page.last = key
	w.page.rows++
	if _, again := w.seen[key]; again {
		return nil
	}
	w.seen[key] = struct{}{}
	if !w.yield(t) {
		return errStop
	}
	return nil
}

// taskInstanceJSON has the fields that are used; a pointer tells null from a value.
type taskInstanceJSON struct {
	ID            *string    `json:"id"`
	DagID         *string    `json:"dag_id"`
	RunID         *string    `json:"dag_run_id"`
	TaskID        *string    `json:"task_id"`
	MapIndex      *int       `json:"map_index"`
	State         *string    `json:"state"`
	TryNumber     *int       `json:"try_number"`
	MaxTries      *int       `json:"max_tries"`
	QueuedWhen    *time.Time `json:"queued_when"`
	ScheduledWhen *time.Time `json:"scheduled_when"`
	StartDate     *time.Time `json:"start_date"`
	EndDate       *time.Time `json:"end_date"`
	Duration      *float64   `json:"duration"`
	Pool          *string    `json:"pool"`
	PoolSlots     *int       `json:"pool_slots"`
	Queue         *string    `json:"queue"`
}

// maxDuration bounds durations in seconds: a century fits into a time.Duration.
const maxDuration = 100 * 365 * 24 * 3600

// decodeTaskInstance reads one row and refuses it when a field is missing that both APIs always send.
func decodeTaskInstance(dec *jsontext.Decoder) (TaskInstance, error) {
	var j taskInstanceJSON
	if err := json.UnmarshalDecode(dec, &j); err != nil {
		return TaskInstance{}, err
	}
	required := []struct {
		name    string
		missing bool
	}{
		{"dag_id", j.DagID == nil || *j.DagID == ""},
		{"dag_run_id", j.RunID == nil || *j.RunID == ""},
		{"task_id", j.TaskID == nil || *j.TaskID == ""},
		{"map_index", j.MapIndex == nil},
		{"try_number", j.TryNumber == nil},
		{"max_tries", j.MaxTries == nil},
		{"pool", j.Pool == nil},
		{"pool_slots", j.PoolSlots == nil},
	}
	for _, r := range required {
		if r.missing {
			return TaskInstance{}, fmt.Errorf("a task instance without %s", r.name)
		}
	}
	t := TaskInstance{
		ID:    orZero(j.ID),
		DagID: *j.DagID, RunID: *j.RunID, TaskID: *j.TaskID, MapIndex: *j.MapIndex,
		State: StateNone, TryNumber: *j.TryNumber, MaxTries: *j.MaxTries,
		QueuedWhen: orZero(j.QueuedWhen), ScheduledWhen: orZero(j.ScheduledWhen),
		StartDate: orZero(j.StartDate), EndDate: orZero(j.EndDate),
		Pool: *j.Pool, PoolSlots: *j.PoolSlots, Queue: orZero(j.Queue),
	}
	if j.State != nil {
		t.State = State(*j.State)
	}
	if j.Duration != nil && math.Abs(*j.Duration) < maxDuration {
		t.Duration, t.HasDuration = time.Duration(math.Round(*j.Duration*float64(time.Second))), true
	}
	return t, nil
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
