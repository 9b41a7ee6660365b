package airflow

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
)

// StateChange says which state a task instance is to get.
type StateChange struct {
	// State is StateSuccess, StateFailed or StateSkipped. Airflow refuses all others.
	State State
	// Commit makes the change. Without it Airflow only says which instances it
	// would change, and not which ones it would clear besides (see SetState): a
	// field that is forgotten writes nothing.
	Commit bool
	// These widen the change to other tasks, and other runs, of the DAG. Airflow 3.
	IncludeUpstream, IncludeDownstream, IncludeFuture, IncludePast bool
}

// ChangedTaskInstance is a task instance that SetState changed, or would change.
type ChangedTaskInstance struct {
	TaskInstanceRef
	LogicalDate time.Time            // the execution date on Airflow 2
	Details     *TaskInstanceDetails // nil on Airflow 2, which does not tell them
}

const opSetState = "set the state of a task instance"

// SetState sets the state of a task instance
// (PATCH …/taskInstances/{task_id}[/{map_index}]), or, without change.Commit,
// asks what that would change. It needs the right to edit task instances.
//
// A change also clears what is failed or upstream_failed downstream of the task,
// so that it runs again: in this run, with IncludeFuture in the runs after it, too,
// with IncludePast in those before it, and with both in all runs of the DAG. No
// dry run, and no answer, tells of these.
//
// It changes the one instance that ref names, and what the change includes
// beside it: map index −1 is never all indexes of an expanded mapped task, which
// has no such instance, so that Airflow answers 404. Airflow 3.1.0 and 3.1.1, which change every index whichever is named,
// are not asked to change a mapped one, nor other runs, in which the task may be mapped.
//
// Airflow 2 tells of a dry run which instance it found, even if it has the state
// already, and nothing of a real one, whose result is empty. Airflow 3 tells of
// a dry run what would change, so nothing where all have the state already, and
// answers 409 to a real one then; of a real one it tells the instance itself.
func (a *TaskInstanceAPI) SetState(ctx context.Context, ref TaskInstanceRef, change StateChange) ([]ChangedTaskInstance, error) {
	s, err := a.server(ctx, opSetState, ref)
	if err != nil {
		return nil, err
	}
	return s.dialect.setState(ctx, a, s, ref, change)
}

const opSetNote = "set the note of a task instance"

// SetNote sets the note of a task instance, of up to 1000 characters, and
// returns the instance (PATCH …/taskInstances/{task_id}[/{map_index}]/setNote on
// Airflow 2, PATCH …/taskInstances/{task_id}/{map_index} on 3). On Airflow 3.3 and
// later an empty note takes away the one that is there; before, it is stored as an
// empty note. As with SetState, map index −1 is one instance only. It needs the
// right to edit task instances.
func (a *TaskInstanceAPI) SetNote(ctx context.Context, ref TaskInstanceRef, note string) (TaskInstanceDetails, error) {
	s, err := a.server(ctx, opSetNote, ref)
	if err != nil {
		return TaskInstanceDetails{}, err
	}
	answer, err := a.patch(ctx, s, s.dialect.notePath(ref), opSetNote, struct {
		Note string `json:"note"`
	}{note})
	if err != nil {
		return TaskInstanceDetails{}, err
	}
	defer answer.Close()
	t, err := s.dialect.noted(s, answer, &a.client.names)
	if err == nil && t.Ref() != ref {
		err = answer.errorf(ClassDecode, nil, "an answer about another task instance")
	}
	return t, err
}

// patch makes one PATCH; the path is that below the API root.
func (a *TaskInstanceAPI) patch(ctx context.Context, s *server, path, op string, body any) (*answer, error) {
	k := a.client.call(s, op, http.MethodPatch, path)
	k.endpoint = instancePath
	k.maxBytes = a.client.cfg.MaxResponseBytes // all that a change includes
	var err error
	if k.body, err = json.Marshal(body); err != nil {
		return nil, k.errorf(ClassInternal, err, "%v", err)
	}
	return a.client.do(ctx, k)
}

// aboutWrite reports whether the request that failed was to change something. It is here so that no other file names the method.
func (e *Error) aboutWrite() bool { return e.Method == http.MethodPatch }

