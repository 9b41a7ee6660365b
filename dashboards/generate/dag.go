package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// singleDag asks of one DAG how its runs are, and which task is the reason.
func singleDag() board {
	// Names of their own: from the other dashboards several values, or all, would come along.
	airflow := variable("airflow", "Cluster", "label_values(airflow_up, cluster)")
	dag := variable("dag", "DAG", `label_values(airflow_dag_info{cluster="$airflow"}, dag_id)`)
	page := hidden(variable("page", "Page in Airflow", "query_result("+oneDag.with("page", dagPage, oneDag.oneOf("cluster, dag_id", "airflow_dag_info"))+")"), `/page="([^"]+)"/`)
	return board{
		UID: dagUID, Title: "Airflow / DAG",
		Description: "One DAG: how its runs are, which of its tasks fail or wait, and why.",
		Variables:   []dashboard.VariableModel{airflow, dag, page},
		Links: []dashboard.DashboardLink{
			headerLink("Open in Airflow", "${page:raw}", "Its page in Airflow, in a new tab"),
			toItsTasks(),
		},
		Annotations: []dashboard.AnnotationQuery{oneDag.firing(`dag_id="$dag"`)},
		Rows: []row{
			{Title: "Is it well?", Lines: []line{
				{4, []panel{lastRun().wide(4), sinceSuccess().wide(4), nextRun().wide(4), lastRunTook().wide(4), runningFor().wide(4), problem().wide(4)}},
			}},
			{Title: "Which task, and why?", Lines: []line{
				{9, []panel{tasksOfDag().wide(13), waitsOfDag().wide(11)}},
				{8, []panel{unfinishedOfDag().wide(8), waitsOverTime().wide(8), failedAttempts().wide(8)}},
			}},
			{Title: "How are its runs?", Lines: []line{
				{8, []panel{stateOfDag().wide(12), runLength().wide(12)}},
			}},
			{Title: "How long does it take, and whose slots does it use?", Collapsed: true, Lines: []line{
				{8, []panel{attemptDurations().wide(8), startDelay(oneDag).wide(8), slotsOfDag().wide(8)}},
				{8, []panel{endedRuns().wide(12), activeRuns().wide(12)}},
			}},
		},
	}
}

func lastRun() number {
	return number{
		Title:       "Last finished run",
		Description: "How the last finished run ended, backfills excluded. Airflow calls a run successful when its last tasks are, whatever failed before them: see the table of tasks, too.",
		Expr:        maxBy("cluster, dag_id", oneDag.of("airflow_dag_last_run_state", `state="failed"`)),
		Unit:        "none", Words: lastRunWords(), Nothing: "none known",
	}
}

func sinceSuccess() number {
	return number{
		Title:       "Since last success",
		Description: "How old the data of this DAG is. Compare with its schedule: more than two intervals and 15 minutes is overdue, and alerts.",
		Expr:        "time() - " + oneDag.oneOf("cluster, dag_id", "airflow_dag_last_success_timestamp_seconds"),
		Unit:        "s", Decimals: new(1.0), Nothing: "none known",
	}
}

func nextRun() number {
	return number{
		Title:       "Next run in",
		Description: "When Airflow is going to create the next run. Below zero: it is late; the scheduler is behind, or too many runs are active.",
		Expr:        oneDag.oneOf("cluster, dag_id", "airflow_dag_next_run_timestamp_seconds") + " - time() " + oneDag.isNotPaused() + oneDag.isNotHeldBack(),
		Unit:        "s", Decimals: new(1.0), Thresholds: thresholds("red", step{-600, "text"}), Quiet: true, Nothing: "held back or no schedule",
	}
}

func lastRunTook() number {
	return number{
		Title:       "Last run took",
		Description: "How long the last finished run took, failed or not. The graph of run lengths says whether that is usual.",
		Expr:        oneDag.oneOf("cluster, dag_id", "airflow_dag_last_run_duration_seconds"),
		Unit:        "s", Decimals: new(1.0), Nothing: "none known",
	}
}

