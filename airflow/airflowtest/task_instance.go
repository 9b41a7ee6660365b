package airflowtest

import (
	"fmt"
	"slices"
	"time"
)

// Key identifies a task instance.
type Key struct {
	DagID    string
	RunID    string
	TaskID   string
	MapIndex int // −1 if the task is not mapped or not expanded yet
}

// Task is the key of the instance of a task that is not mapped, or not expanded yet.
func Task(dagID, runID, taskID string) Key { return Key{dagID, runID, taskID, -1} }

// MappedTask is the key of one instance of an expanded mapped task.
func MappedTask(dagID, runID, taskID string, index int) Key { return Key{dagID, runID, taskID, index} }

// String writes a key for people.
func (k Key) String() string {
	return fmt.Sprintf("%s/%s/%s[%d]", k.DagID, k.RunID, k.TaskID, k.MapIndex)
}

// TaskInstance is one row. Its fields, but for the Key, may be changed at will;
// the methods change them as Airflow would, and panic at a move that Airflow
// does not make. Zero times are null.
type TaskInstance struct {
	Key
	ID        string // changes at each retry and clear; v2 shows it
	State     string
	TryNumber int
	MaxTries  int
	Retries   int // of the task: MaxTries before the first clear
	// RetryDelay of the task; 0 means 5 minutes. RetryBackoff: it grows with each retry.
	RetryDelay   time.Duration
	RetryBackoff bool

	StartDate     time.Time
	EndDate       time.Time
	Duration      *float64 // seconds; may be NaN or infinite; nil is null
	ScheduledWhen time.Time
	QueuedWhen    time.Time
	UpdatedAt     time.Time

	DisplayName    string // empty means TaskID
	Pool           string
	PoolSlots      int
	Queue          string
	PriorityWeight int
	Operator       string
	OperatorName   string // empty means Operator
	Executor       string // empty is null
	Hostname       string
	PID            int    // 0 is null
	Note           string // empty is null
	Mapped         bool   // of one without an index: it is to be expanded, or was expanded to nothing
	RenderedFields map[string]any
	RenderedIndex  string // rendered_map_index; empty is null
	TriggerID      int    // set while deferred; 0 is none

	// Links are the extra links of the operator by name; an empty one is null.
	Links map[string]string
	// Logs are what the attempts wrote, by their numbers.
	Logs map[int][]LogLine

	// NullColumn is a column that a damaged database holds NULL in: hostname,
	// unixname, try_number, max_tries or executor_config.
	NullColumn string

	// Dependencies are what keeps the instance from running, as long as it has
	// no state or is scheduled. Its state, its run, its DAG and its pool are
	// looked at anyway.
	Dependencies []Dependency
	// AskingWrites is a state, Skipped or UpstreamFailed, that an instance which
	// has no state or is scheduled gets when someone asks for its dependencies,
	// as a real GET may do. It is emptied by that.
	AskingWrites string

	// History holds the earlier attempts, as Airflow's task_instance_history does.
	History []TaskInstance

	db       *Database
	deferred time.Time // when the trigger was created
	resumed  bool      // the next start continues a deferred attempt
}

// Put adds a row or replaces the one of the same key. Empty fields get what a
// plain Python task in the default pool has; state and dates stay as they are.
func (db *Database) Put(row TaskInstance) *TaskInstance {
	row.fillIn(db)
	ti := &row
	if old := db.byKey[row.Key]; old != nil {
		db.instances[slices.Index(db.instances, old)] = ti
	} else {
		db.instances = append(db.instances, ti)
	}
	db.byKey[row.Key] = ti
	return ti
}

func (ti *TaskInstance) fillIn(db *Database) {
	ti.db = db
	if db.Run(ti.DagID, ti.RunID) == nil {
		db.PutRun(DagRun{DagID: ti.DagID, RunID: ti.RunID})
	}
	setDefault(&ti.ID, db.newID)
	setDefault(&ti.DisplayName, func() string { return ti.TaskID })
	setDefault(&ti.Pool, func() string { return "default_pool" })
	setDefault(&ti.Queue, func() string { return "default" })
	setDefault(&ti.Operator, func() string { return "PythonOperator" })
	setDefault(&ti.OperatorName, func() string { return ti.Operator })
	if ti.PoolSlots == 0 {
		ti.PoolSlots = 1
	}
	if ti.PriorityWeight == 0 {
		ti.PriorityWeight = 1
	}
	if ti.UpdatedAt.IsZero() {
		ti.UpdatedAt = db.Now()
	}
	if ti.State == Deferred && ti.TriggerID == 0 {
		ti.TriggerID = db.newTrigger()
	}
}

func setDefault(field *string, value func() string) {
	if *field == "" {
		*field = value()
	}
}

// Add adds a row as the scheduler creates it: without state. The task may be
// retried so many times.
func (db *Database) Add(key Key, retries int) *TaskInstance {
	return db.Put(TaskInstance{Key: key, MaxTries: retries, Retries: retries})
}

// TaskInstance returns the row of a key, nil if there is none.
func (db *Database) TaskInstance(key Key) *TaskInstance { return db.byKey[key] }

// TaskInstances returns all rows in the order of their creation.
func (db *Database) TaskInstances() []*TaskInstance { return slices.Clone(db.instances) }

// Delete takes a row out of the database.
func (db *Database) Delete(key Key) {
	ti := db.byKey[key]
	if ti == nil {
		return
	}
	delete(db.byKey, key)
	db.instances = slices.Delete(db.instances, slices.Index(db.instances, ti), slices.Index(db.instances, ti)+1)
}

// Expand replaces the row of a mapped task that is not expanded by n rows.
func (db *Database) Expand(key Key, n int) []*TaskInstance {
	template := db.byKey[key]
	if template == nil || key.MapIndex != -1 {
		panic(fmt.Sprintf("airflowtest: %v is no row to expand", key))
	}
	db.Delete(key)
	rows := make([]*TaskInstance, n)
	for i := range rows {
		row := *template
		row.MapIndex = i
		if i > 0 { // the first keeps the identity of the unexpanded one
			row.ID = ""
		}
		row.UpdatedAt = time.Time{}
		rows[i] = db.Put(row)
	}
	return rows
}

// run is the DAG run of the row.
func (ti *TaskInstance) run() *DagRun { return ti.db.Run(ti.DagID, ti.RunID) }
