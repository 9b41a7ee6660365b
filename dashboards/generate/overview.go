package main

import "github.com/grafana/grafana-foundation-sdk/go/dashboard"

// overview asks whether Airflow is healthy, and what is broken now.
func overview() board {
	return board{
		UID: overviewUID, Title: "Airflow / Overview",
		Description: "Is Airflow healthy, and what is broken now? Start here.",
		Variables:   []dashboard.VariableModel{clusters()},
		Annotations: []dashboard.AnnotationQuery{fleet.firing(`severity="critical"`), restarts()},
		Rows: []row{
			{Title: "Is Airflow healthy?", Lines: []line{
				{4, []panel{dagsFailing(fleet).wide(4), dagsLate(fleet).wide(4), taskSuccess().wide(4), oldestQueued(fleet).wide(4), importErrors().wide(4), heartbeat().wide(4)}},
				{9, []panel{components().wide(10), firingAlerts().wide(14)}},
			}},
			{Title: "What is broken now?", Lines: []line{
				{14, []panel{brokenDags().wide(14), failedTasks().wide(10)}},
			}},
			{Title: "How much work is done?", Lines: []line{
				{8, []panel{finishedInstances().wide(12), unfinishedInstances(fleet).wide(12)}},
			}},
			{Title: "What is short?", Lines: []line{
				{8, []panel{poolUse().wide(12), whyTasksWait(fleet).wide(12)}},
			}},
			{Title: "Each Airflow", Collapsed: true, Lines: []line{
				{7, []panel{eachAirflow().wide(24)}},
			}},
		},
	}
}

func dagsFailing(s scope) number {
	return number{
		Title:       "DAGs failing",
		Description: "DAGs whose last finished run failed, paused ones left out. Those without a schedule count for a day. Above 0: the table of DAGs says which; open the DAG there.",
		Expr:        s.countOrZero(s.failing(), s.runsAreKnown()),
		Unit:        "none", Thresholds: noneIsGood(), Nothing: "unknown",
	}
}

func dagsLate(s scope) number {
	return number{
		Title:       "DAGs overdue",
		Description: "DAGs that have not succeeded for two of their intervals and 15 minutes: their data is late. Above 0: tell those who wait for it, then open the DAG in the table of DAGs. A daily DAG is overdue after two days.",
		Expr:        s.countOrZero(s.overdue(), s.runsAreKnown()),
		Unit:        "none", Thresholds: noneIsGood(), Nothing: "unknown",
	}
}

func taskSuccess() number {
	return number{
		Title:       "Task success, 1 h",
		Description: "Share of the task instances of the last hour that succeeded, by Airflow. Below 95 %: something that many tasks use is broken; the SLO dashboard tells which DAGs.",
		Expr:        "1 - " + fleet.of("cluster:airflow_task_failures:ratio1h"),
		Unit:        "percentunit", Decimals: new(1.0),
		Thresholds: thresholds("red", step{0.95, "orange"}, step{0.99, "green"}), Nothing: "nothing ran",
	}
}

func oldestQueued(s scope) number {
	return number{
		Title:       "Oldest queued task",
		Description: "How long the oldest task instance has waited for a worker. Minutes: workers are full, gone, or do not listen to its queue; see queues on the dashboard Tasks, to which a click leads.",
		Expr: s.orZero("max(time() - "+minBy("cluster, dag_id", s.of("airflow_task_instances_oldest_timestamp_seconds", `state="queued"`))+")",
			s.instancesAreKnown()),
		Unit: "s", Decimals: new(1.0), Thresholds: thresholds("green", step{120, "orange"}, step{300, "red"}), Links: toTasks(""), Nothing: "unknown",
	}
}

func importErrors() number {
	return number{
		Title:       "Import errors",
		Description: "DAG files that do not import: their DAGs vanish or keep old code. Above 0: Airflow's start page lists the files and the errors; the row Each Airflow leads there.",
		Expr:        fleet.orZero("sum("+fleet.oneOf("cluster, bundle", "airflow_import_errors")+")", fleet.of("airflow_exporter_collector_success", `collector="import_errors"`)+" == 1"),
		Unit:        "none", Thresholds: noneIsGood(), Nothing: "unknown",
	}
}

func heartbeat() number {
	return number{
		Title:       "Heartbeat age",
		Description: "How long ago the scheduler gave its last sign of life, in the Airflow where that is longest. Above a minute: it hangs or is gone, and no run starts; look at its log.",
		Expr:        "max(time() - " + fleet.oneOf("cluster", "airflow_component_last_heartbeat_timestamp_seconds", `component="scheduler"`) + ")",
		Unit:        "s", Decimals: new(0.0), Thresholds: thresholds("green", step{30, "orange"}, step{60, "red"}), Nothing: "unknown",
	}
}

