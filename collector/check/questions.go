package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// question is one thing that the exporter is going to ask for.
type question struct {
	name     string
	request  string // for people; of a listing, the path
	lists    bool   // in the mode that is configured
	part     string // that needs it
	needs    []right
	open     bool // no login is needed
	since210 bool // Airflow has it since 2.10
	// ask returns a note about the answer. An error of type notTried is no failure.
	ask func(ctx context.Context) (note string, err error)
}

const (
	nameVersion = "version"
	namePools   = "pools"
	partExplain = "explain" // the command
	partAll     = "all"
	// lookedAt is how many DAGs may be looked at for one that has runs.
	lookedAt = 3
)

// samples are what answers held, to ask about later.
type samples struct {
	dags      []airflow.Dag
	runs      []airflow.DagRun       // those that ended last
	instances []airflow.TaskInstance // best to ask about first
}

var (
	runRights      = []right{readDags, readDagRuns}
	instanceRights = []right{readDags, readDagRuns, readTaskInstances}
	logRights      = []right{readDags, readDagRuns, readTaskInstances, readTaskLogs}
)

// questions are all of them, in an order in which each finds what it is about.
// The first two that need a login need different rights, so that two refusals
// say as much as Airflow 2 tells about an account.
func (a *asker) questions() []question {
	blocked := "blocked"
	if !a.options.Collector.Blocked.Enabled {
		blocked = partExplain
	}
	list := []question{
		{name: nameVersion, request: "GET …/version", part: "health", open: true, ask: a.version},
		{name: "health of the components", request: "GET …/health", part: "health", open: true, ask: a.components},
		{name: "DAGs", request: "GET …/dags", part: "dags", needs: []right{readDags}, ask: a.dags},
		{name: namePools, request: "GET …/pools", part: "pools", needs: []right{readPools}, ask: a.pools},
		{name: "import errors", request: "GET …/importErrors", part: "import_errors", needs: []right{readImportErrors}, ask: a.importErrors},
		{name: "active DAG runs", request: "…/dagRuns", lists: true, part: "dag_runs", needs: runRights, ask: a.activeRuns},
		{name: "DAG runs that ended", request: "…/dagRuns", lists: true, part: "dag_runs", needs: runRights, ask: a.endedRuns},
		{name: "count of a state", request: "GET …/taskInstances", part: "task_instances", needs: instanceRights, ask: a.count},
		{name: "unfinished task instances", request: "…/taskInstances", lists: true, part: "task_instances", needs: instanceRights, ask: a.unfinished},
		{name: "latest runs of a DAG", request: "GET …/dagRuns", part: "dag_runs", needs: runRights, ask: a.latestRuns},
		{name: "finished ones of a run", request: "…/taskInstances", lists: true, part: "attempts", needs: instanceRights, ask: a.finished},
		{name: "attempts of one", request: "GET …/tries", part: "attempts", needs: instanceRights, since210: true, ask: a.tries},
	}
	if a.options.Collector.Blocked.Enabled {
		list = append(list, question{name: "those without a state", request: "…/taskInstances", lists: true, part: blocked, needs: instanceRights, ask: a.stateless})
	}
	return append(list,
		question{name: "dependencies of one", request: "GET …/dependencies", part: blocked, needs: instanceRights, since210: true, ask: a.dependencies},
		question{name: "details of one", request: "GET …/taskInstances/…", part: partExplain, needs: instanceRights, ask: a.details},
		question{name: "extra links of one", request: "GET …/links", part: partExplain, needs: instanceRights, ask: a.links},
		question{name: "log of one", request: "GET …/logs/…", part: partExplain, needs: logRights, ask: a.log})
}

// request is what the question asks for, for people.
func (a *asker) request(q question) string {
	switch {
	case !q.lists:
		return q.request
	case a.options.Airflow.List == airflow.ListGet && a.client.Known().Major != 2: // where it changes nothing
		return "GET " + q.request
	}
	return "POST " + q.request + "/list"
}

func (a *asker) version(ctx context.Context) (string, error) {
	v, err := a.client.Version(ctx)
	if err != nil {
		return "", err
	}
	a.report.Version = v
	if !v.AtLeast(2, 10, 0) {
		return "", &oldVersionError{v}
	}
	return v.Number, nil
}

