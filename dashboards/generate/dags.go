package main

import "github.com/grafana/grafana-foundation-sdk/go/dashboard"

// fleetOfDags asks how all DAGs are: which are late, slow, paused.
func fleetOfDags() board {
	return board{
		UID: dagsUID, Title: "Airflow / DAGs",
		Description: "All DAGs: how the last runs ended, which DAGs are late, slow, paused or idle.",
		Variables:   []dashboard.VariableModel{clusters(), dags()},
		Annotations: []dashboard.AnnotationQuery{fleet.firing(`severity="critical"`, `dag_id=~"$dag_id|"`)},
		Rows: []row{
			{Title: "How are the DAGs?", Lines: []line{
				{4, []panel{dagsActive().wide(4), dagsFailing(selected).wide(4), dagsLate(selected).wide(4), dagsStalled().wide(4), dagsHeldBack().wide(4), dagsPaused().wide(4)}},
				{12, []panel{eachDag().wide(24)}},
			}},
			{Title: "Which ones failed, and when?", Lines: []line{
				{10, []panel{lastRuns().wide(12), failingOverTime().wide(12)}},
			}},
			{Title: "Which ones are slow?", Lines: []line{
				{11, []panel{slowest().wide(8), slower().wide(8), runDurations().wide(8)}},
			}},
			{Title: "Which ones start late?", Lines: []line{
				{8, []panel{startDelay(selected).wide(12), notCreatedRuns().wide(12)}},
			}},
			{Title: "Paused and idle", Collapsed: true, Lines: []line{
				{9, []panel{pausedDags().wide(12), idleDags().wide(12)}},
			}},
		},
	}
}

func dagsActive() number {
	return number{
		Title:       "DAGs not paused",
		Description: "How many DAGs Airflow may run. Fewer than yesterday: DAGs were paused or removed, their files do not import, or the exporter's account lost rights.",
		Expr:        selected.countOrZero(selected.oneOf("cluster, dag_id", "airflow_dag_paused")+" == 0", selected.of("airflow_dag_paused")),
		Unit:        "none", Nothing: "unknown",
	}
}

func dagsStalled() number {
	return number{
		Title:       "DAGs stalled",
		Description: "DAGs with a running run in which nothing has moved for 5 minutes. Above 0: the run waits for something that does not come; open the DAG, and read what its tasks wait for.",
		Expr:        selected.countOrZero(selected.stalled(), selected.waitsAreKnown()),
		Unit:        "none", Thresholds: noneIsGood(), Nothing: "unknown",
	}
}

func dagsHeldBack() number {
	return number{
		Title:       "At max_active_runs",
		Description: "DAGs for which Airflow creates no run because too many are active. Normal while a DAG catches up; else its runs are too slow, or one of them hangs.",
		Expr:        selected.countOrZero(selected.oneOf("cluster, dag_id", "airflow_dag_at_max_active_runs")+" == 1 "+selected.isNotPaused(), selected.of("airflow_dag_paused")),
		Unit:        "none", Nothing: "unknown",
	}
}

func dagsPaused() number {
	return number{
		Title:       "DAGs paused",
		Description: "DAGs that somebody paused: they never alert. The last row lists them; un-pause what was forgotten.",
		Expr:        selected.countOrZero(selected.oneOf("cluster, dag_id", "airflow_dag_paused")+" == 1", selected.of("airflow_dag_paused")),
		Unit:        "none", Nothing: "unknown",
	}
}