func components() timeline {
	return timeline{
		Title:       "Components",
		Description: "What Airflow says of its components, and whether its API let the exporter in. Red: read the log of that component at that time. A gap: nobody could tell.",
		Queries: []query{
			{fleet.oneOf("cluster", "airflow_up"), "{{cluster}} API"},
			{minBy("cluster, component", fleet.of("airflow_component_healthy")), "{{cluster}} {{component}}"},
		},
		Words:   worded(state{"unhealthy", failed}, state{"healthy", success}),
		Nothing: "unknown",
	}
}

func firingAlerts() listing {
	const labels = `"dag_id", "pool", "queue", "bundle", "collector", "reason", "window", "broken"`
	alerts := fleet.of("ALERTS_FOR_STATE", `alertname=~"Airflow.+"`, `severity!="info"`)
	firing := fleet.of("ALERTS", `alertname=~"Airflow.+"`, `alertstate="firing"`, `severity!="info"`)
	return listing{
		Title:       "Firing alerts",
		Description: "Alerts that fire now, and since when what they tell has held; some go on firing for an hour after it ended. The name opens the runbook, which says what it means and what to do.",
		Queries: []string{replaced(`label_join(`+replaced("time() - "+alerts+" and ignoring (alertstate) "+firing, "broken", "$1", "component", "(metadatabase|scheduler|triggerer|dag_processor)")+
			`, "about", " ", `+labels+`)`, "about", "$1", "about", " *(.*?) *")},
		Columns: []column{
			{Field: "severity", Name: "Severity", Width: 80, Filled: true, Words: severities()},
			{Field: "alertname", Name: "Alert", Width: 225, Links: []dashboard.DashboardLink{toPage("Runbook", runbooks+"${__value.raw}.md")}},
			{Field: "about", Name: "About"},
			clusterColumn(),
			{Field: "Value", Name: "For", Unit: "s", Decimals: new(1.0), Width: 90},
		},
		Sort:    []sorting{{"Severity", false}, {"For", false}},
		Nothing: "No alert fires, or the rules are not loaded.",
	}
}

const runbooks = "https://github.com/seed-9c0ac15d/airflow_exporter/blob/main/alerts/runbooks/"

func severities() []dashboard.ValueMapping {
	return valueMappings(map[string]dashboard.ValueMappingResult{
		"critical": {Text: new("critical"), Color: new("red"), Index: new(int32(0))},
		"warning":  {Text: new("warning"), Color: new("orange"), Index: new(int32(1))},
	})
}

func brokenDags() listing {
	return listing{
		Title:       "DAGs with a problem",
		Description: "DAGs that are not paused, by what is wrong with them, the worst first. For: since the last success of failed ones, beyond the limit of late ones, since the run began of others. Click the DAG for its tasks and what they wait for, open for its page in Airflow.",
		Queries:     []string{fleet.with("page", dagPage, fleet.problems())},
		Columns: []column{
			dagColumn(),
			{Field: "problem", Name: "Problem", Width: 210, Words: problemMappings()},
			{Field: "Value", Name: "For", Unit: "s", Decimals: new(1.0), Width: 100},
			clusterColumn(),
			pageColumn(),
		},
		Sort:    []sorting{{"Problem", false}, {"For", false}},
		Nothing: "No DAG is known to have a problem.",
	}
}

// problemMappings colour what a DAG can have: red is late or lost, orange is going to be.
func problemMappings() []dashboard.ValueMapping {
	m := map[string]dashboard.ValueMappingResult{}
	for i, k := range fleet.problemKinds() {
		if k.bad {
			m[k.name] = dashboard.ValueMappingResult{Text: new(k.name), Color: new("red"), Index: new(int32(i))}
		}
	}
	return append(valueMappings(m), dashboard.ValueMapping{RegexMap: &dashboard.RegexMap{
		Type:    dashboard.MappingTypeRegexToText,
		Options: dashboard.DashboardRegexMapOptions{Pattern: "(.+)", Result: dashboard.ValueMappingResult{Text: new("$1"), Color: new("orange"), Index: new(int32(9))}},
	}})
}

func failedTasks() listing {
	return listing{
		Title:       "Tasks that failed",
		Description: "Tasks whose instances failed in the time shown, for good and not to be retried. Click the task for the list of them in Airflow, newest first, and there the first for its log.",
		Queries:     []string{fleet.with("page", failuresPage, "topk(25, round(60 * sum_over_time("+fleet.of(taskFailures)+"[$__range])) > 0)")},
		Columns: []column{
			taskColumn(),
			dagColumn(),
			{Field: "Value", Name: "Failed", Unit: "none", Width: 70},
			clusterColumn(),
			addressColumn("page"),
		},
		Sort:    []sorting{{"Failed", true}},
		Nothing: "No task is known to have failed in this time; or the recording rules are not loaded.",
	}
}

func finishedInstances() graph {
	return graph{
		Title:       "Finished task instances",
		Description: "Task instances that ended, per minute. A gap while work waits: nothing runs, look at the components. Much red at once: something that many tasks use is broken.",
		Queries:     []query{{"60 * sum by (state) (" + fleet.of("cluster_state:airflow_task_instances_finished:rate5m") + ")", "{{state}}"}},
		Unit:        "suffix: /min", Stacked: true, Bars: true, Overrides: stateOverrides(), Nothing: "Nothing finished, or the recording rules are not loaded.",
	}
}

