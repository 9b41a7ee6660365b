package airflowtest

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// recordedRun are the fields of a recorded DAG run, of either API.
type recordedRun struct {
	DagID         string         `json:"dag_id"`
	RunID         string         `json:"dag_run_id"`
	State         string         `json:"state"`
	Type          string         `json:"run_type"`
	ExecutionDate time.Time      `json:"execution_date"`
	LogicalDate   time.Time      `json:"logical_date"`
	RunAfter      time.Time      `json:"run_after"`
	IntervalStart time.Time      `json:"data_interval_start"`
	IntervalEnd   time.Time      `json:"data_interval_end"`
	QueuedAt      time.Time      `json:"queued_at"`
	StartDate     time.Time      `json:"start_date"`
	EndDate       time.Time      `json:"end_date"`
	LastDecision  time.Time      `json:"last_scheduling_decision"`
	Conf          map[string]any `json:"conf"`
	Note          string         `json:"note"`
	TriggeredBy   string         `json:"triggered_by"`
	User          string         `json:"triggering_user_name"`
}

// put puts a recorded run into the database.
func (r *recordedRun) put(db *Database) *DagRun {
	return db.PutRun(DagRun{
		DagID: r.DagID, RunID: r.RunID, State: r.State, Type: r.Type, LogicalDate: r.LogicalDate, RunAfter: r.RunAfter,
		IntervalStart: r.IntervalStart, IntervalEnd: r.IntervalEnd, QueuedAt: r.QueuedAt, StartDate: r.StartDate, EndDate: r.EndDate,
		LastDecision: r.LastDecision, Conf: r.Conf, Note: r.Note, TriggeredBy: r.TriggeredBy, TriggeringUser: r.User,
	})
}

// TestRecordedRuns puts every recorded DAG run into a database and encodes it
// again, byte for byte the same.
func TestRecordedRuns(t *testing.T) {
	for _, r := range recordedAnswers(t, regexp.MustCompile(`(?i)dagruns?[._-]`)) {
		release, err := parseRelease(r.version)
		if err != nil {
			t.Fatal(err)
		}
		rows, _ := r.rows(t, "dag_runs")
		for _, raw := range rows {
			row := decodeRow[recordedRun](t, raw)
			if row.Type == "" {
				continue // a row with some of its fields, or an error
			}
			run := row.put(newDatabase(release, time.Now))
			encoded := v1DagRun(run)
			if release.major == 3 {
				encoded = v2{release}.dagRun(run)
			}
			compareEncoded(t, release, r.file+" "+row.RunID, encoded, raw)
		}
	}
}

// TestRecordedRunLists asks what real servers were asked, of a database with
// the rows that they sent, rows that the filter must leave out, and as many
// older or later ones as did not fit into the page: the whole answer is the same.
func TestRecordedRunLists(t *testing.T) {
	for _, r := range recordedAnswers(t, regexp.MustCompile(`(?i)^(list_)?dagruns`)) {
		rows, total := r.rows(t, "dag_runs")
		if strings.Contains(r.want, `"detail"`) {
			continue // TestRecordedAnswers
		}
		t.Run(r.version+" "+r.file, func(t *testing.T) {
			got := r.ask(t, func(db *Database) {
				decoy := DagRun{DagID: "decoy", State: Success, StartDate: zooMorning}
				filtered := filteredRequest.MatchString(r.path + r.body)
				if filtered {
					decoy.RunID = "before"
					db.PutRun(decoy)
				}
				for _, raw := range rows {
					row := decodeRow[recordedRun](t, raw)
					row.RunID = cmp.Or(row.RunID, row.DagID)
					row.put(db)
				}
				for i := len(rows); i < total; i++ {
					filler := DagRun{DagID: "filler", RunID: fmt.Sprint("filler ", i), State: Running, Type: RunBackfill, StartDate: zooMorning}
					if strings.Contains(r.body, "zoo_cron") {
						filler.DagID = "zoo_cron"
					}
					db.PutRun(filler)
				}
				if filtered {
					decoy.RunID = "behind"
					db.PutRun(decoy)
				}
			})
			release, _ := parseRelease(r.version)
			if g, w := blank(t, got, release), blank(t, r.want, release); g != w {
				t.Errorf("got\n%s\nwant\n%s", g, w)
			}
		})
	}
}

var filteredRequest = regexp.MustCompile(`state=|states"|run_type=|zoo_`)

// zooMorning is before all that was recorded.
var zooMorning = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
