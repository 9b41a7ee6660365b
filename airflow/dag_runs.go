package airflow

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// RunState is the state of a DAG run in Airflow's own word.
type RunState string

// The states of DAG runs.
const (
	RunQueued  RunState = "queued"
	RunRunning RunState = "running"
	RunSuccess RunState = "success"
	RunFailed  RunState = "failed"
)

// RunRef names a DAG run.
type RunRef struct{ DagID, RunID string }

// runPath is the template of the paths of runs below the API root.
const runPath = "/dags/{dag_id}/dagRuns/{dag_run_id}"

// path is the path of the run below the API root.
func (r RunRef) path() string {
	return "/dags/" + url.PathEscape(r.DagID) + "/dagRuns/" + url.PathEscape(r.RunID)
}

// hasPath reports whether that path leads to the run: servers decode a slash
// before they split the path, "~" is any run, and proxies resolve dots.
func (r RunRef) hasPath() bool { return namesOne(r.DagID) && namesOne(r.RunID) }

// namesOne reports whether a path with this id in it leads to what has the id.
func namesOne(id string) bool { return id != "~" && staysInPath(id) }

// staysInPath reports whether an id is one part of a path.
func staysInPath(id string) bool { return id != "." && id != ".." && !strings.Contains(id, "/") }

// DagRun is one row of Airflow's DAG run listings. A zero time means that
// Airflow sent null, or that its version has no such field.
type DagRun struct {
	RunRef
	RunType string // scheduled, manual, backfill, asset_triggered (Airflow 3), dataset_triggered (Airflow 2), …
	State   RunState
	// LogicalDate is the execution date on Airflow 2; on Airflow 3 it may be null.
	LogicalDate time.Time
	// RunAfter is when the run may begin: run_after on Airflow 3, the end of the data interval on Airflow 2.
	RunAfter  time.Time
	QueuedAt  time.Time // Airflow 3 only
	StartDate time.Time
	EndDate   time.Time
}

// DagRunQuery selects DAG runs of all DAGs that the account may read.
type DagRunQuery struct {
	States []RunState // at least one
	// EndedSince leaves out runs that ended before, and those that have not ended; zero: no bound.
	EndedSince time.Time
	// EndedUntil leaves out runs that ended after, and those that have not ended; zero: no bound.
	EndedUntil time.Time
	// Room is how many rows the answer may hold. Page by page there may be a page more.
	Room int
}

const opRuns = "list DAG runs"

// DagRuns lists DAG runs in one answer (POST /dags/~/dagRuns/list), so that it
// is a consistent picture. A server that bounds its answers is asked for the
// rest page by page, and so is Airflow 3 for all with [ListGet] (GET
// /dags/~/dagRuns). The result is complete, or there is an error: that of a
// listing that did not fit, or whose rows moved between two pages, is an *Error
// that wraps an *IncompleteError.
func (c *Client) DagRuns(ctx context.Context, q DagRunQuery) ([]DagRun, error) {
	if len(q.States) == 0 {
		return nil, &Error{Op: opRuns, Class: ClassInternal, Detail: "no state is selected"}
	}
	s, err := c.server(ctx)
	if err != nil {
		return nil, err
	}
	var runs []DagRun
	of := q.rows()
	of.byGet = c.listsByGet(s)
	w := listing(c, s, of, func(r DagRun) bool {
		// By GET, Airflow takes a run that has not ended for one that ends now.
		if !r.EndDate.IsZero() || q.EndedSince.IsZero() && q.EndedUntil.IsZero() {
			runs = append(runs, r)
		}
		return true
	})
	if err := w.list(ctx); err != nil {
		return nil, err
	}
	return runs, nil
}

// dagRunFilter is the body of the batch list of DAG runs on both APIs. Both sort by id.
type dagRunFilter struct {
	States []RunState `json:"states"`
	Since  *time.Time `json:"end_date_gte,omitempty"`
	Until  *time.Time `json:"end_date_lte,omitempty"`
	Limit  int        `json:"page_limit"`
	Offset int        `json:"page_offset,omitempty"`
	Order  string     `json:"order_by"`
}

// rows are the rows that q selects.
func (q DagRunQuery) rows() rowsOf[DagRun, RunRef] {
	params := url.Values{}
	for _, state := range q.States {
		params.Add("state", string(state))
	}
	addDate(params, "end_date_gte", q.EndedSince)
	addDate(params, "end_date_lte", q.EndedUntil)
	return rowsOf[DagRun, RunRef]{
		op: opRuns, key: "dag_runs", decode: decodeDagRun, ref: func(r *DagRun) RunRef { return r.RunRef },
		path: "/dags/~/dagRuns", params: params,
		body: func(offset int) any {
			return dagRunFilter{
				States: q.States, Since: orNull(q.EndedSince), Until: orNull(q.EndedUntil),
				Limit: q.Room, Offset: offset, Order: "id",
			}
		},
		ordered: true, room: q.Room, most: q.Room,
	}
}

func decodeDagRun(dec *jsontext.Decoder) (DagRun, error) {
	var j struct {
		DagID       *string    `json:"dag_id"`
		RunID       *string    `json:"dag_run_id"`
		RunType     *string    `json:"run_type"`
		State       *string    `json:"state"`
		LogicalDate *time.Time `json:"logical_date"`
		RunAfter    *time.Time `json:"run_after"`
		IntervalEnd *time.Time `json:"data_interval_end"`
		QueuedAt    *time.Time `json:"queued_at"`
		StartDate   *time.Time `json:"start_date"`
		EndDate     *time.Time `json:"end_date"`
	}
	if err := json.UnmarshalDecode(dec, &j); err != nil {
		return DagRun{}, err
	}
	for _, r := range []struct {
		name  string
		value *string
	}{{"dag_id", j.DagID}, {"dag_run_id", j.RunID}, {"run_type", j.RunType}, {"state", j.State}} {
		if r.value == nil || *r.value == "" {
			return DagRun{}, fmt.Errorf("a DAG run without %s", r.name)
		}
	}
	if j.RunAfter == nil {
		j.RunAfter = j.IntervalEnd // Airflow 2
	}
	return DagRun{
		RunRef: RunRef{*j.DagID, *j.RunID}, RunType: *j.RunType, State: RunState(*j.State),
		LogicalDate: orZero(j.LogicalDate), RunAfter: orZero(j.RunAfter), QueuedAt: orZero(j.QueuedAt),
		StartDate: orZero(j.StartDate), EndDate: orZero(j.EndDate),
	}, nil
}

// addDate adds a bound to the parameters of a GET, but for the zero time.
func addDate(params url.Values, key string, t time.Time) {
	if !t.IsZero() {
		params.Set(key, t.UTC().Format(time.RFC3339Nano))
	}
}

// orNull is nil for the zero time.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