func runningFor() number {
	return number{
		Title:       "Running for",
		Description: "How long the oldest running run has been running, backfills excluded. Longer than usual: see what its tasks wait for, or the log of the one that runs.",
		Expr:        "time() - " + minBy("cluster, dag_id", oneDag.of("airflow_dag_runs_oldest_timestamp_seconds", `state="running"`, `run_type!="backfill"`)),
		Unit:        "s", Decimals: new(1.0), Nothing: "not running",
	}
}

// problem is the worst one of the table of the Overview, or what else holds it back.
func problem() number {
	var parts []string
	words := []state{{"none", success}, {"max_active_runs", "#d08700"}, {"paused", queued}}
	kinds := oneDag.problemKinds()
	for i, k := range slices.Backward(kinds) { // the worst is the first one, and the last word
		short, _, _ := strings.Cut(k.name, ":")
		colour := "#d08700"
		if k.bad {
			colour = failed
		}
		words = append(words, state{short, colour})
		parts = append([]string{fmt.Sprintf("%d * group by (cluster, dag_id) (%s)", len(kinds)-i+2, k.expr)}, parts...)
	}
	paused := oneDag.oneOf("cluster, dag_id", "airflow_dag_paused")
	parts = append(parts, "2 * ("+paused+" == 1)", oneDag.oneOf("cluster, dag_id", "airflow_dag_at_max_active_runs")+" == 1", paused)
	return number{
		Title:       "Problem",
		Description: "The worst that can be said of it now, as the table of the Overview has it. hangs, waits: see what its tasks wait for; failed: see the table of tasks; late, slow: see its runs; max_active_runs: older runs must end first.",
		Expr:        strings.Join(parts, " or "),
		Unit:        "none", Words: worded(words...), Nothing: "unknown",
	}
}

func tasksOfDag() listing {
	// Minute by minute, so that what an exporter counted before it was replaced is not lost.
	count := func(metric string, matchers ...string) string {
		return "round(60 * sum_over_time((" + maxBy("cluster, dag_id, task_id", "rate("+oneDag.of(metric, matchers...)+"[5m])") + ")[$__range:1m]))"
	}
	return listing{
		Title:       "Tasks",
		Description: "What became of the instances of each task in the time shown, and what they do now. Upstream: not run, because a task before it failed. Click the number of failed ones for their list in Airflow, and there the first for its log.",
		Queries: []string{
			oneDag.with("page", taskPage, count("airflow_task_instances_finished_total", `state="success"`)),
			oneDag.with("failures", failuresPage, count("airflow_task_instances_finished_total", `state="failed"`)),
			count("airflow_task_retries_total") + " > 0",
			count("airflow_task_instances_finished_total", `state="upstream_failed"`) + " > 0",
			oneDag.oneOf("cluster, dag_id, task_id", "airflow_task_instances", `state="running"`),
			"sum by (cluster, dag_id, task_id) (" + oneDag.oneOf("cluster, dag_id, task_id, state", "airflow_task_instances", `state!="running"`) + ")",
		},
		Columns: []column{
			taskColumn(),
			{Field: "Value #B", Name: "Failed", Width: 75, Filled: true, Thresholds: thresholds("transparent", step{1, failed}),
				Links: []dashboard.DashboardLink{toPage("Failed instances in Airflow", "${__data.fields.failures}")}},
			{Field: "Value #C", Name: "Retried", Width: 80, Filled: true, Thresholds: thresholds("transparent", step{1, "#d08700"})},
			{Field: "Value #D", Name: "Upstream", Width: 90},
			{Field: "Value #A", Name: "Succeeded", Width: 95},
			{Field: "Value #E", Name: "Running", Width: 75},
			{Field: "Value #F", Name: "Waiting", Width: 80},
			addressColumn("page"),
			addressColumn("failures"),
		},
		Sort:    []sorting{{"Failed", true}, {"Retried", true}, {"Waiting", true}},
		Nothing: "No instance of its tasks was seen.",
	}
}

