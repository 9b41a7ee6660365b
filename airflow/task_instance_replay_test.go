package airflow_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// recording is one request to a real server, out of a MANIFEST.md, and its answer.
type recording struct {
	version, file string
	method, path  string // the path is escaped, below /api/v1 or /api/v2
	params        url.Values
	body          string // of the request
	status        int
	contentType   string
}

var (
	recordedRequest = regexp.MustCompile("`([A-Z]+) (\\S+?)(?: (\\{.*?\\}))?(?: \\[\\w+\\])?`")
	recordedBody    = regexp.MustCompile("\\| `(\\{.*?\\})` \\|")
	recordedAnswer  = regexp.MustCompile(`\| (\d{3}) \| ([\w/+-]+)`)
)

// recordings are all that was recorded about task instances.
func recordings(t *testing.T) (list []recording) {
	t.Helper()
	for _, version := range []string{"2.10.2", "2.10.5", "2.11.2", "3.3.2"} {
		manifest, err := os.ReadFile(filepath.Join("testdata", version, "MANIFEST.md"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(manifest)) {
			request, answer := recordedRequest.FindStringSubmatch(line), recordedAnswer.FindStringSubmatch(line)
			if request == nil || answer == nil || !strings.Contains(request[2], "/taskInstances") {
				continue
			}
			file, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " ")
			target, err := url.Parse(request[2])
			if err != nil {
				t.Fatal(err)
			}
			r := recording{version: version, file: file, method: request[1], path: target.EscapedPath()[len("/api/v1"):], params: target.Query(), body: request[3], contentType: answer[2]}
			if body := recordedBody.FindStringSubmatch(line); body != nil {
				r.body = body[1]
			}
			if r.status, err = strconv.Atoi(answer[1]); err != nil {
				t.Fatal(err)
			}
			list = append(list, r)
		}
	}
	return list
}

// api is the root of the API of that version.
func (r *recording) api() string {
	if r.version[0] == '2' {
		return "/api/v1"
	}
	return "/api/v2"
}

// client asks a server that gives this answer to everything but the question for its version.
func (r *recording) client(t *testing.T, change func(*airflow.Config), seen func(*http.Request)) *airflow.TaskInstanceAPI {
	t.Helper()
	text := load(t, r.version, r.file)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(q.URL.Path, "/version") {
			if !strings.HasPrefix(q.URL.Path, r.api()) {
				http.NotFound(w, q)
				return
			}
			_, _ = w.Write(load(t, r.version, "version.json"))
			return
		}
		if seen != nil {
			seen(q)
		}
		w.Header().Set("Content-Type", r.contentType)
		w.WriteHeader(r.status)
		_, _ = w.Write(text)
	}))
	t.Cleanup(server.Close)
	return newClient(t, server.URL, change).TaskInstanceAPI()
}

// recordedPath is the path of task instances, of one, and what is asked about it.
var recordedPath = regexp.MustCompile(`^/dags/([^/]+)/dagRuns/([^/]+)/taskInstances(?:/([^/]+))?(?:/(-?\d+))?(?:/(\w+))?(?:/(\d+))?$`)

// parts are what the path names: the instance, the last word and the number after it.
func (r *recording) parts(t *testing.T) (ref airflow.TaskInstanceRef, what string, number int) {
	t.Helper()
	m := recordedPath.FindStringSubmatch(r.path)
	if m == nil {
		t.Fatalf("%s: the path %s is not understood", r.file, r.path)
	}
	unescape := func(s string) string {
		s, err := url.PathUnescape(s)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ref = airflow.TaskInstanceRef{DagID: unescape(m[1]), RunID: unescape(m[2]), TaskID: unescape(m[3]), MapIndex: -1}
	for _, index := range []string{m[4], r.params.Get("map_index")} {
		if index != "" {
			ref.MapIndex, _ = strconv.Atoi(index)
		}
	}
	number, _ = strconv.Atoi(m[6])
	return ref, m[5], number
}

// object decodes a recorded answer with the standard library, as another pair of eyes.
func (r *recording) object(t *testing.T) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal(load(t, r.version, r.file), &object); err != nil {
		t.Fatal(err)
	}
	return object
}

// sameRow compares what the client made of a row with the row, key by key. A key that the client does not know is an error.
func sameRow(t *testing.T, got airflow.TaskInstanceDetails, row map[string]any) {
	t.Helper()
	known := fieldsOf(got)
	for key, want := range row {
		value, ok := known[key]
		if !ok {
			t.Errorf("%s: the field %s = %v is lost", got.TaskID, key, want)
			continue
		}
		sameValue(t, key, value, want)
	}
	for key, value := range known { // what did not come is not made up
		if _, ok := row[key]; !ok && value != nil && !reflect.ValueOf(value).IsZero() {
			t.Errorf("%s: %s is %v, and Airflow did not send it", got.TaskID, key, value)
		}
	}
}

