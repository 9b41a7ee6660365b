package airflowtest

import (
	"fmt"
	"net/http"
)

// getDagRun is GET …/dagRuns/{run} of v1.
func (d v1) getDagRun(c *call) answer {
	dag, run := c.path["dag"], c.path["run"]
	if !c.mayRead(dag) {
		return d.forbidden()
	}
	r := c.db.Run(dag, run)
	if r == nil {
		return d.problem(http.StatusNotFound, "DAGRun not found", fmt.Sprintf("DAGRun with DAG ID: '%s' and DagRun ID: '%s' not found", dag, run), "NotFound")
	}
	return d.json(http.StatusOK, v1DagRun(r))
}

// getDagRun is GET …/dagRuns/{run} of v2.
func (d v2) getDagRun(c *call) answer {
	dag, run := c.path["dag"], c.path["run"]
	if !c.mayRead(dag) {
		return d.forbidden()
	}
	r := c.db.Run(dag, run)
	if r == nil {
		return d.detail(http.StatusNotFound, fmt.Sprintf("The DagRun with dag_id: `%s` and run_id: `%s` was not found", dag, run))
	}
	return d.json(http.StatusOK, d.dagRun(r))
}
