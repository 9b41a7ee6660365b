package main

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// invariants hold at each scrape. Those that compare parts are left out while one of them fails: then they are of different ages.
type invariants struct {
	last     map[string]map[[2]string]seenSample // by cluster, then by name and labels
	scrapes  map[string]int
	compared int
	problems []string
}

type seenSample struct {
	at    int64
	value float64
}

func newInvariants() *invariants {
	return &invariants{last: map[string]map[[2]string]seenSample{}, scrapes: map[string]int{}}
}

func (c *invariants) fail(s *scrape, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	c.problems = append(c.problems, time.Unix(s.at, 0).UTC().Format("02 15:04 ")+s.site.cluster+": "+text)
}

func (c *invariants) check(t *testing.T) {
	for i, problem := range c.problems {
		if i == 20 {
			t.Fatalf("and %d more", len(c.problems)-i)
		}
		t.Error(problem)
	}
	minutes := int((historyEnd - historyStart) / 60)
	if c.scrapes["production"] != minutes || c.scrapes["staging"] != minutes {
		t.Errorf("scrapes: %v, want one a minute of each", c.scrapes)
	}
	if c.compared < 2*minutes-20 {
		t.Errorf("the parts could be compared in %d scrapes only", c.compared)
	}
}

func (c *invariants) look(s *scrape, v view) {
	c.scrapes[s.site.cluster]++
	c.lookAtSeries(s)
	c.lookAtHistograms(s, v)
	for _, one := range v["airflow_exporter_collector_success"] {
		if one.value == 0 {
			return
		}
	}
	c.compared++
	c.lookAtInstances(s, v)
	c.lookAtPools(s, v)
	c.lookAtRuns(s, v)
}

// lookAtSeries: each label set comes once, values are numbers, counters never fall.
func (c *invariants) lookAtSeries(s *scrape) {
	last := c.last[s.site.cluster]
	if last == nil {
		last = map[[2]string]seenSample{}
		c.last[s.site.cluster] = last
	}
	for _, one := range s.samples {
		key := [2]string{one.name, one.labels}
		before, ok := last[key]
		last[key] = seenSample{s.at, one.value}
		switch {
		case ok && before.at == s.at:
			c.fail(s, "%s{%s} comes twice", one.name, one.labels)
		case math.IsNaN(one.value) || one.value < 0:
			c.fail(s, "%s{%s} is %g", one.name, one.labels, one.value)
		case !counts(one.name):
		case ok && one.value < before.value:
			c.fail(s, "%s{%s} fell from %g to %g", one.name, one.labels, before.value, one.value)
		case ok && before.at != s.at-60:
			c.fail(s, "%s{%s} was absent", one.name, one.labels)
		case !ok && one.value != 0 && s.at > historyStart && strings.HasPrefix(one.name, "airflow_") && !strings.HasPrefix(one.name, "airflow_exporter_"):
			c.fail(s, "%s{%s} is born at %g", one.name, one.labels, one.value)
		}
	}
}

