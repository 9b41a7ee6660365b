package airflowtest

import "strconv"

// taskInstance is one row of v2, with keys in the order of its model.
func (d v2) taskInstance(ti *TaskInstance) object {
	run, dag := ti.run(), ti.db.dags[ti.DagID]
	trigger, job := d.trigger(ti)
	o := make(object, 0, 34)
	o = append(o, object{
		{"id", ti.ID},
		{"task_id", ti.TaskID},
		{"dag_id", ti.DagID},
		{"dag_run_id", ti.RunID},
		{"map_index", ti.MapIndex},
		{"logical_date", v2Time(run.LogicalDate)},
		{"run_after", v2Time(run.RunAfter)},
		{"start_date", v2Time(ti.StartDate)},
		{"end_date", v2Time(ti.EndDate)},
		{"duration", ti.seconds()},
		{"state", orNil(ti.State)},
		{"try_number", ti.TryNumber},
		{"max_tries", ti.MaxTries},
		{"task_display_name", ti.DisplayName},
	}...)
	if d.hasDisplayNames() {
		o = append(o, member{"dag_display_name", dag.DisplayName})
	}
	o = append(o, object{
		{"hostname", ti.Hostname},
		{"unixname", unixName},
		{"pool", ti.Pool},
		{"pool_slots", ti.PoolSlots},
		{"queue", ti.Queue},
		{"priority_weight", ti.PriorityWeight},
		{"operator", ti.Operator},
	}...)
	if d.hasDisplayNames() {
		o = append(o, member{"operator_name", ti.OperatorName})
	}
	return append(o, object{
		{"queued_when", v2Time(ti.QueuedWhen)},
		{"scheduled_when", v2Time(ti.ScheduledWhen)},
		{"pid", ti.pid()},
		{"executor", orNil(ti.Executor)},
		{"executor_config", "{}"},
		{"note", orNil(ti.Note)},
		{"rendered_map_index", orNil(ti.shownIndex())},
		{"rendered_fields", ti.RenderedFields},
		{"trigger", trigger},
		{"triggerer_job", job},
		{"dag_version", d.dagVersion(ti.db, dag)},
	}...)
}

// shownIndex is the name of the index: that of the task, or else the index itself.
func (ti *TaskInstance) shownIndex() string {
	if ti.RenderedIndex == "" && ti.MapIndex >= 0 {
		return strconv.Itoa(ti.MapIndex)
	}
	return ti.RenderedIndex
}

// trigger are the trigger and the triggerer's job of a deferred row.
func (d v2) trigger(ti *TaskInstance) (trigger, job any) {
	if ti.TriggerID == 0 {
		return nil, nil
	}
	_, heartbeat := ti.db.component(ti.db.Health.Triggerer, v2Time)
	t := object{
		{"id", ti.TriggerID},
		{"classpath", triggerClass(ti)},
		{"kwargs", "{}"},
		{"created_date", v2Time(ti.deferredAt())},
	}
	if d.hasTeams() {
		t = append(t, member{"queue", nil})
	}
	j := object{
		{"id", triggererID},
		{"dag_id", nil},
		{"state", "running"},
		{"job_type", "TriggererJob"},
		{"start_date", v2Time(ti.db.started)},
		{"end_date", nil},
		{"latest_heartbeat", heartbeat},
		{"executor_class", nil},
		{"hostname", "triggerer-1"},
		{"unixname", unixName},
	}
	if d.hasDisplayNames() {
		j = append(j, member{"dag_display_name", nil})
	}
	return append(t, member{"triggerer_id", triggererID}), j
}

func (d v2) dagVersion(db *Database, dag *Dag) object {
	o := object{
		{"id", dag.versionID},
		{"version_number", 1},
		{"dag_id", dag.DagID},
		{"bundle_name", "dags-folder"},
		{"bundle_version", nil},
		{"created_at", v2Time(db.started)},
	}
	if d.hasDisplayNames() {
		o = append(o, member{"dag_display_name", dag.DisplayName})
	}
	return append(o, member{"bundle_url", nil})
}
