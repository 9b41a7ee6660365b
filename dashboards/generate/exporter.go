package main

import "github.com/grafana/grafana-foundation-sdk/go/dashboard"

// exporter asks whether the other dashboards can be believed, and what they cost Airflow.
func exporter() board {
	return board{
		UID: exporterUID, Title: "Airflow / Exporter",
		Description: "Can the numbers be believed, and what do they cost Airflow? Requests, answers, age of the data, errors.",
		Variables:   []dashboard.VariableModel{clusters()},
		Annotations: []dashboard.AnnotationQuery{fleet.firing(`component=~"exporter|api"`), restarts()},
		Rows: []row{
			{Title: "Does it see Airflow?", Lines: []line{
				{4, []panel{reachable().wide(4), partsFailing().wide(4), dataAge().wide(4), requestsPerMinute().wide(4), slowestAnswer().wide(4), seriesDropped().wide(4)}},
				{9, []panel{parts().wide(12), whatFails().wide(12)}},
			}},
			{Title: "What does it cost Airflow?", Lines: []line{
				{10, []panel{requestsByEndpoint().wide(12), answerTimes().wide(12)}},
				{10, []panel{bytesByEndpoint().wide(12), answersByCode().wide(12)}},
			}},
			{Title: "Are the numbers fresh and complete?", Lines: []line{
				{8, []panel{ageOverTime().wide(8), collectionTime().wide(8), visibleDags().wide(8)}},
			}},
			{Title: "The process", Collapsed: true, Lines: []line{
				{8, []panel{memory().wide(8), cpu().wide(8), scrapes().wide(8)}},
				{8, []panel{series().wide(8), dropped().wide(8), clockSkew().wide(8)}},
			}},
		},
	}
}

func reachable() number {
	return number{
		Title:       "Airflow's API",
		Description: "Whether the last collection reached the API and was let in, in the worst Airflow. Unreachable: all else on these dashboards is old or absent; the table says why.",
		Expr:        "min(" + fleet.oneOf("cluster", "airflow_up") + ")",
		Unit:        "none", Words: worded(state{"unreachable", failed}, state{"reachable", success}), Nothing: "not scraped",
	}
}

func partsFailing() number {
	return number{
		Title:       "Parts failing",
		Description: "Parts of the exporter whose last refresh failed: their numbers are old or absent. Above 0: the table says which, and the class of the error.",
		Expr:        fleet.countOrZero(minBy("cluster, collector", fleet.of("airflow_exporter_collector_success"))+" == 0", fleet.of("airflow_exporter_collector_success")),
		Unit:        "none", Thresholds: noneIsGood(), Nothing: "not scraped",
	}
}

func age() string {
	// Prometheus' clock may be behind ours.
	return "clamp_min(time() - " + fleet.oneOf("cluster, collector", "airflow_exporter_collector_last_refresh_timestamp_seconds") + ", 0)"
}

func dataAge() number {
	return number{
		Title:       "Oldest data",
		Description: "Age of the data of the part that was fetched longest ago; DAGs are fetched every 5 minutes. Above 10 minutes: Airflow fails or is too slow to answer, and alerts tell less than they seem to.",
		Expr:        "max(" + age() + ")",
		Unit:        "s", Decimals: new(0.0), Thresholds: thresholds("green", step{420, "orange"}, step{600, "red"}), Nothing: "not scraped",
	}
}

func requestsPerMinute() number {
	return number{
		Title:       "Requests per min",
		Description: "What is asked of Airflow's API, by all exporters. A few dozen are usual; more at a start, or with airflow.list: get. If Airflow is slow, raise collector.refresh or lower collector.fanout.",
		Expr:        "60 * sum(rate(" + fleet.of("airflow_exporter_api_requests_total") + "[5m]))",
		Unit:        "short", Decimals: new(0.0), Nothing: "not scraped",
	}
}

func slowestAnswer() number {
	return number{
		Title: "Answers, p95",
		Description: "Within this time 95 % of the answers of the last 5 minutes were read. Seconds: the API server or the database is slow, for its users, too; " +
			"the graph by endpoint says which question.",
		Expr: "histogram_quantile(0.95, sum by (le) (rate(" + fleet.of("airflow_exporter_api_request_duration_seconds_bucket") + "[5m]))) or histogram_quantile(0.95, sum (rate(" +
			fleet.of("airflow_exporter_api_request_duration_seconds") + "[5m])))",
		Unit: "s", Thresholds: thresholds("green", step{1, "orange"}, step{5, "red"}), Nothing: "nothing was asked",
	}
}

