package main

import "github.com/grafana/grafana-foundation-sdk/go/dashboard"

// taskInstances asks what waits, why, and for which pool, queue or worker.
func taskInstances() board {
	pool := several(variable("pool", "Pool", `label_values(airflow_pool_size_slots{cluster=~"$cluster"}, pool)`))
	return board{
		UID: tasksUID, Title: "Airflow / Tasks",
		Description: "What runs and what waits, why it waits, who holds the pools, and whether workers take what is queued.",
		Variables:   []dashboard.VariableModel{clusters(), dags(), pool},
		Annotations: []dashboard.AnnotationQuery{fleet.firing(`severity="critical"`)},
		Rows: []row{
			{Title: "What waits?", Lines: []line{
				{4, []panel{oldestScheduled().wide(4), oldestQueued(selected).wide(4), runningNow().wide(4), waitingNow().wide(4), retryingNow().wide(4), reasonsKnown().wide(4)}},
				{9, []panel{statesOverTime().wide(12), whyTasksWait(selected).wide(12)}},
			}},
			{Title: "Which ones, and for what?", Lines: []line{
				{10, []panel{oldestWaiting().wide(11), blockedTasks().wide(13)}},
			}},
			{Title: "Which pool or queue is short?", Lines: []line{
				{9, []panel{pools().wide(24)}},
				{9, []panel{poolUseOverTime().wide(12), poolHolders().wide(12)}},
				{7, []panel{queues().wide(24)}},
			}},
			{Title: "How long does it take?", Collapsed: true, Lines: []line{
				{9, []panel{queueWaitMap().wide(12), waits().wide(12)}},
				{9, []panel{taskDurations().wide(12), timeSpent().wide(12)}},
			}},
		},
	}
}

func oldest(s scope, state string) string {
	return "max(time() - " + minBy("cluster, dag_id", s.of("airflow_task_instances_oldest_timestamp_seconds", `state="`+state+`"`)) + ")"
}

func oldestScheduled() number {
	return number{
		Title:       "Oldest scheduled",
		Description: "How long the oldest scheduled task instance has waited to be queued. Half an hour: a pool or a limit is full, or the scheduler is behind; the reasons say which.",
		Expr:        selected.orZero(oldest(selected, "scheduled"), selected.instancesAreKnown()),
		Unit:        "s", Decimals: new(1.0), Thresholds: thresholds("green", step{600, "orange"}, step{1800, "red"}), Nothing: "unknown",
	}
}

func runningNow() number {
	return number{
		Title:       "Running",
		Description: "Task instances that run now, of the chosen DAGs. None while others wait: workers, executor or scheduler do nothing.",
		Expr: selected.orZero("sum("+selected.oneOf("cluster, dag_id, task_id", "airflow_task_instances", `state="running"`)+")",
			selected.instancesAreKnown()),
		Unit: "short", Decimals: new(0.0), Nothing: "unknown",
	}
}

func waitingNow() number {
	return number{
		Title:       "Waiting to run",
		Description: "Task instances that could run if there were room. More than ever: more comes than is done, so see pools and queues below.",
		Expr: selected.orZero("sum("+selected.oneOf("cluster, dag_id, task_id, state", "airflow_task_instances", `state=~"scheduled|queued"`)+")",
			selected.instancesAreKnown()),
		Unit: "short", Decimals: new(0.0), Nothing: "unknown",
	}
}

func retryingNow() number {
	return number{
		Title:       "Retrying",
		Description: "Unfinished task instances that are past their first attempt, or wait for the next. Many: something fails and is tried again and again; open the DAG that has most.",
		Expr: selected.orZero("sum("+selected.oneOf("cluster, dag_id, task_id", "airflow_task_instances_retrying")+")",
			selected.instancesAreKnown()),
		Unit: "short", Decimals: new(0.0), Nothing: "unknown",
	}
}

func reasonsKnown() number {
	waiting := fleet.oneOf("cluster, examined", "airflow_task_instances_waiting")
	return number{
		Title:       "Reasons known",
		Description: "Share of the waiting task instances, of all DAGs, of which the reason is known. Low while very many wait: the exporter asks about a few at a time, the oldest first.",
		Expr:        "sum(" + fleet.oneOf("cluster", "airflow_task_instances_waiting", `examined="true"`) + ") / (sum(" + waiting + ") > 0)",
		Unit:        "percentunit", Decimals: new(0.0), Nothing: "none waits",
	}
}

func statesOverTime() graph {
	return graph{
		Title:       "Unfinished task instances",
		Description: "What runs and what waits, of the chosen DAGs, without what waits for upstream tasks. Where grey or brown begins to grow, look at that time for a full pool or missing workers.",
		Queries:     []query{selected.byState()},
		Unit:        "short", Decimals: new(0.0), Stacked: true, Overrides: stateOverrides(), Nothing: "Nothing ran or waited.",
	}
}

