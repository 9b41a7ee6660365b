package lint

import (
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/rulefmt"
)

const notPaused = ` and on (cluster, dag_id) max by (cluster, dag_id) (airflow_dag_paused) == 0`

// What expressions get wrong beyond the twenty.
func TestExpressions(t *testing.T) {
	for expr, want := range map[string][]string{
		`max by (cluster) ({__name__="airflow_upp"}) == 0`:                                       {`there is no metric "airflow_upp"`},
		`max by (cluster) ({__name__=~"airflow_up|airflow_upp"}) == 0`:                           {`there is no metric "airflow_upp"`},
		`max by (cluster) ({__name__=~"airflaw_.+"}) == 0`:                                       {`no metric matches __name__=~"airflaw_.+"`},
		`max by (cluster) ({job="airflow"}) == 0`:                                                {`{job="airflow"} names no metric`},
		`max by (cluster) ({__name__="airflow_component_healthy",component="schedular"}) == 0`:   {`label "component" of airflow_component_healthy is never "schedular"`},
		`max by (cluster) (airflow_component_healthy{component=~"triggerer|dag_procesor"}) == 0`: {`label "component" of airflow_component_healthy is never "dag_procesor"`},
		`max by (cluster) (airflow_component_healthy{component=~"trigg.+y"}) == 0`:               {`no value of label "component" of airflow_component_healthy matches component=~"trigg.+y"`},
		`max by (cluster) (airflow_component_healthy{component!="schedular"}) == 0`:              {`label "component" of airflow_component_healthy is never "schedular"`},
		`max by (cluster) (airflow_exporter_collector_success{collector="tasks"}) == 0`:          {`label "collector" of airflow_exporter_collector_success is never "tasks"`},
		`sum by (cluster) (airflow_task_instances_blocked{reason="pools"}) > 0`:                  {`label "reason" of airflow_task_instances_blocked is never "pools"`},
		`sum by (cluster) (airflow_dag_runs_oldest_timestamp_seconds{run_type="auto"}) > 0`:      {`label "run_type" of airflow_dag_runs_oldest_timestamp_seconds is never "auto"`},
		`cluster:failed:sum{state="success"} > 0`:                                                {`label "state" of cluster:failed:sum is never "success"`},
		`cluster:failed:sum{dag_id="etl"} > 0`:                                                   {`metric cluster:failed:sum has no label "dag_id"`},
		`irate(airflow_import_errors[5m]) > 0`:                                                   {"irate() of the gauge airflow_import_errors"},
		`increase(airflow_import_errors[5m]) > 0`:                                                {"increase() of the gauge airflow_import_errors"},
		`max_over_time(airflow_exporter_panics_total[5m]) > 0`:                                   {"counter airflow_exporter_panics_total without rate() or increase()"},
		`sum by (cluster) (airflow_task_queue_wait_seconds_bucket) > 0`:                          {"counter airflow_task_queue_wait_seconds_bucket without rate() or increase()"},
		`sum by (cluster) (airflow_task_queue_wait_seconds_sum) > 0`:                             {"counter airflow_task_queue_wait_seconds_sum without rate() or increase()"},
		`sum by (cluster) (airflow_task_queue_wait_seconds_count) > 0`:                           {"counter airflow_task_queue_wait_seconds_count without rate() or increase()"},
		`sum by (cluster) (rate(airflow_task_queue_wait_seconds[5m])) > 0`:                       {"airflow_task_queue_wait_seconds is a histogram: use its _bucket, _sum or _count"},
		`rate(sum by (cluster) (airflow_exporter_panics_total)[5m:1m]) > 0`:                      {"rate() of sum by (cluster) (airflow_exporter_panics_total), which is no counter"},
		`max_over_time(airflow_up[1m]) == 0`:                                                     {"range 1m0s of airflow_up[1m] is shorter than 2m0s"},
		`max_over_time((airflow_up == 1)[90s:30s]) == 0`:                                         {"range 1m30s of (airflow_up == 1)[1m30s:30s] is shorter than 2m0s"},
		`sum by (cluster, pol) (airflow_pool_slots) < 1`:                                         {`sum groups by the label "pol", which airflow_pool_slots does not have`},
		`sum without (pol) (airflow_pool_slots) < 1`:                                             {`sum groups by the label "pol", which airflow_pool_slots does not have`},
		`airflow_pool_slots{state="open"} < airflow_pool_slots{state="queued"}`:                  {`< never matches: the sides have no value of "state" in common`},
		`airflow_pool_slots{state="open"} * on (pool) group_left (size) max by (pool) (airflow_pool_size_slots) > 1`: {
			`* takes over the label "size", which is not there`},
		`airflow_up * on (cluster) group_left (url) topk by (cluster) (2, max by (cluster, url) (airflow_info)) == 0`: {
			"* fails when there are two series that differ in url only: aggregate the side", "topk in an alert: what fires changes all the time"},
		`airflow_up * on (cluster) group_left (url) topk by (cluster, url) (1, max by (cluster, url) (airflow_info)) == 0`: {
			"* fails when there are two series that differ in url only: aggregate the side", "topk in an alert: what fires changes all the time"},
		`airflow_up * on (cluster) group_left (url) label_replace(topk by (cluster) (1, max by (cluster, url) (airflow_info)), "cluster", "$1", "url", "(.*)") == 0`: {
			"* fails when there are two series that differ in url only: aggregate the side", "topk in an alert: what fires changes all the time"},
		`airflow_up == 0 and ignoring (pool) airflow_component_healthy == 0`:             {"and never matches: only one side has component"},
		`airflow_pool_slots * ignoring (pool) group_left () airflow_pool_size_slots > 1`: {"* never matches: only one side has state"},
		`airflow_up == 0 unless airflow_component_healthy == 0`:                          {"unless never matches: only one side has component"},
		`cluster:finished:sum / clamp_min(cluster:finished:sum, 0) > 1`:                  {"the divisor clamp_min(cluster:finished:sum, 0) can be 0: guard it with > 0"},
		`cluster:finished:sum / (cluster:finished:sum >= 0) > 1`:                         {"the divisor (cluster:finished:sum >= 0) can be 0: guard it with > 0"},
		`cluster:finished:sum % cluster:finished:sum > 1`:                                {"the divisor cluster:finished:sum can be 0: guard it with > 0"},
		`bottomk(5, airflow_import_errors) > 0`:                                          {"bottomk in an alert: what fires changes all the time"},
		`airflow_up == bool 0`:                                                           {"no condition: it fires whenever there is data"},
		`airflow_up or airflow_up == 0`:                                                  {"no condition: it fires whenever there is data"},
		`sum by (cluster) (airflow_task_instances{state="running"}) == 0`:                {"airflow_task_instances is sparse: it is absent, not 0; use unless"},
		`absent(airflow_component_healthy{componnent="scheduler"})`:                      {`metric airflow_component_healthy has no label "componnent"`},
		`airflow_pool_slots{state="open"} * on (cluster, pool) group_left () airflow_pool_size_slots > 1`: {
			`* fails when there are two series that differ in instance, job only: aggregate the side`},
		`max by (cluster) (airflow_component_last_heartbeat_timestamp_seconds) > 300`: {
			"airflow_component_last_heartbeat_timestamp_seconds is a point in time: compare time() - airflow_component_last_heartbeat_timestamp_seconds"},
		`0 == max by (cluster) (airflow_task_instances_retrying)`:                                                  {"airflow_task_instances_retrying is sparse: it is absent, not 0; use unless"},
		`airflow_pool_slots >= 0`:                                                                                  {"no condition: it fires whenever there is data"},
		`airflow_dag_runs_stalled > 0 and on (cluster) max by (cluster) (airflow_dag_paused) == 0`:                 {"no clause: and on (cluster, dag_id) airflow_dag_paused == 0"},
		`airflow_dag_runs_stalled > 0 and on (cluster, dag_id) airflow_dag_paused == 0`:                            {"no clause: and on (cluster, dag_id) airflow_dag_paused == 0"},
		`airflow_dag_runs_stalled > 0 and on (cluster, dag_id) min by (cluster, dag_id) (airflow_dag_paused) == 0`: {"no clause: and on (cluster, dag_id) airflow_dag_paused == 0"},
		`airflow_dag_runs_stalled > 0`:                                                                             {"no clause: and on (cluster, dag_id) airflow_dag_paused == 0"},
		`airflow_dag_runs_stalled > 0 unless on (cluster, dag_id) airflow_dag_paused == 1`:                         {"no clause: and on (cluster, dag_id) airflow_dag_paused == 0"},
		`(airflow_dag_runs_stalled > 0` + notPaused + `) or airflow_dag_last_run_state == 1`:                       {"no clause: and on (cluster, dag_id) airflow_dag_paused == 0"},
		`airflow_dag_runs_stalled > 0 and on (cluster, dag_id) (airflow_dag_paused == 1)`:                          {"no clause: and on (cluster, dag_id) airflow_dag_paused == 0"},
		`max by (cluster) (airflow_up{instance=~"a"}) == 0`:                                                        {`needless regexp: instance=~"a"`},
		`max by (cluster) (airflow_up{instance=~".*"}) == 0`:                                                       {`needless regexp: instance=~".*"`},
		`airflow_component_healthy{component="scheduler"} == 0 and on (cluster, component) cluster:x`:              {`there is no metric "cluster:x"`},
	} {
		t.Run(expr, func(t *testing.T) { expect(t, append(recordings(), plain(expr)), want) })
	}
}

