package main

// The history, and when the simulation and the exporter start, so that counters and last runs are there at its begin.
// Unix seconds, so that they are constants.
const (
	simulationStart int64 = 1791072000 // 2026-10-04T00:00:00Z
	historyStart    int64 = 1791180000 // 2026-10-05T06:00:00Z
	historyEnd      int64 = historyStart + 24*3600
	scrapeInterval  int64 = 60
)

// night is a time of the history: from 06:00 on of the first day, before it of the second.
func night(hour, minute int64) int64 {
	if hour < 6 {
		hour += 24
	}
	return historyStart + (hour-6)*3600 + minute*60
}

// span is from one time until before another.
type span struct{ from, to int64 }

func (s span) has(t int64) bool { return s.from <= t && t < s.to }

// spell makes attempts that start within it fail or take long. The first one that fits an attempt decides.
type spell struct {
	span
	dag, task, pool string  // none: any
	fails           float64 // probability
	failsAfter      float64 // seconds, about
	slower          float64 // factor, 0 for 1
}

// brokenFile is a DAG file that does not import.
type brokenFile struct {
	span
	bundle string
}

// act is what somebody does by hand.
type act struct {
	at          int64
	clear       string // the DAG whose failed tasks are cleared in the run that ended last, if that failed
	trigger     string // the DAG that gets a manual run
	triggerRuns int    // how many
}

// glitch is a refresh of one part that fails although the API answers.
type glitch struct {
	at          int64
	part        string
	class, code string
}

// story is what happens to an Airflow.
type story struct {
	apiDown        span
	apiSlow        span
	schedulerHangs span // it queues nothing, and says that it is well
	schedulerDown  span
	noConsumer     map[string]int64 // by queue: since when
	spells         []spell
	acts           []act
	brokenFiles    []brokenFile
	glitches       []glitch
	failureRate    float64 // of attempts that nothing else befalls
}

// productionStory is the night that the pictures show.
func productionStory() story {
	end := historyEnd
	mend := func(hour, minute int64, dag string) act { return act{at: night(hour, minute) + 20, clear: dag} }
	trigger := func(hour, minute int64, dag string, runs int) act {
		return act{at: night(hour, minute) + 20, trigger: dag, triggerRuns: runs}
	}
	return story{
		apiDown:        span{night(23, 5) - 20, night(23, 8) - 20},
		apiSlow:        span{night(23, 3), night(23, 12)},
		schedulerHangs: span{night(1, 6), night(1, 10)},
		schedulerDown:  span{night(1, 10), night(1, 35)},
		noConsumer:     map[string]int64{gpuQueue: night(5, 5)},
		failureRate:    0.0015,
		spells: []spell{
			{span: span{night(20, 0), end}, dag: "customer_churn", task: "train_model", fails: 1, failsAfter: 260},
			{span: span{night(2, 0), night(2, 55)}, dag: "inventory_snapshot"},
			{span: span{night(2, 55), night(4, 30)}, dag: "inventory_snapshot", fails: 1, failsAfter: 45},
			{span: span{night(2, 0), night(4, 30)}, pool: warehouse, fails: 0.75, failsAfter: 200},
			{span: span{night(4, 30), end}, pool: warehouse, slower: 3},
			{span: span{night(3, 55), end}, dag: "recommendation_features", task: "compute_features", slower: 7},
			{span: span{night(1, 55), end}, dag: "finance_bank_statements", task: "wait_for_statement", slower: 40},
		},
		acts: []act{
			trigger(14, 10, "orders_replay", 1),
			trigger(21, 40, "old_crm_import", 1),
			trigger(22, 15, "orders_replay", 1),
			mend(4, 36, "dbt_hourly"),
			mend(4, 38, "warehouse_load_sales"),
			mend(4, 39, "warehouse_load_web"),
			mend(4, 41, "customer_segments"),
			mend(4, 46, "carrier_invoices"),
			trigger(4, 50, "price_recalculation", 3),
			mend(4, 52, "supplier_feeds"),
			mend(4, 54, "payments_reconcile"),
			mend(4, 55, "dbt_hourly"),
			mend(5, 4, "inventory_forecast"),
			trigger(5, 12, "price_recalculation", 4),
		},
		brokenFiles: []brokenFile{
			{span{night(10, 12), night(10, 41)}, "dags-folder"},
			{span{night(22, 30), end}, "dags-folder"},
			{span{night(0, 50), end}, "dags-folder"},
		},
		glitches: []glitch{
			{night(23, 4), "attempts", "timeout", "error"},
			{night(23, 8), "dag_runs", "server", "500"},
			{night(23, 9), "pools", "timeout", "error"},
			{night(23, 10), "dag_runs", "server", "500"},
		},
	}
}

// stagingStory is a night in which one DAG fails.
func stagingStory() story {
	return story{
		failureRate: 0.003,
		spells: []spell{
			{span: span{night(17, 0), historyEnd}, dag: "smoke_payments", task: "charge_test_card", fails: 1, failsAfter: 12},
		},
		acts: []act{{at: night(15, 20), trigger: "load_fixtures", triggerRuns: 1}},
	}
}