func eachDag() listing {
	notPaused := func(expr string) string { return expr + " " + selected.isNotPaused() }
	return listing{
		Title:       "DAGs that are not paused",
		Description: "One row for each DAG, failed ones first. Filter by owner or schedule in the heading; click the DAG for its tasks and runs, open for its page in Airflow.",
		Queries: []string{
			// Two exporters may have listed it before and after a change.
			selected.with("page", dagPage, notPaused("topk by (cluster, dag_id) (1, "+selected.oneOf("cluster, dag_id, owners, schedule", "airflow_dag_info")+")")),
			notPaused(selected.oneOf("cluster, dag_id", "airflow_dag_last_run_state", `state="failed"`)),
			notPaused("time() - " + selected.oneOf("cluster, dag_id", "airflow_dag_last_run_end_timestamp_seconds")),
			notPaused(selected.oneOf("cluster, dag_id", "airflow_dag_last_run_duration_seconds")),
			notPaused("time() - " + selected.oneOf("cluster, dag_id", "airflow_dag_last_success_timestamp_seconds")),
			notPaused(selected.oneOf("cluster, dag_id", "airflow_dag_next_run_timestamp_seconds")+" - time()") + selected.isNotHeldBack(),
			notPaused(selected.oneOf("cluster, dag_id", "airflow_dag_runs", `state="running"`)),
			"round(sum by (cluster, dag_id) (" + maxBy("cluster, dag_id, run_type", "increase("+selected.of("airflow_dag_runs_finished_total", `state="failed"`)+"[$__range])") + ")) " + selected.isNotPaused(),
		},
		Columns: []column{
			dagColumn(),
			{Field: "owners", Name: "Owners", Width: 115, Filterable: true},
			{Field: "schedule", Name: "Schedule", Width: 110, Filterable: true},
			{Field: "Value #B", Name: "Last run", Width: 105, Words: lastRunWords(), Filled: true, Filterable: true},
			{Field: "Value #C", Name: "Ended ago", Unit: "s", Decimals: new(1.0), Width: 95},
			{Field: "Value #D", Name: "Took", Unit: "s", Decimals: new(1.0), Width: 85},
			{Field: "Value #E", Name: "Since success", Unit: "s", Decimals: new(1.0), Width: 110},
			{Field: "Value #F", Name: "Next run in", Unit: "s", Decimals: new(1.0), Width: 100, Thresholds: thresholds("red", step{-600, "text"})},
			{Field: "Value #G", Name: "Running", Width: 75},
			{Field: "Value #H", Name: "Failed runs", Width: 105},
			clusterColumn(),
			pageColumn(),
		},
		Sort:    []sorting{{"Last run", true}, {"Failed runs", true}},
		Nothing: "unknown",
	}
}

// lastRunWords are for airflow_dag_last_run_state{state="failed"}.
func lastRunWords() []dashboard.ValueMapping {
	return worded(state{"success", success}, state{"failed", failed})
}

func lastRuns() timeline {
	state := selected.oneOf("cluster, dag_id", "airflow_dag_last_run_state", `state="failed"`)
	return timeline{
		Title:       "Last finished run",
		Description: "How the last finished run had ended at each time, of the DAGs that were failed at some time here. Many turning red at once have a common cause; one that stays red is broken by itself.",
		Queries: []query{{
			state + " and " + byDag + " topk(25, " + maxBy("cluster, dag_id", "avg_over_time("+selected.of("airflow_dag_last_run_state", `state="failed"`)+"[$__range] @ end())") + " > 0) " + selected.isNotPaused(),
			"{{dag_id}} {{cluster}}",
		}},
		Words:   lastRunWords(),
		Nothing: "none failed, or unknown",
	}
}

func failingOverTime() graph {
	return graph{
		Title:       "Failing, overdue and stalled DAGs",
		Description: "How many DAGs had each problem at each time, paused ones left out. It tells when trouble began: look there for a deployment, or what else broke.",
		Queries: []query{
			{selected.countOrZero(selected.failing(), selected.runsAreKnown()), "last run failed"},
			{selected.countOrZero(selected.of(overdue)+" == 1", selected.of(overdue)), "overdue"},
			{selected.countOrZero(selected.stalled(), selected.waitsAreKnown()), "stalled"},
		},
		Unit: "none", Decimals: new(0.0), Stepped: true,
		Overrides: []dashboard.DashboardFieldConfigSourceOverrides{
			override("last run failed", "color", fixed(failed)), override("overdue", "color", fixed("#d08700")), override("stalled", "color", fixed("#8e51ff")),
		},
		Nothing: "unknown",
	}
}

func slowest() listing {
	return listing{
		Title:       "Longest last runs",
		Description: "The 10 DAGs whose last finished run took longest. Where to look first when there is not enough time in the night.",
		Queries:     []string{"topk(10, " + selected.oneOf("cluster, dag_id", "airflow_dag_last_run_duration_seconds") + " " + selected.isNotPaused() + ")"},
		Columns:     []column{dagColumn(), {Field: "Value", Name: "Took", Unit: "s", Decimals: new(1.0), Width: 190, Bar: true}, addressColumn("cluster")},
		Sort:        []sorting{{"Took", true}},
		Nothing:     "unknown",
	}
}

