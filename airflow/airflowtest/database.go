package airflowtest

import (
	"fmt"
	"time"
)

// Database is what the server answers from. It exists inside [Server.Update] only.
type Database struct {
	// Health is what the health endpoint tells.
	Health Health

	release release
	clock   func() time.Time

	instances []*TaskInstance // in the order of their creation
	byKey     map[Key]*TaskInstance
	runs      map[runKey]*DagRun
	dags      map[string]*Dag
	pools     []*Pool // in the order of their creation

	ids     uint64    // handed out so far
	newest  int64     // milliseconds of the newest id
	started time.Time // creation of the database

	triggers  int // ids of triggers handed out so far
	processes int // process ids handed out so far
}

func newDatabase(r release, clock func() time.Time) *Database {
	db := &Database{
		release: r,
		clock:   clock,
		byKey:   make(map[Key]*TaskInstance),
		runs:    make(map[runKey]*DagRun),
		dags:    make(map[string]*Dag),

		processes: 1000,
	}
	db.started = db.Now()
	db.Health = healthy(r)
	db.PutPool(Pool{Name: "default_pool", Slots: 128, Description: "Default pool"})
	return db
}

// Now is the time on Airflow's clock, to the microsecond like its database.
func (db *Database) Now() time.Time { return db.clock().UTC().Truncate(time.Microsecond) }

// newID returns a version 7 UUID, larger than all before it.
func (db *Database) newID() string {
	db.newest = max(db.newest, db.Now().UnixMilli())
	db.ids++
	n := db.ids
	return fmt.Sprintf("%08x-%04x-7%03x-%04x-%012x", db.newest>>16, db.newest&0xffff, n>>36&0xfff, 0x8000|n>>24&0x0fff, n&0xffffff)
}

func (db *Database) newTrigger() int {
	db.triggers++
	return db.triggers
}

// Dag is one DAG. Adding a run adds its DAG.
type Dag struct {
	DagID       string
	DisplayName string // empty means DagID

	versionID string
}

// runKey identifies a DAG run.
type runKey struct{ dagID, runID string }

// DagRun is one run of a DAG. Adding a task instance adds its run.
type DagRun struct {
	DagID string
	RunID string
	// LogicalDate is null on Airflow 3 when it is zero; Airflow 2 then shows RunAfter.
	LogicalDate time.Time
	RunAfter    time.Time // zero means now
}

// PutDag adds or replaces a DAG.
func (db *Database) PutDag(dag Dag) *Dag {
	if dag.DisplayName == "" {
		dag.DisplayName = dag.DagID
	}
	dag.versionID = db.newID()
	db.dags[dag.DagID] = &dag
	return &dag
}

// PutRun adds or replaces a run, and adds its DAG if there is none.
func (db *Database) PutRun(run DagRun) *DagRun {
	if db.dags[run.DagID] == nil {
		db.PutDag(Dag{DagID: run.DagID})
	}
	if run.RunAfter.IsZero() {
		run.RunAfter = db.Now()
	}
	db.runs[runKey{run.DagID, run.RunID}] = &run
	return &run
}

// Run returns a run, nil if there is none.
func (db *Database) Run(dagID, runID string) *DagRun { return db.runs[runKey{dagID, runID}] }

// executionDate is the date of the run on Airflow 2.
func (r *DagRun) executionDate() time.Time {
	if r.LogicalDate.IsZero() {
		return r.RunAfter
	}
	return r.LogicalDate
}
