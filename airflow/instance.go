package airflow

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// TaskInstanceRef names one task instance. MapIndex is −1 for a task that is
// not mapped, or not expanded yet, and has to be said: zero is index 0 of a mapped one.
type TaskInstanceRef struct {
	DagID, RunID, TaskID string
	MapIndex             int
}

// NotMapped is the map index of a task instance that is not mapped, or not expanded yet.
const NotMapped = -1

// Task names the instance of a task in the run that is not mapped, or not
// expanded yet. One of an expanded mapped task has its index as MapIndex.
func (r RunRef) Task(taskID string) TaskInstanceRef {
	return TaskInstanceRef{DagID: r.DagID, RunID: r.RunID, TaskID: taskID, MapIndex: NotMapped}
}

// path is the path of the instance below the API root, with a suffix like "/tries".
func (r TaskInstanceRef) path(suffix string) string {
	p := RunRef{r.DagID, r.RunID}.path() + "/taskInstances/" + url.PathEscape(r.TaskID)
	if r.MapIndex >= 0 {
		p += "/" + strconv.Itoa(r.MapIndex)
	}
	return p + suffix
}

// instanceCall starts a call about one instance; mapped or not, it counts as one endpoint.
func (c *Client) instanceCall(s *server, op string, ref TaskInstanceRef, suffix string) call {
	k := c.call(s, op, http.MethodGet, ref.path(suffix))
	k.endpoint = runPath + "/taskInstances/{task_id}" + suffix
	return k
}

// Dependency is a reason why a task instance does not run, in Airflow's own words.
type Dependency struct {
	Name   string // of Airflow's dependency check: "Trigger Rule"
	Reason string // free text
}

const opDependencies = "ask for the dependencies of a task instance"

// Dependencies tells what keeps a task instance from running (GET
// …/taskInstances/{task_id}[/{map_index}]/dependencies, Airflow 2.10 and later).
// It is empty for an instance in any state but none and scheduled, and for a
// scheduled one that only waits for the executor or the scheduler.
//
// It is a GET that can write: an instance whose turn has not come may become
// skipped or upstream_failed by asking. Ask only for instances that the
// scheduler has examined many times already.
func (c *Client) Dependencies(ctx context.Context, ref TaskInstanceRef) ([]Dependency, error) {
	s, err := c.server(ctx)
	if err != nil {
		return nil, err
	}
	a, err := c.do(ctx, c.instanceCall(s, opDependencies, ref, "/dependencies"))
	if err != nil {
		return nil, err
	}
	defer a.Close()
	var body struct {
		Dependencies *[]struct {
			Name   *string `json:"name"`
			Reason *string `json:"reason"`
		} `json:"dependencies"`
	}
	if err := a.decode(&body); err != nil {
		return nil, err
	}
	if body.Dependencies == nil {
		return nil, a.errorf(ClassDecode, nil, "an answer without dependencies")
	}
	var list []Dependency
	for i, d := range *body.Dependencies {
		if d.Name == nil || *d.Name == "" {
			return nil, a.errorf(ClassDecode, nil, "row %d: a dependency without name", i)
		}
		list = append(list, Dependency{Name: *d.Name, Reason: orZero(d.Reason)})
	}
	return list, nil
}

const opTries = "list the attempts of a task instance"

// Tries lists the attempts of a task instance, one row each, by try number
// (GET …/taskInstances/{task_id}[/{map_index}]/tries, Airflow 2.10 and later).
// Where Airflow lists an attempt twice (a running one that was cleared,
// 2.10.0–2.10.3 while up for retry, one that was cleared and then failed
// upstream or was skipped, which keeps its number) the row that tells most of
// it is kept: one that succeeded or failed, or else one that is finished, and of
// two such rows the one that ended later. An instance that was cleared before it ever ran has a
// failed row with number 0, which is no attempt. One that does not exist is an
// empty list on Airflow 2, and a 404 on 3; a run id with a slash is a 404 on
// both, because no path leads to it.
func (c *Client) Tries(ctx context.Context, ref TaskInstanceRef) ([]TaskInstance, error) {
	s, err := c.server(ctx)
	if err != nil {
		return nil, err
	}
	a, err := c.do(ctx, c.instanceCall(s, opTries, ref, "/tries"))
	if err != nil {
		return nil, err
	}
	defer a.Close()
	d := rowDecoder{names: &c.names}
	rows, err := wholeList(a, d.decode)
	if err != nil {
		return nil, err
	}
	return onePerTry(rows), nil
}

// wholeList reads an answer that holds all task instances that there are.
func wholeList[R any](a *answer, decode func(*jsontext.Decoder) (R, error)) ([]R, error) {
	var rows []R
	e, err := decodeListing(a.body, "task_instances", func(dec *jsontext.Decoder) error {
		t, err := decode(dec)
		if err != nil {
			return fmt.Errorf("row %d: %w", len(rows), err)
		}
		rows = append(rows, t)
		return nil
	})
	if err := a.decodeError(err); err != nil {
		return nil, err
	}
	if len(rows) < e.total {
		cause := &IncompleteError{Received: len(rows), Total: e.total}
		return nil, a.errorf(ClassTooLarge, cause, "%v", cause)
	}
	return rows, nil
}

// onePerTry keeps one row of each attempt, in the order of their numbers. An
// instance that was cleared and then failed upstream still has the number, and
// maybe the dates, of the attempt before, whose own row is in the history.
func onePerTry(rows []TaskInstance) []TaskInstance {
	slices.SortStableFunc(rows, func(a, b TaskInstance) int {
		return cmp.Or(
			cmp.Compare(a.TryNumber, b.TryNumber),
			-cmp.Compare(telling(a.State), telling(b.State)),
			b.EndDate.Compare(a.EndDate))
	})
	return slices.CompactFunc(rows, func(a, b TaskInstance) bool { return a.TryNumber == b.TryNumber })
}

// telling is how much a state says of the attempt that the row shows: that it
// ran and how it ended (2), that it is over (1), or nothing yet (0).
func telling(s State) int {
	switch {
	case s == StateSuccess, s == StateFailed:
		return 2
	case s.Finished():
		return 1
	}
	return 0
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
