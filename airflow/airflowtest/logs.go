package airflowtest

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// LogLine is what an attempt wrote. A line without time is written as it is.
type LogLine struct {
	Time   time.Time
	Level  string // "INFO"
	Logger string // Airflow 3 tells it
	Source string // file and line: "taskinstance.py:2632"
	Text   string
}

// logFile is where the log of an attempt is kept.
func (ti *TaskInstance) logFile(try int) string {
	path := fmt.Sprintf("/opt/airflow/logs/dag_id=%s/run_id=%s/task_id=%s/", ti.DagID, ti.RunID, ti.TaskID)
	if ti.MapIndex >= 0 {
		path += fmt.Sprintf("map_index=%d/", ti.MapIndex)
	}
	return fmt.Sprintf("%sattempt=%d.log", path, try)
}

// logToken is a continuation token: what it says, readable, and a signature.
func logToken(end bool, position int) string {
	text := fmt.Sprintf(`{"end_of_log":%t,"log_pos":%d}`, end, position)
	return base64.RawURLEncoding.EncodeToString([]byte(text)) + logSignature
}

const logSignature = ".airflowtest"

// readLogToken is the position that a token continues at.
func readLogToken(token string) (position int, ok bool) {
	payload, ok := strings.CutSuffix(token, logSignature)
	text, err := base64.RawURLEncoding.DecodeString(payload)
	var said struct {
		Position int `json:"log_pos"`
	}
	if !ok || err != nil || json.Unmarshal(text, &said) != nil {
		return 0, false
	}
	return said.Position, true
}

// writes reports whether an attempt may still write to its log.
func (ti *TaskInstance) writes(try int) bool {
	return try == ti.TryNumber && (ti.State == Running || ti.State == Deferred)
}

// notServed is what Airflow says where there is no log.
func (ti *TaskInstance) notServed(try int) string {
	return "Could not read served logs: 404 Client Error: NOT FOUND for url: http://worker-1:8793/log" + strings.TrimPrefix(ti.logFile(try), "/opt/airflow/logs")
}

// v1Log is the log of an attempt as v1 tells it.
func (ti *TaskInstance) v1Log(try int) (host, text string) {
	if try == 0 {
		return "default_host", "Error fetching the logs. Try number 0 is invalid."
	}
	head := " INFO - ::group::Log message source details\n*** %s\n INFO - ::endgroup::\n"
	written, ok := ti.Logs[try]
	if !ok {
		return ti.Hostname, fmt.Sprintf(head, ti.notServed(try))
	}
	lines := make([]string, len(written))
	for i, line := range written {
		lines[i] = line.Text
		if !line.Time.IsZero() {
			lines[i] = fmt.Sprintf("[%s] {%s} %s - %s", line.Time.UTC().Format("2006-01-02T15:04:05.000-0700"), line.Source, line.Level, line.Text)
		}
	}
	return ti.Hostname, fmt.Sprintf(head, "Found local files:\n***   * "+ti.logFile(try)) + strings.Join(lines, "\n")
}

// getLog is GET …/taskInstances/{task}/logs/{try} of v1.
func (d v1) getLog(c *call) answer {
	try, err := strconv.Atoi(c.path["try"])
	if err != nil {
		return d.unknown("/api/v1/")
	}
	if _, problem := d.parseQuery(c.queryBut("map_index", "full_content", "token")); problem != nil {
		return *problem
	}
	if !c.mayRead(c.path["dag"]) {
		return d.forbidden()
	}
	position := 0
	if token := c.query().Get("token"); token != "" {
		var ok bool
		if position, ok = readLogToken(token); !ok {
			return d.problem(http.StatusBadRequest, "Bad Signature. Please use only the tokens provided by the API.", nil, "BadRequest")
		}
	}
	ti, _ := c.one(c.queryIndex())
	if ti == nil {
		return d.problem(http.StatusNotFound, "TaskInstance not found", nil, "NotFound")
	}
	host, text := ti.v1Log(try)
	accept := c.request.Header.Get("Accept")
	if strings.HasPrefix(accept, "text/plain") || accept == "*/*" {
		return answer{status: http.StatusOK, contentType: "text/plain", body: []byte(host + "\n" + text + "\n")}
	}
	rest := text[min(position, len(text)):]
	return d.json(http.StatusOK, object{
		{"content", "[(" + reprString(host) + ", " + reprString(rest) + ")]"},
		{"continuation_token", logToken(!ti.writes(try), len(text))},
	})
}

// v2Log are the messages of an attempt as v2 tells them.
func (ti *TaskInstance) v2Log(try int, nullTimes bool) []object {
	note := func(text string) object {
		if nullTimes {
			return object{{"timestamp", nil}, {"event", text}}
		}
		return object{{"event", text}}
	}
	written, ok := ti.Logs[try]
	source := ti.logFile(try)
	if !ok {
		source = ti.notServed(try)
	}
	messages := []object{note("::group::Log message source details"), note(source), note("::endgroup::")}
	for _, line := range written {
		m := note(line.Text)
		if !line.Time.IsZero() {
			m = object{{"timestamp", v2Time(line.Time)}, {"event", line.Text}, {"level", strings.ToLower(line.Level)}, {"logger", cmp.Or(line.Logger, "task")}}
			if file, number, ok := strings.Cut(line.Source, ":"); ok {
				n, _ := strconv.Atoi(number)
				m = append(m, member{"filename", file}, member{"lineno", n})
			}
		}
		messages = append(messages, m)
	}
	return messages
}

// getLog is GET …/taskInstances/{task}/logs/{try} of v2.
func (d v2) getLog(c *call) answer {
	try, problem := d.parseTry(c, "try_number")
	if problem != nil {
		return *problem
	}
	index, problem := d.parseIndexOrQuery(c)
	if problem != nil {
		return *problem
	}
	accept := "*/*"
	if told, ok := c.request.Header["Accept"]; ok {
		accept = told[0]
	}
	lineType := d.logLinesType()
	lines := strings.HasPrefix(accept, lineType)
	if !lines && !strings.HasPrefix(accept, "application/json") && !strings.HasPrefix(accept, "*/*") {
		return d.detail(http.StatusNotAcceptable, "Only application/json or "+lineType+" is supported")
	}
	if !c.mayRead(c.path["dag"]) {
		return d.forbidden()
	}
	position := 0
	if token := c.query().Get("token"); token != "" {
		var ok bool
		if position, ok = readLogToken(token); !ok {
			return d.detail(http.StatusBadRequest, "Bad Signature. Please use only the tokens provided by the API.")
		}
	}
	if c.try(index, try) == nil {
		return d.detail(http.StatusNotFound, "TaskInstance not found")
	}
	ti, _ := c.one(index)
	messages := ti.v2Log(try, lines)
	if lines {
		var body []byte
		for _, m := range messages {
			body = append(style{}.append(body, m, 0), '\n')
		}
		return answer{status: http.StatusOK, contentType: "application/x-ndjson", body: body,
			header: http.Header{"Airflow-Continuation-Token": {logToken(false, 0)}}}
	}
	content := []any{}
	for _, m := range messages[min(position, len(messages)):] {
		content = append(content, m)
	}
	var token any
	if ti.writes(try) {
		token = logToken(false, len(messages))
	}
	return d.json(http.StatusOK, object{{"content", content}, {"continuation_token", token}})
}
