package airflow

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// TaskInstanceAPI is Airflow's own API of task instances, operation by
// operation, for programs that want what Airflow says and no more. The
// exporter itself asks by the methods of [Client], which are made for its
// questions; it never calls SetState or SetNote.
//
// A mapped task instance and one that is not are the same to it: the
// MapIndex of the [TaskInstanceRef] says which. A version of Airflow that lacks
// what is asked for is not asked: the error is an [*Error] that wraps
// [errors.ErrUnsupported] and names the field and the version.
//
// It is safe for concurrent use.
type TaskInstanceAPI struct{ client *Client }

// TaskInstanceAPI gives access to the operations on task instances one by one.
func (c *Client) TaskInstanceAPI() *TaskInstanceAPI { return &TaskInstanceAPI{c} }

const opGet = "get a task instance"

// Get returns a task instance (GET …/taskInstances/{task_id}[/{map_index}]).
// An expanded mapped task has none without an index: that is a 404.
func (a *TaskInstanceAPI) Get(ctx context.Context, ref TaskInstanceRef) (TaskInstanceDetails, error) {
	return a.one(ctx, opGet, ref, "", nil)
}

const opTryDetails = "get an attempt of a task instance"

// TryDetails returns one attempt of a task instance
// (GET …/taskInstances/{task_id}[/{map_index}]/tries/{try_number}). Number 0 is
// that of an instance that was never scheduled.
func (a *TaskInstanceAPI) TryDetails(ctx context.Context, ref TaskInstanceRef, tryNumber int) (TaskInstanceDetails, error) {
	return a.one(ctx, opTryDetails, ref, "/tries/"+strconv.Itoa(tryNumber), &tryNumber)
}

// one asks for a single row, which must be that of ref.
func (a *TaskInstanceAPI) one(ctx context.Context, op string, ref TaskInstanceRef, suffix string, tryNumber *int) (TaskInstanceDetails, error) {
	s, err := a.server(ctx, op, ref)
	if err != nil {
		return TaskInstanceDetails{}, err
	}
	k := a.client.instanceCall(s, op, ref, suffix)
	if tryNumber != nil {
		k.endpoint = instancePath + "/tries/{task_try_number}"
	}
	answer, err := a.client.do(ctx, k)
	if err != nil {
		return TaskInstanceDetails{}, err
	}
	defer answer.Close()
	t, err := answer.details(&a.client.names)
	switch {
	case err != nil:
		return TaskInstanceDetails{}, err
	case t.Ref() != ref:
		return TaskInstanceDetails{}, answer.errorf(ClassDecode, nil, "an answer about another task instance")
	case tryNumber != nil && t.TryNumber != *tryNumber:
		return TaskInstanceDetails{}, answer.errorf(ClassDecode, nil, "an answer about another attempt")
	}
	return t, nil
}

// instancePath is the template of the paths of task instances below the API root, mapped or not.
const instancePath = runPath + "/taskInstances/{task_id}"

// server finds out whom to ask about ref.
func (a *TaskInstanceAPI) server(ctx context.Context, op string, ref TaskInstanceRef) (*server, error) {
	if err := ref.check(); err != nil {
		return nil, &Error{Op: op, Class: ClassInternal, Detail: err.Error(), Err: err}
	}
	return a.client.server(ctx)
}

// check refuses what has no path, or that of something else.
func (r TaskInstanceRef) check() error {
	switch {
	case r.DagID == "":
		return errors.New("a task instance without dag_id")
	case r.RunID == "":
		return errors.New("a task instance without dag_run_id")
	case r.TaskID == "":
		return errors.New("a task instance without task_id")
	case r.MapIndex < -1:
		return fmt.Errorf("a task instance with map index %d: want -1 for one that is not mapped", r.MapIndex)
	case !r.hasPath():
		return fmt.Errorf("no path leads to the task instance %q: ListBatch with RunIDs finds it", []string{r.DagID, r.RunID, r.TaskID})
	}
	return nil
}

// hasPath reports whether the path of the instance leads to it.
func (r TaskInstanceRef) hasPath() bool {
	return namesOne(r.DagID) && namesOne(r.RunID) && namesOne(r.TaskID)
}

