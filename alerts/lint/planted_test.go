package lint

import (
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/rulefmt"
)

// recordings are what some of the planted alerts use.
func recordings() []rulefmt.Rule {
	return []rulefmt.Rule{
		{Record: "cluster:finished:sum", Expr: `sum by (cluster) (rate(airflow_task_instances_finished_total[5m]))`},
		{Record: "cluster:failed:sum", Expr: `sum by (cluster, state) (rate(airflow_task_instances_finished_total{state="failed"}[5m]))`},
	}
}

// The first 20 are the bugs that the common tools mostly miss, each in the words of a rule on these metrics.
func TestPlantedBugsAreFound(t *testing.T) {
	const paused = ` and on (cluster, dag_id) max by (cluster, dag_id) (airflow_dag_paused) == 0`
	annotated := func(expr, name, text string) rulefmt.Rule {
		r := alertOf(expr)
		r.Annotations[name] = text
		return r
	}
	labelled := func(name, text string) rulefmt.Rule {
		r := alert()
		r.Labels[name] = text
		return r
	}
	bare := alert()
	bare.For = 0
	delete(bare.Labels, "severity")
	delete(bare.Annotations, "runbook_url")
	absent := annotated(`absent(airflow_up)`, "summary", "{{ $labels.instance }} is gone.")
	absent.For = 0

	for _, c := range []struct {
		bug   string
		rules []rulefmt.Rule
		want  []string
	}{
		{"1: a template uses a label that is summed away",
			[]rulefmt.Rule{annotated(`max by (cluster) (airflow_component_healthy) == 0`, "description", "{{ $labels.component }} is down.")},
			[]string{`annotation description uses the label "component", which the expression does not keep`}},
		{"2: no comparison",
			[]rulefmt.Rule{alertOf(`max by (cluster) (airflow_import_errors)`)},
			[]string{"no condition: it fires whenever there is data"}},
		{"3: rate of a gauge",
			[]rulefmt.Rule{alertOf(`max by (cluster) (rate(airflow_import_errors[5m])) > 0`)},
			[]string{"rate() of the gauge airflow_import_errors"}},
		{"4: counter without rate",
			[]rulefmt.Rule{alertOf(`sum by (cluster) (airflow_exporter_collector_errors_total) > 0`)},
			[]string{"counter airflow_exporter_collector_errors_total without rate() or increase()"}},
		{"5: misspelt metric",
			[]rulefmt.Rule{alertOf(`max by (cluster) (airflow_upp) == 0`)},
			[]string{`there is no metric "airflow_upp"`}},
		{"6: misspelt label",
			[]rulefmt.Rule{alertOf(`max by (cluster) (airflow_component_healthy{componnent="scheduler"}) == 0`)},
			[]string{`metric airflow_component_healthy has no label "componnent"`}},
		{"7: misspelt value",
			[]rulefmt.Rule{alertOf(`max by (cluster) (airflow_unfinished_task_instances{state="quuued"}) > 0`)},
			[]string{`label "state" of airflow_unfinished_task_instances is never "quuued"`}},
		{"8: sides with different labels",
			[]rulefmt.Rule{alertOf(`max by (cluster, pool) (airflow_pool_slots{state="open"}) < max by (cluster) (airflow_pool_size_slots)`)},
			[]string{"< never matches: only one side has pool"}},
		{"9: range of one scrape",
			[]rulefmt.Rule{alertOf(`sum by (cluster) (rate(airflow_exporter_panics_total[1m])) > 0`)},
			[]string{"range 1m0s of airflow_exporter_panics_total[1m] is shorter than 2m0s"}},
		{"10: le is summed away",
			[]rulefmt.Rule{alertOf(`histogram_quantile(0.9, sum by (cluster) (rate(airflow_task_queue_wait_seconds_bucket[5m]))) > 60`)},
			[]string{"histogram_quantile() of sum by (cluster) (rate(airflow_task_queue_wait_seconds_bucket[5m])), which has no label le"}},
		{"11: absent with a label of nothing, no for",
			[]rulefmt.Rule{absent},
			[]string{"no for", `annotation summary uses the label "instance", which the expression does not keep`}},
		{"12: no for, no severity, no runbook",
			[]rulefmt.Rule{bare},
			[]string{"no for", `severity is "", not critical, warning or info`, `runbook_url is "", not ` + runbooks + "Alert.md"}},
		{"13: unknown severity",
			[]rulefmt.Rule{labelled("severity", "page")},
			[]string{`severity is "page", not critical, warning or info`}},
		{"14: on a label that one side lacks",
			[]rulefmt.Rule{alertOf(`max by (cluster, dag_id) (airflow_dag_runs_stalled) > 0 and on (cluster, dag_id) max by (cluster) (airflow_up) == 1` + paused)},
			[]string{`and on the label "dag_id", which max by (cluster) (airflow_up) == 1 does not have`}},
		{"15: needless regexp",
			[]rulefmt.Rule{alertOf(`max by (cluster) (airflow_unfinished_task_instances{state=~"queued"}) > 0`)},
			[]string{`needless regexp: state=~"queued"`}},
		{"16: the same rule twice",
			[]rulefmt.Rule{alert(), alert()},
			[]string{"the rule is there twice, by name and labels"}},
		{"17: a value in a label",
			[]rulefmt.Rule{labelled("lost", "{{ $value }}")},
			[]string{"label lost holds $value: each value would be another alert"}},
		{"18: rate of a recorded sum",
			[]rulefmt.Rule{alertOf(`rate(cluster:finished:sum[5m]) > 0`)},
			[]string{"rate() of the recorded series cluster:finished:sum"}},
		{"19: divisor that can be 0",
			[]rulefmt.Rule{alertOf(`cluster:finished:sum / cluster:finished:sum > 0.1`)},
			[]string{"the divisor cluster:finished:sum can be 0: guard it with > 0"}},
		{"20: topk",
			[]rulefmt.Rule{alertOf(`topk(5, max by (cluster) (airflow_import_errors)) > 0`)},
			[]string{"topk in an alert: what fires changes all the time"}},
	} {
		t.Run(c.bug, func(t *testing.T) { expect(t, append(recordings(), c.rules...), c.want) })
	}
}

func expect(t *testing.T, rules []rulefmt.Rule, want []string) {
	t.Helper()
	findings, err := newLinter(t).Rules(rulesFile(t, rules...))
	if err != nil {
		t.Fatal(err)
	}
	if got := messages(findings); !slices.Equal(got, want) {
		t.Errorf("%q\n got %q\nwant %q", rules[len(rules)-1].Expr, got, want)
	}
}

func TestAnAlertWithoutMistakesHasNoFinding(t *testing.T) {
	expect(t, append(recordings(), alert()), []string{})
}
