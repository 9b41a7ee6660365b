package airflowtest_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// recorded returns an answer of a real server as it was sent: those of
// Airflow 3 were indented for the file.
func recorded(t *testing.T, version, file string) string {
	t.Helper()
	b, err := os.ReadFile("../testdata/" + version + "/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if version[0] == '3' && strings.HasSuffix(file, ".json") {
		var compact bytes.Buffer
		if err := json.Compact(&compact, b); err != nil {
			t.Fatal(err)
		}
		return compact.String()
	}
	return string(b)
}

// The zoo of DAGs behind the recorded answers, as far as they depend on it.
func fillZoo(db *airflowtest.Database) {
	db.PutRun(airflowtest.DagRun{DagID: "zoo_pool", RunID: "r"})
	db.PutRun(airflowtest.DagRun{DagID: "zoo_states", RunID: "zoo 1"})
	for i := range 2 {
		db.Add(airflowtest.MappedTask("zoo_mapped", "r", "part", i), 0)
		db.Add(airflowtest.MappedTask("zoo_mapped", "manual__2026-11-24T08:19:21.029239+00:00", "work", i), 0)
	}
	db.Add(airflowtest.Task("zoo_mapped", "r", "not_expanded"), 0).Mapped = true
	db.Add(airflowtest.Task("zoo_mapped", "manual__2026-11-24T08:19:21.029239+00:00", "not_yet_expanded"), 0).Mapped = true
	executed := time.Date(2026, 11, 24, 8, 19, 8, 436009e3, time.UTC)
	db.PutRun(airflowtest.DagRun{DagID: "zoo_states", RunID: "odd+chars:~%2F? #1", LogicalDate: executed})
	db.Add(airflowtest.Task("zoo_states", "odd+chars:~%2F? #1", "ok_python"), 0)
	db.Add(airflowtest.Task("zoo_states", "zoo 1", "success"), 0)
}

