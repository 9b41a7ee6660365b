package airflow_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// A task tells how long its retries wait; one that is not there is a 404, and so is one to which no path leads.
func TestTask(t *testing.T) {
	for _, version := range []string{"2.10.2", "2.11.2", "3.0.6", "3.3.2"} {
		server := airflowtest.Start(t, airflowtest.Options{Version: version})
		server.Update(func(db *airflowtest.Database) {
			db.Add(airflowtest.Task("größe", "r", "plain"), 1)
			db.Put(airflowtest.TaskInstance{Key: airflowtest.Task("größe", "r", "a b"), RetryDelay: 25*time.Hour + 1500*time.Millisecond, RetryBackoff: true})
			db.Add(airflowtest.Task("größe", "r", "a/b"), 1)
		})
		client := connect(t, server, nil)
		for id, want := range map[string]struct {
			delay   time.Duration
			backoff bool
		}{"plain": {5 * time.Minute, false}, "a b": {25*time.Hour + 1500*time.Millisecond, true}} {
			got, err := client.Task(t.Context(), "größe", id)
			if err != nil || got.TaskID != id || got.RetryDelay == nil || *got.RetryDelay != want.delay || got.RetryBackoff != want.backoff {
				t.Errorf("%s: %s: got %+v, %v", version, id, got, err)
			}
		}
		for _, ids := range [][2]string{{"größe", "nope"}, {"nope", "plain"}, {"größe", "a/b"}, {"größe", ".."}, {"größe", ""}} {
			_, err := client.Task(t.Context(), ids[0], ids[1])
			if e, ok := errors.AsType[*airflow.Error](err); !ok || e.Status != http.StatusNotFound {
				t.Errorf("%s: %q: got %v", version, ids, err)
			}
		}
	}
}

// An answer that is not about the task is refused, and what it does not tell is not made up.
func TestTasksThatAreOdd(t *testing.T) {
	for body, want := range map[string]string{
		`{"task_id": "load"}`: "",
		`{"task_id": "load", "retry_delay": null, "retry_exponential_backoff": null}`: "",
		`{"task_id": "load", "retry_delay": {"__type": "RelativeDelta", "days": 1}}`:  "",
		`{"task_id": "other"}`: "an answer about another task",
		`{}`:                   "a task without task_id",
	} {
		server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2"})
		server.Inject(airflowtest.On("GET", "/tasks/load"), airflowtest.Status(http.StatusOK, http.Header{"Content-Type": {"application/json"}}, body))
		got, err := connect(t, server, nil).Task(t.Context(), "etl", "load")
		switch {
		case want == "" && (err != nil || got.RetryDelay != nil || got.RetryBackoff):
			t.Errorf("%s: got %+v, %v", body, got, err)
		case want != "" && (airflow.ClassOf(err) != airflow.ClassDecode || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v", body, err)
		}
	}
}