func waitsOfDag() listing {
	return listing{
		Title:       "What they wait for",
		Description: "Why task instances that wait do not start, in Airflow's own words. Click the reason for the pools and limits behind it, the task for its page in Airflow; what to do is in the runbook of AirflowTasksBlocked.",
		Queries:     []string{oneDag.with("page", taskPage, oneDag.oneOf("cluster, dag_id, task_id, reason", "airflow_task_instances_blocked"))},
		Columns: []column{
			taskColumn(),
			{Field: "reason", Name: "Waits for", Width: 280, Words: reasonMappings(), Links: toTasksOf("${__data.fields.cluster}", "${__data.fields.dag_id}")},
			addressColumn("cluster"),
			addressColumn("dag_id"),
			{Field: "Value", Name: "Count", Width: 80},
			addressColumn("page"),
		},
		Sort:    []sorting{{"Count", true}},
		Nothing: "None waits for longer than a minute, or none was asked about yet.",
	}
}

func unfinishedOfDag() graph {
	return graph{
		Title:       "Unfinished task instances",
		Description: "What runs and what waits, without what waits for upstream tasks. Much that is scheduled and little that runs: see what it waits for.",
		Queries:     []query{oneDag.byState()},
		Unit:        "short", Decimals: new(0.0), Stacked: true, Overrides: stateOverrides(), Nothing: "Nothing ran or waited.",
	}
}

func waitsOverTime() graph {
	return graph{
		Title:       "What they waited for",
		Description: "Why its task instances did not start, at each time. A reason that comes back every night is a limit that is too small, or a DAG that is too big; the dashboard Tasks tells who holds its pool.",
		Queries:     []query{{"sum by (reason) (" + oneDag.oneOf("cluster, dag_id, task_id, reason", "airflow_task_instances_blocked") + ")", "{{reason}}"}},
		Unit:        "short", Decimals: new(0.0), Stacked: true, Bars: true, Overrides: reasonOverrides(), Nothing: "Nothing has been waiting.",
	}
}

func failedAttempts() graph {
	rate := func(kind, metric string, matchers ...string) string {
		return "label_replace(" + maxBy("cluster, dag_id, task_id", "rate("+oneDag.of(metric, matchers...)+"[$__rate_interval])") + `, "kind", "` + kind + `", "", "")`
	}
	return graph{
		Title:       "Failed attempts",
		Description: "Attempts that failed, whether they were tried again or not, per minute, by task. Where one task begins, the others follow: read its log from then.",
		Queries:     []query{{"60 * sum by (task_id) (" + rate("failed", "airflow_task_instances_finished_total", `state="failed"`) + " or " + rate("retried", "airflow_task_retries_total") + ") > 0", "{{task_id}}"}},
		Unit:        "suffix: /min", Stacked: true, Bars: true, Nothing: "No attempt failed.",
	}
}

// stateOfDag draws one line for each thing that a DAG can be in at the same time.
func stateOfDag() timeline {
	runs := func(state string) string {
		return oneDag.oneOf("cluster, dag_id", "airflow_dag_runs", `state="`+state+`"`)
	}
	return timeline{
		Title:       "State",
		Description: "How the last finished run had ended at each time, and whether runs were running, queued, stalled or held back then. It tells since when it is broken.",
		Queries: []query{
			{"1 + " + oneDag.oneOf("cluster, dag_id", "airflow_dag_last_run_state", `state="failed"`), "last finished run"},
			{"3 * (" + runs("running") + " > bool 0)", "running"},
			{"4 * (" + runs("queued") + " > bool 0)", "queued"},
			{"5 * group by (cluster, dag_id) (" + oneDag.of("airflow_dag_runs_stalled") + " > 0)", "stalled"},
			{"6 * (" + oneDag.oneOf("cluster, dag_id", "airflow_dag_at_max_active_runs") + " == 1)", "max_active_runs"},
			{"7 * " + oneDag.oneOf("cluster, dag_id", "airflow_dag_paused"), "paused"},
		},
		Words: worded(state{"no", "rgba(128, 128, 128, 0.15)"}, state{"success", success}, state{"failed", failed}, state{"running", running}, state{"queued", queued},
			state{"stalled", "#8e51ff"}, state{"at max_active_runs", "#d08700"}, state{"paused", "#62748e"}),
		Nothing: "unknown",
	}
}