func (v1) setState(ctx context.Context, a *TaskInstanceAPI, s *server, ref TaskInstanceRef, change StateChange) ([]ChangedTaskInstance, error) {
	for _, wider := range []struct {
		field string
		is    bool
	}{
		{"IncludeUpstream", change.IncludeUpstream}, {"IncludeDownstream", change.IncludeDownstream},
		{"IncludeFuture", change.IncludeFuture}, {"IncludePast", change.IncludePast},
	} {
		if wider.is {
			return nil, unsupported(opSetState, s, "StateChange."+wider.field)
		}
	}
	answer, err := a.patch(ctx, s, ref.path(""), opSetState, struct {
		DryRun bool  `json:"dry_run"`
		State  State `json:"new_state"`
	}{!change.Commit, change.State})
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	var found struct {
		DagID         string    `json:"dag_id"`
		RunID         string    `json:"dag_run_id"`
		TaskID        string    `json:"task_id"`
		ExecutionDate time.Time `json:"execution_date"`
	}
	if err := answer.decode(&found); err != nil {
		return nil, err
	}
	if change.Commit {
		return nil, nil // the answer is {}
	}
	if got := (TaskInstanceRef{found.DagID, found.RunID, found.TaskID, ref.MapIndex}); got != ref {
		return nil, answer.errorf(ClassDecode, nil, "an answer about another task instance")
	}
	return []ChangedTaskInstance{{TaskInstanceRef: ref, LogicalDate: found.ExecutionDate}}, nil
}

func (v1) notePath(ref TaskInstanceRef) string { return ref.path("/setNote") }

func (v1) noted(_ *server, a *answer, n *names) (TaskInstanceDetails, error) { return a.details(n) }

// indexed is the path with the index, −1 included: without one v2 writes to every index.
func (v2) indexed(ref TaskInstanceRef) string {
	return ref.unmapped().path("/" + strconv.Itoa(ref.MapIndex))
}

func (d v2) setState(ctx context.Context, a *TaskInstanceAPI, s *server, ref TaskInstanceRef, change StateChange) ([]ChangedTaskInstance, error) {
	// https://github.com/apache/airflow/issues/57101
	if change.Commit && s.AtLeast(3, 1, 0) && !s.AtLeast(3, 1, 2) {
		const instead = ", but changes every index: upgrade it to 3.1.2 or later"
		switch {
		case ref.MapIndex >= 0:
			return nil, unsupported(opSetState, s, "a change of one mapped task instance"+instead)
		case change.IncludeFuture: // in another run the task may be mapped
			return nil, unsupported(opSetState, s, "StateChange.IncludeFuture of one task instance a run"+instead)
		case change.IncludePast:
			return nil, unsupported(opSetState, s, "StateChange.IncludePast of one task instance a run"+instead)
		}
	}
	path := d.indexed(ref)
	if !change.Commit {
		path += "/dry_run"
	}
	answer, err := a.patch(ctx, s, path, opSetState, struct {
		State             State `json:"new_state"`
		IncludeUpstream   bool  `json:"include_upstream,omitzero"`
		IncludeDownstream bool  `json:"include_downstream,omitzero"`
		IncludeFuture     bool  `json:"include_future,omitzero"`
		IncludePast       bool  `json:"include_past,omitzero"`
	}{change.State, change.IncludeUpstream, change.IncludeDownstream, change.IncludeFuture, change.IncludePast})
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	rows, err := patched(s, answer, &a.client.names, !change.Commit)
	if err != nil {
		return nil, err
	}
	var changed []ChangedTaskInstance
	for i := range rows {
		changed = append(changed, ChangedTaskInstance{rows[i].Ref(), rows[i].LogicalDate, &rows[i]})
	}
	return changed, nil
}

func (d v2) notePath(ref TaskInstanceRef) string { return d.indexed(ref) }

// patched reads the answer to a PATCH. That of 3.0.0 and 3.0.1 to one that is no dry run is the instance itself.
func patched(s *server, a *answer, n *names, dry bool) ([]TaskInstanceDetails, error) {
	if dry || s.AtLeast(3, 0, 2) {
		return a.detailsList(n)
	}
	t, err := a.details(n)
	return []TaskInstanceDetails{t}, err
}

func (v2) noted(s *server, a *answer, n *names) (TaskInstanceDetails, error) {
	rows, err := patched(s, a, n, false)
	if err == nil && len(rows) != 1 {
		err = a.errorf(ClassDecode, nil, "an answer about %d task instances", len(rows))
	}
	if err != nil {
		return TaskInstanceDetails{}, err
	}
	return rows[0], nil
}
