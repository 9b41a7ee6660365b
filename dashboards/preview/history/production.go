package main

// production is the Airflow of a company that sells things: 40 DAGs.
func production() site {
	return site{
		cluster: "production", version: "3.3.2", api: "v2", url: "https://airflow.example.org", instance: "exporter:10112",
		states: []string{
			stateNone, stateScheduled, stateQueued, stateRunning, stateRestarting, stateDeferred, stateAwaitingInput,
			stateUpForRetry, stateUpForReschedule,
		},
		components:  []string{"metadatabase", "scheduler", "triggerer", "dag_processor"},
		parallelism: 40,
		pools: []poolPlan{
			{name: defaultPool, slots: 128}, {name: warehouse, slots: 12}, {name: apiCalls, slots: 6, includeDeferred: true},
			{name: gpuPool, slots: 2}, {name: "notifications"},
		},
		queues: []queuePlan{{defaultQueue, 12}, {etlQueue, 16}, {gpuQueue, 2}},
		dags:   append(shopDags(), dataDags()...),
		story:  productionStory(),
	}
}

// shopDags are those of the shop: orders, payments, stock, shipping, finance.
func shopDags() []dagPlan {
	return []dagPlan{
		{id: "orders_ingest", owners: "commerce", tags: "ingest,orders", schedule: "*/5 * * * *", tasks: []taskPlan{
			{id: "fetch_orders", pool: apiCalls, seconds: 55},
			{id: "validate_orders", after: "fetch_orders", seconds: 18},
			{id: "load_orders", after: "validate_orders", pool: warehouse, seconds: 70, priority: 4},
			{id: "refresh_order_cache", after: "load_orders", seconds: 9},
		}},
		{id: "orders_enrich", owners: "commerce", tags: "orders", schedule: "*/10 * * * *", tasks: []taskPlan{
			{id: "read_new_orders", pool: warehouse, seconds: 80},
			{id: "geocode_addresses", after: "read_new_orders", pool: apiCalls, seconds: 150, mapped: 2},
			{id: "score_baskets", after: "read_new_orders", seconds: 120},
			{id: "tag_gifts", after: "read_new_orders", seconds: 45},
			{id: "write_enriched", after: "geocode_addresses score_baskets tag_gifts", pool: warehouse, seconds: 130, priority: 4},
		}},
		{id: "orders_dedup", owners: "commerce", tags: "orders,quality", schedule: "*/15 * * * *", tasks: []taskPlan{
			{id: "find_duplicates", pool: warehouse, seconds: 170},
			{id: "choose", after: "find_duplicates", kind: branch, seconds: 7},
			{id: "merge_duplicates", after: "choose", pool: warehouse, seconds: 110},
			{id: "nothing_to_merge", after: "choose", seconds: 5},
			{id: "report", after: "merge_duplicates nothing_to_merge", rule: noneFailed, seconds: 12},
		}},
		{id: "orders_replay", owners: "commerce", tags: "orders", tasks: []taskPlan{
			{id: "select_orders", pool: warehouse, seconds: 120},
			{id: "replay", after: "select_orders", pool: apiCalls, seconds: 900},
			{id: "compare", after: "replay", seconds: 60},
		}},
		{id: "payments_ingest", owners: "payments", tags: "ingest,payments,pci", schedule: "*/5 * * * *", tasks: []taskPlan{
			{id: "fetch_transactions", pool: apiCalls, seconds: 40},
			{id: "mask_card_data", after: "fetch_transactions", seconds: 14},
			{id: "load_transactions", after: "mask_card_data", pool: warehouse, seconds: 60, priority: 4},
		}},
		{id: "payments_reconcile", owners: "finance,payments", tags: "finance,payments", schedule: "10 * * * *", tasks: []taskPlan{
			{id: "load_ledger", pool: warehouse, seconds: 360},
			{id: "load_psp_report", pool: apiCalls, seconds: 230},
			{id: "load_bank_report", pool: apiCalls, seconds: 200},
			{id: "load_vouchers", seconds: 60},
			{id: "match_transactions", after: "load_ledger load_psp_report load_bank_report load_vouchers", seconds: 600},
			{id: "write_matches", after: "match_transactions", pool: warehouse, seconds: 290},
			{id: "open_disputes", after: "match_transactions", seconds: 90},
			{id: "notify_finance", after: "write_matches open_disputes", pool: "notifications", seconds: 10},
		}},
		{id: "refunds_review", owners: "payments", tags: "manual_step,payments", schedule: "0 22 * * *", tasks: []taskPlan{
			{id: "collect_refunds", pool: warehouse, seconds: 80},
			{id: "approve_refunds", after: "collect_refunds", kind: approval, seconds: 36000},
			{id: "pay_refunds", after: "approve_refunds", pool: apiCalls, seconds: 120},
			{id: "mail_customers", after: "pay_refunds", pool: "notifications", seconds: 40},
		}},
		{id: "price_recalculation", owners: "pricing", tags: "prices", schedule: "*/15 * * * *", maxActiveRuns: 2, tasks: []taskPlan{
			{id: "read_competitors", pool: apiCalls, seconds: 140},
			{id: "read_stock", pool: warehouse, seconds: 110},
			{id: "compute_prices", after: "read_competitors read_stock", seconds: 340},
			{id: "write_prices", after: "compute_prices", pool: warehouse, seconds: 210},
			{id: "publish_prices", after: "write_prices", pool: apiCalls, seconds: 70},
		}},
		{
			id: "inventory_snapshot", owners: "logistics", tags: "inventory", schedule: "*/30 * * * *",
			dependsOnPast: true, maxActiveRuns: 1, tasks: []taskPlan{
				{id: "snapshot_stock", pool: warehouse, seconds: 200, priority: 10},
				{id: "diff_with_previous", after: "snapshot_stock", seconds: 100, priority: 10},
				{id: "check_thresholds", after: "diff_with_previous", seconds: 40, priority: 10},
				{id: "order_supplies", after: "check_thresholds", seconds: 50, priority: 10},
				{id: "publish_inventory", after: "diff_with_previous", pool: apiCalls, seconds: 90, priority: 10},
			},
		},
		{id: "inventory_forecast", owners: "data-science", tags: "inventory,ml", schedule: "40 3 * * *", tasks: []taskPlan{
			{id: "read_sales", pool: warehouse, seconds: 450},
			{id: "fit_models", after: "read_sales", seconds: 1250, mapped: 4},
			{id: "fit_promotions", after: "read_sales", seconds: 700},
			{id: "fit_weather", after: "read_sales", seconds: 650},
			{id: "combine_forecasts", after: "fit_models fit_promotions fit_weather", seconds: 110},
			{id: "write_forecast", after: "combine_forecasts", pool: warehouse, seconds: 160},
		}},
		{id: "stock_levels_sync", owners: "logistics", tags: "inventory", schedule: "*/10 * * * *", tasks: []taskPlan{
			{id: "read_wms", pool: apiCalls, seconds: 90},
			{id: "compute_levels", after: "read_wms", seconds: 55},
			{id: "write_levels", after: "compute_levels", pool: warehouse, seconds: 100, priority: 4},
			{id: "push_to_shop", after: "compute_levels", pool: apiCalls, seconds: 70},
		}},
		{id: "shipping_labels", owners: "logistics", tags: "shipping", schedule: "*/30 * * * *", tasks: []taskPlan{
			{id: "collect_parcels", seconds: 30},
			{id: "print_batch", after: "collect_parcels", seconds: 90, mapped: 5, atOnce: 1},
			{id: "hand_over", after: "print_batch", seconds: 12},
		}},
		{id: "shipping_tracking", owners: "logistics", tags: "shipping", schedule: "*/30 * * * *", tasks: []taskPlan{
			{id: "poll_carriers", pool: apiCalls, seconds: 160},
			{id: "update_parcels", after: "poll_carriers", seconds: 90},
			{id: "find_lost_parcels", after: "update_parcels", seconds: 35},
			{id: "mail_customers", after: "update_parcels", pool: "notifications", seconds: 45},
		}},
		{id: "carrier_invoices", owners: "finance,logistics", tags: "finance,shipping", schedule: "0 3 * * *", tasks: []taskPlan{
			{id: "download_invoices", pool: apiCalls, seconds: 270},
			{id: "parse_invoices", after: "download_invoices", seconds: 320},
			{id: "read_contracts", seconds: 70},
			{id: "load_invoices", after: "parse_invoices", pool: warehouse, seconds: 290},
			{id: "check_rates", after: "load_invoices read_contracts", pool: warehouse, seconds: 160},
			{id: "mail_differences", after: "check_rates", pool: "notifications", seconds: 9},
		}},
		{id: "supplier_feeds", owners: "purchasing", tags: "ingest,suppliers", schedule: "0 */3 * * *", tasks: []taskPlan{
			{id: "wait_for_files", kind: deferrable, seconds: 8400, mapped: 6, priority: 2},
			{id: "parse_files", after: "wait_for_files", seconds: 80, mapped: 4},
			{id: "check_prices", after: "parse_files", seconds: 30},
			{id: "load_offers", after: "parse_files", pool: warehouse, seconds: 120},
			{id: "archive_files", after: "parse_files", rule: allDone, seconds: 15},
		}},
		{id: "fx_rates", owners: "finance", tags: "finance", schedule: "20 * * * *", tasks: []taskPlan{
			{id: "wait_for_rates", kind: reschedule, seconds: 1500, mapped: 3},
			{id: "download_rates", after: "wait_for_rates", pool: apiCalls, seconds: 8},
			{id: "store_rates", after: "download_rates", seconds: 10},
		}},
		{
			id: "finance_bank_statements", owners: "finance", tags: "finance,sla", schedule: "0 2 * * *",
			tasks: []taskPlan{
				{id: "wait_for_statement", kind: deferrable, seconds: 1500},
				{id: "parse_statement", after: "wait_for_statement", seconds: 40},
				{id: "load_statement", after: "parse_statement", pool: warehouse, seconds: 70},
				{id: "notify_treasury", after: "load_statement", pool: "notifications", seconds: 4},
			},
		},
		{id: "finance_daily_close", owners: "finance", tags: "finance,sla", schedule: "0 5 * * *", tasks: []taskPlan{
			{id: "lock_period", pool: warehouse, seconds: 45},
			{id: "post_sales", after: "lock_period", pool: warehouse, seconds: 360},
			{id: "post_refunds", after: "lock_period", pool: warehouse, seconds: 220},
			{id: "post_fees", after: "lock_period", pool: warehouse, seconds: 160},
			{id: "post_shipping", after: "lock_period", pool: warehouse, seconds: 140},
			{id: "post_vouchers", after: "lock_period", pool: warehouse, seconds: 110},
			{id: "trial_balance", after: "post_sales post_refunds post_fees post_shipping post_vouchers", pool: warehouse, seconds: 270},
			{id: "mail_report", after: "trial_balance", pool: "notifications", seconds: 9},
		}},
		{
			id: "board_report", owners: "finance", tags: "finance,report", schedule: "15 4 * * 2",
			last: lastRun{start: simulationStart - 5*86400 + 4*3600 + 903, seconds: 2400}, tasks: []taskPlan{
				{id: "collect_figures", seconds: 360},
				{id: "render_pages", after: "collect_figures", pool: "reporting", seconds: 550},
				{id: "mail_board", after: "render_pages", pool: "notifications", seconds: 9},
			},
		},
		{
			id: "gdpr_erasure", owners: "legal", tags: "gdpr,manual_step",
			last: lastRun{start: simulationStart - 39*86400 + 34211, seconds: 750}, tasks: []taskPlan{
				{id: "read_requests", seconds: 20},
				{id: "erase_customers", after: "read_requests", pool: warehouse, seconds: 600},
				{id: "confirm", after: "erase_customers", pool: "notifications", seconds: 10},
			},
		},
	}
}