// byState counts the unfinished task instances of chosen DAGs. States that only others are in are 0: areas that are
// stacked must not have gaps.
func (s scope) byState() query {
	return query{"sum by (state) (" + s.oneOf("cluster, dag_id, task_id, state", "airflow_task_instances") + ") or 0 * " +
		maxBy("state", s.instancesAreKnown()), "{{state}}"}
}

func oldestWaiting() listing {
	return listing{
		Title:       "Oldest waiting",
		Description: "Since when the oldest task instance of each DAG has been in its state, the 50 oldest, running ones left out. Click the DAG for its tasks.",
		Queries:     []string{selected.with("page", dagPage, "topk(50, time() - "+minBy("cluster, dag_id, state", selected.of("airflow_task_instances_oldest_timestamp_seconds", `state!="running"`))+")")},
		Columns: []column{
			dagColumn(),
			{Field: "state", Name: "State", Width: 125, Filled: true, Filterable: true, Words: stateMappings()},
			{Field: "Value", Name: "For", Unit: "s", Decimals: new(1.0), Width: 90},
			clusterColumn(),
			pageColumn(),
		},
		Sort:    []sorting{{"For", true}},
		Nothing: "Nothing is known to wait.",
	}
}

func blockedTasks() listing {
	return listing{
		Title:       "Why they wait",
		Description: "Tasks whose instances wait, and for what, but for those of paused DAGs and queued runs. Click the task for its page in Airflow; what to do is in the runbook of AirflowTasksBlocked.",
		Queries:     []string{selected.with("page", taskPage, "topk(100, "+selected.oneOf("cluster, dag_id, task_id, reason", "airflow_task_instances_blocked", lasting)+")")},
		Columns: []column{
			dagColumn(),
			taskColumn(),
			{Field: "reason", Name: "Waits for", Width: 245, Filterable: true, Words: reasonMappings()},
			{Field: "Value", Name: "Count", Width: 80},
			addressColumn("page"),
			addressColumn("cluster"),
		},
		Sort:    []sorting{{"Count", true}},
		Nothing: "Nothing is known to have waited for longer than a minute.",
	}
}

// poolMatcher is for metrics of the chosen pools.
const poolMatcher = `pool=~"$pool"`

func pools() listing {
	slots := func(state string) string {
		return fleet.oneOf("cluster, pool", "airflow_pool_slots", `state="`+state+`"`, poolMatcher)
	}
	return listing{
		Title:       "Pools",
		Description: "How the slots of each pool are used, and since when the oldest waits for one. Open 0 and an old waiter: enlarge the pool, or see below who holds it.",
		Queries: []string{
			fleet.with("page", poolsPage, fleet.oneOf("cluster, pool", "airflow_pool_size_slots", poolMatcher)),
			slots("open"), slots("running"), slots("queued"), slots("deferred"), slots("scheduled"),
			"time() - " + minBy("cluster, pool", fleet.of("airflow_pool_oldest_timestamp_seconds", `state="scheduled"`, poolMatcher)) +
				" and on (cluster, pool) " + fleet.oneOf("cluster, pool", "airflow_pool_size_slots"),
		},
		Columns: []column{
			{Field: "pool", Name: "Pool"},
			{Field: "Value #A", Name: "Size", Width: 90},
			{Field: "Value #B", Name: "Open", Width: 90, Thresholds: thresholds("red", step{1, "text"})},
			{Field: "Value #C", Name: "Running", Width: 90},
			{Field: "Value #D", Name: "Queued", Width: 90},
			{Field: "Value #E", Name: "Deferred", Width: 90},
			{Field: "Value #F", Name: "Waiting", Width: 90},
			{Field: "Value #G", Name: "Oldest waits", Unit: "s", Decimals: new(1.0), Width: 110, Thresholds: thresholds("text", step{1800, "red"})},
			clusterColumn(),
			pageColumn(),
		},
		Sort:    []sorting{{"Waiting", true}},
		Nothing: "unknown",
	}
}

func poolUseOverTime() graph {
	return graph{
		Title:       "Pool use",
		Description: "Share of the slots that are taken; unlimited pools have none. Since when a pool is full tells which run filled it.",
		Queries: []query{{"1 - " + fleet.oneOf("cluster, pool", "airflow_pool_slots", `state="open"`, poolMatcher) + " / on (cluster, pool) (" +
			fleet.oneOf("cluster, pool", "airflow_pool_size_slots", poolMatcher) + " > 0)", "{{cluster}} {{pool}}"}},
		Unit: "percentunit", Max: new(1.0), Interval: "5m", Thresholds: thresholds("transparent", step{0.8, "orange"}, step{0.95, "red"}), Nothing: "unknown",
	}
}

