package airflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// List lists the task instances of a run (GET …/taskInstances), of all runs of
// a DAG with the run id "~", or of all DAGs with "~" for both. Airflow 3 is asked page by page, Airflow 2 for all of
// them at once, since its pages have no order. No path leads to a run whose id has a slash: ListBatch with RunIDs lists it.
//
// Each row comes once, as it arrives. The last pair of a list that failed has an error: an [*Error],
// which may wrap an [*IncompleteError]; the rows before it must then be thrown away. While the loop body
// runs, the request holds one of the connections of Config.Concurrency.
//
// A list ends after 10,000 pages, which are a million rows unless Airflow has smaller pages, with an IncompleteError if there
// are more. Of each row some 20 bytes are kept until the list ends, so that none comes twice.
func (a *TaskInstanceAPI) List(ctx context.Context, run RunRef, f TaskInstanceFilter) iter.Seq2[TaskInstanceDetails, error] {
	q := taskInstanceListing{list: listOfRun, filter: f, ref: TaskInstanceRef{DagID: run.DagID, RunID: run.RunID}}
	q.path, q.endpoint = run.path()+"/taskInstances", runPath+"/taskInstances"
	return a.rows(ctx, &q)
}

// ListMapped lists the instances of a mapped task that is expanded (GET …/taskInstances/{task_id}/listMapped); the map
// index of task does not matter. There are none of one that is not expanded, or expanded to nothing. One that is not mapped
// is a 404. Rows come as with List.
func (a *TaskInstanceAPI) ListMapped(ctx context.Context, task TaskInstanceRef, f TaskInstanceFilter) iter.Seq2[TaskInstanceDetails, error] {
	q := taskInstanceListing{list: listOfMapped, filter: f, ref: task}
	q.path, q.endpoint = task.unmapped().path("/listMapped"), instancePath+"/listMapped"
	return a.rows(ctx, &q)
}

// ListBatch lists task instances of all DAGs and runs, or those of many (POST /dags/~/dagRuns/~/taskInstances/list), in one
// answer, which is a consistent picture. Rows come as with List.
func (a *TaskInstanceAPI) ListBatch(ctx context.Context, f TaskInstanceFilter) iter.Seq2[TaskInstanceDetails, error] {
	return a.rows(ctx, &taskInstanceListing{list: listByBatch, filter: f, ref: TaskInstanceRef{DagID: "~", RunID: "~"}, path: taskInstancesPath})
}

// taskInstanceListing is a question for a list.
type taskInstanceListing struct {
	list           taskInstanceList
	filter         TaskInstanceFilter
	ref            TaskInstanceRef // whose rows these are; "~": of any
	path, endpoint string
}

// defaultRoom is how many rows an answer may hold.
const defaultRoom = 10_000

func (a *TaskInstanceAPI) rows(ctx context.Context, q *taskInstanceListing) iter.Seq2[TaskInstanceDetails, error] {
	return func(yield func(TaskInstanceDetails, error) bool) {
		n := 0
		err := a.list(ctx, q, func(t TaskInstanceDetails) bool {
			if !q.filter.hasDates(&t.TaskInstance) {
				return true
			}
			n++
			return yield(t, nil) && n != q.filter.Limit
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(TaskInstanceDetails{}, err)
		}
	}
}

func (a *TaskInstanceAPI) list(ctx context.Context, q *taskInstanceListing, yield func(TaskInstanceDetails) bool) error {
	if err := q.check(); err != nil {
		return &Error{Op: opList, Class: ClassInternal, Detail: err.Error(), Err: err}
	}
	s, err := a.client.server(ctx)
	if err != nil {
		return err
	}
	sel, err := s.dialect.selection(s, &q.filter, q.list)
	if err != nil {
		return err
	}
	w := listing(a.client, s, q.rowsOf(a.client, s, sel), yield)
	switch ordered := s.dialect.instancesInOrder(); {
	case q.list == listByBatch && ordered:
		return w.batches(ctx)
	case q.list == listByBatch:
		return w.oneBatch(ctx)
	case !ordered:
		return w.onePage(ctx)
	// Before 3.3.2, some orders break the cursor; the list of mapped ones has none.
	case q.list == listOfRun && len(q.filter.OrderBy) == 0 && q.filter.Offset == 0:
		return w.pages(ctx)
	}
	return w.pagesByOffset(ctx)
}

// check refuses what has no path, and pages that are none.
func (q *taskInstanceListing) check() error {
	switch f := &q.filter; {
	case q.ref.DagID == "" || q.ref.RunID == "":
		return errors.New(`a list without dag_id and dag_run_id: "~" is any`)
	case q.list == listOfMapped && q.ref.TaskID == "":
		return errors.New("a list without task_id")
	case q.list == listOfMapped && !q.ref.hasPath():
		return fmt.Errorf("no path leads to the task %q: ListBatch with RunIDs and TaskIDs lists it", []string{q.ref.DagID, q.ref.RunID, q.ref.TaskID})
	case !staysInPath(q.ref.DagID) || !staysInPath(q.ref.RunID):
		return fmt.Errorf("no path leads to the run %q: ListBatch with RunIDs lists it", []string{q.ref.DagID, q.ref.RunID})
	case f.Offset < 0 || f.Limit < 0 || f.Room < 0:
		return fmt.Errorf("TaskInstanceFilter: Offset %d, Limit %d, Room %d: none may be negative", f.Offset, f.Limit, f.Room)
	}
	return nil
}

// rowsOf are the rows that q selects.
func (q *taskInstanceListing) rowsOf(c *Client, s *server, sel selection) rowsOf[TaskInstanceDetails, TaskInstanceRef] {
	f := &q.filter
	room := cmp.Or(f.Room, max(defaultRoom, f.Limit))
	if f.Limit > 0 {
		room = min(room, f.Limit)
		if f.Limit < getLimit && !f.boundsDates() { // else the page may hold rows that do not count
			sel.params.Set("limit", strconv.Itoa(f.Limit))
		}
	}
	d := detailsDecoder{rowDecoder{names: &c.names}}
	return rowsOf[TaskInstanceDetails, TaskInstanceRef]{
		op: opList, key: "task_instances", ref: (*TaskInstanceDetails).Ref,
		decode: func(dec *jsontext.Decoder) (TaskInstanceDetails, error) {
			t, err := d.decode(dec)
			if err == nil {
				err = q.asked(&t)
			}
			return t, err
		},
		path: q.path, endpoint: q.endpoint, params: sel.params,
		body: func(offset int) any {
			body := maps.Clone(sel.body)
			body["page_limit"] = room
			if f.Offset+offset > 0 {
				body["page_offset"] = f.Offset + offset
			}
			return body
		},
		ordered: s.dialect.instancesInOrder(), room: room, skip: f.Offset, byRow: s.dialect.finite(),
	}
}

// asked refuses a row that was not asked for: whatever it is, the question was not obeyed.
func (q *taskInstanceListing) asked(t *TaskInstanceDetails) error {
	other := func(asked, got string) bool { return asked != "~" && asked != got }
	switch {
	case other(q.ref.DagID, t.DagID), other(q.ref.RunID, t.RunID), q.list == listOfMapped && q.ref.TaskID != t.TaskID:
		return errors.New("a task instance that was not asked for")
	case len(q.filter.States) > 0 && !slices.Contains(q.filter.States, t.State):
		return fmt.Errorf("a task instance in the state %q, which was not asked for", oneLine(string(t.State)))
	}
	return nil
}