func slower() listing {
	return listing{
		Title:       "Slower than last week",
		Description: "Length of the last successful run compared with the mean of 7 days, the 10 that grew most, of those above a minute. Twice as long: there is more to do, or something it uses became slow.",
		Queries: []string{"topk(10, (" + selected.oneOf("cluster, dag_id", "airflow_dag_last_success_duration_seconds") + " > 60) / " + byDag +
			" (avg_over_time(" + selected.of("cluster_dag:airflow_dag_last_success_duration_seconds:max10m") + "[7d]) > 0) " + selected.isNotPaused() + ")"},
		Columns: []column{dagColumn(), {Field: "Value", Name: "Growth", Unit: "suffix: ×", Decimals: new(1.0), Width: 190, Bar: true,
			Thresholds: thresholds("blue", step{1.5, "orange"}, step{2, "red"})}, addressColumn("cluster")},
		Sort:    []sorting{{"Growth", true}},
		Nothing: "unknown, or the recording rules are not loaded",
	}
}

func runDurations() heat {
	return heat{
		Title:       "Run durations",
		Description: "When runs ended, by how long they took; darker or brighter: more at a time. A cloud that rises: the whole fleet becomes slower, so look for what it shares: pools, workers, the warehouse.",
		Expr:        selected.buckets("cluster, dag_id, state", "airflow_dag_run_duration_seconds"),
		Interval:    "2m", Nothing: "No run ended.",
	}
}

func startDelay(s scope) graph {
	return graph{
		Title:       "Start delay of scheduled runs",
		Description: "From when a run was due to its start. Above a minute for most: the scheduler is behind, or runs wait for max_active_runs.",
		Queries: []query{
			{s.quantile(0.5, "", "airflow_dag_run_start_delay_seconds"), "p50"},
			{s.quantile(0.95, "", "airflow_dag_run_start_delay_seconds"), "p95"},
		},
		Unit: "s", Interval: "5m", Nothing: "No scheduled run started.",
	}
}

func notCreatedRuns() listing {
	return listing{
		Title:       "Runs that were not created",
		Description: "DAGs whose next run was due more than 10 minutes ago, without those at max_active_runs. The scheduler is behind or does not look at them: see its health on the Overview.",
		Queries:     []string{selected.with("page", dagPage, selected.notCreated())},
		Columns:     []column{dagColumn(), {Field: "Value", Name: "Late by", Unit: "s", Decimals: new(1.0), Width: 100}, clusterColumn(), pageColumn()},
		Sort:        []sorting{{"Late by", true}},
		Nothing:     "No run that was due is known not to have been created.",
	}
}

func pausedDags() listing {
	return listing{
		Title:       "Paused DAGs",
		Description: "Nothing is run or told of them. Since success says how old their data is: un-pause what was forgotten, remove what nobody needs.",
		Queries: []string{
			selected.with("page", dagPage, selected.oneOf("cluster, dag_id, owners", "airflow_dag_info")+" and "+byDag+" "+selected.oneOf("cluster, dag_id", "airflow_dag_paused")+" == 1"),
			"time() - " + selected.oneOf("cluster, dag_id", "airflow_dag_last_success_timestamp_seconds") + " and " + byDag + " " + selected.oneOf("cluster, dag_id", "airflow_dag_paused") + " == 1",
		},
		Columns: []column{dagColumn(), {Field: "owners", Name: "Owners", Width: 130}, {Field: "Value #B", Name: "Since success", Unit: "s", Decimals: new(1.0), Width: 120}, clusterColumn(), pageColumn()},
		Sort:    []sorting{{"DAG", false}},
		Nothing: "No DAG is known to be paused.",
	}
}

func idleDags() listing {
	age := "time() - " + selected.oneOf("cluster, dag_id", "airflow_dag_last_run_end_timestamp_seconds")
	return listing{
		Title:       "Not run for a week",
		Description: "DAGs that are not paused, do not run now, and whose last run ended more than 7 days and two of their intervals ago. What should have run has lost its schedule or its trigger; what nobody needs can go.",
		Queries: []string{selected.with("page", dagPage, age+" > 604800 "+selected.isNotPaused()+
			" unless "+byDag+" "+selected.oneOf("cluster, dag_id", "airflow_dag_runs", `state="running"`)+" > 0 unless "+byDag+" ("+
			age+" < 2 * "+selected.oneOf("cluster, dag_id", "airflow_dag_schedule_interval_seconds")+")")},
		Columns: []column{dagColumn(), {Field: "Value", Name: "Last run ended", Unit: "s", Decimals: new(1.0), Width: 130}, clusterColumn(), pageColumn()},
		Sort:    []sorting{{"Last run ended", true}},
		Nothing: "None is known.",
	}
}
