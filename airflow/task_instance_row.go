package airflow

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// RowID is Airflow 3's id of a row, a UUID, or the hash of one that is no UUID. Zero: none.
type RowID [16]byte

// rowDecoder reads the rows of one listing of task instances. It makes no garbage: names come from those that are known,
// most of them from the row before.
type rowDecoder struct {
	names *names
	last  TaskInstance
	text  []byte // of the string that is being read, when it has escapes
}

// The fields that are used, as bits, to tell which came.
const (
	fieldID uint32 = 1 << iota
	fieldDagID
	fieldRunID
	fieldTaskID
	fieldMapIndex
	fieldState
	fieldTryNumber
	fieldMaxTries
	fieldQueuedWhen
	fieldScheduledWhen
	fieldStartDate
	fieldEndDate
	fieldDuration
	fieldPool
	fieldPoolSlots
	fieldQueue
)

// rowField is the field with that key, 0 if it is not used.
func rowField(key []byte) uint32 {
	switch string(key) {
	case "id":
		return fieldID
	case "dag_id":
		return fieldDagID
	case "dag_run_id":
		return fieldRunID
	case "task_id":
		return fieldTaskID
	case "map_index":
		return fieldMapIndex
	case "state":
		return fieldState
	case "try_number":
		return fieldTryNumber
	case "max_tries":
		return fieldMaxTries
	case "queued_when":
		return fieldQueuedWhen
	case "scheduled_when":
		return fieldScheduledWhen
	case "start_date":
		return fieldStartDate
	case "end_date":
		return fieldEndDate
	case "duration":
		return fieldDuration
	case "pool":
		return fieldPool
	case "pool_slots":
		return fieldPoolSlots
	case "queue":
		return fieldQueue
	}
	return 0
}

// required are the fields that both APIs always send, never null, in the order in which they are missed.
var required = []struct {
	field uint32
	name  string
}{
	{fieldDagID, "dag_id"}, {fieldRunID, "dag_run_id"}, {fieldTaskID, "task_id"}, {fieldMapIndex, "map_index"},
	{fieldTryNumber, "try_number"}, {fieldMaxTries, "max_tries"}, {fieldPool, "pool"}, {fieldPoolSlots, "pool_slots"},
}

// decode reads one row and refuses it when a field is missing that both APIs always send.
func (d *rowDecoder) decode(dec *jsontext.Decoder) (TaskInstance, error) {
	row, err := dec.ReadValue() // all of it is checked here, what is not used included
	if err != nil {
		return TaskInstance{}, err
	}
	return d.decodeValue(row)
}

