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
	runs      []*DagRun // in the order of their creation
	runsByKey map[runKey]*DagRun
	dags      map[string]*Dag
	pools     []*Pool // in the order of their creation

	importErrors   []*ImportError // by id
	importErrorIDs int            // handed out so far

	ids     uint64    // handed out so far
	newest  int64     // milliseconds of the newest id
	started time.Time // creation of the database

	runIDs    int // ids of runs handed out so far
	triggers  int // ids of triggers handed out so far
	processes int // process ids handed out so far
}

func newDatabase(r release, clock func() time.Time) *Database {
	db := &Database{
		release:   r,
		clock:     clock,
		byKey:     make(map[Key]*TaskInstance),
		runsByKey: make(map[runKey]*DagRun),
		dags:      make(map[string]*Dag),

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