// sameValue compares a value with what encoding/json makes of it.
func sameValue(t *testing.T, key string, got, want any) {
	t.Helper()
	switch got := got.(type) {
	case time.Time:
		if want == nil && got.IsZero() {
			return
		}
		text, _ := want.(string)
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil || !at.Equal(got) {
			t.Errorf("%s: got %v, want %v", key, got, want)
		}
	case map[string]any: // an object, or nothing
		object, _ := want.(map[string]any)
		for k, v := range got {
			if _, ok := object[k]; !ok && v != nil && !reflect.ValueOf(v).IsZero() {
				t.Errorf("%s.%s: %v was made up", key, k, v)
			}
		}
		for k, v := range object {
			value, ok := got[k]
			if !ok {
				t.Errorf("%s.%s = %v is lost", key, k, v)
			}
			sameValue(t, key+"."+k, value, v)
		}
	default:
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %#v, want %#v", key, got, want)
		}
	}
}

// fieldsOf are the fields of a row by Airflow's own names, with values as encoding/json has them, but for dates.
func fieldsOf(d airflow.TaskInstanceDetails) map[string]any {
	f := map[string]any{
		"dag_id": d.DagID, "dag_run_id": d.RunID, "task_id": d.TaskID, "map_index": float64(d.MapIndex),
		"state": state(d.State), "try_number": float64(d.TryNumber), "max_tries": float64(d.MaxTries),
		"queued_when": d.QueuedWhen, "scheduled_when": d.ScheduledWhen, "start_date": d.StartDate, "end_date": d.EndDate,
		"pool": d.Pool, "pool_slots": float64(d.PoolSlots), "queue": text(d.Queue),
		"task_display_name": d.TaskDisplayName, "dag_display_name": text(d.DagDisplayName), "run_after": d.RunAfter,
		"operator": str(d.Operator), "operator_name": str(d.OperatorName), "priority_weight": number(d.PriorityWeight),
		"hostname": str(d.Hostname), "unixname": str(d.Unixname), "pid": number(d.PID),
		"executor": str(d.Executor), "executor_config": d.ExecutorConfig, "note": str(d.Note), "rendered_map_index": str(d.RenderedMapIndex),
		"rendered_fields": nil, "duration": nil, "trigger": nil, "triggerer_job": nil, "sla_miss": nil, "dag_version": nil,
	}
	if id := d.ID; id != (airflow.RowID{}) {
		f["id"] = uuid(id)
	}
	f["logical_date"] = d.LogicalDate
	if d.RunAfter.IsZero() && !d.LogicalDate.IsZero() { // Airflow 2
		f["execution_date"] = d.LogicalDate
		delete(f, "logical_date")
	}
	if d.HasDuration {
		f["duration"] = float64(d.Duration.Microseconds()) / 1e6
	}
	if d.RenderedFields != nil {
		var fields map[string]any
		if json.Unmarshal(d.RenderedFields, &fields) == nil {
			f["rendered_fields"] = fields
		}
	}
	if v := d.Trigger; v != nil {
		f["trigger"] = map[string]any{"id": float64(v.ID), "classpath": v.Classpath, "kwargs": v.Kwargs, "created_date": v.CreatedDate, "queue": str(v.Queue), "triggerer_id": number(v.TriggererID)}
	}
	if v := d.TriggererJob; v != nil {
		f["triggerer_job"] = map[string]any{"id": float64(v.ID), "dag_id": str(v.DagID), "state": str(v.State), "job_type": str(v.JobType), "start_date": v.StartDate, "end_date": v.EndDate,
			"latest_heartbeat": v.LatestHeartbeat, "executor_class": str(v.ExecutorClass), "hostname": str(v.Hostname), "unixname": str(v.Unixname), "dag_display_name": str(v.DagDisplayName)}
	}
	if v := d.SLAMiss; v != nil {
		f["sla_miss"] = map[string]any{"task_id": v.TaskID, "dag_id": v.DagID, "execution_date": v.ExecutionDate, "email_sent": v.EmailSent, "timestamp": v.Timestamp, "description": str(v.Description), "notification_sent": v.NotificationSent}
	}
	if v := d.DagVersion; v != nil {
		f["dag_version"] = map[string]any{"id": v.ID, "version_number": float64(v.VersionNumber), "dag_id": v.DagID, "bundle_name": str(v.BundleName), "bundle_version": str(v.BundleVersion),
			"created_at": v.CreatedAt, "dag_display_name": v.DagDisplayName, "bundle_url": str(v.BundleURL)}
	}
	return f
}

func str(p *string) any {
	if p == nil {
		return nil
	}
	return *p
}

func number(p *int) any {
	if p == nil {
		return nil
	}
	return float64(*p)
}

// text is a string that is empty for null.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func state(s airflow.State) any {
	if s == airflow.StateNone {
		return nil
	}
	return string(s)
}

func uuid(id airflow.RowID) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i, c := range id {
		if slices.Contains([]int{4, 6, 8, 10}, i) {
			b.WriteByte('-')
		}
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

// sameRows compares lists of rows, in their order.
func sameRows(t *testing.T, got []airflow.TaskInstanceDetails, answer map[string]any) {
	t.Helper()
	want, ok := answer["task_instances"].([]any)
	if !ok || len(got) != len(want) {
		t.Fatalf("%d rows, want %d of %v", len(got), len(want), slices.Sorted(maps.Keys(answer)))
	}
	for i, row := range want {
		object, _ := row.(map[string]any)
		sameRow(t, got[i], object)
	}
}
