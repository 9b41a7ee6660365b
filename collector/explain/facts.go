package explain

import (
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// Report is what is known, and what follows from it. What was not asked for,
// or not told, is nil or zero.
type Report struct {
	URL     string // of Airflow, for people
	Version airflow.Version
	At      time.Time // of the look, on Airflow's clock
	Health  airflow.Health
	Dag     *airflow.Dag
	Run     *airflow.DagRun
	Newest  bool // the run was chosen, not named
	Running *Running
	Active  *ActiveRuns // when the run was chosen
	Page    string      // in Airflow's web interface

	Mapped   *Mapped
	Instance *Instance
	Overview *Overview

	Unknown []Unknown // what could not be learnt, and why
	Err     error     // nothing could be explained; the rest may be empty

	// What follows:
	Blocked  bool     // something is blocked, or has failed
	Verdicts []string // sentences
}

// Running are the running runs of the DAG of a queued run.
type Running struct {
	Count  int
	More   bool // there are more
	Oldest airflow.DagRun
}

// Unknown is something that could not be learnt.
type Unknown struct {
	What string
	Err  error
}

// Mapped are the instances of a mapped task.
type Mapped struct {
	States []StateCount
	Chosen int // map index of the one that is explained
	Named  bool
}

// StateCount is how many instances are in a state.
type StateCount struct {
	State   airflow.State
	Count   int
	Indexes []int // the first of them
}

// Instance is one task instance.
type Instance struct {
	airflow.TaskInstance
	Details  *airflow.TaskInstanceDetails // nil: no path leads to it
	Attempts []airflow.TaskInstance       // by try number
	Why      *Why                         // why it waits; nil: it does not
	Pool     *airflow.Pool
	NoPool   bool // Airflow has no pool of this name
	Failed   []airflow.TaskInstance
	Log      *Log
	Task     *airflow.Task // of one that is to be tried again; nil: not told
	Links    []Link
	Page     string
}

// Why is what is known of why an instance waits.
type Why struct {
	Asked    bool
	NotAsked string // why Airflow was not asked
	Reasons  []Reason
	Upstream []airflow.TaskInstance // for which it waits by its trigger rule, the worst of each task
}

// Reason is one reason to wait, by the same names as in airflow_task_instances_blocked.
type Reason struct {
	Reason string
	Name   string // of Airflow's check; empty: it is known without asking
	Text   string // Airflow's own words, or ours
}

// Log is the end of the log of an attempt.
type Log struct {
	TryNumber int
	Lines     []string
	Before    int // lines that came before them
	Err       error
}

// Link is a link of an operator.
type Link struct{ Name, URL string }

// Overview are the task instances of a run.
type Overview struct {
	Total  int // in the run
	Looked int // at how many
	Counts []StateCount
	Groups []Group // what has not succeeded, the worst first
}

// Group are task instances of one task that are in the same state for the same reason.
type Group struct {
	TaskID  string
	State   airflow.State
	Count   int
	Indexes []int     // map indexes of the first of them; none: not mapped
	Since   time.Time // of the one that has been so for longest; zero: unknown
	Try     int       // highest number
	MaxTry  int
	Why     *Why
	Asked   int // how many of them were asked about
}

// since is since when the instance is in its state, also where only its own page tells.
func (i *Instance) since() time.Time {
	if i.State == airflow.StateDeferred && i.Details != nil && i.Details.Trigger != nil {
		return i.Details.Trigger.CreatedDate
	}
	return since(&i.TaskInstance)
}

// since is since when an instance is in its state, zero where Airflow does not tell.
func since(t *airflow.TaskInstance) time.Time {
	switch t.State {
	case airflow.StateScheduled:
		return t.ScheduledWhen
	case airflow.StateQueued:
		return t.QueuedWhen
	case airflow.StateRunning:
		return t.StartDate
	case airflow.StateUpForRetry, airflow.StateUpForReschedule:
		return t.EndDate
	case airflow.StateSuccess, airflow.StateFailed, airflow.StateSkipped, airflow.StateUpstreamFailed:
		return t.EndDate
	}
	return time.Time{}
}
