package airflow

import (
	"bytes"
	stdjson "encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// recordedRows is one answer of n rows, made of those that a real server of that version sent, each with names of its own.
func recordedRows(tb testing.TB, file string, n int) []byte {
	tb.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		tb.Fatal(err)
	}
	var answer struct {
		Rows []stdjson.RawMessage `json:"task_instances"`
	}
	if err := stdjson.Unmarshal(text, &answer); err != nil {
		tb.Fatal(err)
	}
	run := regexp.MustCompile(`("dag_run_id": ?)"[^"]*"`)
	id := regexp.MustCompile(`("id": ?"[0-9a-f-]{24})[0-9a-f]{12}"`)
	var b bytes.Buffer
	b.WriteString(`{"task_instances":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		row := run.ReplaceAll(answer.Rows[i%len(answer.Rows)], fmt.Appendf(nil, `${1}"scheduled__2026-11-24T00:00:00+00:00_%d"`, i))
		b.Write(id.ReplaceAll(row, fmt.Appendf(nil, `${1}%012x"`, i)))
	}
	fmt.Fprintf(&b, `],"total_entries":%d}`, n)
	return b.Bytes()
}

var recordedLists = map[string]string{"v1": "2.10.5/all_post.json", "v2": "3.3.2/ti-limit1000.json"}

// What a row of a listing costs, decoded and told apart from the others.
func BenchmarkRow(b *testing.B) {
	for version, file := range recordedLists {
		const rows = 10_000
		body := recordedRows(b, file, rows)
		report := func(b *testing.B, before time.Duration) {
			b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N)/rows, "CPU-ns/row")
		}
		b.Run(version+"/listing", func(b *testing.B) {
			q := TaskInstanceQuery{States: everyState(), Room: rows}
			var n names
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				w := listing(nil, nil, rowsOf[TaskInstance, TaskInstanceRef]{key: "task_instances", decode: q.decoder(&n), ref: (*TaskInstance).Ref}, func(TaskInstance) bool { return true })
				guarded := newGuard
				if version == "v2" {
					guarded = byRow
				}
				w.body = guarded(bytes.NewReader(body), 1<<40)
				e, err := decodeListing(w.body, "task_instances", w.row, lenient...)
				if err != nil || e.total != len(w.seen) {
					b.Fatal(err, e, len(w.seen))
				}
			}
			report(b, before)
		})
		b.Run(version+"/encoding/json Decoder", func(b *testing.B) {
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				dec := stdjson.NewDecoder(bytes.NewReader(body))
				seen := map[TaskInstanceRef]struct{}{}
				for range 3 {
					if _, err := dec.Token(); err != nil {
						b.Fatal(err)
					}
				}
				for dec.More() {
					var j row
					if err := dec.Decode(&j); err != nil {
						b.Fatal(err)
					}
					seen[TaskInstanceRef{*j.DagID, *j.RunID, *j.TaskID, *j.MapIndex}] = struct{}{}
				}
			}
			report(b, before)
		})
		b.Run(version+"/guard", func(b *testing.B) {
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				if _, err := io.Copy(io.Discard, newGuard(bytes.NewReader(body), 1<<40)); err != nil {
					b.Fatal(err)
				}
			}
			report(b, before)
		})
		b.Run(version+"/skip", func(b *testing.B) {
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				if _, err := decodeListing(bytes.NewReader(body), "task_instances", func(dec *jsontext.Decoder) error { return dec.SkipValue() }); err != nil {
					b.Fatal(err)
				}
			}
			report(b, before)
		})
	}
}

// row is a row of a listing as encoding/json wants it.
type row struct {
	ID            *string    `json:"id"`
	DagID         *string    `json:"dag_id"`
	RunID         *string    `json:"dag_run_id"`
	TaskID        *string    `json:"task_id"`
	MapIndex      *int       `json:"map_index"`
	State         *string    `json:"state"`
	TryNumber     *int       `json:"try_number"`
	MaxTries      *int       `json:"max_tries"`
	QueuedWhen    *time.Time `json:"queued_when"`
	ScheduledWhen *time.Time `json:"scheduled_when"`
	StartDate     *time.Time `json:"start_date"`
	EndDate       *time.Time `json:"end_date"`
	Duration      *float64   `json:"duration"`
	Pool          *string    `json:"pool"`
	PoolSlots     *int       `json:"pool_slots"`
	Queue         *string    `json:"queue"`
}

// cpuTime is what this process has used: on a machine that others use, too, the time on the wall says little.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func everyState() []State {
	return []State{StateNone, StateScheduled, StateQueued, StateRunning, "restarting", StateDeferred, StateAwaitingInput, StateUpForRetry,
		StateUpForReschedule, StateSuccess, StateFailed, StateSkipped, StateUpstreamFailed, "removed"}
}