func counts(name string) bool {
	for _, suffix := range []string{"_total", "_bucket", "_sum", "_count"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// lookAtHistograms: buckets hold one another, and the last one all.
func (c *invariants) lookAtHistograms(s *scrape, v view) {
	for name, buckets := range v {
		base, ok := strings.CutSuffix(name, "_bucket")
		if !ok {
			continue
		}
		total, before := 0.0, 0.0
		for _, b := range buckets {
			if b.value < before {
				c.fail(s, "%s%v is smaller than the bucket before it", name, b.labels)
			}
			if before = b.value; b.labels["le"] == "+Inf" {
				total, before = total+b.value, 0
			}
		}
		if count := v.sum(base + "_count"); count != total {
			c.fail(s, "%s: the last buckets hold %g, the counts are %g", base, total, count)
		}
	}
	if started, waited := v.sum("airflow_task_instances_started_total"), v.sum("airflow_task_queue_wait_seconds_count"); waited > started {
		c.fail(s, "%g attempts waited in a queue, %g were started", waited, started)
	}
}

// lookAtInstances: all ways to count the unfinished task instances agree.
func (c *invariants) lookAtInstances(s *scrape, v view) {
	for _, state := range s.site.states {
		all := v.one("airflow_unfinished_task_instances", "state", state)
		if sum := v.sum("airflow_task_instances", "state", state); state != stateNone && sum != all {
			c.fail(s, "%g instances are %s by task, %g in all", sum, state, all)
		}
		if all < 0 {
			c.fail(s, "the state %s has no series", state)
		}
	}
	for _, state := range []string{stateQueued, stateRunning} {
		if q, all := v.sum("airflow_queue_task_instances", "state", state), v.one("airflow_unfinished_task_instances", "state", state); q != all {
			c.fail(s, "%g instances are %s by queue, %g in all", q, state, all)
		}
	}
	type dagState struct{ dag, state string }
	states := map[dagState]bool{}
	for _, one := range v["airflow_task_instances"] {
		states[dagState{one.labels["dag_id"], one.labels["state"]}] = true
	}
	for _, one := range v["airflow_task_instances_oldest_timestamp_seconds"] {
		key := dagState{one.labels["dag_id"], one.labels["state"]}
		if !states[key] || one.value > float64(s.at) || one.value < float64(simulationStart) {
			c.fail(s, "the oldest of %v waits since %g", key, one.value)
		}
		delete(states, key)
	}
	if len(states) > 0 {
		c.fail(s, "it is not told since when these wait: %v", states)
	}
	for _, one := range v["airflow_task_instances_retrying"] {
		if all := v.sum("airflow_task_instances", "dag_id", one.labels["dag_id"], "task_id", one.labels["task_id"]); one.value > all {
			c.fail(s, "%g of %g instances are tried again: %v", one.value, all, one.labels)
		}
	}
	examined, left := v.one("airflow_task_instances_waiting", "examined", "true"), v.one("airflow_task_instances_waiting", "examined", "false")
	if blocked := v.sum("airflow_task_instances_blocked"); blocked < examined || (examined == 0) != (blocked == 0) {
		c.fail(s, "%g reasons are told of %g instances", blocked, examined)
	}
	if waits := v.one("airflow_unfinished_task_instances", "state", stateScheduled) + v.one("airflow_unfinished_task_instances", "state", stateNone); examined+left > waits {
		c.fail(s, "%g and %g instances wait, more than the %g that are", examined, left, waits)
	}
}

// lookAtPools: no pool is overdrawn, and slots that are taken are not open.
func (c *invariants) lookAtPools(s *scrape, v view) {
	for _, p := range s.site.pools {
		slots := func(state string) float64 { return v.one("airflow_pool_slots", "pool", p.name, "state", state) }
		taken := slots(stateRunning) + slots(stateQueued)
		if used := v.sum("airflow_pool_used_slots", "pool", p.name); used != taken {
			c.fail(s, "DAGs hold %g slots of the pool %s, %g are taken", used, p.name, taken)
		}
		size := v.one("airflow_pool_size_slots", "pool", p.name)
		if p.slots == 0 {
			if !math.IsInf(size, 1) || slots("open") != -1 {
				c.fail(s, "the unlimited pool %s has the size %g and %g open slots", p.name, size, slots("open"))
			}
			continue
		}
		occupied := taken
		if p.includeDeferred {
			occupied += slots(stateDeferred)
		}
		if open := slots("open"); size != float64(p.slots) || open != size-occupied || open < 0 {
			c.fail(s, "the pool %s has %g of %g slots open, %g occupied", p.name, open, size, occupied)
		}
	}
	for _, q := range s.site.queues {
		if n := v.one("airflow_queue_task_instances", "queue", q.name, "state", stateRunning); n > float64(q.slots) {
			c.fail(s, "%g instances run in the queue %s, its workers take %d", n, q.name, q.slots)
		}
	}
	if n := v.sum("airflow_queue_task_instances"); n > float64(s.site.parallelism) {
		c.fail(s, "the executor has %g instances, more than its parallelism", n)
	}
}

// lookAtRuns: what is told of a DAG fits together.
func (c *invariants) lookAtRuns(s *scrape, v view) {
	for _, d := range s.site.dags {
		limit := float64(orDefault(d.maxActiveRuns))
		if n := v.one("airflow_dag_runs", "dag_id", d.id, "state", stateRunning); n > limit || n == -1 != d.paused {
			c.fail(s, "%g runs of %s are running", n, d.id)
		}
	}
	for _, one := range v["airflow_dag_last_success_timestamp_seconds"] {
		if one.value > float64(s.at) {
			c.fail(s, "%s succeeded at %g", one.labels["dag_id"], one.value)
		}
	}
	ended, failed := map[string]float64{}, map[string]bool{}
	for _, one := range v["airflow_dag_last_run_state"] {
		ended[one.labels["dag_id"]] += one.value
		failed[one.labels["dag_id"]] = failed[one.labels["dag_id"]] || one.labels["state"] == stateFailed && one.value == 1
	}
	for id, n := range ended {
		end, success := v.one("airflow_dag_last_run_end_timestamp_seconds", "dag_id", id), v.one("airflow_dag_last_success_timestamp_seconds", "dag_id", id)
		if n != 1 || !failed[id] && end != success {
			c.fail(s, "the last run of %s has %g states, it ended at %g, the last success at %g", id, n, end, success)
		}
	}
}