// decodeValue reads one row that is known to be valid JSON.
func (d *rowDecoder) decodeValue(row jsontext.Value) (TaskInstance, error) {
	t := TaskInstance{State: StateNone}
	var came, told uint32 // with a value other than null
	err := eachMember(row, func(key, value jsontext.Value) (err error) {
		if bytes.IndexByte(key, '\\') >= 0 {
			if key, err = jsontext.AppendUnquote(nil, key); err != nil {
				return err
			}
		} else {
			key = key[1 : len(key)-1]
		}
		field := rowField(key)
		if field == 0 {
			return nil
		}
		if came&field != 0 {
			return fmt.Errorf("%s comes twice", key)
		}
		came |= field
		if value[0] == 'n' {
			return nil
		}
		told |= field
		if err := d.set(&t, field, value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		return nil
	})
	if err != nil {
		return TaskInstance{}, err
	}
	for _, r := range required {
		if told&r.field == 0 {
			return TaskInstance{}, fmt.Errorf("a task instance without %s", r.name)
		}
	}
	switch {
	case t.DagID == "":
		return TaskInstance{}, errors.New("a task instance without dag_id")
	case t.RunID == "":
		return TaskInstance{}, errors.New("a task instance without dag_run_id")
	case t.TaskID == "":
		return TaskInstance{}, errors.New("a task instance without task_id")
	}
	d.last = t
	return t, nil
}

// set gives t the value of a field, which is not null.
func (d *rowDecoder) set(t *TaskInstance, field uint32, value jsontext.Value) (err error) {
	switch field {
	case fieldID:
		t.ID, err = d.rowID(value)
	case fieldDagID:
		t.DagID, err = d.name(value, d.last.DagID)
	case fieldRunID:
		t.RunID, err = d.name(value, d.last.RunID)
	case fieldTaskID:
		t.TaskID, err = d.name(value, d.last.TaskID)
	case fieldState:
		var state string
		state, err = d.name(value, string(d.last.State))
		t.State = State(state)
	case fieldPool:
		t.Pool, err = d.name(value, d.last.Pool)
	case fieldQueue:
		t.Queue, err = d.name(value, d.last.Queue)
	case fieldMapIndex:
		t.MapIndex, err = integer(value)
	case fieldTryNumber:
		t.TryNumber, err = integer(value)
	case fieldMaxTries:
		t.MaxTries, err = integer(value)
	case fieldPoolSlots:
		t.PoolSlots, err = integer(value)
	case fieldQueuedWhen:
		t.QueuedWhen, err = d.date(value)
	case fieldScheduledWhen:
		t.ScheduledWhen, err = d.date(value)
	case fieldStartDate:
		t.StartDate, err = d.date(value)
	case fieldEndDate:
		t.EndDate, err = d.date(value)
	case fieldDuration:
		t.Duration, t.HasDuration, err = duration(value)
	}
	return err
}

// unquote is what a JSON string says. It is valid until the next call.
func (d *rowDecoder) unquote(value jsontext.Value) ([]byte, error) {
	if len(value) < 2 || value[0] != '"' {
		return nil, fmt.Errorf("%s where a string is expected", value.Kind())
	}
	text := value[1 : len(value)-1]
	if len(text) > maxString {
		return nil, &limitError{"a string", maxString}
	}
	if bytes.IndexByte(text, '\\') >= 0 {
		var err error
		if d.text, err = jsontext.AppendUnquote(d.text[:0], value); err != nil {
			return nil, err
		}
		return d.text, nil
	}
	if !utf8.Valid(text) {
		return nil, errors.New("a string that is not UTF-8")
	}
	return text, nil
}

// name is a string that probably came before, most probably as the same field of the last row.
func (d *rowDecoder) name(value jsontext.Value, last string) (string, error) {
	text, err := d.unquote(value)
	if err != nil || string(text) == last {
		return last, err
	}
	return d.names.of(text), nil
}

func (d *rowDecoder) rowID(value jsontext.Value) (RowID, error) {
	text, err := d.unquote(value)
	if err != nil || len(text) == 0 {
		return RowID{}, err
	}
	var id RowID
	if len(text) == 36 && text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-' {
		var digits [32]byte
		for i, part := range [...][]byte{text[:8], text[9:13], text[14:18], text[19:23], text[24:]} {
			copy(digits[[...]int{0, 8, 12, 16, 20}[i]:], part)
		}
		if _, err := hex.Decode(id[:], digits[:]); err == nil {
			return id, nil
		}
	}
	sum := sha256.Sum256(text)
	copy(id[:], sum[:])
	return id, nil
}

// integer is a JSON number without a fraction or an exponent.
func integer(value jsontext.Value) (int, error) {
	if value.Kind() != '0' {
		return 0, fmt.Errorf("%s where a number is expected", value.Kind())
	}
	n, err := strconv.Atoi(string(value))
	if err != nil {
		return 0, fmt.Errorf("%s is no number that an integer can be", value)
	}
	return n, nil
}

// maxDuration bounds durations in seconds: a century fits into a time.Duration.
const maxDuration = 100 * 365 * 24 * 3600

// duration is a JSON number of seconds. It is false for one that is beyond any duration.
func duration(value jsontext.Value) (time.Duration, bool, error) {
	if value.Kind() != '0' {
		return 0, false, fmt.Errorf("%s where a number is expected", value.Kind())
	}
	seconds, err := strconv.ParseFloat(string(value), 64)
	if err != nil {
		return 0, false, fmt.Errorf("%s is no number that a duration can be", value)
	}
	if math.Abs(seconds) >= maxDuration {
		return 0, false, nil
	}
	return time.Duration(math.Round(seconds * float64(time.Second))), true, nil
}

// date is a JSON string with a date of RFC 3339.
func (d *rowDecoder) date(value jsontext.Value) (time.Time, error) {
	text, err := d.unquote(value)
	if err != nil {
		return time.Time{}, err
	}
	var at time.Time
	if err := at.UnmarshalText(text); err != nil || !strictly(text) {
		return time.Time{}, fmt.Errorf("%q is no date", text)
	}
	return at, nil
}

// strictly refuses what package time takes for a date and RFC 3339 does not (https://go.dev/issue/54580).
func strictly(date []byte) bool {
	n := len(date)
	hour, fraction := len("2006-01-02T"), len("2006-01-02T15:04:05")
	return date[hour+1] != ':' && date[fraction] != ',' &&
		(date[n-1] == 'Z' || string(date[n-len("07:00"):n-len(":00")]) < "24" && string(date[n-len("00"):]) < "60")
}
