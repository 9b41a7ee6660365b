package collector

import (
	"testing"
	"time"
)

// heldBack is how many counts a ledger keeps in memory.
func (l *Ledger) heldBack() (n int) {
	for s := range l.fresh {
		n += len(s.pending.held)
	}
	return n
}

// While no scrape completes, what is held back does not grow for ever; nothing of it is lost, and a series that comes later is held back again.
func TestWhatIsHeldBackIsBounded(t *testing.T) {
	l := tinyLedger(DefaultMaxSeries, 1)
	for range maxHeld {
		l.add(1, l.retries, "dag", "busy")
	}
	l.countRetry("dag", "rare")
	l.countRetry("dag", "busy")
	l.countRetry("dag", "busy")
	if n := l.heldBack(); n > maxHeld || n != l.held {
		t.Errorf("%d are held back, want at most %d; the ledger says %d", n, maxHeld, l.held)
	}
	l.countRetry("dag", "later")
	l.countRetry("gone", "task")
	if v := counts(l.retries)["dag later"]; v != 0 {
		t.Errorf("a series that is not delivered yet counts %v", v)
	}
	l.forget(func(id string) bool { return id == "gone" })
	now := time.Now()
	l.deliver(l.births(), now)
	l.release(now.Add(time.Hour))
	got := counts(l.retries)
	if got["dag busy"] != maxHeld+2 || got["dag rare"] != 1 || got["dag later"] != 1 {
		t.Errorf("counted: %v", got)
	}
	if n := l.heldBack(); n != 0 || l.held != 0 {
		t.Errorf("%d are still held back; the ledger says %d", n, l.held)
	}
}