// TestRecordedAnswers asks what real servers were asked, and compares whole
// answers, byte by byte. An empty authorization is no login.
func TestRecordedAnswers(t *testing.T) {
	const (
		batchV1  = "POST " + listV1 + "/list"
		batchV2  = "POST " + listV2 + "/list"
		problem  = "application/problem+json"
		html     = "text/html; charset=utf-8"
		jsonType = "application/json"
	)
	admin, limited, norights, nobody := basic("admin", "admin"), basic("limited", "x"), basic("norights", "x"), basic("nobody", "x")
	for _, test := range []struct {
		version, file string
		as            string
		request, body string
		status        int
		contentType   string
	}{
		{"2.11.2", "version.json", "", "GET /api/v1/version", "", 200, jsonType},
		{"2.10.5", "version.json", "", "GET /api/v1/version", "", 200, jsonType},
		{"2.10.2", "version.json", "", "GET /api/v1/version", "", 200, jsonType},
		{"2.11.2", "version_v2_on_2x.txt", "", "GET /api/v2/version", "", 404, html},
		{"2.11.2", "v2_health_on_2x.txt", "", "GET /api/v2/monitor/health", "", 404, html},
		{"2.11.2", "unknown_root_path.txt", "", "GET /nonsense", "", 404, html},
		{"2.11.2", "unknown_api_path.json", admin, "GET /api/v1/nonsense", "", 404, problem},
		{"2.11.2", "unknown_api_path_noauth.json", "", "GET /api/v1/nonsense", "", 404, problem},
		{"2.11.2", "e405.json", admin, "DELETE /api/v1/health", "", 405, problem},
		{"2.11.2", "e401_no_creds.json", "", "GET /api/v1/pools", "", 403, problem},
		{"2.11.2", "e401_bad_password.json", nobody, "GET /api/v1/pools", "", 403, problem},
		{"2.10.5", "e401_no_creds.json", "", "GET /api/v1/pools", "", 401, problem},
		{"2.10.5", "e401_bad_password.json", nobody, "GET /api/v1/pools", "", 401, problem},
		{"2.10.2", "e401_no_creds.json", "", "GET /api/v1/pools", "", 403, problem},
		{"2.10.2", "e401_bad_password.json", nobody, "GET /api/v1/pools", "", 403, problem},
		{"2.11.2", "e403_no_rights.json", norights, "GET " + listV1, "", 403, problem},
		{"2.11.2", "e403_pools_limited.json", limited, "GET /api/v1/pools", "", 403, problem},
		{"2.11.2", "e400_unknown_query.json", admin, "GET " + listV1 + "?cursor=&limit=1", "", 400, problem},
		{"2.11.2", "e400_order_by.json", admin, "GET " + listV1 + "?order_by=start_date", "", 400, problem},
		{"2.10.5", "e400_unknown_query.json", admin, "GET " + listV1 + "?order_by=state", "", 400, problem},
		{"2.10.2", "e400_unknown_query.json", admin, "GET " + listV1 + "?order_by=state", "", 400, problem},
		{"2.11.2", "e400_bad_date_get.json", admin, "GET " + listV1 + "?end_date_gte=yesterday", "", 400, problem},
		{"2.10.5", "raw_plus.json", admin, "GET " + listV1 + "?end_date_gte=2026-11-24T08:20:00+00:00&limit=1", "", 400, problem},
		{"2.10.2", "raw_plus.json", admin, "GET " + listV1 + "?end_date_gte=2026-11-24T08:20:00+00:00&limit=1", "", 400, problem},
		{"2.10.5", "get_state_bogus.txt", admin, "GET " + listV1 + "?state=bogus&limit=0", "", 500, "text/html"},
		{"2.10.2", "get_state_bogus.txt", admin, "GET " + listV1 + "?state=bogus&limit=0", "", 500, html},
		{"2.11.2", "e400_bad_json.json", admin, batchV1, "{not json", 400, problem},
		{"2.11.2", "e400_empty_body.json", admin, batchV1, "", 400, problem},
		{"2.10.5", "e400_empty_body.json", admin, batchV1, "", 400, problem},
		{"2.10.2", "e400_empty_body.json", admin, batchV1, "", 400, problem},
		{"2.11.2", "e400_unknown_key.json", admin, batchV1, `{"x": 1}`, 400, problem},
		{"2.11.2", "e400_naive_date.json", admin, batchV1, `{"end_date_gte": "2026-01-01T00:00:00"}`, 400, problem},
		{"2.11.2", "e404_ti.json", admin, "GET /api/v1/dags/zoo_states/dagRuns/nope/taskInstances/x", "", 404, problem},
		{"2.11.2", "e405_get_on_list.json", admin, "GET " + listV1 + "/list", "", 404, problem},
		{"2.11.2", "op_get_task_instance_mapped_404.json", admin, "GET /api/v1/dags/zoo_mapped/dagRuns/r/taskInstances/part", "", 404, problem},
		{"2.11.2", "op_get_mapped_task_instance_404.json", admin, "GET /api/v1/dags/zoo_mapped/dagRuns/r/taskInstances/part/99", "", 404, problem},
		{"2.11.2", "op_get_mapped_task_instance_minus1.json", admin, "GET /api/v1/dags/zoo_mapped/dagRuns/r/taskInstances/part/-1", "", 404, problem},
		{"2.11.2", "list_dagRuns_batch_state_key.json", admin, "POST /api/v1/dags/~/dagRuns/list", `{"state": ["running"]}`, 400, problem},
		{"2.11.2", "list_dagRuns_batch_fields.json", admin, "POST /api/v1/dags/~/dagRuns/list", `{"fields": ["dag_id"]}`, 400, problem},
		{"2.11.2", "list_dagRuns_batch_badstate.json", admin, "POST /api/v1/dags/~/dagRuns/list", `{"states": ["bogus"]}`, 200, jsonType},
		{"2.11.2", "list_dagRuns_state_bogus.json", admin, "GET /api/v1/dags/~/dagRuns?state=bogus", "", 200, jsonType},
		{"2.11.2", "op_get_dependencies_404.json", admin,
			"GET /api/v1/dags/zoo_states/dagRuns/odd%2Bchars%3A~%252F%3F%20%231/taskInstances/nope/dependencies", "", 404, problem},
		{"2.11.2", "op_get_dependencies_plain_of_expanded.json", admin,
			"GET /api/v1/dags/zoo_mapped/dagRuns/manual__2026-11-24T08%3A19%3A21.029239%2B00%3A00/taskInstances/work/dependencies", "", 404, problem},
		{"2.11.2", "op_get_mapped_dependencies_of_unexpanded_0.json", admin,
			"GET /api/v1/dags/zoo_mapped/dagRuns/manual__2026-11-24T08%3A19%3A21.029239%2B00%3A00/taskInstances/not_yet_expanded/0/dependencies", "", 404, problem},
		{"2.11.2", "op_get_extra_links.json", admin, "GET /api/v1/dags/zoo_states/dagRuns/odd%2Bchars%3A~%252F%3F%20%231/taskInstances/ok_python/links", "", 200, jsonType},
		{"2.11.2", "op_get_try_details_404.json", admin, "GET /api/v1/dags/zoo_states/dagRuns/odd%2Bchars%3A~%252F%3F%20%231/taskInstances/three_tries_failed/tries/9", "", 404, problem},
		{"2.11.2", "op_get_mapped_task_instances_unexpanded.json", admin, "GET /api/v1/dags/zoo_mapped/dagRuns/manual__2026-11-24T08%3A19%3A21.029239%2B00%3A00/taskInstances/not_yet_expanded/listMapped", "", 200, jsonType},
		{"2.11.2", "op_get_mapped_task_instances_unmapped.json", admin, "GET /api/v1/dags/zoo_states/dagRuns/odd%2Bchars%3A~%252F%3F%20%231/taskInstances/ok_python/listMapped", "", 404, problem},
		{"2.11.2", "op_get_mapped_task_instances_badorder.json", admin, "GET /api/v1/dags/zoo_mapped/dagRuns/manual__2026-11-24T08%3A19%3A21.029239%2B00%3A00/taskInstances/work/listMapped?order_by=try_number", "", 400, problem},
		{"2.11.2", "op_get_log_badtoken.json", admin, "GET /api/v1/dags/zoo_states/dagRuns/odd%2Bchars%3A~%252F%3F%20%231/taskInstances/ok_python/logs/1?token=xyz", "", 400, problem},
		{"2.11.2", "op_get_log_unknown_task.json", admin, "GET /api/v1/dags/zoo_states/dagRuns/odd%2Bchars%3A~%252F%3F%20%231/taskInstances/nope/logs/1", "", 404, problem},
		{"2.11.2", "op_patch_task_instance_dry_limited_limited.json", limited, "PATCH /api/v1/dags/zoo_states/dagRuns/odd%2Bchars%3A~%252F%3F%20%231/taskInstances/ok_python", `{"dry_run": true, "new_state": "failed"}`, 403, problem},
		{"2.11.2", "op_patch_task_instance_dry_admin_admin.json", admin,
			"PATCH /api/v1/dags/zoo_wide/dagRuns/manual__2026-11-24T08%3A19%3A28.227900%2B00%3A00/taskInstances/tiny", `{"dry_run": true, "new_state": "failed"}`, 404, problem},
		{"2.11.2", "op_patch_mapped_task_instance_real_admin.json", admin, "PATCH /api/v1/dags/zoo_mapped/dagRuns/manual__2026-11-24T08%3A19%3A21.029239%2B00%3A00/taskInstances/work/1", `{"dry_run": false, "new_state": "failed"}`, 200, jsonType},
		{"2.11.2", "op_patch_task_instance_badstate_admin.json", admin, "PATCH /api/v1/dags/zoo_states/dagRuns/odd%2Bchars%3A~%252F%3F%20%231/taskInstances/ok_python", `{"dry_run": true, "new_state": "running"}`, 400, problem},
		{"2.11.2", "op_patch_task_instance_nobody_admin.json", admin, "PATCH /api/v1/dags/zoo_states/dagRuns/odd%2Bchars%3A~%252F%3F%20%231/taskInstances/ok_python", `{}`, 400, problem},
		{"2.11.2", "op_patch_task_instance_default_dry_admin.json", admin, "PATCH /api/v1/dags/zoo_states/dagRuns/odd%2Bchars%3A~%252F%3F%20%231/taskInstances/ok_python", `{"new_state": "success"}`, 200, jsonType},
		{"2.11.2", "op_set_task_instance_note_limited_limited.json", limited, "PATCH /api/v1/dags/zoo_states/dagRuns/odd%2Bchars%3A~%252F%3F%20%231/taskInstances/ok_python/setNote", `{"note": "a"}`, 403, problem},
		{"2.11.2", "op_set_note_404_admin.json", admin, "PATCH /api/v1/dags/zoo_states/dagRuns/odd%2Bchars%3A~%252F%3F%20%231/taskInstances/nope/setNote", `{"note": "a"}`, 404, problem},

		{"3.3.2", "version.json", "", "GET /api/v2/version", "", 200, jsonType},
		{"3.3.2", "v1-version.json", "", "GET /api/v1/version", "", 404, jsonType},
		{"3.3.2", "health-moved.json", "", "GET /health", "", 404, jsonType},
		{"3.3.2", "unknown-api-path.json", "token", "GET /api/v2/nope", "", 404, jsonType},
		{"3.3.2", "unknown-path.html", "", "GET /nope", "", 200, html},
		{"3.3.2", "token-400.json", "", "POST /auth/token", `{"username": "", "password": ""}`, 400, jsonType},
		{"3.3.2", "token-401.json", "", "POST /auth/token", `{"username": "admin", "password": "x"}`, 401, jsonType},
		{"3.3.2", "token-422.json", "", "POST /auth/token", `{}`, 422, jsonType},
		{"3.3.2", "err-401.json", "", "GET /api/v2/pools", "", 401, jsonType},
		{"3.3.2", "err-401.json", admin, "GET /api/v2/pools", "", 401, jsonType},
		{"3.3.2", "err-403-garbage-token.json", "Bearer garbage", "GET /api/v2/pools", "", 403, jsonType},
		{"3.3.2", "ti-err-400-cursor.json", "token", "GET " + listV2 + "?cursor=zzz", "", 400, jsonType},
		{"3.3.2", "ti-err-400-order.json", "token", "GET " + listV2 + "?order_by=bogus", "", 400, jsonType},
		{"3.3.2", "ti-err-400-tilde-run.json", "token", "GET /api/v2/dags/~/dagRuns/r/taskInstances", "", 400, jsonType},
		{"3.3.2", "ti-err-404-dag.json", "token", "GET /api/v2/dags/nope/dagRuns/~/taskInstances", "", 404, jsonType},
		{"3.3.2", "ti-err-404-run.json", "token", "GET /api/v2/dags/zoo_pool/dagRuns/nope/taskInstances", "", 404, jsonType},
		{"3.3.2", "ti-err-422-date.json", "token", "GET " + listV2 + "?end_date_gte=yesterday", "", 422, jsonType},
		{"3.3.2", "ti-err-422-limit.json", "token", "GET " + listV2 + "?limit=-1", "", 422, jsonType},
		{"3.3.2", "ti-err-422-state.json", "token", "GET " + listV2 + "?state=bogus", "", 422, jsonType},
		{"3.3.2", "ti-err-500-naive-date.json", "token", "GET " + listV2 + "?end_date_gte=2026-11-24T00:00:00", "", 500, jsonType},
		{"3.3.2", "ti-404.json", "token", "GET /api/v2/dags/zoo_states/dagRuns/zoo%201/taskInstances/nope", "", 404, jsonType},
		{"3.3.2", "ti-mapped-plain-404.json", "token", "GET /api/v2/dags/zoo_mapped/dagRuns/r/taskInstances/part", "", 404, jsonType},
		{"3.3.2", "dagruns-422-state.json", "token", "GET /api/v2/dags/~/dagRuns?state=bogus", "", 422, jsonType},
		{"3.3.2", "dagruns-batch-422.json", "token", "POST /api/v2/dags/~/dagRuns/list", `{"x": 1}`, 422, jsonType},
		{"3.3.2", "tries-404.json", "token", "GET /api/v2/dags/zoo_states/dagRuns/zoo%201/taskInstances/nope/tries", "", 404, jsonType},
		{"3.3.2", "tries-mapped-plain.json", "token", "GET /api/v2/dags/zoo_mapped/dagRuns/r/taskInstances/part/tries", "", 404, jsonType},
		{"3.3.2", "dep-404.json", "token", "GET /api/v2/dags/zoo_mapped/dagRuns/r/taskInstances/nope/dependencies", "", 404, jsonType},
		{"3.3.2", "dep-mapped-404.json", "token", "GET /api/v2/dags/zoo_mapped/dagRuns/r/taskInstances/not_expanded/0/dependencies", "", 404, jsonType},
		{"3.3.2", "dep-mapped-expanded-plain-404.json", "token", "GET /api/v2/dags/zoo_mapped/dagRuns/r/taskInstances/part/dependencies", "", 404, jsonType},
		{"3.3.2", "links.json", "token", "GET /api/v2/dags/zoo_states/dagRuns/zoo%201/taskInstances/success/links", "", 200, jsonType},
		{"3.3.2", "links-mapped.json", "token", "GET /api/v2/dags/zoo_mapped/dagRuns/r/taskInstances/part/links?map_index=1", "", 200, jsonType},
		{"3.3.2", "listmapped-404.json", "token", "GET /api/v2/dags/zoo_mapped/dagRuns/r/taskInstances/nope/listMapped", "", 404, jsonType},
		{"3.3.2", "listmapped-unmapped-404.json", "token", "GET /api/v2/dags/zoo_states/dagRuns/zoo%201/taskInstances/success/listMapped", "", 404, jsonType},
		{"3.3.2", "listmapped-unexpanded.json", "token", "GET /api/v2/dags/zoo_mapped/dagRuns/r/taskInstances/not_expanded/listMapped", "", 200, jsonType},
		{"3.3.2", "try-detail-404.json", "token", "GET /api/v2/dags/zoo_states/dagRuns/zoo%201/taskInstances/failed_3_tries/tries/9", "", 404, jsonType},
		{"3.3.2", "log-404.json", "token", "GET /api/v2/dags/zoo_states/dagRuns/zoo%201/taskInstances/nope/logs/1", "", 404, jsonType},
		{"3.3.2", "patch-404.json", "token", "PATCH /api/v2/dags/zoo_states/dagRuns/zoo%201/taskInstances/nope", `{"note": "x"}`, 404, jsonType},
		{"3.3.2", "patch-422-badstate.json", "token", "PATCH /api/v2/dags/zoo_states/dagRuns/zoo%201/taskInstances/success", `{"new_state": "running"}`, 422, jsonType},
		{"3.3.2", "patch-422-extra.json", "token", "PATCH /api/v2/dags/zoo_states/dagRuns/zoo%201/taskInstances/success/-1", `{"dry_run": true, "new_state": "success"}`, 422, jsonType},
		{"3.3.2", "setnote-v1-path.json", "token", "PATCH /api/v2/dags/zoo_states/dagRuns/zoo%201/taskInstances/success/setNote", `{"note": "x"}`, 422, jsonType},
		{"3.3.2", "ti-post-422-none.json", "token", batchV2, `{"state": ["none"]}`, 422, jsonType},
		{"3.3.2", "ti-post-422-unknown.json", "token", batchV2, `{"cursor": ""}`, 422, jsonType},
	} {
		t.Run(test.version+"/"+test.file+" "+test.request, func(t *testing.T) {
			c := start(t, airflowtest.Options{Version: test.version, Users: []airflowtest.User{
				{Name: "admin", Password: "admin", Rights: airflowtest.Op},
				{Name: "limited", Password: "x", Rights: airflowtest.ReadDags | airflowtest.ReadDagRuns | airflowtest.ReadTaskInstances},
				{Name: "norights", Password: "x"},
			}}, fillZoo)
			switch test.as {
			case "":
			case "token":
				c = c.logIn("admin", "admin")
			default:
				c = c.as(test.as)
			}
			method, path, _ := strings.Cut(test.request, " ")
			got := c.do(method, path, test.body)
			if got.status != test.status || got.header.Get("Content-Type") != test.contentType {
				t.Errorf("status %d, %q, want %d, %q", got.status, got.header.Get("Content-Type"), test.status, test.contentType)
			}
			if want := recorded(t, test.version, test.file); got.body != want {
				t.Errorf("body\n%s\nwant\n%s", got.body, want)
			}
			if got.header.Get("Www-Authenticate") != "" {
				t.Error("there is a WWW-Authenticate, which Airflow never sends")
			}
		})
	}
}

