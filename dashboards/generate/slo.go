package main

import "github.com/grafana/grafana-foundation-sdk/go/dashboard"

// objective is the share of task instances that are to succeed; the alerts of the error budget have the same.
const objective = 0.99

// slo asks whether what was promised is kept, how fast the budget of failures goes, and who spends it.
func slo() board {
	return board{
		UID: sloUID, Title: "Airflow / SLO",
		Description: "Do 99 % of the task instances succeed, and is data in time? How fast the error budget goes, and which DAGs spend it. It needs the recording rules.",
		Variables:   []dashboard.VariableModel{clusters()},
		Annotations: []dashboard.AnnotationQuery{fleet.firing(`alertname="AirflowTaskErrorBudgetBurn"`)},
		Rows: []row{
			{Title: "Is the promise kept?", Lines: []line{
				{4, []panel{successIn(window{"1 h", "1h", 14.4}).wide(4), successIn(window{"6 h", "6h", 6}).wide(4), burnIn(window{"1 h", "1h", 14.4}).wide(4), burnIn(window{"6 h", "6h", 6}).wide(4), budgetLeft().wide(4), dagsInTime().wide(4)}},
				{9, []panel{successOverTime().wide(12), budgetOverTime().wide(12)}},
			}},
			{Title: "Who spends the budget, and since when?", Lines: []line{
				{10, []panel{worstDags().wide(13), burnOverTime().wide(11)}},
				{9, []panel{failuresByDag().wide(12), inTimeOverTime().wide(12)}},
			}},
		},
	}
}

// ratio is a recorded share of failures: window is 15m, 1h or 6h.
func ratio(window string) string { return fleet.of("cluster:airflow_task_failures:ratio" + window) }

// window is a time over which failures are recorded, and the burn rate at which an alert fires for it.
type window struct {
	text, suffix string
	alarm        float64
}

func successIn(w window) number {
	return number{
		Title:       "Success, " + w.text,
		Description: "Share of the task instances of the last " + w.text + " that succeeded, by Airflow. Below 99 % the budget is spent faster than it comes; the table says by which DAGs.",
		Expr:        "1 - " + ratio(w.suffix),
		Unit:        "percentunit", Decimals: new(1.0), Thresholds: thresholds("red", step{0.95, "orange"}, step{objective, "green"}), Nothing: "nothing ran",
	}
}

func burnIn(w window) number {
	return number{
		Title:       "Burn rate, " + w.text,
		Description: "How many times faster than allowed the budget of failures was spent in the last " + w.text + ". At 1 it lasts 30 days. Red: the alert AirflowTaskErrorBudgetBurn fires when it goes on.",
		Expr:        ratio(w.suffix) + " / 0.01",
		Unit:        "suffix: ×", Decimals: new(1.0), Thresholds: thresholds("green", step{1, "orange"}, step{w.alarm, "red"}), Nothing: "nothing ran",
	}
}

// left is the share of the budget that is left of the last 30 days, by cluster.
func left() string {
	total := func(states string) string {
		return "sum by (cluster) (sum_over_time(" + fleet.of("cluster_state:airflow_task_instances_finished:rate5m", states) + "[30d]))"
	}
	return "1 - (" + total(`state="failed"`) + " or 0 * " + total(`state="success"`) + ") / (" + total(`state=~"success|failed"`) + " > 0) / 0.01"
}

func budgetLeft() number {
	return number{
		Title:       "Budget left",
		Description: "Share of the failures that 99 % allow in 30 days, or in as many as are known, that is left, by Airflow. Below zero: the promise is broken; stop what is risky.",
		Expr:        left(),
		Unit:        "percentunit", Decimals: new(0.0), Thresholds: thresholds("red", step{0, "orange"}, step{0.25, "green"}), Nothing: "unknown",
	}
}

// inTime is the share of the DAGs with a schedule and a success whose data is in time.
func inTime() string {
	return "1 - sum(" + fleet.of(overdue) + ") / (count(" + fleet.of(overdue) + ") > 0)"
}

func dagsInTime() number {
	return number{
		Title:       "DAGs in time",
		Description: "Share of the scheduled DAGs that succeeded once and did so within two of their intervals and 15 minutes. Below 100 %: the Overview lists those that are overdue.",
		Expr:        inTime(),
		Unit:        "percentunit", Decimals: new(1.0), Thresholds: thresholds("red", step{0.95, "orange"}, step{0.99, "green"}), Nothing: "unknown",
	}
}

