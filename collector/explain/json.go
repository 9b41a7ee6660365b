package explain

import (
	"errors"
	"io"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/collector/terminal"
)

// The report for programs; docs/commands.md describes it. Times are RFC 3339 in
// UTC, durations are seconds, and what Airflow did not tell is null.
type (
	reportJSON struct {
		ExitStatus int           `json:"exit_status"`
		Verdicts   []string      `json:"verdicts"`
		At         *time.Time    `json:"at"`
		URL        string        `json:"url"`
		Page       *string       `json:"page"`
		Version    *string       `json:"version"`
		API        *string       `json:"api"`
		Components []component   `json:"components"`
		Dag        *dagJSON      `json:"dag"`
		Run        *runJSON      `json:"run"`
		Active     *activeJSON   `json:"other_active_runs"`
		Task       *instanceJSON `json:"task"`
		Overview   *overviewJSON `json:"overview"`
		Unknown    []unknownJSON `json:"unknown"`
		Error      *unknownJSON  `json:"error"`
	}
	component struct {
		Component string     `json:"component"`
		Healthy   bool       `json:"healthy"`
		Heartbeat *time.Time `json:"latest_heartbeat"`
	}
	dagJSON struct {
		DagID         string     `json:"dag_id"`
		Paused        bool       `json:"is_paused"`
		Stale         bool       `json:"is_stale"`
		Schedule      *string    `json:"schedule"`
		Owners        []string   `json:"owners"`
		MaxActiveRuns int        `json:"max_active_runs"`
		NextRunAfter  *time.Time `json:"next_run_after"`
		Missed        *bool      `json:"next_run_missed"` // null: a run or a task was named
	}
	runJSON struct {
		RunID       string       `json:"dag_run_id"`
		Newest      bool         `json:"newest"`
		RunType     string       `json:"run_type"`
		State       string       `json:"state"`
		LogicalDate *time.Time   `json:"logical_date"`
		RunAfter    *time.Time   `json:"run_after"`
		QueuedAt    *time.Time   `json:"queued_at"`
		StartDate   *time.Time   `json:"start_date"`
		EndDate     *time.Time   `json:"end_date"`
		Running     *runningJSON `json:"running_runs"`
	}
	runningJSON struct {
		Count       int        `json:"count"`
		More        bool       `json:"more"`
		OldestRunID *string    `json:"oldest_dag_run_id"`
		OldestStart *time.Time `json:"oldest_start_date"`
	}
	activeJSON struct {
		Count       int        `json:"count"`
		More        bool       `json:"more"`
		OldestRunID *string    `json:"oldest_dag_run_id"`
		OldestState *string    `json:"oldest_state"`
		OldestSince *time.Time `json:"oldest_since"`
	}
	unknownJSON struct {
		What   *string `json:"what"`
		Class  string  `json:"class"` // of the error, as in airflow_exporter_collector_error; or not_found
		Error  string  `json:"error"`
		Advice *string `json:"advice"`
	}
	countJSON struct {
		State      string `json:"state"`
		Count      int    `json:"count"`
		MapIndexes []int  `json:"map_indexes"` // the first of them
	}
	overviewJSON struct {
		Total  int         `json:"total"`
		Looked int         `json:"looked_at"`
		States []countJSON `json:"states"`
		Groups []groupJSON `json:"groups"`
		More   int         `json:"more_groups"`
	}
	groupJSON struct {
		TaskID       string     `json:"task_id"`
		State        string     `json:"state"`
		Count        int        `json:"count"`
		MapIndexes   []int      `json:"map_indexes"` // the first of them
		Since        *time.Time `json:"since"`
		SinceSeconds *float64   `json:"since_seconds"`
		TryNumber    int        `json:"try_number"`
		MaxTries     int        `json:"tries"`
		Why          *whyJSON   `json:"why"`
	}
	whyJSON struct {
		Asked    bool         `json:"asked"`
		NotAsked *string      `json:"not_asked_because"`
		Reasons  []reasonJSON `json:"reasons"`
		Upstream []taskJSON   `json:"waits_for"`
	}
	taskJSON struct {
		TaskID   string     `json:"task_id"`
		MapIndex int        `json:"map_index"`
		State    string     `json:"state"`
		Since    *time.Time `json:"since"`
	}
	reasonJSON struct {
		Reason     string  `json:"reason"`     // as in airflow_task_instances_blocked
		Dependency *string `json:"dependency"` // Airflow's name of it; null: known without asking
		Text       string  `json:"text"`
	}
)

