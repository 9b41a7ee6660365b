//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// rowsSQL are the rows of task instances, or of their history, in the database's words, but for what is kept elsewhere.
func (a *installation) rowsSQL(table, where string) string {
	more, note := `d.logical_date as run_logical_date, d.run_after, (select version_number from dag_version v where v.id = t.dag_version_id) as version_number,
		coalesce(t.rendered_map_index, case when t.map_index >= 0 then t.map_index::text end) as shown_map_index`, "false"
	switch {
	case a.isV1():
		more = "d.execution_date as run_logical_date, null as run_after, t.rendered_map_index as shown_map_index"
		note = "(n.dag_id, n.run_id, n.task_id, n.map_index) = (t.dag_id, t.run_id, t.task_id, t.map_index)"
	case table == "task_instance":
		more, note = more+", t.id as uuid", "n.ti_id = t.id"
	}
	return fmt.Sprintf(`select coalesce(json_agg(row_to_json(r) order by r.dag_id, r.run_id, r.task_id, r.map_index, r.try_number), '[]') from (
		select t.*, %s, n.content as note, f.rendered_fields from %s t join dag_run d using (dag_id, run_id)
		left join task_instance_note n on %s
		left join rendered_task_instance_fields f on (f.dag_id, f.run_id, f.task_id, f.map_index) = (t.dag_id, t.run_id, t.task_id, t.map_index)
		where %s) r`, more, table, note, where)
}

type dbRow map[string]any

func (a *installation) rows(t *testing.T, where string) []dbRow {
	t.Helper()
	var rows []dbRow
	if err := a.pg.query(t.Context(), a.db, a.rowsSQL("task_instance", where), &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

func (r dbRow) ref() airflow.TaskInstanceRef {
	index, _ := r["map_index"].(float64)
	return airflow.TaskInstanceRef{DagID: fmt.Sprint(r["dag_id"]), RunID: fmt.Sprint(r["run_id"]), TaskID: fmt.Sprint(r["task_id"]), MapIndex: int(index)}
}

// where selects one instance.
func where(ref airflow.TaskInstanceRef) string {
	return fmt.Sprintf("t.dag_id = '%s' and t.run_id = '%s' and t.task_id = '%s' and t.map_index = %d", ref.DagID, ref.RunID, ref.TaskID, ref.MapIndex)
}

// compareRow compares all that a row tells with the database.
func (a *installation) compareRow(t *testing.T, got airflow.TaskInstanceDetails, row dbRow, attempt bool) {
	t.Helper()
	at := func(key string) time.Time {
		text, ok := row[key].(string)
		if !ok {
			return time.Time{}
		}
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-07"} {
			if at, err := time.Parse(layout, text); err == nil {
				return at
			}
		}
		t.Errorf("%s is %s in the database", key, text)
		return time.Time{}
	}
	want := map[string]any{}
	for _, key := range []string{"dag_id", "run_id", "task_id", "map_index", "state", "try_number", "max_tries", "pool", "pool_slots", "queue", "operator",
		"priority_weight", "hostname", "unixname", "pid", "executor"} {
		want[key] = row[key]
	}
	have := map[string]any{
		"dag_id": got.DagID, "run_id": got.RunID, "task_id": got.TaskID, "map_index": float64(got.MapIndex), "state": string(got.State),
		"try_number": float64(got.TryNumber), "max_tries": float64(got.MaxTries), "pool": got.Pool, "pool_slots": float64(got.PoolSlots), "queue": got.Queue,
		"operator": value(got.Operator), "priority_weight": number(got.PriorityWeight), "hostname": value(got.Hostname), "unixname": value(got.Unixname),
		"pid": number(got.PID), "executor": value(got.Executor),
	}
	if got.State == airflow.StateNone {
		have["state"] = nil
	}
	dates := map[string]time.Time{"start_date": got.StartDate, "end_date": got.EndDate, "queued_dttm": got.QueuedWhen}
	if !a.isV1() {
		dates["scheduled_dttm"] = got.ScheduledWhen
		version := 0.0
		if got.DagVersion != nil {
			version = float64(got.DagVersion.VersionNumber)
		}
		have["version_number"], want["version_number"] = version, row["version_number"]
	}
	if !attempt {
		dates["run_logical_date"], dates["run_after"] = got.LogicalDate, got.RunAfter
		have["note"], want["note"] = value(got.Note), row["note"]
		have["rendered_map_index"], want["rendered_map_index"] = value(got.RenderedMapIndex), row["shown_map_index"]
		if row["trigger_id"] != nil {
			have["trigger_id"], want["trigger_id"] = nil, row["trigger_id"]
			if got.Trigger != nil && got.Trigger.Classpath != "" && !got.Trigger.CreatedDate.IsZero() {
				have["trigger_id"] = float64(got.Trigger.ID)
			}
		}
		if fields, ok := row["rendered_fields"].(map[string]any); ok {
			var rendered map[string]any
			if err := json.Unmarshal(got.RenderedFields, &rendered); err != nil || !reflect.DeepEqual(rendered, fields) {
				t.Errorf("%v: rendered %v, in the database %v", got.Ref(), rendered, fields)
			}
		}
		if id, ok := row["uuid"].(string); ok && strings.ReplaceAll(id, "-", "") != fmt.Sprintf("%x", got.ID) {
			t.Errorf("%v: id %x, in the database %s", got.Ref(), got.ID, id)
		}
	}
	for key, have := range dates {
		if !have.Equal(at(key)) {
			t.Errorf("%v: %s %s, in the database %s", got.Ref(), key, have, at(key))
		}
	}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("%v: got\n%v\nin the database\n%v", got.Ref(), have, want)
	}
	seconds, ok := row["duration"].(float64)
	if ok != got.HasDuration || math.Abs(seconds-got.Duration.Seconds()) > 1e-6 {
		t.Errorf("%v: duration %s (there: %t), in the database %v", got.Ref(), got.Duration, got.HasDuration, row["duration"])
	}
	if got.TaskDisplayName == "" || !a.isV1() && got.DagDisplayName == "" || got.ExecutorConfig == "" {
		t.Errorf("%v: names %q and %q, configuration %q", got.Ref(), got.TaskDisplayName, got.DagDisplayName, got.ExecutorConfig)
	}
}

func value(p *string) any {
	if p == nil {
		return nil
	}
	return *p
}

func number(p *int) any {
	if p == nil {
		return nil
	}
	return float64(*p)
}

// compareList compares a list with the database.
func (a *installation) compareList(t *testing.T, list iter.Seq2[airflow.TaskInstanceDetails, error], want []dbRow) {
	t.Helper()
	rows := map[airflow.TaskInstanceRef]dbRow{}
	for _, row := range want {
		rows[row.ref()] = row
	}
	n := 0
	for got, err := range list {
		if err != nil {
			t.Fatal(err)
		}
		n++
		row, ok := rows[got.Ref()]
		if !ok {
			t.Errorf("%v is not selected in the database", got.Ref())
			continue
		}
		a.compareRow(t, got, row, false)
	}
	if n != len(want) || n == 0 {
		t.Errorf("%d rows, in the database %d", n, len(want))
	}
}
