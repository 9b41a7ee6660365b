package airflowtest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// instanceOf is the instance that a path names.
func instanceOf(t *testing.T, path string) Key {
	t.Helper()
	path, _, _ = strings.Cut(path, "?")
	var parts []string
	for part := range strings.SplitSeq(path, "/") {
		text, err := url.PathUnescape(part)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, text)
	}
	parts = parts[4:] // behind /api/v1/dags/
	key := Task(parts[0], parts[2], parts[4])
	if index, err := strconv.Atoi(parts[5]); err == nil {
		key.MapIndex = index
	}
	return key
}

// TestRecordedTries puts attempts into the history of an instance and asks for
// them: the whole answer is the recorded one.
func TestRecordedTries(t *testing.T) {
	for _, r := range recordedAnswers(t, regexp.MustCompile(`tries`)) {
		rows, _ := r.rows(t, "task_instances")
		if strings.Contains(r.want, `"detail"`) {
			continue // TestRecordedAnswers
		}
		t.Run(r.version+" "+r.file, func(t *testing.T) {
			release, err := parseRelease(r.version)
			if err != nil {
				t.Fatal(err)
			}
			got := r.ask(t, func(db *Database) {
				if strings.Contains(r.file, "plain_of_expanded") {
					key := instanceOf(t, r.path)
					db.Add(MappedTask(key.DagID, key.RunID, key.TaskID, 0), 0).Succeed()
				}
				var attempts []*TaskInstance
				for _, raw := range rows {
					row := decodeRow[recordedRow](t, raw)
					attempts = append(attempts, row.put(db))
				}
				n := len(attempts)
				if n == 0 {
					return
				}
				now := *attempts[n-1]
				if now.State == Failed && (strings.Contains(r.file, "up_for_retry") || strings.Contains(r.file, "after_clear_running")) {
					now.State = UpForRetry
					n++
				}
				for _, attempt := range attempts[:n-1] {
					now.History = append(now.History, *attempt)
				}
				db.Put(now)
			})
			if g, w := blank(t, got, release), blank(t, r.want, release); g != w {
				t.Errorf("got\n%s\nwant\n%s", g, w)
			}
		})
	}
}

// TestRecordedDependencies brings about what a real server told, and asks: the
// whole answer is the recorded one. What is in no list of the instance is found
// in the rest of the database.
func TestRecordedDependencies(t *testing.T) {
	for _, r := range recordedAnswers(t, regexp.MustCompile(`^dep-|dependencies`)) {
		if strings.Contains(r.want, `"detail"`) {
			continue // TestRecordedAnswers
		}
		t.Run(r.version+" "+r.file, func(t *testing.T) {
			var body struct {
				List []Dependency `json:"dependencies"`
			}
			if err := json.Unmarshal([]byte(r.want), &body); err != nil {
				t.Fatal(err)
			}
			var ti *TaskInstance
			got := r.ask(t, func(db *Database) {
				db.clock = func() time.Time { return zooMorning }
				ti = db.Put(TaskInstance{Key: instanceOf(t, r.path), State: Scheduled})
				if len(body.List) == 0 {
					ti.Start()
				}
				for _, d := range body.List {
					bringAbout(t, ti, d)
				}
			})
			if got != r.want {
				t.Errorf("got\n%s\nwant\n%s", got, r.want)
			}
			if written := strings.Contains(r.want, "Not Previously Skipped"); written && (ti.State != Skipped || !ti.EndDate.Equal(zooMorning)) {
				t.Errorf("asking left the state %q", ti.State)
			}
		})
	}
}

// bringAbout makes d a reason why the instance does not run.
func bringAbout(t *testing.T, ti *TaskInstance, d Dependency) {
	t.Helper()
	scan := func(format string, values ...any) {
		if _, err := fmt.Sscanf(strings.ReplaceAll(d.Reason, "'", " "), format, values...); err != nil {
			t.Fatalf("%q: %v", d.Reason, err)
		}
	}
	switch d.Name {
	case "Task Instance State":
		ti.State = NoStatus
		var state string
		scan("Task is in the %s", &state)
		if state != "None" { // what the instance is told to be after it was written
			ti.AskingWrites = state
		}
	case "Dag Not Paused":
		ti.db.Dag(ti.DagID).Paused = true
	case "Dagrun Running":
		run := ti.run()
		run.State = Queued
		if strings.Contains(d.Reason, "'success'") {
			run.State = Success
		}
	case "Pool Slots Available":
		if strings.Contains(d.Reason, "non-existent") {
			scan("Tasks using non-existent pool %s", &ti.Pool)
			return
		}
		var open int
		scan("Not scheduling since there are %d open slots in pool %s and require %d pool slots", &open, &ti.Pool, &ti.PoolSlots)
		ti.db.PutPool(Pool{Name: ti.Pool, Slots: 5, Occupancy: &Occupancy{Running: 5 - open}})
	case "Not Previously Skipped":
		ti.Dependencies = append(ti.Dependencies, d)
		if ti.db.release.major == 3 { // which tells the state before
			ti.AskingWrites = Skipped
		}
	default:
		ti.Dependencies = append(ti.Dependencies, d)
	}
}
