package airflowtest

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// The types of DAG runs.
const (
	RunScheduled        = "scheduled"
	RunManual           = "manual"
	RunBackfill         = "backfill"
	RunAssetTriggered   = "asset_triggered"   // Airflow 3
	RunDatasetTriggered = "dataset_triggered" // Airflow 2
)

// runKey identifies a DAG run.
type runKey struct{ dagID, runID string }

// DagRun is one run of a DAG. Adding a task instance adds its run, a manual
// one that runs. Fields may be changed at will; the methods change them as
// Airflow would, and panic at a move that Airflow does not make. Zero times are
// null.
type DagRun struct {
	DagID string
	RunID string
	State string // Queued, Running, Success or Failed; empty means Running; with any other word lists fail
	Type  string // empty means RunManual

	// LogicalDate is null on Airflow 3 when it is zero; Airflow 2 then shows RunAfter.
	LogicalDate time.Time
	// RunAfter is zero for the end of the data interval, or LogicalDate, or now;
	// for a manual run of Airflow 3 for now.
	RunAfter time.Time
	// The data interval is, by default, the one moment of the logical date on
	// Airflow 3, and ends with RunAfter on Airflow 2.
	IntervalStart time.Time
	IntervalEnd   time.Time
	QueuedAt      time.Time // zero means now; only v2 shows it
	StartDate     time.Time // zero means now, but for a queued run
	EndDate       time.Time // zero means now for a run that has ended
	LastDecision  time.Time // last_scheduling_decision

	Conf           map[string]any
	Note           string // empty is null
	TriggeredBy    string // empty follows from Type; only v2 shows it
	TriggeringUser string // empty is null; only v2 shows it

	db *Database
	id int
}

// PutRun adds or replaces a run, and adds its DAG if there is none.
func (db *Database) PutRun(run DagRun) *DagRun {
	if db.dags[run.DagID] == nil {
		db.PutDag(Dag{DagID: run.DagID})
	}
	run.db = db
	run.fillIn()
	r := &run
	key := runKey{run.DagID, run.RunID}
	if old := db.runsByKey[key]; old != nil {
		r.id = old.id
		db.runs[slices.Index(db.runs, old)] = r
	} else {
		db.runIDs++
		r.id = db.runIDs
		db.runs = append(db.runs, r)
	}
	db.runsByKey[key] = r
	return r
}

func (r *DagRun) fillIn() {
	now := r.db.Now()
	r.State, r.Type = cmp.Or(r.State, Running), cmp.Or(r.Type, RunManual)
	if r.db.release.major == 2 || r.Type != RunManual {
		setDate(&r.RunAfter, r.IntervalEnd)
		setDate(&r.RunAfter, r.LogicalDate)
	}
	setDate(&r.RunAfter, now)
	switch {
	case r.db.release.major == 2:
		setDate(&r.IntervalStart, r.executionDate())
		setDate(&r.IntervalEnd, r.RunAfter)
	case !r.LogicalDate.IsZero():
		setDate(&r.IntervalStart, r.LogicalDate)
		setDate(&r.IntervalEnd, r.LogicalDate)
	}
	setDate(&r.QueuedAt, now)
	if r.State != Queued {
		setDate(&r.StartDate, now)
	}
	if r.ended() {
		setDate(&r.EndDate, now)
	}
	if r.TriggeredBy == "" {
		r.TriggeredBy = map[string]string{RunScheduled: "timetable", RunBackfill: "backfill", RunAssetTriggered: "asset"}[r.Type]
		r.TriggeredBy = cmp.Or(r.TriggeredBy, "rest_api")
	}
}

// setDate sets a date that is zero.
func setDate(field *time.Time, date time.Time) {
	if field.IsZero() {
		*field = date
	}
}

// Run returns a run, nil if there is none.
func (db *Database) Run(dagID, runID string) *DagRun { return db.runsByKey[runKey{dagID, runID}] }

