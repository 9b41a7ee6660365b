package airflowtest_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// story moves one instance, a minute for each move, and shows what the API
// tells of it in between.
type story struct {
	c      *client
	now    time.Time
	key    airflowtest.Key
	ids    map[string]string // letters for ids, in the order of their appearance
	origin time.Time
}

func newStory(t *testing.T, version string, retries int) *story {
	s := &story{key: airflowtest.Task("d", "r", "t"), ids: map[string]string{}, origin: time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)}
	s.now = s.origin
	s.c = start(t, airflowtest.Options{Version: version, Clock: func() time.Time { return s.now }}, func(db *airflowtest.Database) {
		db.Add(s.key, retries)
	})
	return s
}

// after lets a minute pass, makes a move and tells the row: state, try/max,
// start, end (in minutes since the beginning), duration in seconds, and a
// letter for the id.
func (s *story) after(move func(ti *airflowtest.TaskInstance)) string {
	s.c.t.Helper()
	s.now = s.now.Add(time.Minute)
	s.c.server.Update(func(db *airflowtest.Database) { move(db.TaskInstance(s.key)) })
	p := s.c.list("limit=10")
	if len(p.Rows) != 1 {
		s.c.t.Fatalf("%d rows", len(p.Rows))
	}
	r := p.Rows[0]
	state, duration := "null", "-"
	if r.State != nil {
		state = *r.State
	}
	if r.Duration != nil {
		duration = fmt.Sprint(*r.Duration)
	}
	return fmt.Sprintf("%s %d/%d %s %s %s %s", state, r.Try, r.MaxTries, s.minute(r.Start), s.minute(r.End), duration, s.letter(r.ID))
}

func (s *story) minute(date *string) string {
	if date == nil {
		return "-"
	}
	at, err := time.Parse(time.RFC3339Nano, *date)
	if err != nil {
		s.c.t.Fatal(err)
	}
	return fmt.Sprint(at.Sub(s.origin).Minutes())
}

func (s *story) letter(id string) string {
	if id == "" {
		return "" // v1
	}
	if s.ids[id] == "" {
		s.ids[id] = string(rune('A' + len(s.ids)))
	}
	return s.ids[id]
}

type (
	ti   = airflowtest.TaskInstance
	move = struct {
		name string
		do   func(*ti)
		want string
	}
)

