package airflow

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// Rows that came before leave no garbage: what a listing of ten thousand allocates is its own, not theirs.
func TestRowsMakeNoGarbage(t *testing.T) {
	const rows = 5000
	for version, file := range recordedLists {
		body := recordedRows(t, file, rows)
		var known names
		list := func() {
			w := listing(nil, nil, rowsOf[TaskInstance, TaskInstanceRef]{decode: TaskInstanceQuery{States: everyState()}.decoder(&known), ref: (*TaskInstance).Ref},
				func(TaskInstance) bool { return true })
			w.body = newGuard(bytes.NewReader(body), 1<<40)
			if e, err := decodeListing(w.body, "task_instances", w.row, lenient...); err != nil || e.total != rows || len(w.seen) != rows {
				t.Fatalf("%s: %d of %d rows, %v", version, len(w.seen), e.total, err)
			}
		}
		list()
		perRow := testing.AllocsPerRun(3, list) / rows
		t.Logf("FIGURE C21 allocations_per_row=%.3f", perRow)
		if perRow > 0.2 {
			t.Errorf("%s: %.3f allocations for each row, want at most 0.2", version, perRow)
		}
	}
}

// Names that come again are those that came before, until they did not come for a long time.
func TestNamesAreKept(t *testing.T) {
	var n names
	if a, b := n.of([]byte("etl")), n.of([]byte("etl")); a != "etl" || b != "etl" {
		t.Errorf("got %q and %q", a, b)
	}
	if got := n.of(bytes.Repeat([]byte("x"), longestName+1)); len(got) != longestName+1 || len(n.young) != 1 {
		t.Errorf("a name of %d bytes became one of %d, %d are kept", longestName+1, len(got), len(n.young))
	}
	kept := 0
	for i := range 20_000 {
		n.of(fmt.Appendf(nil, "%0500d", i))
	}
	for _, generation := range []map[string]string{n.young, n.old} {
		for s := range generation {
			kept += len(s)
		}
	}
	if kept > 2*maxYoung || kept < maxYoung/2 {
		t.Errorf("%d bytes are kept", kept)
	}
	if _, ok := n.old["etl"]; ok {
		t.Error("a name that never came again is kept")
	}
	var aging names
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	aging.age(now)
	aging.of([]byte("once"))
	for range 3 {
		now = now.Add(generation)
		aging.age(now)
		aging.of([]byte("often"))
	}
	if len(aging.young) != 1 || len(aging.old) != 1 || aging.old["often"] == "" {
		t.Errorf("young %v, old %v", aging.young, aging.old)
	}
}