func runLength() graph {
	return graph{
		Title:       "Run length",
		Description: "Length of the last finished run, of the one that runs, and of the longest successful one of 14 days. A running one far above the others hangs, or has more to do than ever.",
		Queries: []query{
			{oneDag.oneOf("cluster, dag_id", "airflow_dag_last_run_duration_seconds"), "last finished run"},
			{"time() - " + minBy("cluster, dag_id", oneDag.of("airflow_dag_runs_oldest_timestamp_seconds", `state="running"`, `run_type!="backfill"`)), "oldest running run, so far"},
			{"max_over_time(" + oneDag.of("cluster_dag:airflow_dag_last_success_duration_seconds:max14d") + "[15m])", "longest success of 14 days"},
		},
		Unit: "s",
		Overrides: []dashboard.DashboardFieldConfigSourceOverrides{
			override("last finished run", "color", fixed(success)), override("oldest running run, so far", "color", fixed(running)),
			override("longest success of 14 days", "color", fixed("#788ba1")),
		},
		Nothing: "No run is known.",
	}
}

func attemptDurations() graph {
	return graph{
		Title:       "Task durations",
		Description: "How long attempts of its tasks ran, by how they ended. Failures that take seconds are bugs or refusals; those that take as long as a limit are timeouts.",
		Queries: []query{
			{oneDag.quantile(0.5, "state, ", "airflow_task_duration_seconds"), "{{state}} p50"},
			{oneDag.quantile(0.95, "state, ", "airflow_task_duration_seconds"), "{{state}} p95"},
		},
		Unit: "s", Interval: "5m", Overrides: byOutcome(), Nothing: "No attempt ended.",
	}
}

func slotsOfDag() graph {
	return graph{
		Title:       "Slots it holds",
		Description: "Slots of pools that its queued and running task instances hold. At the size of the pool it keeps others from running: give it a pool of its own.",
		Queries:     []query{{maxBy("pool", oneDag.of("airflow_pool_used_slots")), "{{pool}}"}},
		Unit:        "short", Decimals: new(0.0), Stacked: true, Bars: true, Nothing: "It held none.",
	}
}

func endedRuns() graph {
	return graph{
		Title:       "Runs that ended",
		Description: "Runs that ended, per hour, by state, backfills and manual ones included. Fewer than its schedule says: runs are not created, or take too long.",
		Queries:     []query{{"3600 * sum by (state) (" + maxBy("cluster, dag_id, run_type, state", "rate("+oneDag.of("airflow_dag_runs_finished_total")+"[$__rate_interval])") + ")", "{{state}}"}},
		Unit:        "suffix: /h", Stacked: true, Interval: "15m", Overrides: stateOverrides(), Nothing: "None ended.",
	}
}

func activeRuns() graph {
	return graph{
		Title:       "Active runs",
		Description: "Runs that are running and that are queued. Queued ones that stay: max_active_runs, or the scheduler is behind.",
		Queries:     []query{{"sum by (state) (" + oneDag.oneOf("cluster, dag_id, state", "airflow_dag_runs") + ")", "{{state}}"}},
		Unit:        "short", Decimals: new(0.0), Stepped: true, Stacked: true, Overrides: stateOverrides(), Nothing: "It is paused.",
	}
}
