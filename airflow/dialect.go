package airflow

import (
	"context"
	"net/url"
	"time"
)

// dialect is what differs between the two APIs.
type dialect interface {
	// api is the last segment of the API's root: "v1", "v2".
	api() string
	// healthPath is the path of the health endpoint below the root.
	healthPath() string
	// authorizer returns how c logs in, nil for not at all.
	authorizer(c *Client) authorizer
	// batchFilter is the body of the batch list of task instances, from the row at offset on.
	batchFilter(q TaskInstanceQuery, offset int) batchFilter
	// batches turns questions about runs into as few and as cheap requests as this API allows.
	batches(questions []RunQuestion, now time.Time) []runScope
	// neighbours are the first of these runs and those of the others that one
	// request for all of their rows asks for as well without fetching many rows of runs beside them.
	neighbours(runs []DagRun) []DagRun
	// scope is what a request about all of the batch selects.
	scope(batch []RunQuestion) runScope
	// instancesInOrder reports whether pages of task instances have an order, by GET and by batch.
	instancesInOrder() bool
	// finite reports whether numbers that are not finite never come, bare, in listings of task instances.
	finite() bool
	// runDate is the column by which the runs of a DAG follow each other.
	runDate() string
	// dagsQuery are the parameters of the listing of DAGs, but for order and page.
	dagsQuery(q DagQuery) url.Values
	// hasBundles reports whether DAG files come in bundles.
	hasBundles() bool
	// extraLinks reads the answer to the question for the links of a task instance.
	extraLinks(a *answer) (map[string]*string, error)
	// logCall makes a call one for a log.
	logCall(s *server, k *call, stream bool)
	// logSource reads a log.
	logSource(a *answer, stream bool) logSource
	// setState is TaskInstanceAPI.SetState.
	setState(ctx context.Context, a *TaskInstanceAPI, s *server, ref TaskInstanceRef, change StateChange) ([]ChangedTaskInstance, error)
	// notePath is where the note of a task instance is written, and noted reads the answer.
	notePath(ref TaskInstanceRef) string
	noted(s *server, a *answer, n *names) (TaskInstanceDetails, error)
	// selection turns a filter into the parameters of a list, and refuses what this version does not know.
	selection(s *server, f *TaskInstanceFilter, list taskInstanceList) (selection, error)
	// unfinishedStates are the states of unfinished task instances that the
	// API of this version accepts in a filter, without StateNone.
	unfinishedStates(v Version) []State
}

func root(d dialect) string { return "/api/" + d.api() }

// call starts a call below the API root that needs a login.
func (c *Client) call(s *server, op, method, path string) call {
	return call{op: op, method: method, endpoint: path, path: root(s.dialect) + path, auth: s.dialect.authorizer(c)}
}