func seriesDropped() number {
	return number{
		Title:       "Series without room",
		Description: "Series that collector.max_series left no room for. Above 0: sums are right, but some tasks or DAGs count as __other__; raise it, or select DAGs.",
		Expr:        "sum(" + fleet.oneOf("cluster, family", "airflow_exporter_dropped_series") + ")",
		Unit:        "short", Decimals: new(0.0), Thresholds: noneIsGood(), Nothing: "not scraped",
	}
}

func parts() timeline {
	return timeline{
		Title:       "Parts",
		Description: "Whether the last refresh of each part that was due succeeded. Red: what it tells was old or absent then. All red at once is Airflow's API, one alone a missing right.",
		Queries:     []query{{minBy("cluster, collector", fleet.of("airflow_exporter_collector_success")), "{{cluster}} {{collector}}"}},
		Words:       worded(state{"failed", failed}, state{"success", success}),
		Nothing:     "unknown",
	}
}

func whatFails() listing {
	return listing{
		Title:       "What failed",
		Description: "Refreshes that failed in the time shown, by part and class of the error, and whether it fails now. forbidden: a right is missing; auth: the login; timeout and server: Airflow; the log of the exporter says more.",
		Queries: []string{
			"round(" + maxBy("cluster, collector, class", "increase("+fleet.of("airflow_exporter_collector_errors_total")+"[$__range])") + ") > 0",
			fleet.oneOf("cluster, collector, class", "airflow_exporter_collector_error"),
		},
		Columns: []column{
			{Field: "collector", Name: "Part"},
			{Field: "class", Name: "Class", Width: 130},
			{Field: "Value #A", Name: "Refreshes", Width: 100},
			{Field: "Value #B", Name: "Now", Width: 90, Filled: true, Words: worded(state{"", "transparent"}, state{"failing", failed})},
			clusterColumn(),
		},
		Sort:    []sorting{{"Now", true}, {"Refreshes", true}},
		Nothing: "Nothing failed in this time.",
	}
}

// shortened leaves of the long endpoints what tells them apart.
func shortened(expr string) string {
	return `label_replace(` + expr + `, "endpoint", "…/{task_id}/$1", "endpoint", ".*/[{]task_id[}]/(.+)")`
}

func requestsByEndpoint() graph {
	return graph{
		Title:       "Requests, by endpoint",
		Description: "What is asked of Airflow, per minute. It must not grow with the history; dependencies and tries grow with what waits, up to collector.fanout.",
		Queries:     []query{{shortened("60 * sum by (endpoint) (rate(" + fleet.of("airflow_exporter_api_requests_total") + "[$__rate_interval]))"), "{{endpoint}}"}},
		Unit:        "suffix: /min", Stacked: true, Nothing: "Nothing was asked.",
	}
}

func answerTimes() graph {
	return graph{
		Title:       "Answer times, by endpoint, p95",
		Description: "From a question to the end of its answer. One endpoint that is slow: its query is expensive here; all of them: the API server or its database.",
		Queries:     []query{{shortened(fleet.quantile(0.95, "endpoint, ", "airflow_exporter_api_request_duration_seconds")), "{{endpoint}}"}},
		Unit:        "s", Interval: "5m", Nothing: "Nothing was asked.",
	}
}

func bytesByEndpoint() graph {
	return graph{
		Title:       "Bytes, by endpoint",
		Description: "Bytes of Airflow's answers. What Airflow must write and send; if it grows, more task instances are unfinished or more end.",
		Queries:     []query{{shortened("sum by (endpoint) (rate(" + fleet.of("airflow_exporter_api_response_bytes_total") + "[$__rate_interval]))"), "{{endpoint}}"}},
		Unit:        "Bps", Stacked: true, Nothing: "Nothing was asked.",
	}
}

func answersByCode() graph {
	return graph{
		Title:       "Answers that were no success",
		Description: "Answers with a status other than 200 or 201, and requests without an answer (error), per minute. 401 and 403: the account; 429: Airflow or a proxy slows it down; 5xx: Airflow's log.",
		Queries:     []query{{"60 * sum by (code) (rate(" + fleet.of("airflow_exporter_api_requests_total", `code!~"200|201"`) + "[$__rate_interval])) > 0", "{{code}}"}},
		Unit:        "suffix: /min", Stacked: true, Bars: true, Nothing: "None is known.",
	}
}

func ageOverTime() graph {
	return graph{
		Title:       "Age of the data, by part",
		Description: "How old the data of each part was. Saw teeth are its refresh interval; a line that climbs is a part that fails.",
		Queries:     []query{{"max by (collector) (" + age() + ")", "{{collector}}"}},
		Unit:        "s", Thresholds: thresholds("transparent", step{600, "red"}), Nothing: "not scraped",
	}
}