// WriteJSON writes the report for programs.
func (r *Report) WriteJSON(w io.Writer) error {
	j := reportJSON{
		ExitStatus: r.Status(), Verdicts: append([]string{}, r.Verdicts...), At: orNull(r.At), URL: r.URL, Page: orNull(r.Page),
		Version: orNull(r.Version.Number), API: orNull(r.Version.API), Components: []component{}, Unknown: []unknownJSON{},
	}
	for _, name := range []string{"metadatabase", "scheduler", "triggerer", "dag_processor"} {
		if c, ok := r.Health[name]; ok {
			j.Components = append(j.Components, component{name, c.Healthy, orNull(c.Heartbeat)})
		}
	}
	for _, u := range r.Unknown {
		j.Unknown = append(j.Unknown, unknown(u.What, u.Err, airflow.AdviceOnce(u.Err)))
	}
	if r.Err != nil {
		j.Error = new(unknown("", r.Err, r.advice()))
	}
	if d := r.Dag; d != nil {
		j.Dag = &dagJSON{d.DagID, d.Paused, d.Stale, orNull(d.Schedule), append([]string{}, d.Owners...), d.MaxActiveRuns, orNull(d.NextRunAfter), nil}
		if !r.named() && r.Instance == nil {
			j.Dag.Missed = new(r.missed())
		}
	}
	if a := r.Active; a != nil {
		j.Active = &activeJSON{Count: a.Others, More: a.More}
		if o := a.Oldest; o != nil {
			j.Active.OldestRunID, j.Active.OldestState, j.Active.OldestSince = &o.RunID, new(string(o.State)), orNull(begun(o))
		}
	}
	if r.Run != nil {
		j.Run = r.runJSON()
	}
	if r.Instance != nil {
		j.Task = r.instanceJSON(r.Instance)
	}
	if r.Overview != nil {
		j.Overview = r.overviewJSON(r.Overview)
	}
	return terminal.JSON(w, j)
}

func unknown(what string, err error, advice string) unknownJSON {
	class := string(airflow.ClassOf(err))
	if m, ok := errors.AsType[*missing](err); ok && airflow.ClassOf(m.err) != airflow.ClassForbidden {
		class = "not_found"
	}
	return unknownJSON{orNull(what), class, err.Error(), orNull(advice)}
}

func (r *Report) runJSON() *runJSON {
	run := r.Run
	j := &runJSON{
		RunID: run.RunID, Newest: r.Newest, RunType: run.RunType, State: string(run.State), LogicalDate: orNull(run.LogicalDate), RunAfter: orNull(run.RunAfter),
		QueuedAt: orNull(run.QueuedAt), StartDate: orNull(run.StartDate), EndDate: orNull(run.EndDate),
	}
	if n := r.Running; n != nil {
		j.Running = &runningJSON{n.Count, n.More, orNull(n.Oldest.RunID), orNull(n.Oldest.StartDate)}
	}
	return j
}

func (r *Report) overviewJSON(o *Overview) *overviewJSON {
	j := &overviewJSON{Total: o.Total, Looked: o.Looked, States: countsJSON(o.Counts), Groups: []groupJSON{}, More: max(len(o.Groups)-maxGroups, 0)}
	for _, g := range o.Groups[:min(maxGroups, len(o.Groups))] {
		j.Groups = append(j.Groups, groupJSON{
			TaskID: g.TaskID, State: string(g.State), Count: g.Count, MapIndexes: append([]int{}, g.Indexes...),
			Since: orNull(g.Since), SinceSeconds: r.seconds(g.Since), TryNumber: g.Try, MaxTries: g.MaxTry, Why: g.Why.json(),
		})
	}
	return j
}

func countsJSON(counts []StateCount) []countJSON {
	list := []countJSON{}
	for _, c := range counts {
		list = append(list, countJSON{string(c.State), c.Count, append([]int{}, c.Indexes...)})
	}
	return list
}

func (w *Why) json() *whyJSON {
	if w == nil {
		return nil
	}
	j := &whyJSON{Asked: w.Asked, NotAsked: orNull(w.NotAsked), Reasons: []reasonJSON{}, Upstream: []taskJSON{}}
	for i := range w.Upstream {
		t := &w.Upstream[i]
		j.Upstream = append(j.Upstream, taskJSON{t.TaskID, t.MapIndex, string(t.State), orNull(since(t))})
	}
	for _, r := range w.Reasons {
		j.Reasons = append(j.Reasons, reasonJSON{r.Reason, orNull(r.Name), r.Text})
	}
	return j
}

// seconds is how long a point in time is past, null for an unknown one.
func (r *Report) seconds(t time.Time) *float64 {
	if t.IsZero() {
		return nil
	}
	return new(r.At.Sub(t).Seconds())
}

// notEmpty is nil for an empty text, too.
func notEmpty(s *string) *string {
	if s == nil || *s == "" {
		return nil
	}
	return s
}

// orNull is nil for the zero value; times are in UTC.
func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	if t, ok := any(v).(time.Time); ok {
		v, _ = any(t.UTC().Truncate(time.Microsecond)).(T)
	}
	return &v
}