func unfinishedInstances(s scope) graph {
	return graph{
		Title:       "Unfinished task instances",
		Description: "What runs and what waits, without what waits for upstream tasks. Grey and brown that grow: more comes than is done; see why tasks wait.",
		Queries:     []query{{"sum by (state) (" + s.oneOf("cluster, state", "airflow_unfinished_task_instances", `state!="none"`) + ")", "{{state}}"}},
		Unit:        "short", Decimals: new(0.0), Stacked: true, Overrides: stateOverrides(), Nothing: "unknown",
	}
}

func poolUse() ranking {
	return ranking{
		Title:       "Pool use",
		Description: "Share of the slots that are taken, of the 12 fullest pools; unlimited ones have none. At 100 % work waits: click it for the dashboard Tasks, which tells who holds the pool.",
		Expr: "topk(12, 1 - " + fleet.oneOf("cluster, pool", "airflow_pool_slots", `state="open"`) + " / on (cluster, pool) (" +
			fleet.oneOf("cluster, pool", "airflow_pool_size_slots") + " > 0))",
		Legend: "{{cluster}} {{pool}}", Unit: "percentunit", Decimals: new(0.0), Max: new(1.0),
		Thresholds: thresholds("green", step{0.8, "orange"}, step{0.95, "red"}), Links: toTasks("&var-pool=${__field.labels.pool}"), Nothing: "unknown",
	}
}

// toTasks leads to the dashboard of tasks, for the same Airflows; more are variables of it.
func toTasks(more string) []dashboard.DashboardLink {
	return []dashboard.DashboardLink{dataLink("Dashboard of the tasks", "/d/"+tasksUID+"?${datasource:queryparam}&var-cluster=${__field.labels.cluster}"+more+"&${__url_time_range}")}
}

// lasting are reasons that tell why work does not get on, and not that its run or DAG does not run.
const lasting = `reason!~"dag_paused|dag_run_not_running"`

func whyTasksWait(s scope) graph {
	return graph{
		Title:       "Why tasks wait",
		Description: "What Airflow itself gives as the reason why task instances do not start, those of queued runs and paused DAGs left out. pool_slots: enlarge the pool or see who holds it; none_reported: executor, parallelism or scheduler.",
		Queries:     []query{{"sum by (reason) (" + s.oneOf("cluster, dag_id, task_id, reason", "airflow_task_instances_blocked", lasting) + ")", "{{reason}}"}},
		Unit:        "short", Decimals: new(0.0), Stacked: true, Bars: true, Overrides: reasonOverrides(), Nothing: "Nothing is known to have waited.",
	}
}

func eachAirflow() listing {
	return listing{
		Title:       "Airflows",
		Description: "One row for each Airflow: which version it is, how much it has to do, and whether it is seen. Click its name to see only that one, open for its start page.",
		Queries: []string{
			`label_replace(` + fleet.oneOf("cluster, version, url", "airflow_info") + `, "page", "$1", "url", "(.+)")`,
			fleet.oneOf("cluster", "airflow_up"),
			fleet.oneOf("cluster", "airflow_exporter_visible_dags"),
			fleet.oneOf("cluster", "airflow_unfinished_task_instances", `state="running"`),
			"sum by (cluster) (" + fleet.oneOf("cluster, state", "airflow_unfinished_task_instances", `state=~"scheduled|queued"`) + ")",
			"count by (cluster) (" + fleet.failing() + ") or 0 * group by (cluster) (" + fleet.runsAreKnown() + ")",
			"1 - " + fleet.of("cluster:airflow_task_failures:ratio1h"),
		},
		Columns: []column{
			{Field: "cluster", Name: "Cluster", Links: []dashboard.DashboardLink{dataLink("Only this Airflow", "/d/"+overviewUID+"?${datasource:queryparam}&var-cluster=${__value.raw}&${__url_time_range}")}},
			{Field: "version", Name: "Version", Width: 100},
			{Field: "Value #B", Name: "API", Width: 110, Words: worded(state{"unreachable", failed}, state{"reachable", success})},
			{Field: "Value #C", Name: "DAGs", Width: 90},
			{Field: "Value #D", Name: "Running", Width: 90},
			{Field: "Value #E", Name: "Scheduled or queued", Width: 160},
			{Field: "Value #F", Name: "DAGs failing", Width: 120, Thresholds: thresholds("text", step{1, "red"})},
			{Field: "Value #G", Name: "Task success, 1 h", Unit: "percentunit", Decimals: new(1.0), Width: 140, Thresholds: thresholds("red", step{0.95, "orange"}, step{0.99, "green"})},
			pageColumn(),
		},
		Sort:    []sorting{{"Cluster", false}},
		Nothing: "unknown",
	}
}
