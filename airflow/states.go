package airflow

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// State is a task instance's state in Airflow's own word. A newer Airflow may
// send words that are not listed here.
type State string

// The states of Airflow 2.10 to 3.3.
const (
	StateNone            State = "none" // null in Airflow: not scheduled yet, waits for upstream
	StateScheduled       State = "scheduled"
	StateQueued          State = "queued"
	StateRunning         State = "running"
	StateRestarting      State = "restarting"
	StateDeferred        State = "deferred"
	StateAwaitingInput   State = "awaiting_input" // since 3.3
	StateUpForRetry      State = "up_for_retry"
	StateUpForReschedule State = "up_for_reschedule"
	StateSuccess         State = "success"
	StateFailed          State = "failed"
	StateSkipped         State = "skipped"
	StateUpstreamFailed  State = "upstream_failed"
	StateRemoved         State = "removed"
)

// Finished reports whether nothing more happens to an instance in this state by itself.
func (s State) Finished() bool {
	switch s {
	case StateSuccess, StateFailed, StateSkipped, StateUpstreamFailed, StateRemoved:
		return true
	}
	return false
}

var (
	unfinishedV1  = []State{StateScheduled, StateQueued, StateRunning, StateRestarting, StateDeferred, StateUpForRetry, StateUpForReschedule}
	unfinishedV2  = unfinishedV1
	unfinishedV33 = []State{StateScheduled, StateQueued, StateRunning, StateRestarting, StateDeferred, StateAwaitingInput, StateUpForRetry, StateUpForReschedule}
)

// UnfinishedStates returns the states of unfinished task instances that this
// Airflow knows, StateNone excluded, for [TaskInstanceQuery]. Up to Airflow 3.3
// they follow from the version. A later one is asked once for its own list (GET
// …/taskInstances: the answer to a state that no Airflow has names the valid
// ones); when it names none, the states of 3.3 are returned.
func (c *Client) UnfinishedStates(ctx context.Context) ([]State, error) {
	s, err := c.server(ctx)
	if err != nil {
		return nil, err
	}
	known := s.dialect.unfinishedStates(s.Version)
	if !s.AtLeast(3, 4, 0) {
		return known, nil
	}
	if learnt := s.learnt.Load(); learnt != nil {
		return *learnt, nil
	}
	k := c.call(s, "learn the states of task instances", http.MethodGet, taskInstancesPath)
	k.query = url.Values{"state": {"unknown_state"}, "limit": {"0"}}
	a, err := c.do(ctx, k)
	if err == nil {
		a.Close()
		s.learnt.Store(&known)
		return known, nil
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Status != http.StatusUnprocessableEntity {
		return nil, err
	}
	merged := mergeStates(known, e.Detail)
	s.learnt.Store(&merged)
	return merged, nil
}

// mergeStates adds to known the unfinished states of "… Valid values are a, b, c".
func mergeStates(known []State, detail string) []State {
	_, list, ok := strings.Cut(detail, "Valid values are ")
	if !ok || strings.HasSuffix(list, "…") {
		return known
	}
	merged := slices.Clone(known)
	for word := range strings.SplitSeq(list, ",") {
		state := State(strings.TrimSpace(word))
		if state != "" && !state.Finished() && state != StateNone && !slices.Contains(merged, state) {
			merged = append(merged, state)
		}
	}
	return merged
}