// TestLifeCycles tells what rows look like between moves, as measured:
// state try/max_tries start end duration id.
func TestLifeCycles(t *testing.T) {
	var (
		schedule   = func(x *ti) { x.Schedule() }
		enqueue    = func(x *ti) { x.Enqueue() }
		run        = func(x *ti) { x.Start() }
		succeed    = func(x *ti) { x.Succeed() }
		fail       = func(x *ti) { x.Fail() }
		failAtOnce = func(x *ti) { x.FailWithoutRetry() }
		wait       = func(x *ti) { x.Defer() }
		reschedule = func(x *ti) { x.Reschedule() }
		clearIt    = func(x *ti) { x.Clear() }
		remove     = func(x *ti) { x.Remove() }
	)
	for _, test := range []struct {
		name, version string
		retries       int
		moves         []move
	}{
		{"retries until they are used up", "3.3.2", 1, []move{
			{"look", func(*ti) {}, "null 0/1 - - - A"},
			{"schedule", schedule, "scheduled 1/1 - - - A"},
			{"enqueue", enqueue, "queued 1/1 - - - A"},
			{"run", run, "running 1/1 4 - - A"},
			{"fail", fail, "up_for_retry 1/1 4 5 60 B"},
			{"schedule", schedule, "scheduled 2/1 4 5 60 B"},
			{"enqueue", enqueue, "queued 2/1 4 5 60 B"},
			{"run", run, "running 2/1 8 - 60 B"},
			{"look", func(*ti) {}, "running 2/1 8 - 60 B"},
			{"fail", fail, "failed 2/1 8 10 120 B"},
		}},
		{"retries on Airflow 2", "2.11.2", 1, []move{
			{"run", run, "running 1/1 1 - - "},
			{"fail", fail, "up_for_retry 1/1 1 2 60 "},
			{"look", func(*ti) {}, "up_for_retry 1/1 1 2 60 "},
			{"run", run, "running 2/1 4 - 60 "},
			{"look", func(*ti) {}, "running 2/1 4 - 60 "},
			{"succeed", succeed, "success 2/1 4 6 120 "},
		}},
		{"fails without retry", "3.3.2", 2, []move{
			{"run", run, "running 1/2 1 - - A"},
			{"fail", failAtOnce, "failed 1/2 1 2 60 A"},
		}},
		{"is deferred: the start stays", "3.3.2", 0, []move{
			{"run", run, "running 1/0 1 - - A"},
			{"defer", wait, "deferred 1/0 1 - - A"},
			{"schedule", schedule, "scheduled 1/0 1 - - A"},
			{"run", run, "running 1/0 1 - - A"},
			{"succeed", succeed, "success 1/0 1 5 240 A"},
		}},
		{"is rescheduled: dates are those of the last poke", "2.11.2", 0, []move{
			{"run", run, "running 1/0 1 - - "},
			{"reschedule", reschedule, "up_for_reschedule 1/0 1 2 60 "},
			{"look", func(*ti) {}, "up_for_reschedule 1/0 1 2 60 "},
			{"run", run, "running 1/0 4 - 60 "},
			{"reschedule", reschedule, "up_for_reschedule 1/0 4 5 60 "},
			{"run", run, "running 1/0 6 - 60 "},
			{"succeed", succeed, "success 1/0 6 7 60 "},
		}},
		{"is cleared after its end", "3.3.2", 0, []move{
			{"succeed", succeed, "success 1/0 1 1 0 A"},
			{"clear", clearIt, "null 1/1 1 1 0 B"},
			{"schedule", schedule, "scheduled 2/1 1 1 0 B"},
			{"run", run, "running 2/1 4 - 0 B"},
			{"fail", fail, "failed 2/1 4 5 60 B"},
			{"clear", clearIt, "null 2/2 4 5 60 C"},
		}},
		{"is cleared while it runs", "3.3.2", 0, []move{
			{"run", run, "running 1/0 1 - - A"},
			{"clear", clearIt, "restarting 1/0 1 2 60 B"},
			{"end", clearIt, "null 1/1 1 2 60 B"},
			{"run", run, "running 2/1 4 - 60 B"},
		}},
		{"is cleared while it runs on Airflow 2", "2.11.2", 0, []move{
			{"run", run, "running 1/0 1 - - "},
			{"clear", clearIt, "restarting 1/0 1 - - "},
			{"end", clearIt, "null 1/1 1 - - "},
		}},
		{"is removed", "3.3.2", 0, []move{
			{"succeed", succeed, "success 1/0 1 1 0 A"},
			{"remove", remove, "removed 1/0 1 1 0 A"},
		}},
		{"is skipped by a branch", "3.3.2", 0, []move{{"skip", func(x *ti) { x.Skip() }, "skipped 0/0 1 1 - A"}}},
		{"skips itself", "3.3.2", 0, []move{
			{"run", run, "running 1/0 1 - - A"},
			{"skip", func(x *ti) { x.Skip() }, "skipped 1/0 1 2 60 A"},
		}},
		{"has nothing to map over", "3.3.2", 0, []move{{"skip", func(x *ti) { x.SkipEmpty() }, "skipped 0/0 - - - A"}}},
		{"fails upstream", "2.11.2", 0, []move{{"fail", func(x *ti) { x.FailUpstream() }, "upstream_failed 0/0 1 1 0 "}}},
		{"does nothing", "2.11.2", 0, []move{{"pass", func(x *ti) { x.PassThrough() }, "success 1/0 1 1 0 "}}},
		{"waits for a person", "3.3.2", 0, []move{
			{"ask", func(x *ti) { x.AwaitInput() }, "awaiting_input 1/0 1 - - A"},
			{"schedule", schedule, "scheduled 1/0 1 - - A"},
			{"run", run, "running 1/0 1 - - A"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStory(t, test.version, test.retries)
			for i, m := range test.moves {
				if got := s.after(m.do); got != m.want {
					t.Fatalf("move %d, %s: %s, want %s", i+1, m.name, got, m.want)
				}
			}
		})
	}
}

func TestHistory(t *testing.T) {
	server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2"})
	server.Update(func(db *airflowtest.Database) {
		x := db.Add(airflowtest.Task("d", "r", "t"), 1)
		x.Fail().Succeed().Clear().Start().Clear()
		want := []string{"1 failed", "2 success", "3 failed"}
		if len(x.History) != len(want) {
			t.Fatalf("%d attempts", len(x.History))
		}
		for i, attempt := range x.History {
			if got := fmt.Sprint(attempt.TryNumber, " ", attempt.State); got != want[i] {
				t.Errorf("attempt %d: %s", i+1, got)
			}
			if attempt.EndDate.IsZero() || attempt.ID == x.ID {
				t.Errorf("attempt %d: end %v, id %s", i+1, attempt.EndDate, attempt.ID)
			}
		}
	})
}

func TestImpossibleMoves(t *testing.T) {
	for name, do := range map[string]func(*ti){
		"succeed twice":        func(x *ti) { x.Succeed().Succeed() },
		"start while running":  func(x *ti) { x.Start().Start() },
		"skip what is queued":  func(x *ti) { x.Enqueue().Skip() },
		"schedule a finished":  func(x *ti) { x.Succeed().Schedule() },
		"pass through running": func(x *ti) { x.Start().PassThrough() },
	} {
		server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2"})
		server.Update(func(db *airflowtest.Database) {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: is possible", name)
				}
			}()
			do(db.Add(airflowtest.Task("d", "r", "t"), 0))
		})
	}
}

