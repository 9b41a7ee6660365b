package airflowtest

import (
	"cmp"
	"fmt"
	"time"
)

// Dag is one DAG. Adding a run adds its DAG. Zero times are null.
type Dag struct {
	DagID       string
	DisplayName string // empty means DagID
	Paused      bool
	// Stale DAGs are no longer in any file: is_stale of v2, the opposite of
	// is_active of v1. Lists leave them out unless asked not to.
	Stale       bool
	Owners      []string // nil means airflow
	Tags        []string
	Description string // empty is null

	// Schedule is a cron expression, or Dataset (Airflow 2) or Asset; empty is
	// none, unless there is Every.
	Schedule     string
	Every        time.Duration
	ScheduleText string // timetable_description; empty is the usual one, but for a cron expression

	NextLogicalDate   time.Time // next_dagrun of v1
	NextIntervalStart time.Time
	NextIntervalEnd   time.Time
	NextRunAfter      time.Time // next_dagrun_create_after of v1; null while there are too many active runs

	MaxActiveTasks  int // 0 means 16
	MaxActiveRuns   int // 0 means 16
	HasTaskLimits   bool
	HasImportErrors bool

	File     string        // fileloc; empty means /opt/airflow/dags/<DagID>.py
	ParsedAt time.Time     // zero means now
	ParseFor time.Duration // how long that took

	versionID string
}

// PutDag adds or replaces a DAG.
func (db *Database) PutDag(dag Dag) *Dag {
	dag.DisplayName = cmp.Or(dag.DisplayName, dag.DagID)
	if dag.Owners == nil {
		dag.Owners = []string{"airflow"}
	}
	dag.MaxActiveTasks, dag.MaxActiveRuns = cmp.Or(dag.MaxActiveTasks, 16), cmp.Or(dag.MaxActiveRuns, 16)
	dag.File = cmp.Or(dag.File, "/opt/airflow/dags/"+dag.DagID+".py")
	dag.ScheduleText = cmp.Or(dag.ScheduleText, dag.scheduleText())
	setDate(&dag.ParsedAt, db.Now())
	dag.versionID = db.newID()
	db.dags[dag.DagID] = &dag
	return &dag
}

// DeleteDag takes a DAG and its runs out of the database.
func (db *Database) DeleteDag(dagID string) {
	for _, r := range db.Runs() {
		if r.DagID == dagID {
			db.DeleteRun(dagID, r.RunID)
		}
	}
	delete(db.dags, dagID)
}

// Dag returns a DAG, nil if there is none.
func (db *Database) Dag(dagID string) *Dag { return db.dags[dagID] }

func (d *Dag) scheduleText() string {
	switch {
	case d.Schedule == "Dataset":
		return "Triggered by datasets"
	case d.Schedule == "Asset":
		return "Triggered by assets"
	case d.Schedule == "" && d.Every == 0:
		return "Never, external triggers only"
	}
	return ""
}

// periodic reports whether the DAG runs by the clock.
func (d *Dag) periodic() bool {
	return d.Every != 0 || (d.Schedule != "" && d.Schedule != "Dataset" && d.Schedule != "Asset")
}

// timeDelta writes a duration as Python's str does.
func timeDelta(d time.Duration) string {
	days := d / (24 * time.Hour)
	d -= days * 24 * time.Hour
	clock := fmt.Sprintf("%d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
	switch days {
	case 0:
		return clock
	case 1:
		return "1 day, " + clock
	}
	return fmt.Sprintf("%d days, %s", days, clock)
}
