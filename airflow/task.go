package airflow

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Task is a task of a DAG, as its newest version has it.
type Task struct {
	TaskID string
	// RetryDelay is how long a failed attempt waits for the next one; nil: Airflow does not tell.
	RetryDelay *time.Duration
	// RetryBackoff: each retry waits longer than the one before, for how long Airflow does not tell.
	RetryBackoff bool
}

const opTask = "ask for a task"

// Task asks for a task of a DAG (GET /dags/{dag_id}/tasks/{task_id}). One that
// the newest version of the DAG does not have is an *Error with status 404, and
// so is one to which no path leads.
func (c *Client) Task(ctx context.Context, dagID, taskID string) (Task, error) {
	s, err := c.server(ctx)
	if err != nil {
		return Task{}, err
	}
	k := c.call(s, opTask, http.MethodGet, "/dags/"+url.PathEscape(dagID)+"/tasks/"+url.PathEscape(taskID))
	k.endpoint = "/dags/{dag_id}/tasks/{task_id}"
	for _, id := range []string{dagID, taskID} {
		if id == "" || id == "~" || id == "." || id == ".." || strings.Contains(id, "/") {
			e := k.errorf(ClassClient, nil, "no path leads to a task with this id")
			e.Status = http.StatusNotFound
			return Task{}, e
		}
	}
	a, err := c.do(ctx, k)
	if err != nil {
		return Task{}, err
	}
	defer a.Close()
	var j taskJSON
	if err := a.decode(&j); err != nil {
		return Task{}, err
	}
	t, err := j.task()
	switch {
	case err != nil:
		return Task{}, a.errorf(ClassDecode, err, "not the expected JSON: %v", err)
	case t.TaskID != taskID:
		return Task{}, a.errorf(ClassDecode, nil, "an answer about another task")
	}
	return t, nil
}

// taskJSON is a task as both APIs send it.
type taskJSON struct {
	TaskID     *string `json:"task_id"`
	RetryDelay *struct {
		Type         string `json:"__type"`
		Days         int64  `json:"days"`
		Seconds      int64  `json:"seconds"`
		Microseconds int64  `json:"microseconds"`
	} `json:"retry_delay"`
	Backoff jsontext.Value `json:"retry_exponential_backoff"` // a boolean, or since 3.2 a factor that is 0 for none
}

func (j *taskJSON) task() (Task, error) {
	if j.TaskID == nil {
		return Task{}, errors.New("a task without task_id")
	}
	t := Task{TaskID: *j.TaskID}
	if d := j.RetryDelay; d != nil && d.Type == "TimeDelta" {
		const day = 24 * time.Hour
		t.RetryDelay = new(time.Duration(d.Days)*day + time.Duration(d.Seconds)*time.Second + time.Duration(d.Microseconds)*time.Microsecond)
	}
	switch j.Backoff.Kind() {
	case 't':
		t.RetryBackoff = true
	case '0':
		t.RetryBackoff = strings.Trim(string(j.Backoff), "-0.") != ""
	}
	return t, nil
}
