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

// UnfinishedStates returns Airflow's version as detected last, and the states of
// unfinished task instances that it knows, StateNone excluded, for
// [TaskInstanceQuery]; no states when the version is the one given as known.
// Up to Airflow 3.3 the states follow from the version. A later one is asked
// for its own list (GET …/taskInstances: the answer to a state that no Airflow
// has names the valid ones); when it names none, those of 3.3 are returned.
func (c *Client) UnfinishedStates(ctx context.Context, known Version) (Version, []State, error) {
	s, err := c.server(ctx)
	if err != nil || s.Version == known {
		return known, nil, err
	}
	states := s.dialect.unfinishedStates(s.Version)
	if !s.AtLeast(3, 4, 0) {
		return s.Version, states, nil
	}
	k := c.call(s, "learn the states of task instances", http.MethodGet, taskInstancesPath)
	k.query = url.Values{"state": {"unknown_state"}, "limit": {"0"}}
	a, err := c.do(ctx, k)
	if err == nil {
		a.Close()
		return s.Version, states, nil
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Status != http.StatusUnprocessableEntity {
		return known, nil, err
	}
	return s.Version, mergeStates(states, e.Detail), nil
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

const opCount = "count task instances"

// CountTaskInstances returns how many task instances are in a state, StateNone
// included, without fetching one (GET …/taskInstances?state=…&limit=0).
func (c *Client) CountTaskInstances(ctx context.Context, state State) (int, error) {
	s, err := c.server(ctx)
	if err != nil {
		return 0, err
	}
	k := c.call(s, opCount, http.MethodGet, taskInstancesPath)
	k.query = url.Values{"state": {string(state)}, "limit": {"0"}}
	a, err := c.do(ctx, k)
	if err != nil {
		return 0, err
	}
	defer a.Close()
	var body struct {
		Total *int `json:"total_entries"`
	}
	if err := a.decode(&body); err != nil {
		return 0, err
	}
	if body.Total == nil || *body.Total < 0 {
		return 0, a.errorf(ClassDecode, nil, "an answer without total_entries")
	}
	return *body.Total, nil
}
