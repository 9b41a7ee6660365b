//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A process is a program that the tests started, with a process group of its own.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string        // file with its output
	done chan struct{} // closed when it has ended
}

// ledger records what was started ("pid start-time name" lines), so that a later run can end what a killed one left.
var ledger = struct {
	sync.Mutex
	path string
}{}

// startProcess runs cmd away from the terminal and its signals; what it prints is appended to log.
func startProcess(name, log string, cmd *exec.Cmd) (*process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid = true
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, log: log, done: make(chan struct{})}
	if err := record(p); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // the state is in cmd.ProcessState
		close(p.done)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// signalTree sends sig to the process and to everything that descends from it. Tasks of Airflow have process groups of
// their own, so a signal to one group would not do.
func (p *process) signalTree(sig syscall.Signal) {
	for seen := 0; ; {
		pids := append(descendants(p.pid()), p.pid())
		for _, pid := range pids {
			_ = syscall.Kill(pid, sig) // it may have ended in the meantime
		}
		if sig != syscall.SIGSTOP || len(pids) == seen { // until no child was born while we stopped its parent
			return
		}
		seen = len(pids)
	}
}

// stop asks the process to end with sig and ends it, and what it left, after grace.
func (p *process) stop(sig syscall.Signal, grace time.Duration) {
	tree := map[int]string{}
	for _, pid := range descendants(p.pid()) {
		tree[pid] = birth(pid)
	}
	_ = p.cmd.Process.Signal(sig)
	select {
	case <-p.done:
	case <-time.After(grace):
		p.signalTree(syscall.SIGKILL)
		<-p.done
	}
	for pid, born := range tree {
		if birth(pid) == born {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// tail returns the last n lines of the process's log.
func (p *process) tail(n int) string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := bytes.SplitAfter(b, []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n):], nil))
}

// adoptOrphans makes this process the parent of every descendant whose own parent ends, so that descendants finds all
// that the tests started, however it detached itself.
func adoptOrphans() error {
	const prSetChildSubreaper = 36
	if _, _, errno := syscall.Syscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0); errno != 0 {
		return fmt.Errorf("prctl: %w", errno)
	}
	return nil
}

// descendants returns the ids of the living processes below pid.
func descendants(pid int) []int {
	children := map[int][]int{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		if stat, err := readStat(dir); err == nil && stat[0] != "Z" {
			child, _ := strconv.Atoi(filepath.Base(dir))
			parent, _ := strconv.Atoi(stat[1])
			children[parent] = append(children[parent], child)
		}
	}
	found := children[pid]
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i]]...)
	}
	return found
}

// readStat returns the fields of /proc/<pid>/stat from the third one (state) on.
func readStat(dir string) ([]string, error) {
	b, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return nil, err
	}
	return strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])), nil
}

// birth tells a process from a later one with the same id.
func birth(pid int) string {
	stat, err := readStat(fmt.Sprintf("/proc/%d", pid))
	if err != nil {
		return ""
	}
	return stat[19] // starttime
}

func record(p *process) error {
	ledger.Lock()
	defer ledger.Unlock()
	f, err := os.OpenFile(ledger.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintln(f, p.pid(), birth(p.pid()), p.name)
	return err
}

// endLeftovers ends what a killed run left: processes of the ledger that are still the same ones, and their descendants.
func endLeftovers() {
	b, _ := os.ReadFile(ledger.path)
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		pid, err := strconv.Atoi(f[0])
		if err != nil || pid <= 1 || birth(pid) != f[1] {
			continue
		}
		for _, pid := range append(descendants(pid), pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	_ = os.Remove(ledger.path)
}

// run executes a command to its end, its output in log.
func run(ctx context.Context, name, log string, cmd *exec.Cmd) error {
	p, err := startProcess(name, log, cmd)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		p.stop(syscall.SIGKILL, 0)
		return fmt.Errorf("%s: %w\n%s", name, context.Cause(ctx), p.tail(40))
	}
	if !cmd.ProcessState.Success() {
		return fmt.Errorf("%s: %s\n%s", name, cmd.ProcessState, p.tail(40))
	}
	return nil
}

// poll calls f every half second until it returns nil; after the deadline it returns f's last error.
func poll(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		err := f(ctx)
		if err == nil {
			return nil
		}
		if last == nil || !errors.Is(err, context.DeadlineExceeded) {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", limit, last)
		case <-tick.C:
		}
	}
}

// freePort returns a TCP port of 127.0.0.1 that nobody listens on now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
