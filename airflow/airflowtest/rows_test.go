package airflowtest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// recordedRow are the fields of a recorded row, of either API.
type recordedRow struct {
	ID            string         `json:"id"`
	DagID         string         `json:"dag_id"`
	RunID         string         `json:"dag_run_id"`
	TaskID        string         `json:"task_id"`
	MapIndex      int            `json:"map_index"`
	State         string         `json:"state"`
	TryNumber     int            `json:"try_number"`
	MaxTries      int            `json:"max_tries"`
	ExecutionDate time.Time      `json:"execution_date"`
	LogicalDate   time.Time      `json:"logical_date"`
	RunAfter      time.Time      `json:"run_after"`
	StartDate     time.Time      `json:"start_date"`
	EndDate       time.Time      `json:"end_date"`
	Duration      *float64       `json:"duration"`
	ScheduledWhen time.Time      `json:"scheduled_when"`
	QueuedWhen    time.Time      `json:"queued_when"`
	DisplayName   string         `json:"task_display_name"`
	Pool          string         `json:"pool"`
	PoolSlots     int            `json:"pool_slots"`
	Queue         string         `json:"queue"`
	Weight        int            `json:"priority_weight"`
	Operator      string         `json:"operator"`
	OperatorName  string         `json:"operator_name"`
	Executor      string         `json:"executor"`
	Hostname      string         `json:"hostname"`
	PID           int            `json:"pid"`
	Note          string         `json:"note"`
	RenderedIndex string         `json:"rendered_map_index"`
	Rendered      map[string]any `json:"rendered_fields"`
	DagVersion    struct {
		ID string `json:"id"`
	} `json:"dag_version"`
}

// put puts a recorded row into the database.
func (r *recordedRow) put(db *Database) *TaskInstance {
	run := DagRun{DagID: r.DagID, RunID: r.RunID, LogicalDate: r.ExecutionDate, RunAfter: r.RunAfter}
	if r.ExecutionDate.IsZero() {
		run.LogicalDate = r.LogicalDate
	}
	db.PutRun(run)
	db.dags[r.DagID].versionID = r.DagVersion.ID
	return db.Put(TaskInstance{
		Key: Key{r.DagID, r.RunID, r.TaskID, r.MapIndex}, ID: r.ID, State: r.State, TryNumber: r.TryNumber, MaxTries: r.MaxTries,
		StartDate: r.StartDate, EndDate: r.EndDate, Duration: r.Duration, ScheduledWhen: r.ScheduledWhen, QueuedWhen: r.QueuedWhen,
		DisplayName: r.DisplayName, Pool: r.Pool, PoolSlots: r.PoolSlots, Queue: r.Queue, PriorityWeight: r.Weight,
		Operator: r.Operator, OperatorName: r.OperatorName, Executor: r.Executor, Hostname: r.Hostname, PID: r.PID, Note: r.Note,
		RenderedIndex: r.RenderedIndex, RenderedFields: r.Rendered,
	})
}

// TestRecordedRows puts every row that was recorded from a real server into a
// database and encodes it again: byte for byte the same, but for what the
// database does not hold.
func TestRecordedRows(t *testing.T) {
	for _, version := range []string{"2.10.2", "2.10.5", "2.11.2", "3.3.2"} {
		release, err := parseRelease(version)
		if err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob("../testdata/" + version + "/*.json")
		if err != nil {
			t.Fatal(err)
		}
		compared := 0
		for _, file := range files {
			for _, raw := range rowsOf(t, file) {
				compareRow(t, release, filepath.Base(file), raw)
				compared++
			}
		}
		if compared == 0 {
			t.Errorf("%s: there are no recorded rows", version)
		}
		t.Logf("%s: %d rows", version, compared)
	}
}

// rowsOf are the task instances of an answer: of a listing, or a single one.
func rowsOf(t *testing.T, file string) []json.RawMessage {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var body struct {
		Rows []json.RawMessage `json:"task_instances"`
		Pool string            `json:"pool"`
	}
	if json.Unmarshal(b, &body) != nil {
		return nil // an answer of another kind
	}
	if body.Pool != "" {
		return []json.RawMessage{b}
	}
	return body.Rows
}

func compareRow(t *testing.T, r release, file string, raw json.RawMessage) {
	t.Helper()
	var row recordedRow
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&row); err != nil {
		t.Fatal(err)
	}
	row.Rendered = plain(row.Rendered).(map[string]any)
	db := newDatabase(r, time.Now)
	db.started = time.Time{} // shows as null: the recorded time is put in its place
	ti := row.put(db)
	attempt := !bytes.Contains(raw, []byte(`"rendered_fields"`)) // of …/tries
	encode := v2{r}.taskInstance
	switch {
	case r.major == 2 && attempt:
		encode = v1Attempt
	case r.major == 2:
		encode = v1TaskInstance
	case attempt:
		encode = v2{r}.attempt
	}
	compareEncoded(t, r, file+" "+ti.String(), encode(ti), raw)
}

// compareEncoded compares a row with a recorded one.
func compareEncoded(t *testing.T, r release, name string, row object, raw json.RawMessage) {
	t.Helper()
	var got, want bytes.Buffer
	var err error
	if r.major == 2 {
		got.Write(style{pretty: true, ascii: true}.encode(row))
		err = json.Indent(&want, bytes.TrimSpace(raw), "", "  ")
	} else {
		got.Write(style{}.encode(row))
		err = json.Compact(&want, raw)
	}
	if err != nil {
		t.Fatal(err)
	}
	if g, w := blank(t, got.String(), r), blank(t, want.String(), r); g != w {
		t.Errorf("%s %s:\n%s\nwant\n%s", r.text, name, g, w)
	}
}

// blank takes out what the database does not hold: trigger, triggerer_job and
// sla_miss (TestShapes compares those), the creation time of the DAG version,
// all versions of a run but its newest, and the order of rendered fields on
// Airflow 3, which is the task's own.
func blank(t *testing.T, row string, r release) string {
	t.Helper()
	names := []string{"trigger", "triggerer_job", "sla_miss"}
	if r.major == 3 {
		names = append(names, "created_at", "rendered_fields", "dag_versions")
	}
	decoder := json.NewDecoder(strings.NewReader(row))
	var b strings.Builder
	start := int64(0)
	cut := func(name string) {
		var value json.RawMessage
		before := decoder.InputOffset()
		if err := decoder.Decode(&value); err != nil {
			t.Fatalf("%s of %s: %v", name, row, err)
		}
		b.WriteString(row[start:before] + ": …")
		start = decoder.InputOffset()
	}
	for {
		token, err := decoder.Token()
		if err != nil {
			return b.String() + row[start:]
		}
		name, ok := token.(string)
		if !ok {
			continue
		}
		for _, n := range names {
			if n == name {
				cut(name)
			}
		}
	}
}
