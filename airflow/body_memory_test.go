package airflow

import (
	"bufio"
	"bytes"
	stdjson "encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
)

// longBody writes an answer of at least so many rows: those of a recorded one, again and again, each time of other runs.
func longBody(tb testing.TB, atLeast int) (rows int, write func(io.Writer)) {
	tb.Helper()
	text, err := os.ReadFile("testdata/" + recordedLists["v2"])
	if err != nil {
		tb.Fatal(err)
	}
	var answer struct {
		Rows []stdjson.RawMessage `json:"task_instances"`
	}
	if err := stdjson.Unmarshal(text, &answer); err != nil {
		tb.Fatal(err)
	}
	var page [][]byte // the run ids belong in between
	var part []byte
	for i, row := range answer.Rows {
		if i > 0 {
			part = append(part, ',')
		}
		at := regexp.MustCompile(`"dag_run_id": ?"[^"]*`).FindIndex(row)[1]
		page, part = append(page, append(part, row[:at]...)), append([]byte{}, row[at:]...)
	}
	pages := (atLeast + len(answer.Rows) - 1) / len(answer.Rows)
	rows = pages * len(answer.Rows)
	return rows, func(out io.Writer) {
		w := bufio.NewWriter(out)
		_, _ = w.WriteString(`{"task_instances":[`)
		var run []byte
		for i := range pages { // nothing is allocated here: it would be measured, too
			if i > 0 {
				_ = w.WriteByte(',')
			}
			run = strconv.AppendInt(append(run[:0], '_'), int64(i), 10)
			for _, before := range page {
				_, _ = w.Write(before)
				_, _ = w.Write(run)
			}
			_, _ = w.Write(part)
		}
		_, _ = fmt.Fprintf(w, `],"total_entries":%d}`, rows)
		_ = w.Flush()
	}
}

// resident is how much memory of this process is resident, in MiB.
func resident(tb testing.TB) float64 {
	tb.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		tb.Fatal(err)
	}
	_, rest, _ := bytes.Cut(status, []byte("VmRSS:"))
	digits, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
	kib, err := strconv.ParseFloat(string(digits), 64)
	if err != nil {
		tb.Fatal(err)
	}
	return kib / 1024
}

// growth is by how much this process grows at most while one answer of so many rows is listed.
func growth(tb testing.TB, atLeast int) float64 {
	tb.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(50)) // as the exporter does
	rows, write := longBody(tb, atLeast)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/version") {
			_, _ = io.WriteString(w, `{"version": "3.3.2"}`)
			return
		}
		write(w)
	}))
	defer server.Close()
	cfg := DefaultConfig()
	cfg.URL, cfg.MaxResponseBytes = server.URL, 1<<40
	client, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Version(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	debug.FreeOSMemory()
	before, most, n := resident(tb), 0.0, 0
	for _, err := range client.TaskInstances(tb.Context(), TaskInstanceQuery{States: everyState(), Room: 2 * rows}) {
		if err != nil {
			tb.Fatal(err)
		}
		if n++; n%(rows/100) == 0 {
			most = max(most, resident(tb)-before)
		}
	}
	if n != rows {
		tb.Fatalf("%d of %d rows", n, rows)
	}
	return most
}

// An answer of 130 MB takes next to no memory: its rows are handed on one by one, and names and hashes of them are kept.
func TestALongBodyTakesLittleMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	if underRace {
		t.Skip("the race detector takes memory, too")
	}
	grown := growth(t, 100_000)
	t.Logf("FIGURE C10 mebibytes_for_a_body_of_100000_rows=%.1f", grown)
	if grown > 8 {
		t.Errorf("the process grew by %.1f MiB, want at most 8", grown)
	}
}

// What a body of a million rows takes beyond that is its hashes.
func BenchmarkBody(b *testing.B) {
	for _, rows := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			most := 0.0
			before := cpuTime(b)
			for b.Loop() {
				most = max(most, growth(b, rows))
			}
			b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N)/float64(rows), "CPU-ns/row")
			b.ReportMetric(most, "MiB")
		})
	}
}
