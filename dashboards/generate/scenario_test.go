package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// scenario is what exporters say, minute by minute, and what a query of a panel must answer to it.
type scenario struct {
	name   string
	expr   string
	at     string
	series map[string]string // values as promtool reads them
	want   map[string]float64
}

// promtool is where make puts it, or on the path.
func promtool(t *testing.T) string {
	t.Helper()
	if path, err := filepath.Abs("../../.tools/promtool"); err == nil {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is missing: make rules builds it")
	}
	return path
}

// chosen stands for the reader, who looks at all Airflows, or at the DAG etl of prod.
var chosen = strings.NewReplacer("$cluster", ".*", "$dag_id", ".*", "$pool", ".*", "$airflow", "prod", "$dag", "etl",
	"$__range", "2h", "$__rate_interval", "4m")

func TestQueriesAnswerWhatTheyShould(t *testing.T) {
	tool := promtool(t)
	for _, s := range append(rightOrAbsent(), rowsThatFit()...) {
		t.Run(s.name, func(t *testing.T) {
			var series, samples []map[string]any
			for name, values := range s.series {
				series = append(series, map[string]any{"series": name, "values": values})
			}
			for labels, value := range s.want {
				samples = append(samples, map[string]any{"labels": labels, "value": value})
			}
			text, err := yaml.Marshal(map[string]any{
				"evaluation_interval": "1m", "fuzzy_compare": true,
				"tests": []any{map[string]any{
					"interval": "1m", "input_series": series,
					"promql_expr_test": []any{map[string]any{"expr": chosen.Replace(s.expr), "eval_time": s.at, "exp_samples": samples}},
				}},
			})
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "scenario.yml")
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), tool, "test", "rules", file).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

const steady = "x120"

// with adds series to those of others.
func with(all ...map[string]string) map[string]string {
	sum := map[string]string{}
	for _, m := range all {
		for k, v := range m {
			sum[k] = v
		}
	}
	return sum
}

// failed is a DAG whose last run failed, as one exporter tells it.
func failedDag(cluster, instance, dag string) map[string]string {
	labels := `{cluster="` + cluster + `",instance="` + instance + `",dag_id="` + dag + `"`
	return map[string]string{
		"airflow_dag_last_run_state" + labels + `,state="failed"}`:          "1" + steady,
		"airflow_dag_last_run_end_timestamp_seconds" + labels + `}`:         "600" + steady,
		"airflow_dag_next_run_timestamp_seconds" + labels + `}`:             "9000" + steady,
		"airflow_dag_paused" + labels + `}`:                                 "0" + steady,
		`airflow_up{cluster="` + cluster + `",instance="` + instance + `"}`: "1" + steady,
	}
}

func rightOrAbsent() []scenario {
	fine := map[string]string{
		`airflow_up{cluster="prod"}`: "1" + steady,
		`airflow_dag_last_run_state{cluster="prod",dag_id="etl",state="failed"}`: "0" + steady,
		`airflow_dag_paused{cluster="prod",dag_id="etl"}`:                        "0" + steady,
	}
	unreachable := map[string]string{`airflow_up{cluster="other"}`: "0" + steady}
	cut := map[string]string{
		`airflow_up{cluster="prod"}`: "1" + steady,
		`airflow_exporter_collector_success{cluster="prod",collector="blocked"}`: "1" + steady,
	}
	replaced := map[string]string{
		`airflow_exporter_build_info{cluster="prod"}`:                                                                   "1" + steady,
		`airflow_task_instances_finished_total{cluster="prod",instance="a",dag_id="etl",task_id="load",state="failed"}`: "0+1x60",
		`airflow_task_instances_finished_total{cluster="prod",instance="b",dag_id="etl",task_id="load",state="failed"}`: "_x60 0+1x60",
	}
	return []scenario{
		{"a failed DAG is counted once, whichever of two exporters tells of it", dagsFailing(fleet).Expr, "60m",
			with(failedDag("prod", "a", "etl"), failedDag("prod", "b", "etl")), map[string]float64{"{}": 1}},
		{"a failed DAG without a cluster is counted", dagsFailing(fleet).Expr, "60m",
			map[string]string{
				`airflow_dag_last_run_state{dag_id="etl",state="failed"}`: "1" + steady, `airflow_dag_paused{dag_id="etl"}`: "0" + steady,
				`airflow_dag_next_run_timestamp_seconds{dag_id="etl"}`: "9000" + steady, `airflow_up`: "1" + steady,
			}, map[string]float64{"{}": 1}},
		{"none failed", dagsFailing(fleet).Expr, "60m", fine, map[string]float64{"{}": 0}},
		{"none failed as far as is known, and of one Airflow nothing is", dagsFailing(fleet).Expr, "60m", with(fine, unreachable), nil},
		{"without the part dags it is not known which DAGs are paused", dagsFailing(fleet).Expr, "60m",
			map[string]string{`airflow_up{cluster="prod"}`: "1" + steady, `airflow_dag_last_run_state{cluster="prod",dag_id="etl",state="failed"}`: "1" + steady}, nil},
		{"no run is stalled", dagsStalled().Expr, "60m",
			with(cut, map[string]string{`airflow_exporter_collector_truncated{cluster="prod",collector="task_instances"}`: "0" + steady}), map[string]float64{"{}": 0}},
		{"above collector.max_rows it is not known whether a run is stalled", dagsStalled().Expr, "60m",
			with(cut, map[string]string{`airflow_exporter_collector_truncated{cluster="prod",collector="task_instances"}`: "1" + steady}), nil},
		{"with the part blocked switched off it is not known whether a run is stalled", dagsStalled().Expr, "60m", map[string]string{`airflow_up{cluster="prod"}`: "1" + steady}, nil},
		{"what an exporter counted before it was replaced counts, too", tasksOfDag().Queries[1], "120m", replaced,
			map[string]float64{`{cluster="prod",dag_id="etl",task_id="load"}`: 117}},
	}
}

func rowsThatFit() []scenario {
	counted := func(state string) string {
		return `airflow_task_instances_finished_total{cluster="prod",dag_id="etl",task_id="load",state="` + state + `"}`
	}
	two := map[string]string{
		`airflow_info{cluster="prod",version="2.11.2",api="v1",url="https://a.example.org/"}`: "1" + steady,
		`airflow_exporter_build_info{cluster="prod"}`:                                         "1" + steady,
		counted("success"): "0+1" + steady, counted("failed"): "0+1" + steady,
	}
	three := with(two, map[string]string{`airflow_info{cluster="prod",version="2.11.2",api="v1",url="https://a.example.org/"}`: "1x100 stale",
		`airflow_info{cluster="prod",version="3.3.2",api="v2",url="https://a.example.org/"}`: "_x100 1x20"})
	unknown := with(two)
	delete(unknown, `airflow_info{cluster="prod",version="2.11.2",api="v1",url="https://a.example.org/"}`)
	return []scenario{
		{"the row of a task on Airflow 2 has its page and nothing else", tasksOfDag().Queries[0], "120m", two,
			map[string]float64{`{cluster="prod",dag_id="etl",task_id="load",page="https://a.example.org/dags/etl?task_id=load"}`: 118}},
		{"and the list of its failures", tasksOfDag().Queries[1], "120m", two, map[string]float64{
			`{cluster="prod",dag_id="etl",task_id="load",failures="https://a.example.org/taskinstance/list/?_flt_3_dag_id=etl&_flt_3_task_id=load&_flt_3_state=failed` +
				`&_oc_TaskInstanceModelView=start_date&_od_TaskInstanceModelView=desc"}`: 118}},
		{"after an upgrade in place the pages are those of Airflow 3", tasksOfDag().Queries[0], "110m", three,
			map[string]float64{`{cluster="prod",dag_id="etl",task_id="load",page="https://a.example.org/dags/etl/tasks/load"}`: 108}},
		{"without airflow_info a row loses its link, not itself", tasksOfDag().Queries[0], "120m", unknown,
			map[string]float64{`{cluster="prod",dag_id="etl",task_id="load"}`: 118}},
	}
}
