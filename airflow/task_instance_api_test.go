package airflow_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// classes are those of the errors that were recorded, by status. What is 400 and above and not here is ClassClient.
var classes = map[int]airflow.Class{401: airflow.ClassAuth, 403: airflow.ClassForbidden, 500: airflow.ClassServer}

// wantError checks the error of a call whose recorded answer is one.
func (r *recording) wantError(t *testing.T, err error) {
	t.Helper()
	want, ok := classes[r.status]
	if !ok {
		want = airflow.ClassClient
	}
	if got := airflow.ClassOf(err); err == nil || got != want || status(err) != r.status {
		t.Errorf("got %v of class %s, want status %d and class %s", err, got, r.status, want)
	}
}

// Whatever a real Airflow answered about a task instance, or an attempt of it: every field is there, with the same value, and none
// that it did not send; and an error is one of the right class.
func TestEveryRecordedAnswerAboutATaskInstance(t *testing.T) {
	asked := map[string]int{}
	for _, r := range recordings(t) {
		if r.method != http.MethodGet {
			continue
		}
		ref, what, n := r.parts(t)
		if ref.TaskID == "" || ref.TaskID == "list" {
			continue
		}
		var check func(t *testing.T, api *airflow.TaskInstanceAPI) error
		ctx := context.Background()
		switch {
		case what == "" && ref.MapIndex == -1 && r.path[len(r.path)-3:] == "/-1":
			continue // an address that this client does not use
		case what == "":
			check = func(t *testing.T, api *airflow.TaskInstanceAPI) error {
				got, err := api.Get(ctx, ref)
				if err == nil {
					sameRow(t, got, r.object(t))
				}
				return err
			}
		case what == "tries" && n == 0 && !endsInNumber(r.path):
			check = func(t *testing.T, api *airflow.TaskInstanceAPI) error {
				got, err := api.Tries(ctx, ref)
				if err == nil {
					sameRows(t, got, r.object(t))
				}
				return err
			}
		case what == "tries":
			check = func(t *testing.T, api *airflow.TaskInstanceAPI) error {
				got, err := api.TryDetails(ctx, ref, n)
				if err == nil {
					sameRow(t, got, r.object(t))
				}
				return err
			}
		case what == "links":
			check = func(t *testing.T, api *airflow.TaskInstanceAPI) error {
				got, err := api.ExtraLinks(ctx, ref)
				if err == nil && (got == nil || len(got) > 0) {
					t.Errorf("got %v, want no links", got)
				}
				return err
			}
		case what == "dependencies":
			check = func(t *testing.T, api *airflow.TaskInstanceAPI) error {
				got, err := api.Dependencies(ctx, ref)
				if want, _ := r.object(t)["dependencies"].([]any); err == nil && len(got) != len(want) {
					t.Errorf("got %v, want %v", got, want)
				}
				return err
			}
		default:
			continue // logs and lists have tests of their own
		}
		asked[r.version[:1]+" "+what]++
		t.Run(r.version+"/"+r.file, func(t *testing.T) {
			err := check(t, r.client(t, nil, nil))
			if r.status == http.StatusOK && err != nil {
				t.Error(err)
			}
			if r.status != http.StatusOK {
				r.wantError(t, err)
			}
		})
	}
	for _, what := range []string{"", "tries", "links", "dependencies"} {
		for _, version := range []string{"2 ", "3 "} {
			if asked[version+what] == 0 {
				t.Errorf("no recording of Airflow %s%q was looked at", version, what)
			}
		}
	}
}

func endsInNumber(path string) bool { return path[len(path)-1] >= '0' && path[len(path)-1] <= '9' }