func (a *asker) components(ctx context.Context) (string, error) {
	health, err := a.client.Health(ctx)
	a.health = health
	return "", err
}

func (a *asker) dags(ctx context.Context) (string, error) {
	dags, total, err := a.client.FirstDags(ctx, room)
	if err != nil {
		return "", err
	}
	a.found.dags, a.report.VisibleDags = dags, &total
	return number(total, "visible"), nil
}

func (a *asker) pools(ctx context.Context) (string, error) {
	pools, err := a.client.Pools(ctx)
	return number(len(pools), ""), err
}

func (a *asker) importErrors(ctx context.Context) (string, error) {
	list, err := a.client.ImportErrors(ctx)
	return number(len(list), ""), err
}

func (a *asker) activeRuns(ctx context.Context) (string, error) {
	runs, err := a.client.DagRuns(ctx, airflow.DagRunQuery{States: []airflow.RunState{airflow.RunQueued, airflow.RunRunning}, Room: room})
	a.found.runs = append(a.found.runs, runs...)
	return count(len(runs), err)
}

// endedRuns asks for those of the last day, so that the history is not read.
func (a *asker) endedRuns(ctx context.Context) (string, error) {
	skew, _ := a.client.ClockSkew()
	since := time.Now().Add(-skew).Add(-24 * time.Hour)
	runs, err := a.client.DagRuns(ctx, airflow.DagRunQuery{States: []airflow.RunState{airflow.RunSuccess, airflow.RunFailed}, EndedSince: since, Room: room})
	a.found.runs = append(runs, a.found.runs...)
	note, err := count(len(runs), err)
	return note + " in a day", err
}

