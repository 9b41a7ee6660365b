package check

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// right is a resource in Airflow's own word, of which a custom role needs "can read".
type right string

// The rights that the questions need.
const (
	readDags          right = "DAGs"
	readDagRuns       right = "DAG Runs"
	readTaskInstances right = "Task Instances"
	readTaskLogs      right = "Task Logs"
	readPools         right = "Pools"
	readImportErrors  right = "Import Errors"
)

// of is the resource as this version names it.
func (r right) of(v airflow.Version) string {
	if r == readImportErrors && v.Major == 2 {
		return "can read on ImportError"
	}
	return "can read on " + string(r)
}

// fail notes why a question failed and what to do about it.
func (r *Result) fail(a *asker, q question, err error) {
	r.Outcome, r.Note, r.Problem = Failed, "", err.Error()
	old, tooOld := errors.AsType[*oldVersionError](err)
	if tooOld {
		r.Advice = old.advice()
		return
	}
	r.Err, r.Advice = err, airflow.AdviceOnce(err)
	e, ok := errors.AsType[*airflow.Error](err)
	if !ok {
		return
	}
	v := a.client.Known()
	switch {
	case e.Class == airflow.ClassForbidden:
		if r.MissingRights = a.missing(q.needs, v); r.MissingRights == nil {
			r.Advice = "other answers show that the account has the rights for it: look for a rule about this path, or this DAG, in Airflow or in a proxy before it"
		}
	case e.Class == airflow.ClassAuth && a.report.Account.Method == methodNone:
		r.Advice = "Airflow wants to know who asks: set airflow.username and airflow.password_file (or AIRFLOW_EXPORTER_USERNAME and AIRFLOW_EXPORTER_PASSWORD)"
	case e.Status == http.StatusNotFound && q.since210 && !v.AtLeast(2, 10, 0):
		r.Advice = fmt.Sprintf("Airflow %s does not have it: upgrade to 2.10 or later", v.Number)
	case q.name == namePools && v.Major == 2 && e.Status == http.StatusInternalServerError:
		r.Advice = "Airflow 2 cannot list its pools when one of them is unlimited (-1): give that a size; or look for this path in the log of the webserver"
	}
}

// missing are the rights that the question needs and that no other answer has shown the account to have.
func (a *asker) missing(needs []right, v airflow.Version) []string {
	var missing []string
	for _, need := range needs {
		if _, ok := a.proven[need]; !ok {
			missing = append(missing, need.of(v))
		}
	}
	return missing
}

// oldVersionError is an Airflow before 2.10.
type oldVersionError struct{ airflow.Version }

func (e *oldVersionError) Error() string {
	return fmt.Sprintf("Airflow %s is too old", e.Number)
}

func (e *oldVersionError) advice() string {
	return "the exporter needs Airflow 2.10 or later, whose API tells about attempts and dependencies: upgrade Airflow"
}
