package main

// guards are what keeps the promises.
func guards() []guard {
	return []guard{
		// Right or absent.
		{
			name: "rows that come twice count once", file: "airflow/walk.go", old: "if _, again := w.seen[hash]; again {", new: "if false {",
			pkg: "./collector", run: "TestTruth$/cases/v2_get/unfinished", figure: "C1 wrong_samples",
		},
		{
			name: "rows that are missing", file: "airflow/walk.go", old: "if len(w.seen) >= w.page.total {", new: "if true {",
			pkg: "./collector", run: "TestTruth$/cases/v2_batch/unfinished", figure: "C1 wrong_samples",
		},
		{
			name: "states that were not asked for", file: "airflow/task_instances.go", old: "err == nil && !slices.Contains(q.States, t.State)", new: "err == nil && false && !slices.Contains(q.States, t.State)",
			pkg: "./collector", run: "TestTruth$/cases/v2_batch/unfinished", figure: "C1 wrong_samples",
		},
		{
			name: "max_age", file: "collector/snapshot.go", old: "now.Sub(s.fetchedAt) <= s.part.minAge()+maxAge", new: "true",
			pkg: "./collector", run: "TestWhatIsShownIsAsOldAsIsSaid", figure: "C16 stale_families",
		},
		// It never dies, and never grows.
		{
			name: "recover", file: "collector/telemetry.go", old: "if r := recover(); r != nil {", new: "if r := any(nil); r != nil {",
			pkg: "./collector", run: "TestPanicsAreCaughtEverywhere", figure: "C4 exits",
		},
		{
			name: "body cap", file: "airflow/guard.go", old: "case g.read > g.limit:", new: "case false:",
			pkg: ".", run: "TestMemory/hostile", figure: "C10 mebibytes_of_an_answer",
		},
		{
			name: "row cap", file: "airflow/guard.go", old: "if g.read > g.rowEnd {", new: "if false {",
			pkg: ".", run: "TestMemory/hostile", figure: "C10 peak_rss_mebibytes",
		},
		{
			name: "string cap", file: "airflow/guard.go", old: "g.length > maxString {", new: "false {",
			pkg: "./airflow", run: "TestNoBodyFillsTheMemory", figure: "C10 allocated_mebibytes",
		},
		{
			name: "max_series of gauges", file: "collector/fit.go", old: "g.tight = wanted > room-size.lines", new: "g.tight = false",
			pkg: ".", run: "TestMemory/million", figure: "C10 series",
		},
		{
			name: "DAGs that are gone", file: "collector/dags.go", old: "if k.missing == goneAfter {", new: "if false {",
			pkg: "./collector", run: "TestSoak", figure: "C20 heap_beyond_bytes", endless: true,
		},
		// In time.
		{
			name: "deadline of a scrape", file: "collector/serve.go", old: "return max(timeout-budgetMargin, timeout/2)", new: "return max(timeout, MaxBudget)",
			pkg: "./collector", run: "TestHangingAirflow", figure: "C5 overrun_milliseconds",
		},
		{
			name: "one collection at a time", file: "collector/flight.go", old: "if c.flight != nil || c.closed || (!c.started.IsZero() && now.Sub(c.started) < forgiving(c.cfg.Refresh)) {", new: "if c.closed {",
			pkg: "./collector", run: "TestFiftyScrapes", figure: "C7 collections_of_50_scrapes",
		},
		// No harm to Airflow.
		{
			name: "budget", file: "airflow/client.go", old: "if err := c.limiter.Wait(ctx); err != nil {", new: "if err := ctx.Err(); err != nil {",
			pkg: "./collector", run: "TestTheBudgetHolds", figure: "C8 requests_beyond_budget",
		},
		{
			name: "budget of what is sent again", file: "airflow/client.go", old: "if sent.Swap(true) {", new: "if sent.Swap(true) && false {",
			pkg: "./collector", run: "TestTheBudgetHolds", figure: "C8 requests_beyond_budget",
		},
		{
			name: "Retry-After", file: "airflow/client.go", old: "c.hold.obey(resp)", new: "",
			pkg: "./collector", run: "TestTheBudgetHolds", figure: "C8 requests_before_retry_after",
		},
		{
			name: "back-off of an outage", file: "collector/backoff.go", old: "return askHealthFirst", new: "return askEverything",
			pkg: "./collector", run: "TestAFailingAirflow", figure: "C9 requests_per_scrape_of_an_outage",
		},
		{
			name: "back-off of refused credentials", file: "collector/backoff.go", old: "return askHealthOnly", new: "return askLoginFirst",
			pkg: "./collector", run: "TestRefusedCredentials/3.3.2_wrong", figure: "C9 logins_in_a_day",
		},
		// No secret comes out.
		{
			name: "redaction", file: "airflow/conceal.go", old: `text = strings.ReplaceAll(text, form, "<secret>")`, new: "_ = form",
			pkg: ".", run: "TestNoSecretComesBackOut", figure: "C11 secret_hits",
		},
		{
			name: "redirects", file: "airflow/client.go", old: "cfg.HTTPClient.FollowRedirects = false", new: "cfg.HTTPClient.FollowRedirects = true",
			pkg: "./airflow", run: "TestRedirectsAreNotFollowed", figure: "C12 redirects_followed",
		},
		// It heals alone.
		{
			name: "a login that is refused is renewed", file: "airflow/client.go", old: "k.auth.renew(req) {", new: "k.auth.renew(req) && false {",
			pkg: "./collector", run: "TestLoginsHeal", figure: "C17 late_recoveries",
		},
		{
			name: "the ledger outlives a reload", file: "collector/counts.go", old: "if l.books == nil || l.url != url {", new: "if true {",
			pkg: ".", run: "TestBadReloadsUnderLoad", figure: "C18 lost_by_reloads",
		},
		// The own port.
		{
			name: "headers for browsers", file: "pages.go", old: "h.Set(header[0], header[1])", new: "_ = header",
			pkg: ".", run: "TestTheWebSurface", figure: "C14 missing_headers",
		},
		{
			name: "half requests are cut off", file: "main.go", old: "ReadHeaderTimeout: 5 * time.Second,\n		ReadTimeout:       10 * time.Second,", new: "",
			pkg: ".", run: "TestHalfRequests", figure: "C15 slowest_cut_seconds",
		},
	}
}
