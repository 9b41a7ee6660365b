package airflowtest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// recordedDag are the fields of a recorded DAG, of either API.
type recordedDag struct {
	DagID       string          `json:"dag_id"`
	DisplayName string          `json:"dag_display_name"`
	Paused      bool            `json:"is_paused"`
	Description string          `json:"description"`
	Owners      []string        `json:"owners"`
	Tags        []recordedTag   `json:"tags"`
	Schedule    json.RawMessage `json:"schedule_interval"`
	Summary     string          `json:"timetable_summary"`
	Text        string          `json:"timetable_description"`
	NextV1      time.Time       `json:"next_dagrun"`
	Next        time.Time       `json:"next_dagrun_logical_date"`
	NextStart   time.Time       `json:"next_dagrun_data_interval_start"`
	NextEnd     time.Time       `json:"next_dagrun_data_interval_end"`
	NextAfterV1 time.Time       `json:"next_dagrun_create_after"`
	NextAfter   time.Time       `json:"next_dagrun_run_after"`
	MaxTasks    int             `json:"max_active_tasks"`
	MaxRuns     int             `json:"max_active_runs"`
	TaskLimits  bool            `json:"has_task_concurrency_limits"`
	Errors      bool            `json:"has_import_errors"`
	File        string          `json:"fileloc"`
	ParsedAt    time.Time       `json:"last_parsed_time"`
	ParseFor    float64         `json:"last_parse_duration"`
}

type recordedTag struct {
	Name string `json:"name"`
}

// put puts a recorded DAG into the database.
func (r *recordedDag) put(t *testing.T, db *Database) *Dag {
	t.Helper()
	dag := Dag{
		DagID: r.DagID, DisplayName: r.DisplayName, Paused: r.Paused, Owners: r.Owners, Description: r.Description,
		Schedule: r.Summary, ScheduleText: r.Text,
		NextLogicalDate: r.Next, NextIntervalStart: r.NextStart, NextIntervalEnd: r.NextEnd, NextRunAfter: r.NextAfter,
		MaxActiveTasks: r.MaxTasks, MaxActiveRuns: r.MaxRuns, HasTaskLimits: r.TaskLimits, HasImportErrors: r.Errors,
		File: r.File, ParsedAt: r.ParsedAt, ParseFor: time.Duration(r.ParseFor * 1e9),
	}
	if db.release.major == 2 {
		dag.NextLogicalDate, dag.NextRunAfter = r.NextV1, r.NextAfterV1
		var schedule struct {
			Value   string `json:"value"`
			Seconds int    `json:"seconds"`
		}
		if r.Schedule != nil {
			if err := json.Unmarshal(r.Schedule, &schedule); err != nil {
				t.Fatal(err)
			}
		}
		dag.Schedule, dag.Every = schedule.Value, time.Duration(schedule.Seconds)*time.Second
	}
	for _, tag := range r.Tags {
		dag.Tags = append(dag.Tags, tag.Name)
	}
	return db.PutDag(dag)
}

// TestRecordedDagLists is TestRecordedRunLists for lists of DAGs, and for one DAG.
func TestRecordedDagLists(t *testing.T) {
	for _, r := range recordedAnswers(t, regexp.MustCompile(`^(list_)?(dags|dag_tags)[._-]|^(list_dag_get|dag-one|dag-unicode)\.`)) {
		t.Run(r.version+" "+r.file, func(t *testing.T) {
			rows, total := r.rows(t, "dags")
			got := r.ask(t, func(db *Database) {
				for _, raw := range rows {
					row := decodeRow[recordedDag](t, raw)
					row.put(t, db)
				}
				for i := len(rows); i < total; i++ {
					filler := Dag{DagID: fmt.Sprint("zzz", i), Tags: []string{"mapped", "blocked"}, Paused: strings.Contains(r.path, "paused=true")}
					if strings.Contains(r.path, "order_by=-dag_id") {
						filler.DagID = fmt.Sprint("aaa", i)
					}
					db.PutDag(filler)
				}
				if !strings.Contains(r.path, "exclude_stale=false") {
					db.PutDag(Dag{DagID: "gone", Stale: true, Tags: []string{"mapped", "blocked"}})
				}
				if strings.Contains(r.path, "paused=") {
					db.PutDag(Dag{DagID: "another", Paused: strings.Contains(r.path, "paused=false")})
				}
				if strings.Contains(r.path, "tags=") {
					db.PutDag(Dag{DagID: "untagged"})
				}
			})
			release, _ := parseRelease(r.version)
			if g, w := blankDigits(blank(t, got, release)), blankDigits(blank(t, r.want, release)); g != w {
				t.Errorf("got\n%s\nwant\n%s", g, w)
			}
		})
	}
}

// blankDigits cuts last_parse_duration to what a time.Duration holds.
func blankDigits(text string) string { return moreThanNanoseconds.ReplaceAllString(text, "$1") }

var moreThanNanoseconds = regexp.MustCompile(`("last_parse_duration":0\.\d{8})\d*`)
