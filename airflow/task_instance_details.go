package airflow

import (
	stdjson "encoding/json"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// TaskInstanceDetails is all that Airflow tells of a task instance, or of one
// of its attempts. A nil pointer and a zero time mean that Airflow sent null,
// or that its version has no such field; the comments say which version has
// it when not both do. The rows of Tries and TryDetails have no LogicalDate,
// RunAfter, Note, RenderedMapIndex, RenderedFields, Trigger, TriggererJob and
// SLAMiss, and no ID.
type TaskInstanceDetails struct {
	TaskInstance

	TaskDisplayName string
	DagDisplayName  string // Airflow 3.1 and later

	// LogicalDate is the execution date on Airflow 2; on Airflow 3 it may be null.
	LogicalDate time.Time
	RunAfter    time.Time // Airflow 3

	Operator       *string // Python class
	OperatorName   *string // for people: "@task"; Airflow 3.1 and later
	PriorityWeight *int

	Hostname       *string
	Unixname       *string
	PID            *int
	Executor       *string // nil: the default executor
	ExecutorConfig string  // a Python repr

	Note *string
	// RenderedMapIndex is what the task calls its index. Where it does not, Airflow 3 says the index itself, Airflow 2 nothing.
	RenderedMapIndex *string
	// RenderedFields is a JSON object, as Airflow sent it.
	RenderedFields stdjson.RawMessage

	Trigger      *Trigger    // of a deferred instance
	TriggererJob *Job        // of a deferred instance
	SLAMiss      *SLAMiss    // Airflow 2
	DagVersion   *DagVersion // Airflow 3
}

// Trigger is what a deferred task instance waits for.
type Trigger struct {
	ID          int       `json:"id"`
	Classpath   string    `json:"classpath"`
	Kwargs      string    `json:"kwargs"` // a Python repr
	CreatedDate time.Time `json:"created_date"`
	Queue       *string   `json:"queue"` // Airflow 3.2 and later
	TriggererID *int      `json:"triggerer_id"`
}

// Job is a process of Airflow: here, the triggerer that runs a trigger.
type Job struct {
	ID              int       `json:"id"`
	DagID           *string   `json:"dag_id"`
	State           *string   `json:"state"`
	JobType         *string   `json:"job_type"`
	StartDate       time.Time `json:"start_date"`
	EndDate         time.Time `json:"end_date"`
	LatestHeartbeat time.Time `json:"latest_heartbeat"`
	ExecutorClass   *string   `json:"executor_class"`
	Hostname        *string   `json:"hostname"`
	Unixname        *string   `json:"unixname"`
	DagDisplayName  *string   `json:"dag_display_name"` // Airflow 3.1 and later
}

// SLAMiss says that the task instance did not end in the time that it should have taken.
type SLAMiss struct {
	TaskID           string    `json:"task_id"`
	DagID            string    `json:"dag_id"`
	ExecutionDate    time.Time `json:"execution_date"`
	EmailSent        bool      `json:"email_sent"`
	Timestamp        time.Time `json:"timestamp"`
	Description      *string   `json:"description"`
	NotificationSent bool      `json:"notification_sent"`
}

// DagVersion is the version of the DAG that the task instance ran with.
type DagVersion struct {
	ID             string    `json:"id"`
	VersionNumber  int       `json:"version_number"`
	DagID          string    `json:"dag_id"`
	BundleName     *string   `json:"bundle_name"`
	BundleVersion  *string   `json:"bundle_version"`
	CreatedAt      time.Time `json:"created_at"`
	DagDisplayName string    `json:"dag_display_name"` // Airflow 3.1 and later
	BundleURL      *string   `json:"bundle_url"`
}

// detailsDecoder reads rows with all their fields.
type detailsDecoder struct{ rows rowDecoder }

// decode reads one row and refuses it as rowDecoder does.
func (d *detailsDecoder) decode(dec *jsontext.Decoder) (TaskInstanceDetails, error) {
	row, err := dec.ReadValue()
	if err != nil {
		return TaskInstanceDetails{}, err
	}
	return d.decodeValue(row)
}

// decodeValue reads one row that is known to be valid JSON.
func (d *detailsDecoder) decodeValue(row jsontext.Value) (TaskInstanceDetails, error) {
	base, err := d.rows.decodeValue(row)
	if err != nil {
		return TaskInstanceDetails{}, err
	}
	var j struct {
		TaskDisplayName  string         `json:"task_display_name"`
		DagDisplayName   string         `json:"dag_display_name"`
		LogicalDate      time.Time      `json:"logical_date"`
		ExecutionDate    time.Time      `json:"execution_date"` // Airflow 2
		RunAfter         time.Time      `json:"run_after"`
		Operator         *string        `json:"operator"`
		OperatorName     *string        `json:"operator_name"`
		PriorityWeight   *int           `json:"priority_weight"`
		Hostname         *string        `json:"hostname"`
		Unixname         *string        `json:"unixname"`
		PID              *int           `json:"pid"`
		Executor         *string        `json:"executor"`
		ExecutorConfig   string         `json:"executor_config"`
		Note             *string        `json:"note"`
		RenderedMapIndex *string        `json:"rendered_map_index"`
		RenderedFields   jsontext.Value `json:"rendered_fields"`
		Trigger          *Trigger       `json:"trigger"`
		TriggererJob     *Job           `json:"triggerer_job"`
		SLAMiss          *SLAMiss       `json:"sla_miss"`
		DagVersion       *DagVersion    `json:"dag_version"`
	}
	if err := json.Unmarshal(row, &j); err != nil {
		return TaskInstanceDetails{}, err
	}
	if j.LogicalDate.IsZero() {
		j.LogicalDate = j.ExecutionDate
	}
	switch j.RenderedFields.Kind() {
	case 'n':
		j.RenderedFields = nil
	case '{', jsontext.KindInvalid: // what is not there is no JSON
	default:
		return TaskInstanceDetails{}, fmt.Errorf("rendered_fields: %s where an object is expected", j.RenderedFields.Kind())
	}
	return TaskInstanceDetails{
		TaskInstance: base, TaskDisplayName: j.TaskDisplayName, DagDisplayName: j.DagDisplayName,
		LogicalDate: j.LogicalDate, RunAfter: j.RunAfter,
		Operator: j.Operator, OperatorName: j.OperatorName, PriorityWeight: j.PriorityWeight,
		Hostname: j.Hostname, Unixname: j.Unixname, PID: j.PID, Executor: j.Executor, ExecutorConfig: j.ExecutorConfig,
		Note: j.Note, RenderedMapIndex: j.RenderedMapIndex, RenderedFields: stdjson.RawMessage(j.RenderedFields),
		Trigger: j.Trigger, TriggererJob: j.TriggererJob, SLAMiss: j.SLAMiss, DagVersion: j.DagVersion,
	}, nil
}