// details reads an answer that is one row.
func (a *answer) details(n *names) (TaskInstanceDetails, error) {
	var row jsontext.Value
	if err := a.decode(&row); err != nil {
		return TaskInstanceDetails{}, err
	}
	d := detailsDecoder{rowDecoder{names: n}}
	t, err := d.decodeValue(row)
	return t, a.decodeError(err)
}

// Dependencies is [Client.Dependencies]: it can write.
func (a *TaskInstanceAPI) Dependencies(ctx context.Context, ref TaskInstanceRef) ([]Dependency, error) {
	if err := ref.check(); err != nil {
		return nil, &Error{Op: opDependencies, Class: ClassInternal, Detail: err.Error(), Err: err}
	}
	return a.client.Dependencies(ctx, ref)
}

// Tries lists the attempts of a task instance as Airflow sends them
// (GET …/taskInstances/{task_id}[/{map_index}]/tries): in no order, the current
// one among them, and some of them twice. [Client.Tries] has one row of each.
// Of an instance that does not exist there are none on Airflow 2; it is a 404 on 3.
func (a *TaskInstanceAPI) Tries(ctx context.Context, ref TaskInstanceRef) ([]TaskInstanceDetails, error) {
	s, err := a.server(ctx, opTries, ref)
	if err != nil {
		return nil, err
	}
	answer, err := a.client.do(ctx, a.client.instanceCall(s, opTries, ref, "/tries"))
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	rows, err := answer.detailsList(&a.client.names)
	for i := range rows {
		if rows[i].Ref() != ref {
			return nil, answer.errorf(ClassDecode, nil, "row %d: an attempt of another task instance", i)
		}
	}
	return rows, err
}

// detailsList reads an answer that is a whole list.
func (a *answer) detailsList(n *names) ([]TaskInstanceDetails, error) {
	d := detailsDecoder{rowDecoder{names: n}}
	return wholeList(a, d.decode)
}

const opExtraLinks = "list the extra links of a task instance"

// ExtraLinks returns the links that the operator of a task instance has for
// people, by name (GET …/taskInstances/{task_id}/links). A link is nil as long
// as the operator has none to offer, as before the task ran.
//
// Airflow 2 takes a map index from 2.10.5 on only. Before, map index −1 of an
// expanded mapped task brings the links of any one of its instances, where later
// versions answer 404.
func (a *TaskInstanceAPI) ExtraLinks(ctx context.Context, ref TaskInstanceRef) (map[string]*string, error) {
	s, err := a.server(ctx, opExtraLinks, ref)
	if err != nil {
		return nil, err
	}
	if ref.MapIndex >= 0 && !s.AtLeast(2, 10, 5) {
		return nil, unsupported(opExtraLinks, s, "the links of one mapped task instance: upgrade it to 2.10.5 or later")
	}
	k := a.client.instanceCall(s, opExtraLinks, ref.unmapped(), "/links")
	k.query = ref.indexQuery()
	answer, err := a.client.do(ctx, k)
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	return s.dialect.extraLinks(answer)
}

// extraLinks of v1 are the whole answer.
func (v1) extraLinks(a *answer) (links map[string]*string, err error) {
	if err := a.decode(&links); err != nil {
		return nil, err
	}
	if links == nil {
		return nil, a.errorf(ClassDecode, nil, "an answer without links")
	}
	return links, nil
}

func (v2) extraLinks(a *answer) (map[string]*string, error) {
	var body struct {
		Links map[string]*string `json:"extra_links"`
	}
	if err := a.decode(&body); err != nil {
		return nil, err
	}
	if body.Links == nil {
		return nil, a.errorf(ClassDecode, nil, "an answer without extra_links")
	}
	return body.Links, nil
}

// unmapped names the task, for paths that leave the index to the query.
func (r TaskInstanceRef) unmapped() TaskInstanceRef {
	r.MapIndex = NotMapped
	return r
}

// indexQuery names the map index where the path does not.
func (r TaskInstanceRef) indexQuery() url.Values {
	if r.MapIndex < 0 {
		return nil
	}
	return url.Values{"map_index": {strconv.Itoa(r.MapIndex)}}
}
