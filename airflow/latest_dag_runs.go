package airflow

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

const opLatestRuns = "list the latest runs of a DAG"

// LatestDagRuns lists the latest runs of a DAG in these states, at most n of
// them, the latest run_after first (v1: execution date; GET
// /dags/{dag_id}/dagRuns). It is empty for a DAG without such runs. All reports
// whether there are no others: a server may send fewer than n. The error
// is an *Error, on Airflow 3 a 404 for a DAG that does not exist.
func (c *Client) LatestDagRuns(ctx context.Context, dagID string, states []RunState, n int) (runs []DagRun, all bool, err error) {
	s, err := c.server(ctx)
	if err != nil {
		return nil, false, err
	}
	k := c.call(s, opLatestRuns, http.MethodGet, "/dags/"+url.PathEscape(dagID)+"/dagRuns")
	k.endpoint = "/dags/{dag_id}/dagRuns"
	k.query = url.Values{"order_by": {"-" + s.dialect.runDate()}, "limit": {strconv.Itoa(n)}}
	for _, state := range states {
		k.query.Add("state", string(state))
	}
	a, err := c.do(ctx, k)
	if err != nil {
		return nil, false, err
	}
	defer a.Close()
	e, err := decodeListing(a.body, "dag_runs", func(dec *jsontext.Decoder) error {
		run, err := decodeDagRun(dec)
		if err != nil {
			return fmt.Errorf("row %d: %w", len(runs), err)
		}
		runs = append(runs, run)
		return nil
	})
	if err := a.decodeError(err); err != nil {
		return nil, false, err
	}
	if e.total < 0 {
		return nil, false, a.errorf(ClassDecode, nil, "an answer without total_entries")
	}
	if len(runs) == 0 && min(n, e.total) > 0 {
		cause := &IncompleteError{Total: e.total}
		return nil, false, a.errorf(ClassTooLarge, cause, "%v", cause)
	}
	return runs, len(runs) >= e.total, nil
}