func collectionTime() graph {
	return graph{
		Title:       "Refresh time, by part",
		Description: "How long the last refresh of each part took. Near the budget of a scrape (dashed): parts are cut, and come with the next scrape; raise scrape_timeout.",
		Queries: []query{
			{fleet.oneOf("collector", "airflow_exporter_collector_duration_seconds"), "{{collector}}"},
			{"min(" + fleet.of("airflow_exporter_scrape_budget_seconds") + ")", "budget of a scrape"},
		},
		Unit: "s",
		Overrides: []dashboard.DashboardFieldConfigSourceOverrides{{
			Matcher: dashboard.MatcherConfig{Id: "byName", Options: "budget of a scrape"},
			Properties: []dashboard.DynamicConfigValue{
				{Id: "color", Value: fixed("#788ba1")},
				{Id: "custom.lineStyle", Value: map[string]any{"fill": "dash", "dash": []int{8, 8}}},
			},
		}},
		Nothing: "not scraped",
	}
}

func visibleDags() graph {
	return graph{
		Title:       "DAGs it sees, parts that are cut",
		Description: "DAGs that Airflow lists for its account: a fall means lost rights or removed files. Parts that a limit cuts: their numbers are lower bounds.",
		Queries: []query{
			{fleet.oneOf("cluster", "airflow_exporter_visible_dags"), "{{cluster}} DAGs"},
			{fleet.oneOf("cluster, collector", "airflow_exporter_collector_truncated") + " == 1", "{{cluster}} {{collector}} is cut"},
		},
		Unit: "short", Decimals: new(0.0), Stepped: true, Nothing: "not scraped",
	}
}

// ofExporters keeps what belongs to a process that is an exporter, whatever its job is called.
func ofExporters(expr string) string {
	return expr + " and on (job, instance) " + fleet.of("airflow_exporter_build_info")
}

func memory() graph {
	return graph{
		Title:       "Memory",
		Description: "Resident memory of each exporter. It grows with the unfinished task instances and the series; if it climbs for days, please report it.",
		Queries:     []query{{ofExporters(fleet.of("process_resident_memory_bytes")), "{{cluster}} {{instance}}"}},
		Unit:        "bytes", Nothing: "not scraped",
	}
}

func cpu() graph {
	return graph{
		Title:       "CPU",
		Description: "Share of a CPU that each exporter uses. Above a tenth: very many series, or a very short scrape interval.",
		Queries:     []query{{ofExporters("rate(" + fleet.of("process_cpu_seconds_total") + "[$__rate_interval])"), "{{cluster}} {{instance}}"}},
		Unit:        "percentunit", Nothing: "not scraped",
	}
}

func scrapes() graph {
	return graph{
		Title:       "Scrape time",
		Description: "How long Prometheus waited for each exporter. At the scrape timeout Prometheus drops the scrape: raise scrape_timeout.",
		Queries:     []query{{ofExporters(fleet.of("scrape_duration_seconds")), "{{cluster}} {{instance}}"}},
		Unit:        "s", Nothing: "not scraped",
	}
}

func series() graph {
	return graph{
		Title:       "Samples in a scrape",
		Description: "What each scrape brings to Prometheus. If it is too much: dags.include, collector.task_labels: false, native histograms.",
		Queries:     []query{{ofExporters(fleet.of("scrape_samples_scraped")), "{{cluster}} {{instance}}"}},
		Unit:        "short", Decimals: new(0.0), Nothing: "not scraped",
	}
}

func dropped() graph {
	return graph{
		Title:       "Series without room, by family",
		Description: "Series that collector.max_series left no room for. Which families lose theirs tells what rules and panels miss.",
		Queries:     []query{{"sum by (family) (" + fleet.oneOf("cluster, family", "airflow_exporter_dropped_series") + ") > 0", "{{family}}"}},
		Unit:        "short", Decimals: new(0.0), Stacked: true, Nothing: "None is known to have no room.",
	}
}

func clockSkew() graph {
	return graph{
		Title:       "Clock skew",
		Description: "The exporter's clock minus Airflow's, as far as HTTP tells. More than some seconds: ages and waits are wrong by that; mend the clocks.",
		Queries:     []query{{fleet.oneOf("cluster, instance", "airflow_exporter_clock_skew_seconds"), "{{cluster}} {{instance}}"}},
		Unit:        "s", Afloat: true, Nothing: "not scraped",
	}
}