func TestExpand(t *testing.T) {
	c := start(t, airflowtest.Options{Version: "3.3.2"}, func(db *airflowtest.Database) {
		db.Add(airflowtest.Task("d", "r", "t"), 2)
	})
	before := c.list("").Rows[0]
	if before.MapIndex != -1 {
		t.Errorf("index %d before", before.MapIndex)
	}
	c.server.Update(func(db *airflowtest.Database) {
		for _, x := range db.Expand(airflowtest.Task("d", "r", "t"), 3) {
			x.Schedule()
		}
	})
	rows := c.list("").Rows
	if len(rows) != 3 || rows[0].MapIndex != 0 || rows[2].MapIndex != 2 || rows[0].ID != before.ID || rows[1].ID == before.ID || rows[1].MaxTries != 2 {
		t.Errorf("rows %+v", rows)
	}
}

func TestDeleteAndPut(t *testing.T) {
	c := start(t, airflowtest.Options{Version: "3.3.2"}, func(db *airflowtest.Database) {
		db.Add(airflowtest.Task("d", "r", "gone"), 0)
		db.Put(ti{Key: airflowtest.Task("d", "r", "t"), State: airflowtest.Running})
		db.Put(ti{Key: airflowtest.Task("d", "r", "t"), State: airflowtest.Failed})
		db.Delete(airflowtest.Task("d", "r", "gone"))
		db.Delete(airflowtest.Task("d", "r", "never there"))
	})
	if rows := c.list("").Rows; len(rows) != 1 || *rows[0].State != "failed" {
		t.Errorf("rows %+v", rows)
	}
	if got := c.get(listV2); got.status != http.StatusOK {
		t.Errorf("%d", got.status)
	}
}

// Ids are version 7 UUIDs that grow, also when the clock does not.
func TestIDsGrow(t *testing.T) {
	now := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2", Clock: func() time.Time { return now }})
	last := ""
	server.Update(func(db *airflowtest.Database) {
		for i := range 2000 {
			if i == 1000 {
				now = now.Add(-time.Hour)
			}
			id := db.Add(airflowtest.MappedTask("d", "r", "t", i), 0).ID
			if !isUUID.MatchString(id) || id <= last {
				t.Fatalf("%s after %s", id, last)
			}
			last = id
		}
	})
}
