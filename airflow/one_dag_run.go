package airflow

import (
	"context"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"
)

const opRun = "ask for a DAG run"

// DagRun asks for one DAG run (GET /dags/{dag_id}/dagRuns/{dag_run_id}). One
// that does not exist is an *Error with status 404, and so is one whose id has
// a slash, because no path leads to it.
func (c *Client) DagRun(ctx context.Context, ref RunRef) (DagRun, error) {
	s, err := c.server(ctx)
	if err != nil {
		return DagRun{}, err
	}
	k := c.call(s, opRun, http.MethodGet, ref.path())
	k.endpoint = runPath
	if !ref.hasPath() {
		e := k.errorf(ClassClient, nil, "no path leads to a run with this id")
		e.Status = http.StatusNotFound
		return DagRun{}, e
	}
	a, err := c.do(ctx, k)
	if err != nil {
		return DagRun{}, err
	}
	defer a.Close()
	run, err := decodeDagRun(jsontext.NewDecoder(a.body))
	if err := a.decodeError(err); err != nil {
		return DagRun{}, err
	}
	if run.RunRef != ref {
		return DagRun{}, a.errorf(ClassDecode, nil, "an answer about another run")
	}
	return run, nil
}