// plain is an alert whose annotations use no label.
func plain(expr string) rulefmt.Rule {
	r := alertOf(expr)
	r.Annotations["summary"] = "It happened."
	return r
}

func TestGoodExpressionsHaveNoFinding(t *testing.T) {
	for _, expr := range []string{
		`up{job="airflow"} == 0`,
		`absent(airflow_exporter_build_info)`,
		`60 * sum_over_time(cluster:finished:sum[1h]) > 20`,
		`cluster:finished:sum / (cluster:finished:sum > 0) > 0.1`,
		`cluster:finished:sum / (sum by (cluster) (cluster:finished:sum > 0) * 60) > 0.1`,
		`cluster:finished:sum / clamp_min(cluster:finished:sum, 1) > 0.1`,
		`sum by (cluster) (airflow_up) / count by (cluster) (airflow_up) < 0.5`,
		`sum by (cluster) (rate(airflow_task_queue_wait_seconds_sum[5m])) / (sum by (cluster) (rate(airflow_task_queue_wait_seconds_count[5m])) > 0) > 9`,
		`histogram_quantile(0.9, sum by (cluster, le) (rate(airflow_task_queue_wait_seconds_bucket[5m]))) > 60`,
		`histogram_quantile(0.9, sum by (cluster) (rate(airflow_task_queue_wait_seconds[5m]))) > 60`,
		`airflow_pool_slots{state="open"} * on (cluster, pool) group_left () max by (cluster, pool) (airflow_pool_size_slots) > 1`,
		`airflow_pool_slots{state="open"} < ignoring (state) airflow_pool_slots{state="queued"}`,
		`airflow_pool_slots{state="open"} * ignoring (state) group_left () airflow_pool_slots{state="queued"} > 1`,
		`(airflow_pool_slots{state="open"} or airflow_pool_slots{state="queued"}) > 1`,
		`count by (cluster) (airflow_exporter_panics_total) > 1`,
		`resets(airflow_exporter_panics_total[1h]) > 1`,
		`(sum by (cluster) (airflow_task_instances) or airflow_up * 0) == 0`,
		`count({__name__=~"airflow_up|airflow_info"}) > 1`,
		`sum by (cluster) (increase(airflow_exporter_api_requests_total{code="429"}[5m])) > 0`,
		`sum by (cluster) (airflow_dag_runs_stalled` + notPaused + `) > 0`,
		`airflow_dag_runs_stalled > 0` + notPaused,
		`label_replace(airflow_up == 0, "x", "$1", "instance", "(.*)") and on (x) label_replace(airflow_up, "x", "", "", "")`,
		`airflow_dag_last_run_state{state="failed"} == 1` + notPaused + ` unless on (cluster, dag_id) airflow_dag_at_max_active_runs == 1`,
	} {
		t.Run(expr, func(t *testing.T) { expect(t, append(recordings(), plain(expr)), []string{}) })
	}
}

func TestAlertsSayWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*rulefmt.Rule)
		want  string
	}{
		"component":      {func(r *rulefmt.Rule) { delete(r.Labels, "component") }, "no label component"},
		"summary":        {func(r *rulefmt.Rule) { delete(r.Annotations, "summary") }, "no annotation summary"},
		"description":    {func(r *rulefmt.Rule) { delete(r.Annotations, "description") }, "no annotation description"},
		"runbook":        {func(r *rulefmt.Rule) { r.Annotations["runbook_url"] = runbooks + "Other.md" }, `runbook_url is "` + runbooks + `Other.md", not ` + runbooks + "Alert.md"},
		"no dashboard":   {func(r *rulefmt.Rule) { delete(r.Annotations, "dashboard_uid") }, `dashboard_uid is "", which is no dashboard`},
		"what dashboard": {func(r *rulefmt.Rule) { r.Annotations["dashboard_uid"] = "airflow" }, `dashboard_uid is "airflow", which is no dashboard`},
		"long summary":   {func(r *rulefmt.Rule) { r.Annotations["summary"] = strings.Repeat("ä", 81) }, "summary has 81 characters of plain text, more than 80"},
		"label template": {func(r *rulefmt.Rule) { r.Labels["component"] = "{{ $labels.component }}" }, `label component uses the label "component", which the expression does not keep`},
	} {
		t.Run(name, func(t *testing.T) {
			r := alert()
			c.spoil(&r)
			expect(t, []rulefmt.Rule{r}, []string{c.want})
		})
	}
	fits := alert()
	fits.Annotations["summary"] = strings.Repeat("ä", 80) + "{{ $value }}"
	expect(t, []rulefmt.Rule{fits}, []string{})
}

func TestARuleFileThatDoesNotParse(t *testing.T) {
	r := alert()
	r.Expr = "airflow_up =="
	findings, err := newLinter(t).Rules(rulesFile(t, r))
	if err != nil || len(findings) != 1 || !strings.Contains(findings[0].Message, "could not parse expression") {
		t.Errorf("%v %v", findings, err)
	}
}
