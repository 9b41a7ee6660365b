package airflowtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// v1 is the API of Airflow 2.
type v1 struct{ release }

func (d v1) routes() []route {
	return []route{
		{http.MethodGet, "/health", openToAll, d.rootHealth},
		{http.MethodGet, "/api/v1/health", openToAll, d.health},
		{http.MethodGet, "/api/v1/version", openToAll, d.version},
		{http.MethodGet, "/api/v1/pools", ReadPools, d.listPools},
		{http.MethodGet, "/api/v1/dags", ReadDags, d.listDags},
		{http.MethodGet, "/api/v1/dags/{dag}", ReadDags, d.getDag},
		{http.MethodGet, "/api/v1/dags/{dag}/tasks/{task}", ReadDags | ReadTaskInstances, d.getTask},
		{http.MethodGet, "/api/v1/importErrors", ReadImportErrors, d.listImportErrors},
		{http.MethodGet, "/api/v1/dags/{dag}/dagRuns", readRuns, d.listDagRuns},
		{http.MethodPost, "/api/v1/dags/~/dagRuns/list", readRuns, d.batchDagRuns},
		{http.MethodGet, "/api/v1/dags/{dag}/dagRuns/{run}", readRuns, d.getDagRun},
		{http.MethodGet, "/api/v1/dags/{dag}/dagRuns/{run}/taskInstances", readInstances, d.listTaskInstances},
		{http.MethodGet, "/api/v1/dags/{dag}/dagRuns/{run}/taskInstances/{task}/tries", readInstances, d.listTries},
		{http.MethodGet, "/api/v1/dags/{dag}/dagRuns/{run}/taskInstances/{task}/{index}/tries", readInstances, d.listTries},
		{http.MethodGet, "/api/v1/dags/{dag}/dagRuns/{run}/taskInstances/{task}/dependencies", readInstances, d.listDependencies},
		{http.MethodGet, "/api/v1/dags/{dag}/dagRuns/{run}/taskInstances/{task}/{index}/dependencies", readInstances, d.listDependencies},
		{http.MethodGet, "/api/v1/dags/{dag}/dagRuns/{run}/taskInstances/{task}/listMapped", readInstances, d.listMapped},
		{http.MethodGet, "/api/v1/dags/{dag}/dagRuns/{run}/taskInstances/{task}/tries/{try}", readInstances, d.getTry},
		{http.MethodGet, "/api/v1/dags/{dag}/dagRuns/{run}/taskInstances/{task}/{index}/tries/{try}", readInstances, d.getTry},
		{http.MethodGet, "/api/v1/dags/{dag}/dagRuns/{run}/taskInstances/{task}/links", readInstances, d.listLinks},
		{http.MethodGet, "/api/v1/dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/{try}", readLogs, d.getLog},
		{http.MethodPatch, "/api/v1/dags/{dag}/dagRuns/{run}/taskInstances/{task}/setNote", editInstances, d.setNote},
		{http.MethodPatch, "/api/v1/dags/{dag}/dagRuns/{run}/taskInstances/{task}/{index}/setNote", editInstances, d.setNote},
		{http.MethodPatch, "/api/v1/dags/{dag}/dagRuns/{run}/taskInstances/{task}", editInstances, d.patchTaskInstance},
		{http.MethodPatch, "/api/v1/dags/{dag}/dagRuns/{run}/taskInstances/{task}/{index}", editInstances, d.patchTaskInstance},
		{http.MethodGet, "/api/v1/dags/{dag}/dagRuns/{run}/taskInstances/{task}", readInstances, d.getTaskInstance},
		{http.MethodGet, "/api/v1/dags/{dag}/dagRuns/{run}/taskInstances/{task}/{index}", readInstances, d.getTaskInstance},
		{http.MethodPost, "/api/v1/dags/~/dagRuns/~/taskInstances/list", readInstances, d.batchTaskInstances},
	}
}

func (d v1) head(h http.Header) {
	h.Set("Server", "gunicorn")
	h.Set("Connection", "close")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex, nofollow")
}

func (d v1) json(status int, value object) answer {
	body := style{pretty: true, ascii: true}.encode(value)
	return answer{status: status, contentType: "application/json", body: append(body, '\n')}
}

// problem is an error of the API itself; detail is a string or nil.
func (d v1) problem(status int, title, detail any, kind string) answer {
	if kind != "about:blank" {
		kind = "https://airflow.apache.org/docs/apache-airflow/" + d.text + "/stable-rest-api-ref.html#section/Errors/" + kind
	}
	a := d.json(status, object{{"detail", detail}, {"status", status}, {"title", title}, {"type", kind}})
	a.contentType = "application/problem+json"
	return a
}

func (d v1) badRequest(format string, args ...any) *answer {
	a := d.problem(http.StatusBadRequest, "Bad Request", fmt.Sprintf(format, args...), "BadRequest")
	return &a
}

// nonconforming is the answer when a row does not fit Airflow's own specification.
func (d v1) nonconforming(detail string) answer {
	return d.problem(http.StatusInternalServerError, "Response body does not conform to specification", detail, "Unknown")
}