func poolHolders() listing {
	return listing{
		Title:       "Who holds the pools",
		Description: "The 25 DAGs that hold most slots of the chosen pools. When a pool is full: what of this can wait, or needs a pool of its own?",
		Queries:     []string{"topk(25, " + selected.oneOf("cluster, pool, dag_id", "airflow_pool_used_slots", poolMatcher) + ")"},
		Columns:     []column{{Field: "pool", Name: "Pool", Width: 130, Filterable: true}, dagColumn(), {Field: "Value", Name: "Slots", Width: 180, Bar: true}, clusterColumn()},
		Sort:        []sorting{{"Slots", true}},
		Nothing:     "No slot is known to be taken.",
	}
}

func queues() listing {
	return listing{
		Title:       "Worker queues",
		Description: "Task instances queued for and running in each queue, and how many its workers start. Queued, none running and none started: no worker listens to it.",
		Queries: []string{
			fleet.oneOf("cluster, queue", "airflow_queue_task_instances", `state="queued"`),
			fleet.oneOf("cluster, queue", "airflow_queue_task_instances", `state="running"`),
			"60 * sum by (cluster, queue) (" + maxBy("cluster, pool, queue", "rate("+fleet.of("airflow_task_instances_started_total")+"[15m])") + ")",
			"time() - " + minBy("cluster, queue", fleet.of("airflow_pool_oldest_timestamp_seconds", `state="queued"`)),
		},
		Columns: []column{
			{Field: "queue", Name: "Queue"},
			{Field: "Value #A", Name: "Queued", Width: 80},
			{Field: "Value #B", Name: "Running", Width: 80},
			{Field: "Value #C", Name: "Started per minute", Decimals: new(1.0), Width: 150},
			{Field: "Value #D", Name: "Oldest queued", Unit: "s", Decimals: new(1.0), Width: 120, Thresholds: thresholds("text", step{300, "red"})},
			clusterColumn(),
		},
		Sort:    []sorting{{"Queued", true}},
		Nothing: "unknown",
	}
}

func queueWaitMap() heat {
	return heat{
		Title:       "Queue wait",
		Description: "When attempts started, by how long they had been queued; darker or brighter: more at a time. A cloud that rises: too few workers for what is queued.",
		Expr:        fleet.buckets("cluster, pool, queue", "airflow_task_queue_wait_seconds", poolMatcher),
		Interval:    "2m", Nothing: "Nothing started.",
	}
}

func waits() graph {
	return graph{
		Title:       "Waits before a task runs",
		Description: "From queued to running, which workers take, and from scheduled to queued, which pools, limits and the scheduler take (Airflow 3 only). The larger one is where to look.",
		Queries: []query{
			{fleet.quantile(0.95, "queue, ", "airflow_task_queue_wait_seconds", poolMatcher), "queued, {{queue}} p95"},
			{fleet.quantile(0.95, "pool, ", "airflow_task_schedule_wait_seconds", poolMatcher), "scheduled, {{pool}} p95"},
		},
		Unit: "s", Interval: "5m", Nothing: "Nothing started.",
	}
}

func taskDurations() graph {
	return graph{
		Title:       "Task durations",
		Description: "How long attempts of the chosen DAGs ran, by how they ended. Failures that take seconds are bugs or refusals; those that take as long as a limit are timeouts.",
		Queries: []query{
			{selected.quantile(0.5, "state, ", "airflow_task_duration_seconds"), "{{state}} p50"},
			{selected.quantile(0.95, "state, ", "airflow_task_duration_seconds"), "{{state}} p95"},
		},
		Unit: "s", Interval: "5m", Overrides: byOutcome(), Nothing: "No attempt ended.",
	}
}

func timeSpent() listing {
	spent := selected.of("airflow_task_duration_seconds_sum")
	return listing{
		Title:       "Time spent, by DAG",
		Description: "Run time of the attempts that ended in the last hour, for each second of it, of the 25 DAGs with most: about how many workers each kept busy; a long one counts when it ends. The first ones are where savings count.",
		Queries: []string{"topk(25, sum by (cluster, dag_id) (" + maxBy("cluster, dag_id, state",
			"rate("+spent+"[1h]) or histogram_sum(rate("+selected.of("airflow_task_duration_seconds")+"[1h]))") + ") > 0)"},
		Columns: []column{dagColumn(), {Field: "Value", Name: "Workers", Decimals: new(2.0), Width: 220, Bar: true}, clusterColumn()},
		Sort:    []sorting{{"Workers", true}},
		Nothing: "No attempt ended.",
	}
}
