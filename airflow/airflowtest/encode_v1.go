package airflowtest

import "time"

// v1Time writes a time as v1 does: with +00:00, and without a fraction that is zero.
func v1Time(t time.Time) any { return encodeTime(t, "+00:00") }

// v2Time writes a time as v2 does: with Z, and without a fraction that is zero.
func v2Time(t time.Time) any { return encodeTime(t, "Z") }

func encodeTime(t time.Time, zone string) any {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Microsecond)
	if t.Nanosecond() == 0 {
		return t.Format("2006-01-02T15:04:05") + zone
	}
	return t.Format("2006-01-02T15:04:05.000000") + zone
}

// v1TaskInstance is one row of v1, with sorted keys.
func v1TaskInstance(ti *TaskInstance) object {
	trigger, job := v1Trigger(ti)
	return object{
		{"dag_id", ti.DagID},
		{"dag_run_id", ti.RunID},
		{"duration", ti.seconds()},
		{"end_date", v1Time(ti.EndDate)},
		{"execution_date", v1Time(ti.run().executionDate())},
		{"executor", orNil(ti.Executor)},
		{"executor_config", "{}"},
		{"hostname", ti.Hostname},
		{"map_index", ti.MapIndex},
		{"max_tries", ti.MaxTries},
		{"note", orNil(ti.Note)},
		{"operator", ti.Operator},
		{"pid", ti.pid()},
		{"pool", ti.Pool},
		{"pool_slots", ti.PoolSlots},
		{"priority_weight", ti.PriorityWeight},
		{"queue", ti.Queue},
		{"queued_when", v1Time(ti.QueuedWhen)},
		{"rendered_fields", ti.RenderedFields},
		{"rendered_map_index", orNil(ti.RenderedIndex)},
		{"sla_miss", nil},
		{"start_date", v1Time(ti.StartDate)},
		{"state", orNil(ti.State)},
		{"task_display_name", ti.DisplayName},
		{"task_id", ti.TaskID},
		{"trigger", trigger},
		{"triggerer_job", job},
		{"try_number", ti.TryNumber},
		{"unixname", unixName},
	}
}

// unixName is the account that all of Airflow runs as.
const unixName = "root"

// triggererID is the id of the one triggerer, and of its job.
const triggererID = 2

// v1Trigger are the trigger and the triggerer's job of a deferred row.
func v1Trigger(ti *TaskInstance) (trigger, job any) {
	if ti.TriggerID == 0 {
		return nil, nil
	}
	_, heartbeat := ti.db.component(ti.db.Health.Triggerer, v1Time)
	trigger = object{
		{"classpath", triggerClass(ti)},
		{"created_date", v1Time(ti.deferredAt())},
		{"id", ti.TriggerID},
		{"kwargs", "{}"},
		{"triggerer_id", triggererID},
	}
	job = object{
		{"dag_id", nil},
		{"end_date", nil},
		{"executor_class", nil},
		{"hostname", "triggerer-1"},
		{"id", triggererID},
		{"job_type", "TriggererJob"},
		{"latest_heartbeat", heartbeat},
		{"start_date", v1Time(ti.db.started)},
		{"state", "running"},
		{"unixname", unixName},
	}
	return trigger, job
}

// triggerClass is the Python class of a row's trigger.
func triggerClass(ti *TaskInstance) string {
	if ti.db.release.major == 2 {
		return "airflow.triggers.temporal.DateTimeTrigger"
	}
	return "airflow.providers.standard.triggers.temporal.DateTimeTrigger"
}

// deferredAt is when the trigger was created.
func (ti *TaskInstance) deferredAt() time.Time {
	if ti.deferred.IsZero() {
		return ti.UpdatedAt
	}
	return ti.deferred
}

// seconds is the duration, or null.
func (ti *TaskInstance) seconds() any {
	if ti.Duration == nil {
		return nil
	}
	return *ti.Duration
}

// pid is the process id, or null.
func (ti *TaskInstance) pid() any {
	if ti.PID == 0 {
		return nil
	}
	return ti.PID
}
