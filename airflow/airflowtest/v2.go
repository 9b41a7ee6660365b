package airflowtest

import (
	"net/http"
	"strconv"
	"strings"
)

// v2 is the API of Airflow 3.
type v2 struct{ release }

func (d v2) routes() []route {
	return []route{
		{http.MethodPost, "/auth/token", openToAll, d.login},
		{http.MethodGet, "/api/v2/monitor/health", openToAll, d.health},
		{http.MethodGet, "/api/v2/version", openToAll, d.version},
		{http.MethodGet, "/api/v2/pools", ReadPools, d.listPools},
		{http.MethodGet, "/api/v2/dags", ReadDags, d.listDags},
		{http.MethodGet, "/api/v2/dags/{dag}", ReadDags, d.getDag},
		{http.MethodGet, "/api/v2/dags/{dag}/tasks/{task}", ReadDags | ReadTaskInstances, d.getTask},
		{http.MethodGet, "/api/v2/importErrors", ReadImportErrors, d.listImportErrors},
		{http.MethodGet, "/api/v2/dags/{dag}/dagRuns", readRuns, d.listDagRuns},
		{http.MethodPost, "/api/v2/dags/~/dagRuns/list", readRuns, d.batchDagRuns},
		{http.MethodGet, "/api/v2/dags/{dag}/dagRuns/{run}", readRuns, d.getDagRun},
		{http.MethodGet, "/api/v2/dags/{dag}/dagRuns/{run}/taskInstances", readInstances, d.listTaskInstances},
		{http.MethodGet, "/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/tries", readInstances, d.listTries},
		{http.MethodGet, "/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/{index}/tries", readInstances, d.listTries},
		{http.MethodGet, "/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/dependencies", readInstances, d.listDependencies},
		{http.MethodGet, "/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/{index}/dependencies", readInstances, d.listDependencies},
		{http.MethodGet, "/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/listMapped", readInstances, d.listMapped},
		{http.MethodGet, "/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/tries/{try}", readInstances, d.getTry},
		{http.MethodGet, "/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/{index}/tries/{try}", readInstances, d.getTry},
		{http.MethodGet, "/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/links", readInstances, d.listLinks},
		{http.MethodGet, "/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/{try}", readLogs, d.getLog},
		{http.MethodPatch, "/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/dry_run", editInstances, d.dryRun},
		{http.MethodPatch, "/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/{index}/dry_run", editInstances, d.dryRun},
		{http.MethodPatch, "/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}", editInstances, d.patchTaskInstance},
		{http.MethodPatch, "/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/{index}", editInstances, d.patchTaskInstance},
		{http.MethodGet, "/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}", readInstances, d.getTaskInstance},
		{http.MethodGet, "/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/{index}", readInstances, d.getTaskInstance},
		{http.MethodPost, "/api/v2/dags/~/dagRuns/~/taskInstances/list", readInstances, d.batchTaskInstances},
	}
}

func (d v2) head(h http.Header) { h.Set("Server", "uvicorn") }

func (d v2) json(status int, value object) answer {
	return answer{status: status, contentType: "application/json", body: style{}.encode(value)}
}

// detail is the usual error.
func (d v2) detail(status int, detail any) answer {
	return d.json(status, object{{"detail", detail}})
}

// internalServerError is the answer of Airflow 3 when it did not expect something.
func internalServerError() answer {
	return text(http.StatusInternalServerError, "Internal Server Error")
}

func (d v2) unknown(path string) answer {
	switch {
	case path == "/api/v1" || strings.HasPrefix(path, "/api/v1/"):
		return d.json(http.StatusNotFound, object{{"error", "/api/v1 has been removed in Airflow 3, please use its upgraded version /api/v2 instead."}})
	case path == "/health":
		return d.json(http.StatusNotFound, object{{"error", "Moved in Airflow 3. Please change config to check `/api/v2/monitor/health`"}})
	case strings.HasPrefix(path, "/api/"):
		return d.json(http.StatusNotFound, object{{"error", "API route not found"}})
	}
	return page(http.StatusOK, "text/html; charset=utf-8", htmlPage("airflow3_app"))
}

func (d v2) wrongMethod() answer { return d.detail(http.StatusMethodNotAllowed, "Method Not Allowed") }

// invalid is one entry of a 422 answer. The input is what was sent; context
// may be nil.
type invalid struct {
	kind    string
	where   string // query or body
	field   string
	index   int // in a list; −1 for none
	message string
	input   any
	context object
}

// unprocessable answers a request whose query or body is wrong.
func (d v2) unprocessable(i invalid) *answer {
	location := []any{i.where, i.field}
	if i.index >= 0 {
		location = append(location, i.index)
	}
	entry := object{{"type", i.kind}, {"loc", location}, {"msg", i.message}, {"input", i.input}}
	if i.context != nil {
		entry = append(entry, member{"ctx", i.context})
	}
	a := d.detail(http.StatusUnprocessableEntity, []any{entry})
	return &a
}

// paging reads limit and offset of a GET list; the limit is clamped as the release does.
func (d v2) paging(c *call) (limit, offset int, problem *answer) {
	limit = 50
	for key, target := range map[string]*int{"limit": &limit, "offset": &offset} {
		text := c.query().Get(key)
		if !c.query().Has(key) {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return 0, 0, d.unprocessable(invalid{kind: "int_parsing", where: "query", field: key, index: -1, input: text,
				message: "Input should be a valid integer, unable to parse string as an integer"})
		}
		if n < 0 {
			return 0, 0, d.tooSmall("query", key, text)
		}
		*target = n
	}
	clamp := c.server.options.ClampGet
	if clamp == 0 && d.clampsGet() {
		clamp = 100
	}
	if clamp > 0 {
		limit = min(limit, clamp)
	}
	return limit, offset, nil
}

func (d v2) tooSmall(where, field string, input any) *answer {
	return d.unprocessable(invalid{kind: "greater_than_equal", where: where, field: field, index: -1, input: input,
		message: "Input should be greater than or equal to 0", context: object{{"ge", 0}}})
}
