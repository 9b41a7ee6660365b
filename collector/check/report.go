package check

import (
	"fmt"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// Report is what came of all questions.
type Report struct {
	URL         string
	Version     airflow.Version // the zero Version: unknown
	Account     Account
	List        string         // airflow.list
	Skew        *time.Duration // our clock minus Airflow's; nil: unknown, as when it was no Airflow that answered
	VisibleDags *int           // nil: unknown
	Results     []Result       // in the order in which they were asked for
	Warnings    []string       // that are no failures
	Stopped     string         // why not everything was asked; empty: it was

	reason stopReason
}

// stopReason is why not everything was asked.
type stopReason int

// The reasons to stop.
const (
	stoppedUnreachable stopReason = iota + 1 // no version
	stoppedRefused                           // the account was not let in
	stoppedSilent                            // Airflow stopped to answer midway
)

// Outcome is what came of one question.
type Outcome string

// The outcomes.
const (
	Passed   Outcome = "ok"
	Failed   Outcome = "failed"
	NotTried Outcome = "not tried" // there was nothing to ask about
)

// Result is what came of one question.
type Result struct {
	Name    string
	Part    string // of the exporter that needs it, or partExplain
	Needed  bool   // by the exporter as it is configured
	Request string // for people: "GET …/pools"
	Outcome Outcome
	Took    time.Duration // the request itself, without a login that went before
	Note    string        // what the answer held, or why it was not tried

	// Of one that failed:
	Err           error // may be nil
	Problem       string
	MissingRights []string // in Airflow's words
	Advice        string
}

// Status is the exit status: 0 when the exporter would get all it needs, 1
// when it would not, 2 when it could not be asked.
func (r *Report) Status() int {
	if r.reason == stoppedUnreachable || r.reason == stoppedRefused {
		return 2
	}
	if len(r.failed(true)) > 0 {
		return 1
	}
	return 0
}

// failed are the results that failed and are needed, or are not.
func (r *Report) failed(needed bool) []Result {
	var list []Result
	for _, result := range r.Results {
		if result.Outcome == Failed && result.Needed == needed {
			list = append(list, result)
		}
	}
	return list
}

func (r *Report) stop(reason stopReason, why string) { r.reason, r.Stopped = reason, why }

func (r *Report) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}