// TestRecordedContentTypes asks with a body that is not JSON.
func TestRecordedContentTypes(t *testing.T) {
	for file, contentType := range map[string]string{
		"e415_form.json":     "application/x-www-form-urlencoded",
		"e415_no_ctype.json": "",
	} {
		c := start(t, airflowtest.Options{Version: "2.11.2"}, nil)
		c.header["Content-Type"] = []string{contentType}
		got := c.do(http.MethodPost, listV1+"/list", "{}")
		if got.status != http.StatusUnsupportedMediaType || got.body != recorded(t, "2.11.2", file) {
			t.Errorf("%s: %d %s", file, got.status, got.body)
		}
	}
}

// TestRecordedBadRows damages one row as it was damaged on real servers. Pages
// without order hold it anywhere, so the recorded index is set to the one here.
func TestRecordedBadRows(t *testing.T) {
	for _, test := range []struct {
		version, file, state, column string
		index                        string // in the recorded answer
	}{
		{"2.10.2", "bad_row_shutdown_get.json", "shutdown", "", "[84]"},
		{"2.10.5", "bad_row_shutdown_get.json", "shutdown", "", "[140]"},
		{"2.11.2", "bad_row_shutdown_get.json", "shutdown", "", "[9]"},
		{"2.11.2", "bad_row_hostname_get.json", "running", "hostname", "[22]"},
		{"2.11.2", "bad_row_unixname_get.json", "running", "unixname", "[21]"},
		{"2.11.2", "bad_row_try_number_get.json", "running", "try_number", "[22]"},
		{"2.11.2", "bad_row_max_tries_get.json", "running", "max_tries", "[21]"},
		{"2.11.2", "bad_row_executor_config_get.json", "running", "executor_config", "[22]"},
	} {
		t.Run(test.version+" "+test.file, func(t *testing.T) {
			c := start(t, airflowtest.Options{Version: test.version}, func(db *airflowtest.Database) {
				db.Put(airflowtest.TaskInstance{Key: airflowtest.Task("d", "r", "t"), State: test.state, NullColumn: test.column})
			})
			want := strings.Replace(recorded(t, test.version, test.file), "['task_instances']"+test.index, "['task_instances'][0]", 1)
			for _, got := range []reply{c.get(listV1), c.do(http.MethodPost, listV1+"/list", "{}")} {
				if got.status != http.StatusInternalServerError || got.body != want {
					t.Errorf("%d %s\nwant\n%s", got.status, got.body, want)
				}
			}
			single := c.get("/api/v1/dags/d/dagRuns/r/taskInstances/t")
			if test.file == "bad_row_shutdown_get.json" && test.version == "2.11.2" && single.body != recorded(t, test.version, "bad_row_shutdown_single.json") {
				t.Errorf("alone: %s", single.body)
			}
			if p := c.list("limit=0"); *p.Total != 1 {
				t.Errorf("limit=0 counts %d rows", *p.Total)
			}
		})
	}
}

func TestBadRowOnAirflow3(t *testing.T) {
	c := start(t, airflowtest.Options{Version: "3.3.2"}, func(db *airflowtest.Database) {
		db.Put(airflowtest.TaskInstance{Key: airflowtest.Task("d", "r", "bad"), State: "shutdown"})
		db.Add(airflowtest.Task("d", "r", "good"), 0).Start()
	})
	got := c.get(listV2)
	if got.status != http.StatusInternalServerError || got.body != strings.TrimSpace(recorded(t, "3.3.2", "ti-err-500-plain.txt")) {
		t.Errorf("%d %s", got.status, got.body)
	}
	if p := c.list("limit=0"); *p.Total != 2 {
		t.Errorf("limit=0 counts %d rows", *p.Total)
	}
	if p := c.list("state=running"); len(p.Rows) != 1 {
		t.Errorf("a page without the bad row has %d rows", len(p.Rows))
	}
}
