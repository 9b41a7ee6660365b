// Command history writes the last 24 hours of two made-up Airflows as the exporter would have shown them, so that there is
// something to draw the dashboards on. It is the same byte for byte each time.
//
// A small simulation runs underneath: DAGs have schedules, runs and task instances, which wait for pools, limits and workers,
// fail and are retried. What is written is derived from that state, in the way of the exporter: part by part, with the age of
// each, counters as it counts them. [production] and [staging] say what there is, [productionStory] what happens.
//
//	go run ./preview/history -out DIR                                        # DIR/2026-10-05T06.om and eleven more, two hours each
//	promtool tsdb create-blocks-from openmetrics DIR/2026-10-05T06.om DATA   # each of them
//	prometheus --storage.tsdb.path=DATA --storage.tsdb.retention.time=100y --query.lookback-delta=60s …
//
// A backfill has no staleness markers. With a lookback of 60 s, the time between two scrapes, a series ends with its last
// sample; a longer one shows for a moment what was and what is together.
//
// With -rules FILE it also writes what these rules would have recorded and fired, as rules for promtool tsdb
// create-blocks-from rules: see [writeRules].
package main
