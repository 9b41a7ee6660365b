//go:build e2e

package e2e

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// installAirflow installs a lock file into a virtual environment below cache, or finds it there from an earlier run.
func installAirflow(ctx context.Context, cache, logs, version string) (string, error) {
	lock := filepath.Join("locks", "airflow-"+version+".txt")
	text, err := os.ReadFile(lock)
	if err != nil {
		return "", err
	}
	python, about, err := findPython(ctx)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(slices.Concat(text, []byte(about), []byte(cache))) // a virtual environment cannot be moved
	venv := filepath.Join(cache, fmt.Sprintf("airflow-%s-%x", version, sum[:6]))
	complete := filepath.Join(venv, "complete")
	if _, err := os.Stat(complete); err == nil {
		return venv, nil
	}
	if err := os.RemoveAll(venv); err != nil {
		return "", err
	}
	log := filepath.Join(logs, "install-"+version+".log")
	for _, args := range [][]string{
		{python, "-m", "venv", venv},
		// the lock names every package, so there is nothing to resolve
		{filepath.Join(venv, "bin", "pip"), "install", "--quiet", "--no-deps", "--no-input", "-r", lock},
	} {
		if err := run(ctx, "install-"+version, log, exec.Command("nice", append([]string{"-n", "5"}, args...)...)); err != nil {
			return "", err
		}
	}
	return venv, os.WriteFile(complete, nil, 0o600)
}

// findPython returns a Python 3.11, which the locks are made for, and what it says of itself.
func findPython(ctx context.Context) (path, about string, err error) {
	for _, name := range []string{os.Getenv("PYTHON"), "python3.11", "python3"} {
		if name == "" {
			continue
		}
		out, err := exec.CommandContext(ctx, name, "-c", "import sys; print(sys.executable, sys.version)").Output()
		if path, version, ok := strings.Cut(string(out), " "); err == nil && ok && strings.HasPrefix(version, "3.11.") {
			return path, string(out), nil
		}
	}
	return "", "", fmt.Errorf("no Python 3.11 here: install it or name it in PYTHON")
}