// latestRuns looks for a run that later questions can be about: of DAGs whose
// task instances were listed, or else of any.
func (a *asker) latestRuns(ctx context.Context) (string, error) {
	var ids []string
	for i := range a.found.instances {
		ids = append(ids, a.found.instances[i].DagID)
	}
	slices.SortStableFunc(a.found.dags, func(x, y airflow.Dag) int { return boolean(x.Paused) - boolean(y.Paused) })
	for i := range a.found.dags {
		ids = append(ids, a.found.dags[i].DagID)
	}
	if len(ids) == 0 {
		return "", notTried("no DAG is visible")
	}
	asked := map[string]struct{}{}
	for _, id := range ids {
		if _, again := asked[id]; again {
			continue
		}
		asked[id] = struct{}{}
		runs, _, err := a.client.LatestDagRuns(ctx, id, []airflow.RunState{airflow.RunSuccess, airflow.RunFailed, airflow.RunRunning}, 1)
		if err != nil {
			return "", err
		}
		if a.found.runs = append(a.found.runs, runs...); len(a.found.runs) > 0 || len(asked) == lookedAt {
			break
		}
	}
	return "", nil
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (a *asker) count(ctx context.Context) (string, error) {
	n, err := a.client.CountTaskInstances(ctx, airflow.StateNone)
	return number(n, "without a state"), err
}

func (a *asker) unfinished(ctx context.Context) (string, error) {
	states, err := a.client.UnfinishedStates(ctx)
	if err != nil {
		return "", err
	}
	q := airflow.TaskInstanceQuery{States: states, Room: room, ByGet: a.options.Airflow.List == airflow.ListGet}
	n, err := a.few(a.client.TaskInstances(ctx, q))
	return count(n, err)
}

func (a *asker) finished(ctx context.Context) (string, error) {
	if len(a.found.runs) == 0 {
		return "", notTried("no DAG run is known")
	}
	known := a.found.instances
	a.found.instances = nil
	questions := []airflow.RunQuestion{{Run: a.found.runs[0]}}
	n, err := a.few(a.client.FinishedTaskInstances(ctx, questions, room, func([]airflow.RunQuestion) {}))
	a.found.instances = append(a.found.instances, known...)
	return count(n, err)
}

// few reads the first rows of a listing: on some releases it holds all that there are.
func (a *asker) few(rows iter.Seq2[airflow.TaskInstance, error]) (int, error) {
	n := 0
	for t, err := range rows {
		if err != nil {
			return n, err
		}
		n++
		a.found.instances = append(a.found.instances, t)
		if n > room {
			break
		}
	}
	return n, nil
}

func (a *asker) stateless(ctx context.Context) (string, error) {
	if len(a.found.runs) == 0 {
		return "", notTried("no DAG run is known")
	}
	rows, _, err := a.client.StatelessTaskInstances(ctx, a.found.runs[:1], room)
	return count(len(rows), err)
}

func (a *asker) tries(ctx context.Context) (string, error) {
	t, err := a.sample("no path leads to any that is known", func(*airflow.TaskInstance) bool { return true })
	if err != nil {
		return "", err
	}
	tries, err := a.client.Tries(ctx, t.Ref())
	return a.aboutOne(number(len(tries), ""), err)
}

// dependencies asks about an instance for which the answer is empty: the
// question changes some of those that wait.
func (a *asker) dependencies(ctx context.Context) (string, error) {
	t, err := a.sample("those that are known wait, and asking about them could change them", func(t *airflow.TaskInstance) bool {
		return t.State.Finished() || t.State == airflow.StateRunning
	})
	if err != nil {
		return "", err
	}
	_, err = a.client.Dependencies(ctx, t.Ref())
	return a.aboutOne("", err)
}

func (a *asker) details(ctx context.Context) (string, error) {
	t, err := a.sample("no path leads to any that is known", func(*airflow.TaskInstance) bool { return true })
	if err != nil {
		return "", err
	}
	_, err = a.client.TaskInstanceAPI().Get(ctx, t.Ref())
	return a.aboutOne("", err)
}

// links asks about instances of some tasks: Airflow 2 has none of one that is in its DAG no more, or whose file is broken.
func (a *asker) links(ctx context.Context) (note string, err error) {
	type task struct{ dagID, taskID string }
	tried := map[task]bool{}
	mappedToo := a.client.Known().AtLeast(2, 10, 5)
	for range 5 {
		t, none := a.sample("Airflow tells no links of those that are known", func(t *airflow.TaskInstance) bool {
			return !tried[task{t.DagID, t.TaskID}] && (mappedToo || t.MapIndex == airflow.NotMapped)
		})
		if none != nil {
			return "", cmp.Or(err, none)
		}
		tried[task{t.DagID, t.TaskID}] = true
		_, err = a.client.TaskInstanceAPI().ExtraLinks(ctx, t.Ref())
		var gone notTried
		if note, err = a.aboutOne("", err); !errors.As(err, &gone) {
			return note, err
		}
	}
	return "", err
}

// log reads the beginning of a log.
func (a *asker) log(ctx context.Context) (string, error) {
	t, err := a.sample("none that is known has run", func(t *airflow.TaskInstance) bool {
		return t.TryNumber > 0 && (t.State == airflow.StateSuccess || t.State == airflow.StateFailed || t.State == airflow.StateRunning)
	})
	if err != nil {
		return "", err
	}
	stream, err := a.client.TaskInstanceAPI().Log(ctx, t.Ref(), t.TryNumber, airflow.LogQuery{Stream: true})
	if err != nil {
		return a.aboutOne("", err)
	}
	return "", stream.Close()
}

// sample is a known instance to which a path leads, or else the error says that there is none.
func (a *asker) sample(none notTried, good func(*airflow.TaskInstance) bool) (*airflow.TaskInstance, error) {
	for i := range a.found.instances {
		if t := &a.found.instances[i]; good(t) && !strings.Contains(t.DagID+t.RunID+t.TaskID, "/") {
			return t, nil
		}
	}
	if len(a.found.instances) == 0 {
		return nil, notTried("there is no task instance yet")
	}
	return nil, none
}

// aboutOne tells an instance that went meanwhile from an endpoint that is missing.
func (a *asker) aboutOne(note string, err error) (string, error) {
	e, ok := errors.AsType[*airflow.Error](err)
	if ok && e.Status == http.StatusNotFound && a.client.Known().AtLeast(2, 10, 0) {
		return "", notTried("the task instance that it was about is gone")
	}
	return note, err
}

// count is a note about a listing. One that says that there are more rows was read as well as any.
func count(n int, err error) (string, error) {
	if short, ok := errors.AsType[*airflow.IncompleteError](err); ok {
		return number(short.Total, ""), nil
	}
	if n > room {
		return fmt.Sprintf("more than %d", room), err
	}
	return number(n, ""), err
}

func number(n int, what string) string { return strings.TrimSpace(fmt.Sprintf("%d %s", n, what)) }
