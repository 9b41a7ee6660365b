package main

// staging is a small Airflow 2 on which changes are tried.
func staging() site {
	return site{
		cluster: "staging", version: "2.11.2", api: "v1", url: "https://airflow-staging.example.org", instance: "exporter:10113",
		states: []string{
			stateNone, stateScheduled, stateQueued, stateRunning, stateRestarting, stateDeferred, stateUpForRetry, stateUpForReschedule,
		},
		components:  []string{"metadatabase", "scheduler", "triggerer"},
		parallelism: 16,
		pools:       []poolPlan{{name: defaultPool, slots: 32}},
		queues:      []queuePlan{{defaultQueue, 8}},
		dags: []dagPlan{
			{id: "smoke_orders", owners: "commerce", tags: "smoke", schedule: "*/10 * * * *", tasks: []taskPlan{
				{id: "place_order", seconds: 20},
				{id: "check_order", after: "place_order", seconds: 10},
				{id: "cancel_order", after: "check_order", rule: allDone, seconds: 8},
			}},
			{id: "smoke_payments", owners: "payments", tags: "smoke", schedule: "30 * * * *", tasks: []taskPlan{
				{id: "charge_test_card", seconds: 15},
				{id: "refund_test_card", after: "charge_test_card", seconds: 12},
			}},
			{id: "contract_tests", owners: "data-platform", tags: "tests", schedule: "0 * * * *", tasks: []taskPlan{
				{id: "start_services", seconds: 90},
				{id: "run_suites", after: "start_services", seconds: 180, mapped: 3},
				{id: "stop_services", after: "run_suites", rule: allDone, seconds: 20},
			}},
			{id: "refresh_from_production", owners: "data-platform", tags: "nightly", schedule: "0 1 * * *", tasks: []taskPlan{
				{id: "dump", seconds: 900},
				{id: "anonymize", after: "dump", seconds: 1200},
				{id: "restore", after: "anonymize", seconds: 1500},
			}},
			{id: "load_fixtures", owners: "data-platform", tags: "tests", tasks: []taskPlan{
				{id: "load", seconds: 60},
				{id: "verify", after: "load", seconds: 20},
			}},
		},
		story: stagingStory(),
	}
}
