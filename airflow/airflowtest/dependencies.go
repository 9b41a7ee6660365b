package airflowtest

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
)

// Dependency is a reason why an instance does not run.
type Dependency struct {
	Name   string // of Airflow's check: "Trigger Rule"
	Reason string
}

// dependencies are the rows of …/dependencies: none but for an instance without
// state and one that is scheduled. What follows from the rest of the database
// need not be in the instance's own list: its state, a paused DAG, a run that
// does not run, a pool that is missing or full.
func (ti *TaskInstance) dependencies() []Dependency {
	if ti.State != NoStatus && ti.State != Scheduled {
		return nil
	}
	list := slices.Clone(ti.Dependencies)
	add := func(name, format string, args ...any) {
		if !slices.ContainsFunc(list, func(d Dependency) bool { return d.Name == name }) {
			list = append(list, Dependency{name, fmt.Sprintf(format, args...)})
		}
	}
	if ti.db.dags[ti.DagID].Paused {
		add("Dag Not Paused", "Task's DAG '%s' is paused.", ti.DagID)
	}
	if run := ti.run(); run.State != Running {
		add("Dagrun Running", "Task instance's dagrun was not in the 'running' state but in the state '%s'.", run.State)
	}
	if pool := ti.db.Pool(ti.Pool); pool == nil {
		add("Pool Slots Available", "Tasks using non-existent pool '%s' will not be scheduled", ti.Pool)
	} else if open := pool.Slots - pool.occupied(ti.db.occupancy(pool)); pool.Slots != Unlimited && open < ti.PoolSlots {
		add("Pool Slots Available", "Not scheduling since there are %d open slots in pool %s and require %d pool slots", open, ti.Pool, ti.PoolSlots)
	}
	state := ti.State
	ti.writeByAsking()
	if ti.db.release.major == 2 { // it looks after it has written
		state = ti.State
	}
	if state != Scheduled {
		add("Task Instance State", "Task is in the '%s' state.", cmp.Or(state, "None"))
	}
	slices.SortStableFunc(list, func(a, b Dependency) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// writeByAsking changes the instance as Airflow's own GET does.
func (ti *TaskInstance) writeByAsking() {
	if ti.AskingWrites == "" {
		return
	}
	ti.StartDate = ti.enter(ti.AskingWrites)
	ti.EndDate = ti.StartDate
	ti.AskingWrites = ""
}

func encodeDependencies(list []Dependency) object {
	rows := make([]any, len(list))
	for i, d := range list {
		rows[i] = object{{"name", d.Name}, {"reason", d.Reason}}
	}
	return object{{"dependencies", rows}}
}

// listDependencies is GET …/taskInstances/{task}/dependencies of v1, and
// …/{index}/dependencies.
func (d v1) listDependencies(c *call) answer {
	if !d.hasTries() {
		return d.unknown("/api/v1/")
	}
	index, err := c.pathIndex()
	if _, named := c.path["index"]; err != nil || (named && index < 0) {
		return d.unknown("/api/v1/")
	}
	if !c.mayRead(c.path["dag"]) {
		return d.forbidden()
	}
	ti, _ := c.one(index)
	if ti == nil {
		title := fmt.Sprintf("Task Instance not found for dag_id=%s, run_id=%s, task_id=%s", c.path["dag"], c.path["run"], c.path["task"])
		return d.problem(http.StatusNotFound, title, nil, "NotFound")
	}
	return d.json(http.StatusOK, encodeDependencies(ti.dependencies()))
}

// listDependencies is GET …/taskInstances/{task}/dependencies of v2, and
// …/{index}/dependencies.
func (d v2) listDependencies(c *call) answer {
	ti, index, problem := d.named(c)
	if problem != nil {
		return *problem
	}
	if ti == nil {
		var detail any = c.notFound(index)
		if d.atLeast(3, 1, 0) {
			detail = []any{detail}
		}
		return d.detail(http.StatusNotFound, detail)
	}
	return d.json(http.StatusOK, encodeDependencies(ti.dependencies()))
}