// crash is the answer when Airflow did not expect something.
func (d v1) crash() answer {
	if d.pagesBatch() {
		return page(http.StatusInternalServerError, "text/html", htmlPage("gunicorn_500"))
	}
	return page(http.StatusInternalServerError, "text/html; charset=utf-8", strings.ReplaceAll(htmlPage("airflow2_500"), "{version}", d.text))
}

func (d v1) unknown(path string) answer {
	if strings.HasPrefix(path, "/api/v1/") {
		return d.problem(http.StatusNotFound, "Not Found", "The requested URL was not found on the server. "+
			"If you entered the URL manually please check your spelling and try again.", "about:blank")
	}
	return page(http.StatusNotFound, "text/html; charset=utf-8", htmlPage("airflow2_404"))
}

func (d v1) wrongMethod() answer {
	return d.problem(http.StatusMethodNotAllowed, "Method Not Allowed", "The method is not allowed for the requested URL.", "about:blank")
}

// query are the checked parameters of a GET list.
type query struct {
	limit  int
	offset int
	filter filter
}

// parseQuery checks the parameters of a GET list; any that is not named is refused.
func (d v1) parseQuery(values url.Values, names ...string) (query, *answer) {
	q := query{limit: 100}
	var extra []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(names, key) {
			extra = append(extra, key)
		}
	}
	if extra != nil {
		a := d.problem(http.StatusBadRequest, nil, "Extra query parameter(s) "+strings.Join(extra, ", ")+" not in spec", "BadRequest")
		return q, &a
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if problem := d.parseParameter(&q, key, values[key]); problem != nil {
			return q, problem
		}
	}
	return q, nil
}

func (d v1) parseParameter(q *query, key string, values []string) *answer {
	last := values[len(values)-1]
	switch key {
	case "limit", "offset":
		n, err := strconv.Atoi(last)
		if err != nil {
			return d.badRequest("Wrong type, expected 'integer' for query parameter '%s'", key)
		}
		return d.setPage(q, key, n)
	case "state", "pool", "queue", "executor":
		list := strings.Split(strings.Join(values, ","), ",")
		if key == "state" {
			for i, state := range list {
				if state == "none" {
					list[i] = NoStatus
					continue
				}
				if state != shutdown && !slices.Contains(d.states(), state) {
					a := d.crash()
					return &a
				}
			}
		}
		q.filter.setList(key, list)
		return nil
	case "order_by":
		return nil
	}
	column, op, ok := splitRange(key)
	if !ok {
		panic("airflowtest: parameter " + key + " is allowed but not parsed")
	}
	if column == "duration" {
		seconds, err := strconv.ParseFloat(last, 64)
		if err != nil {
			return d.badRequest("Wrong type, expected 'number' for query parameter '%s'", key)
		}
		q.filter.addNumber(op, seconds)
		return nil
	}
	at, problem := d.parseQueryDate(last)
	if problem == nil {
		q.filter.addDate(column, op, at, nullNeverMatches)
	}
	return problem
}

// parseQueryDate reads the date of a GET list.
func (d v1) parseQueryDate(text string) (time.Time, *answer) {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return at, d.badRequest("%[1]s is not a 'date-time'\n\nFailed validating 'format' in schema:\n"+
			"    {'type': 'string', 'format': 'date-time'}\n\nOn instance:\n    %[1]s", repr(text))
	}
	return at, nil
}

func (d v1) setPage(q *query, key string, n int) *answer {
	switch {
	case key == "limit" && n < 0:
		a := d.crash()
		return &a
	case key == "limit":
		q.limit = n
	case n < 0:
		return d.badRequest("%d is less than the minimum of 0\n\nFailed validating 'minimum' in schema:\n"+
			"    {'type': 'integer', 'minimum': 0}\n\nOn instance:\n    %d", n, n)
	default:
		q.offset = n
	}
	return nil
}

// readBody decodes the JSON object of a POST.
func (d v1) readBody(c *call) (map[string]any, *answer) {
	contentType := c.request.Header.Get("Content-Type")
	if base, _, _ := strings.Cut(contentType, ";"); base != "application/json" {
		a := d.problem(http.StatusUnsupportedMediaType, "Unsupported Media Type",
			"Invalid Content-type ("+contentType+"), expected JSON data", "about:blank")
		return nil, &a
	}
	if len(c.body) == 0 {
		return nil, d.badRequest("Request body must not be empty")
	}
	value, err := decodeJSON(c.body)
	if err != nil || value == nil {
		return nil, d.badRequest("Request body is not valid JSON")
	}
	body, ok := value.(map[string]any)
	if !ok {
		return nil, d.badRequest("%s is not of type 'object'", repr(value))
	}
	return body, nil
}

// decodeJSON decodes one value; numbers stay as they were written.
func decodeJSON(b []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if decoder.More() {
		return nil, fmt.Errorf("more than one value")
	}
	return value, nil
}
