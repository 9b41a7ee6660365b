//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// compareWithDatabase compares a fresh exporter's first scrape with the database, every series both ways. As a living Airflow
// moves, it compares only when the database said the same before and after the scrape, but for heartbeats: those do not wait.
func compareWithDatabase(t *testing.T, a *installation, cfg settings) {
	t.Helper()
	var complaints []string
	if err := poll(t.Context(), 2*time.Minute, func(ctx context.Context) error {
		e, _ := cfg.start(t)
		defer e.stop(syscall.SIGTERM, 10*time.Second)
		before, err := a.truth(ctx)
		if err != nil {
			return err
		}
		got, err := e.scrape(ctx)
		if err != nil {
			return err
		}
		after, err := a.truth(ctx)
		if err != nil {
			return err
		}
		for key, beat := range before.family("airflow_component_last_heartbeat_timestamp_seconds") {
			if is := got[key]; is > beat-1e-6 && is < after[key] {
				after[key] = is
			}
			before[key] = after[key]
		}
		if !maps.Equal(before, after) {
			return errors.New("the database does not hold still")
		}
		complaints = difference(families, got, after, e.started)
		if err := got.has(success()); err != nil {
			complaints = append(complaints, err.Error())
		}
		info := seriesKey("airflow_info", map[string]string{"version": a.version, "api": a.api, "url": a.url()})
		if err := got.has(series{info: 1}); err != nil {
			complaints = append(complaints, err.Error())
		}
		t.Logf("compared %d series of the database", len(after))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(complaints) > 0 {
		t.Errorf("the exporter disagrees with the database:\n%s", strings.Join(complaints, "\n"))
	}
}

// families are the metrics that truthSQL knows.
var families = []string{
	"airflow_unfinished_task_instances", "airflow_task_instances", "airflow_task_instances_oldest_timestamp_seconds",
	"airflow_task_instances_retrying", "airflow_queue_task_instances", "airflow_pool_slots", "airflow_pool_size_slots",
	"airflow_pool_used_slots", "airflow_pool_oldest_timestamp_seconds", "airflow_component_healthy",
	"airflow_component_last_heartbeat_timestamp_seconds",
}

// difference says in which series of these metrics a scrape and the database differ.
func difference(families []string, got, want series, started time.Time) []string {
	var diff []string
	for _, name := range families {
		scraped, truth := got.family(name), want.family(name)
		if len(truth) == 0 {
			diff = append(diff, "the database has no "+name+": nothing was tested")
		}
		for key, v := range truth {
			if is, ok := scraped[key]; !ok || !same(is, v, name, started) {
				diff = append(diff, fmt.Sprintf("%s: database %f, exporter %f (there: %t)", key, v, is, ok))
			}
			delete(scraped, key)
		}
		for key, v := range scraped {
			diff = append(diff, fmt.Sprintf("%s: not in the database, exporter %f", key, v))
		}
	}
	slices.Sort(diff)
	return diff
}

func same(is, want float64, name string, started time.Time) bool {
	const clock = 2 // seconds by which Airflow's clock, as HTTP tells it, may be off
	switch {
	case want == firstSeen:
		return is >= unix(started)-clock && is <= unix(time.Now())+clock
	case strings.HasSuffix(name, "_seconds"), strings.HasSuffix(name, "_seconds_sum"):
		return math.Abs(is-want) < 1e-6
	}
	return is == want
}

func unix(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
