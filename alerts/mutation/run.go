package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/rulefmt"
	"go.yaml.in/yaml/v3"
)

// job is a mutant and the tests that should kill it.
type job struct {
	mutant mutant
	suite  suite
	groups []rulefmt.RuleGroup
}

// runner runs the tests of rules in directories of its own.
type runner struct {
	promtool string
	dir      string
}

// passes tells whether the tests pass with these rules, up to the first that does not; where there are none, everything does.
func (r runner) passes(ctx context.Context, name string, s suite, groups []rulefmt.RuleGroup) (passed bool, output []byte, err error) {
	dir := filepath.Join(r.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, nil, err
	}
	defer os.RemoveAll(dir)
	rules, err := yaml.Marshal(rulefmt.RuleGroups{Groups: groups})
	if err != nil {
		return false, nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, rulesName), rules, 0o600); err != nil {
		return false, nil, err
	}
	for _, i := range s.order.now() {
		passed, output, err := r.pass(ctx, dir, s.cases[i])
		if err != nil {
			return false, output, err
		}
		if !passed {
			s.order.first(i)
			return false, output, nil
		}
	}
	return true, nil, nil
}

func (r runner) pass(ctx context.Context, dir string, c testCase) (passed bool, output []byte, err error) {
	file := filepath.Join(dir, c.name)
	if err := os.WriteFile(file, c.text, 0o600); err != nil {
		return false, nil, err
	}
	const patience = 2 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.promtool, "test", "rules", file) //nolint:gosec // the user names the program
	// One processor each, since as many run at a time as there are, and little collecting of garbage, since each is short.
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "GOMAXPROCS=1", "GOGC=400")
	output, err = cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return false, output, err
	}
	return err == nil, output, nil
}

// survivors returns the indexes of the mutants that live.
func (r runner) survivors(ctx context.Context, jobs []job) (map[int]struct{}, error) {
	alive := map[int]struct{}{}
	var mu sync.Mutex
	err := each(len(jobs), func(i int) error {
		passed, _, err := r.passes(ctx, strconv.Itoa(i), jobs[i].suite, jobs[i].groups)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", jobs[i].mutant.rule, jobs[i].mutant.text, err)
		}
		if passed {
			mu.Lock()
			defer mu.Unlock()
			alive[i] = struct{}{}
		}
		return nil
	})
	return alive, err
}

// each calls do for each index, as many at a time as there are processors.
func each(n int, do func(int) error) error {
	next := make(chan int)
	errs := make([]error, n)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range next {
				errs[i] = do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
	return errors.Join(errs...)
}