// Runs returns all runs in the order of their creation.
func (db *Database) Runs() []*DagRun { return slices.Clone(db.runs) }

// DeleteRun takes a run and its task instances out of the database.
func (db *Database) DeleteRun(dagID, runID string) {
	r := db.Run(dagID, runID)
	if r == nil {
		return
	}
	for _, ti := range r.Instances() {
		db.Delete(ti.Key)
	}
	delete(db.runsByKey, runKey{dagID, runID})
	i := slices.Index(db.runs, r)
	db.runs = slices.Delete(db.runs, i, i+1)
}

// Instances are the task instances of the run, in the order of their creation.
func (r *DagRun) Instances() []*TaskInstance {
	var list []*TaskInstance
	for _, ti := range r.db.instances {
		if ti.DagID == r.DagID && ti.RunID == r.RunID {
			list = append(list, ti)
		}
	}
	return list
}

// executionDate is the date of the run on Airflow 2.
func (r *DagRun) executionDate() time.Time {
	if r.LogicalDate.IsZero() {
		return r.RunAfter
	}
	return r.LogicalDate
}

func (r *DagRun) ended() bool { return r.State == Success || r.State == Failed }

// expect panics unless the run is in one of these states: Airflow has no such move.
func (r *DagRun) expect(move string, states ...string) {
	if !slices.Contains(states, r.State) {
		panic(fmt.Sprintf("airflowtest: cannot %s the run %s/%s in state %q", move, r.DagID, r.RunID, r.State))
	}
}

// Start starts a queued run.
func (r *DagRun) Start() *DagRun {
	r.expect("start", Queued)
	now := r.db.Now()
	r.State = Running
	setDate(&r.StartDate, now)
	r.LastDecision = now
	return r
}

// Settle lets the scheduler look at the run: one that runs ends when it has
// task instances and all are finished, as failed if one of them failed, itself
// or upstream.
func (r *DagRun) Settle() *DagRun {
	if r.State != Running {
		return r
	}
	r.LastDecision = r.db.Now()
	instances := r.Instances()
	state := Success
	for _, ti := range instances {
		switch ti.State {
		case Failed, UpstreamFailed:
			state = Failed
		case Success, Skipped, Removed:
		default:
			return r
		}
	}
	if len(instances) > 0 {
		r.enter(state)
	}
	return r
}

// Succeed marks the run as successful, as a person does: its task instances
// succeed at once.
func (r *DagRun) Succeed() *DagRun {
	for _, ti := range r.Instances() {
		if ti.State != Success && ti.State != Removed {
			ti.mark(Success)
		}
	}
	r.enter(Success)
	return r
}

// Fail marks the run as failed, as a person does: its task instances that run
// or hang in between fail at once, and those that never started are skipped.
func (r *DagRun) Fail() *DagRun {
	for _, ti := range r.Instances() {
		switch ti.State {
		case Running, Deferred, UpForReschedule, AwaitingInput:
			ti.mark(Failed)
		case NoStatus, Scheduled, Queued, UpForRetry, Restarting:
			ti.mark(Skipped)
		}
	}
	r.enter(Failed)
	return r
}

// enter ends the run. One that has ended keeps its end, as in Airflow, when it enters the other state.
func (r *DagRun) enter(state string) {
	if !r.ended() {
		r.EndDate = r.db.Now()
	}
	setDate(&r.StartDate, r.EndDate)
	r.State = state
}

// Clear makes the run and all of its task instances run again: it is queued,
// without start and end.
func (r *DagRun) Clear() *DagRun {
	for _, ti := range r.Instances() {
		ti.Clear()
	}
	r.requeue()
	return r
}

// requeue is what clearing a task instance does to a run that has ended.
func (r *DagRun) requeue() {
	r.State, r.QueuedAt = Queued, r.db.Now()
	r.StartDate, r.EndDate, r.LastDecision = time.Time{}, time.Time{}, time.Time{}
}