func successOverTime() graph {
	return graph{
		Title:       "Success ratio",
		Description: "Share of the task instances that succeeded, in the hour and in the 6 hours before each time. Where the short line falls below 99 %, the budget begins to go: look at that time.",
		Queries: []query{
			{"1 - " + ratio("1h"), "{{cluster}} 1 h"},
			{"1 - " + ratio("6h"), "{{cluster}} 6 h"},
		},
		Unit: "percentunit", Max: new(1.0), Decimals: new(1.0), Afloat: true,
		Thresholds: thresholds("red", step{objective, "transparent"}), Nothing: "Nothing ran, or the recording rules are not loaded.",
	}
}

func budgetOverTime() graph {
	return graph{
		Title:       "Budget left",
		Description: "Share of the failures that 99 % allow in 30 days that is left. A cliff is one incident, a slope many small ones: the table says whose.",
		Queries:     []query{{left(), "{{cluster}} budget left"}},
		Unit:        "percentunit", Decimals: new(0.0), Max: new(1.0), Afloat: true, Interval: "30m", Thresholds: thresholds("red", step{0, "transparent"}),
		Nothing: "Nothing ran, or the recording rules are not loaded.",
	}
}

func burnOverTime() graph {
	return graph{
		Title:       "Burn rate",
		Description: "How many times faster than allowed the budget goes. The dashed lines are where alerts fire: 14.4 for an hour, and the 15 minutes at its end; 6 for 6 hours, and the last of them.",
		Queries: []query{
			{ratio("1h") + " / 0.01", "{{cluster}} 1 h"},
			{ratio("6h") + " / 0.01", "{{cluster}} 6 h"},
		},
		Unit: "suffix: ×", Decimals: new(1.0), Thresholds: thresholds("transparent", step{6, "orange"}, step{14.4, "red"}), Nothing: "Nothing ran, or the recording rules are not loaded.",
	}
}

func worstDags() listing {
	// 60 s between two samples: the sum of rates becomes a count.
	count := func(states string) string {
		return "60 * sum by (cluster, dag_id) (sum_over_time(" + fleet.of(finished, states) + "[$__range]))"
	}
	spent := "topk(25, " + count(`state="failed"`) + " > 0.5)"
	return listing{
		Title:       "DAGs that spend the budget",
		Description: "The 25 DAGs with the most failed task instances in the time shown. Share is of all failures: mend the first ones, and most of the budget is saved. Click a DAG for its tasks.",
		Queries: []string{
			fleet.with("page", dagPage, "round("+spent+")"),
			spent + " / on (cluster) group_left () (sum by (cluster) (" + count(`state="failed"`) + ") > 0)",
			"1 - " + spent + " / " + byDag + " (" + count(`state=~"success|failed"`) + " > 0)",
		},
		Columns: []column{
			dagColumn(),
			{Field: "Value #A", Name: "Failed", Width: 80},
			{Field: "Value #B", Name: "Share", Unit: "percentunit", Decimals: new(0.0), Width: 80},
			{Field: "Value #C", Name: "Success", Unit: "percentunit", Decimals: new(1.0), Width: 90, Thresholds: thresholds("red", step{0.95, "orange"}, step{objective, "green"})},
			clusterColumn(),
			pageColumn(),
		},
		Sort:    []sorting{{"Failed", true}},
		Nothing: "Nothing is known to have failed in this time.",
	}
}

func failuresByDag() graph {
	worst := "topk(10, sum by (cluster, dag_id) (sum_over_time(" + fleet.of(finished, `state="failed"`) + "[$__range] @ end())) > 0)"
	return graph{
		Title:       "Failed task instances, by DAG",
		Description: "When task instances of the 10 worst DAGs failed, per minute. All at once: something that they share; one for hours: that DAG itself.",
		Queries:     []query{{"60 * sum by (cluster, dag_id) (" + fleet.of(finished, `state="failed"`) + ") and " + byDag + " " + worst, "{{dag_id}} {{cluster}}"}},
		Unit:        "suffix: /min", Stacked: true, Bars: true, Nothing: "Nothing is known to have failed in this time.",
	}
}

func inTimeOverTime() graph {
	return graph{
		Title:       "DAGs in time",
		Description: "Share of the scheduled DAGs with a success that had one within two of their intervals and 15 minutes. This is what those who wait for data feel.",
		Queries:     []query{{inTime(), "in time"}},
		Unit:        "percentunit", Max: new(1.0), Decimals: new(1.0), Afloat: true, Thresholds: thresholds("red", step{objective, "transparent"}), Nothing: "unknown",
	}
}
