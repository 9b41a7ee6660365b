package airflow

import (
	"context"
	"fmt"
	"net/http"
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
	// Room is how many rows the answer may hold.
	Room int
}

const opRuns = "list DAG runs"

// DagRuns lists DAG runs in one answer (POST /dags/~/dagRuns/list), so that it
// is a consistent picture. The error of a listing that did not fit is an *Error
// that wraps an *IncompleteError.
func (c *Client) DagRuns(ctx context.Context, q DagRunQuery) ([]DagRun, error) {
	if len(q.States) == 0 {
		return nil, &Error{Op: opRuns, Class: ClassInternal, Detail: "no state is selected"}
	}
	s, err := c.server(ctx)
	if err != nil {
		return nil, err
	}
	k := c.call(s, opRuns, http.MethodPost, "/dags/~/dagRuns/list")
	k.maxBytes = c.cfg.MaxResponseBytes
	k.body, err = json.Marshal(struct {
		States []RunState `json:"states"`
		Since  *time.Time `json:"end_date_gte,omitempty"`
		Limit  int        `json:"page_limit"`
		Order  string     `json:"order_by"`
	}{q.States, orNull(q.EndedSince), q.Room, "id"})
	if err != nil {
		return nil, k.errorf(ClassInternal, err, "%v", err)
	}
	a, err := c.do(ctx, k)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	var runs []DagRun
	rows := 0
	seen := map[RunRef]struct{}{}
	e, err := decodeListing(a.body, "dag_runs", func(dec *jsontext.Decoder) error {
		run, err := decodeDagRun(dec)
		if err != nil {
			return fmt.Errorf("row %d: %w", rows, err)
		}
		rows++
		if _, again := seen[run.RunRef]; !again {
			seen[run.RunRef] = struct{}{}
			runs = append(runs, run)
		}
		return nil
	})
	if err := a.decodeError(err); err != nil {
		return nil, err
	}
	if e.total < 0 {
		return nil, k.errorf(ClassDecode, nil, "an answer without total_entries")
	}
	if len(runs) < e.total {
		cause := &IncompleteError{Received: len(runs), Total: e.total, Clamped: rows < q.Room}
		return nil, k.errorf(ClassTooLarge, cause, "%v", cause)
	}
	return runs, nil
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

// orNull is nil for the zero time.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
