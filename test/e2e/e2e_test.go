//go:build e2e

package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// shared is what all tests use; TestMain makes it.
var shared *rig

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "16") // they wait more than they compute
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	ctx := context.Background()
	var err error
	shared, err = newRig(ctx)
	if shared != nil {
		defer shared.close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// neither a signal nor the timeout of go test lets deferred functions run
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	var timeout <-chan time.Time
	if limit, ok := flag.Lookup("test.timeout").Value.(flag.Getter).Get().(time.Duration); ok && limit > time.Minute {
		timeout = time.After(limit - 20*time.Second)
	}
	go func() {
		select {
		case s := <-interrupted:
			fmt.Fprintln(os.Stderr, s)
		case <-timeout:
			fmt.Fprintln(os.Stderr, "out of time, see the logs in", shared.logs)
		}
		shared.close()
		os.Exit(1)
	}()
	return m.Run()
}

func TestAirflow(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"3.3.2", "2.11.2"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			testAirflow(t, version)
		})
	}
}

// testAirflow runs all tests on one Airflow. Their order matters: the zoo is first alive, then frozen, and at last its
// API server goes away. Meanwhile exporters watch for the five minutes after which they may call a run stalled and a DAG gone.
func testAirflow(t *testing.T, version string) {
	begin := time.Now()
	step := func(what string) { t.Logf("%4.0f s: %s", time.Since(begin).Seconds(), what) }
	a, err := startAirflow(t.Context(), version, shared.dirs, shared.pg)
	if a != nil {
		t.Cleanup(func() {
			if t.Failed() {
				for _, p := range a.procs {
					t.Logf("the end of %s:\n%s", p.log, p.tail(15))
				}
			}
			a.stop()
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	step("Airflow answers")
	p := startPatient(t, onlyStalled(a))
	if err := a.startRuns(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := startZoo(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	step("the zoo is at rest")
	t.Run("database", func(t *testing.T) { compareWithDatabase(t, a, account(a, "viewer")) })
	counted, err := watchRuns(t, a)
	if err != nil {
		t.Fatal(err)
	}
	alerts := watchAlerts(t, a) // now that runs_paused is paused
	t.Run("counters", func(t *testing.T) { testCounters(t, a) })
	t.Run("restart in the middle", func(t *testing.T) { testMiddle(t, a) })
	step("all attempts are counted")
	if err := counted.beginRuns(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if err := counted.awaitEnd(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	step("all runs have ended")
	late := startPatient(t, runsCounting(a))
	t.Run("blocked", func(t *testing.T) { testBlocked(t, a) })
	step("all reasons are known")
	if err := a.freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.clearRunning(t.Context()); err != nil {
		t.Fatal(err)
	}
	stopBeating := keepHealthy(t, a)
	step("the zoo is frozen")
	if err := late.relist(t.Context()); err != nil { // some DAGs were paused for a while
		t.Fatal(err)
	}
	t.Run("frozen database", func(t *testing.T) { compareWithDatabase(t, a, account(a, "viewer")) })
	t.Run("asking changes nothing", func(t *testing.T) { testAskingChangesNothing(t, a) })
	t.Run("list by get", func(t *testing.T) {
		cfg := account(a, "viewer")
		cfg.list = "get"
		compareWithDatabase(t, a, cfg)
	})
	if a.isV1() {
		t.Run("least rights", func(t *testing.T) { compareWithDatabase(t, a, account(a, "exporter")) })
		t.Run("no right on pools", func(t *testing.T) { testNoPools(t, a) })
	}
	t.Run("check", func(t *testing.T) { testCheck(t, a) })
	t.Run("explain", func(t *testing.T) { testExplain(t, a) })
	t.Run("wrong password", func(t *testing.T) { testWrongPassword(t, a) })
	t.Run("reload", func(t *testing.T) { testReload(t, a) })
	t.Run("SIGTERM during a scrape", func(t *testing.T) { testSIGTERM(t, a) })
	step("the stalled run is next")
	t.Run("stalled", func(t *testing.T) {
		testStalled(t, a, p)
		alerts.eventually(t, `alertname="AirflowDagRunStalled"`)
	})
	step("what is stalled is known")
	p.stop()
	stopBeating()
	t.Run("unhealthy scheduler", func(t *testing.T) {
		testUnhealthy(t, a)
		alerts.eventually(t, `alertname="AirflowSchedulerUnhealthy"`)
	})
	t.Run("DAG runs", func(t *testing.T) { testRuns(t, a, counted, late) }) // the second exporter needs four minutes
	late.stop()
	step("the API server is next")
	t.Run("API server killed at random", func(t *testing.T) { testChaos(t, a, counted) })
	counted.stop()
	t.Run("alerts", func(t *testing.T) { testAlerts(t, a, alerts) })
	t.Run("task instance API", func(t *testing.T) { testTaskInstanceAPI(t, a) }) // the last one: it writes
	step("done")
}
