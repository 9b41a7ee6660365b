package lint

import (
	"slices"
	"testing"
)

const variables = `"templating": {"list": [{"name": "cluster", "query": "label_values(airflow_up, cluster)"}]}`

func TestDashboards(t *testing.T) {
	for name, c := range map[string]struct {
		board string
		want  []string
	}{
		"a good one": {
			`{"panels": [{"type": "timeseries", "title": "Up $cluster", "targets": [
				{"expr": "sum by (cluster) (rate(airflow_exporter_panics_total{cluster=~\"$cluster\"}[$__rate_interval]))"},
				{"expr": "max_over_time(airflow_up{cluster=\"${cluster:regex}\"}[$__range])"}]}], ` + variables + `}`,
			[]string{}},
		"PromQL is checked, in rows, too": {
			`{"panels": [{"type": "row", "title": "Row", "panels": [{"type": "stat", "title": "Inner", "targets": [
				{"expr": "rate(airflow_up{cluster=\"$cluster\"}[$__rate_interval])"}]}]}], ` + variables + `}`,
			[]string{"FILE: panel Inner: rate() of the gauge airflow_up"}},
		"every label value, but those of variables": {
			`{"panels": [{"type": "stat", "title": "P", "targets": [
				{"expr": "count({__name__=\"$cluster\"})"}, {"expr": "count({__name__=~\"airflow_$cluster\"})"},
				{"expr": "airflow_component_healthy{cluster=\"$cluster\", component=\"[[cluster]]\"}"},
				{"expr": "airflow_component_healthy{component=\"schedular\"}"}]}], ` + variables + `}`,
			[]string{`FILE: panel P: label "component" of airflow_component_healthy is never "schedular"`}},
		"no PromQL": {
			`{"panels": [{"type": "stat", "title": "P", "targets": [{"expr": "airflow_up{cluster=\"$cluster\""}]}], ` + variables + `}`,
			[]string{`FILE: panel P: "airflow_up{cluster=\"$cluster\"": 1:34: parse error: unexpected end of input inside braces`}},
		"topk is no mistake here, nor is a number of the user": {
			`{"panels": [{"type": "stat", "title": "P", "targets": [{"expr": "topk($cluster, airflow_import_errors)"}]}], ` + variables + `}`,
			[]string{}},
		"an undefined variable": {
			`{"panels": [{"type": "stat", "title": "P", "repeat": "pool", "links": [{"url": "/d/x?var-c=${cluster:queryparam}&q=$queue&f=${__url_time_range}"}]}], ` + variables + `}`,
			[]string{"FILE: panel P: the variable $pool is not defined", "FILE: panel P: the variable $queue is not defined"}},
		"an unused variable": {
			`{"panels": [], ` + variables + `}`,
			[]string{"FILE: variable cluster: nothing uses it"}},
		"queries of variables": {
			`{"title": "$a $b $c $d", "templating": {"list": [
				{"name": "a", "query": {"query": "label_values(airflow_upp, cluster)", "refId": "x"}},
				{"name": "b", "query": "label_values(airflow_up{cluster=\"$a\"}, clutser)"},
				{"name": "c", "query": "query_result(rate(airflow_up[5m]))"},
				{"name": "d", "query": "label_values(airflow_exporter_panics_total, instance)"}]}}`,
			[]string{`FILE: variable a: there is no metric "airflow_upp"`,
				`FILE: variable b: airflow_up{cluster="$a"} has no label "clutser"`,
				"FILE: variable c: rate() of the gauge airflow_up"}},
	} {
		t.Run(name, func(t *testing.T) {
			file := write(t, "board.json", c.board)
			findings, err := newLinter(t).Dashboard(file)
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, f := range findings {
				f.File = "FILE"
				got = append(got, f.String())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("\n got %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestDashboardsMayShowAlertsAndRecordings(t *testing.T) {
	l := newLinter(t)
	if _, err := l.Rules(rulesFile(t, append(recordings(), alert())...)); err != nil {
		t.Fatal(err)
	}
	findings, err := l.Dashboard(write(t, "board.json", `{"panels": [{"type": "stat", "title": "P", "targets": [
		{"expr": "ALERTS{alertstate=\"firing\", severity=\"critical\", cluster=\"a\", component=\"api\"}"},
		{"expr": "ALERTS{alertstate=\"frying\"}"},
		{"expr": "sum(cluster:finished:sum)"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{`label "alertstate" of ALERTS is never "frying"`}; !slices.Equal(messages(findings), want) {
		t.Errorf("got %q, want %q", messages(findings), want)
	}
	if got := l.Recorded(); !got["cluster:finished:sum"] || got["cluster:failed:sum"] {
		t.Errorf("used recordings: %v", got)
	}
}

// What only dashboards need: one series of several, picked, and histograms as a whole.
func TestDashboardsMayPickOneAndShowNativeHistograms(t *testing.T) {
	findings, err := newLinter(t).Dashboard(write(t, "board.json", `{"panels": [{"type": "stat", "title": "P", "targets": [
		{"expr": "max by (cluster) (airflow_up) * on (cluster) group_left (url) (0 * label_replace(topk by (cluster) (1, max by (cluster, url) (airflow_info)), \"base\", \"$1\", \"url\", \"(.*)\") + 1)"},
		{"expr": "sum by (le) (increase(airflow_task_queue_wait_seconds_bucket[5m])) or on () sum(increase(airflow_task_queue_wait_seconds[5m]))"},
		{"expr": "max by (cluster) (airflow_up) * on (cluster) group_left (url) (topk by (cluster) (1, max by (cluster, url) (airflow_info)) or on (cluster) max by (cluster) (airflow_up))"},
		{"expr": "max by (cluster) (airflow_up) * on (cluster) group_left (url) (topk by (cluster) (1, max by (cluster, url) (airflow_info)) or max by (cluster) (airflow_up))"},
		{"expr": "60 * sum(rate(airflow_task_queue_wait_seconds[5m]))"},
		{"expr": "max(rate(airflow_task_queue_wait_seconds[5m]))"},
		{"expr": "abs(rate(airflow_task_queue_wait_seconds[5m]))"},
		{"expr": "histogram_quantile(0.9, vector(1))"},
		{"expr": "max by (cluster) (histogram_sum(rate(airflow_task_queue_wait_seconds[5m])))"},
		{"expr": "max by (cluster) (airflow_up) unless max by (cluster) (airflow_up offset $__rate_interval)"},
		{"expr": "sum(airflow_task_queue_wait_seconds)"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	const whole = "airflow_task_queue_wait_seconds is a histogram: use its _bucket, _sum or _count"
	want := []string{
		"* fails when there are two series that differ in url only: aggregate the side", whole, whole,
		"histogram_quantile() of vector(1), which has no label le", whole,
	}
	if !slices.Equal(messages(findings), want) {
		t.Errorf("got %q, want %q", messages(findings), want)
	}
}

func TestBlocksOfATextAreChecked(t *testing.T) {
	text := "# A\n```promql\nairflow_up == 0\n```\n\n```sh\nairflow_upp\n```\n\n1. x\n\n   ```promql\n   airflow_upp\n   ```\n\n```promql\nairflow_up ==\n```\n```promql\nairflow_up\n"
	findings, err := newLinter(t).Markdown(write(t, "A.md", text))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`line 12: there is no metric "airflow_upp"`, "line 16: 1:14: parse error: unexpected end of input", "line 19: the block has no end"}
	got := []string{}
	for _, f := range findings {
		got = append(got, f.Where+": "+f.Message)
	}
	if !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
}

func TestFilesAreToldByTheirEnding(t *testing.T) {
	rules := rulesFile(t, recordings()...)
	board := write(t, "board.json", `{"panels": [{"type": "stat", "title": "P", "targets": [{"expr": "cluster:finished:sum"}]}]}`)
	text := write(t, "A.md", "```promql\nairflow_upp\n```\n")
	findings, err := newLinter(t).Files(board, text, rules)
	if want := []string{`there is no metric "airflow_upp"`}; err != nil || !slices.Equal(messages(findings), want) {
		t.Errorf("got %q %v, want %q", messages(findings), err, want)
	}
	if _, err := newLinter(t).Files(write(t, "A.txt", "")); err == nil {
		t.Error("a .txt file is no error")
	}
}
