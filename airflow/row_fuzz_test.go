package airflow

import (
	"bytes"
	stdjson "encoding/json"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Whatever a row is: it says what the decoder of encoding/json/v2 understands, and it is refused if that refuses it, but
// for keys that come twice and strings that are not UTF-8 in what is not used.
func FuzzRow(f *testing.F) {
	for _, file := range recordedLists {
		text, err := os.ReadFile("testdata/" + file)
		if err != nil {
			f.Fatal(err)
		}
		var answer struct {
			Rows []stdjson.RawMessage `json:"task_instances"`
		}
		if err := stdjson.Unmarshal(text, &answer); err != nil {
			f.Fatal(err)
		}
		for _, row := range answer.Rows[:3] {
			f.Add([]byte(row))
		}
	}
	for _, text := range []string{
		`{"dag_id":"a","dag_id":"b"}`, `{"dag\u005fid":"d","dag_run_id":"r\"\\","task_id":"\ud83d\ude00","map_index":-1,"try_number":0,"max_tries":1,"pool":"","pool_slots":1}`,
		`{"dag_id":"\ud800"}`, "{\"dag_id\":\"\xff\"}", `{"map_index":1.0}`, `{"map_index":1e2}`, `{"map_index":9223372036854775808}`, `{"map_index":"1"}`, `{"map_index":-0}`,
		`{"dag_id":"d","dag_run_id":"r","task_id":"t","map_index":-1,"try_number":0,"max_tries":1,"pool":"","pool_slots":1,"duration":1e999}`, `{"duration":-0.0}`, `{"start_date":"2026-11-24T00:00:00"}`, `{"x":{"dag_id":"}"},"y":["]\\"]}`, `[]`, `null`, `{`, `{"state":null,"queue":null}`,
	} {
		f.Add([]byte(text))
	}
	var known names
	f.Fuzz(func(t *testing.T, text []byte) {
		decoder := rowDecoder{names: &known}
		got, err := decoder.decode(jsontext.NewDecoder(bytes.NewReader(text), lenient...))
		if err == nil { // once more, after a row that is not like it, and after itself
			_, _ = decoder.decode(jsontext.NewDecoder(strings.NewReader(anotherRow), lenient...))
			for range 2 {
				if again, err := decoder.decode(jsontext.NewDecoder(bytes.NewReader(text), lenient...)); err != nil || !same(got, again) || got.ID != again.ID {
					t.Fatalf("got  %+v\nagain %+v, %v", got, again, err)
				}
			}
		}
		var j row
		dec := jsontext.NewDecoder(bytes.NewReader(text), lenient...)
		lax := json.UnmarshalDecode(dec, &j)
		if err == nil && lax != nil {
			t.Fatalf("taken, though it is refused: %v", lax)
		}
		var strict row
		if json.UnmarshalDecode(jsontext.NewDecoder(bytes.NewReader(text)), &strict) == nil && strict.complete() && err != nil {
			t.Fatalf("refused: %v", err)
		}
		if err != nil {
			return
		}
		if !j.complete() {
			t.Fatal("taken, though something is missing")
		}
		if want := j.taskInstance(); !same(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
	})
}

const anotherRow = `{"id":"\u0041","dag_id":"an\u006fther","dag_run_id":"","task_id":"x","map_index":7,"state":"failed","try_number":9,"max_tries":9,"pool":"p\"","pool_slots":9,"queue":"q"}`

// complete reports whether all is there that both APIs always send.
func (j *row) complete() bool {
	text := func(s *string) bool { return s != nil && *s != "" }
	return text(j.DagID) && text(j.RunID) && text(j.TaskID) && j.MapIndex != nil && j.TryNumber != nil && j.MaxTries != nil && j.Pool != nil && j.PoolSlots != nil
}

// taskInstance is what the row says, but for its id.
func (j *row) taskInstance() TaskInstance {
	t := TaskInstance{
		DagID: *j.DagID, RunID: *j.RunID, TaskID: *j.TaskID, MapIndex: *j.MapIndex, State: StateNone, TryNumber: *j.TryNumber, MaxTries: *j.MaxTries,
		QueuedWhen: orZero(j.QueuedWhen), ScheduledWhen: orZero(j.ScheduledWhen), StartDate: orZero(j.StartDate), EndDate: orZero(j.EndDate),
		Pool: *j.Pool, PoolSlots: *j.PoolSlots, Queue: orZero(j.Queue),
	}
	if j.State != nil {
		t.State = State(*j.State)
	}
	if j.Duration != nil && math.Abs(*j.Duration) < maxDuration {
		t.Duration, t.HasDuration = time.Duration(math.Round(*j.Duration*float64(time.Second))), true
	}
	return t
}

// same compares all but the ids, and dates as moments.
func same(a, b TaskInstance) bool {
	for _, dates := range [][2]*time.Time{{&a.QueuedWhen, &b.QueuedWhen}, {&a.ScheduledWhen, &b.ScheduledWhen}, {&a.StartDate, &b.StartDate}, {&a.EndDate, &b.EndDate}} {
		if !dates[0].Equal(*dates[1]) {
			return false
		}
		*dates[0], *dates[1] = time.Time{}, time.Time{}
	}
	a.ID, b.ID = RowID{}, RowID{}
	return a == b
}
