//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// taskInstanceAPI is the API as a user sees it.
func (a *installation) taskInstanceAPI(t *testing.T, user, password string) *airflow.TaskInstanceAPI {
	t.Helper()
	cfg := airflow.DefaultConfig()
	cfg.URL, cfg.Username, cfg.Password = a.url(), user, promconfig.Secret(password)
	cfg.RequestsPerSecond, cfg.Burst = 1000, 1000
	client, err := airflow.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client.TaskInstanceAPI()
}

// zooRef is an instance of the zoo.
func zooRef(dag, task string, index int) airflow.TaskInstanceRef {
	return airflow.TaskInstanceRef{DagID: dag, RunID: "zoo~0", TaskID: task, MapIndex: index}
}

var (
	plainRef    = zooRef("zoo_states", "second_attempt", -1)
	mappedRef   = zooRef("zoo_mapped", "running", 1)
	unknownRef  = zooRef("zoo_states", "nope", -1)
	expandedRef = zooRef("zoo_wide", "waits", 3)
)

// testTaskInstanceAPI asks for every operation, mapped and not, of the zoo at rest, and compares all fields with the database. At
// last it writes, which is why it is the last step.
func testTaskInstanceAPI(t *testing.T, a *installation) {
	if err := a.waitForAPI(t.Context()); err != nil {
		t.Fatal(err)
	}
	api := a.taskInstanceAPI(t, "viewer", "viewer")
	t.Run("lists", func(t *testing.T) { testLists(t, a, api) })
	t.Run("instances", func(t *testing.T) { testInstances(t, a, api) })
	t.Run("links", func(t *testing.T) { testLinks(t, a, api) })
	t.Run("logs", func(t *testing.T) { testLogs(t, api) })
	t.Run("errors", func(t *testing.T) { testErrors(t, a) })
	t.Run("writes", func(t *testing.T) { testWrites(t, a) })
}

// testLists compares all three lists, whole and filtered.
func testLists(t *testing.T, a *installation, api *airflow.TaskInstanceAPI) {
	ctx := t.Context()
	anyRun := airflow.RunRef{DagID: "~", RunID: "~"}
	type filter = airflow.TaskInstanceFilter
	a.compareList(t, api.ListBatch(ctx, filter{}), a.rows(t, "true"))
	a.compareList(t, api.ListBatch(ctx, filter{DagIDs: []string{"zoo_states", "zoo_wide"}, States: []airflow.State{airflow.StateNone, airflow.StateFailed}}),
		a.rows(t, "t.dag_id in ('zoo_states', 'zoo_wide') and coalesce(t.state, 'failed') = 'failed'"))
	a.compareList(t, api.List(ctx, anyRun, filter{}), a.rows(t, "true"))
	a.compareList(t, api.List(ctx, airflow.RunRef{DagID: "zoo_states", RunID: "zoo~0"}, filter{}), a.rows(t, "t.dag_id = 'zoo_states' and t.run_id = 'zoo~0'"))
	a.compareList(t, api.List(ctx, anyRun, filter{States: []airflow.State{airflow.StateQueued, airflow.StateNone}}), a.rows(t, "coalesce(t.state, 'queued') = 'queued'"))
	a.compareList(t, api.List(ctx, anyRun, filter{Pools: []string{"zoo_one", "zoo_two"}}), a.rows(t, "t.pool in ('zoo_one', 'zoo_two')"))
	a.compareList(t, api.List(ctx, anyRun, filter{Queues: []string{`io "ü"`}}), a.rows(t, `t.queue = 'io "ü"'`))
	a.compareList(t, api.List(ctx, anyRun, filter{States: []airflow.State{airflow.StateFailed, airflow.StateUpForRetry}, Duration: airflow.DurationRange{LTE: time.Hour}}),
		a.rows(t, "t.state in ('failed', 'up_for_retry') and t.duration <= 3600"))
	started := a.rows(t, "t.start_date is not null and t.state = 'running'")
	slices.SortFunc(started, func(x, y dbRow) int { return strings.Compare(fmt.Sprint(x["start_date"]), fmt.Sprint(y["start_date"])) })
	middle := fmt.Sprint(started[len(started)/2]["start_date"])
	since, err := time.Parse(time.RFC3339Nano, middle)
	if err != nil {
		t.Fatal(err)
	}
	a.compareList(t, api.List(ctx, anyRun, filter{States: []airflow.State{airflow.StateRunning}, StartDate: airflow.TimeRange{GTE: since}}),
		a.rows(t, "t.state = 'running' and t.start_date >= '"+middle+"'"))
	a.compareList(t, api.ListBatch(ctx, filter{States: []airflow.State{airflow.StateRunning}, StartDate: airflow.TimeRange{LTE: since}}),
		a.rows(t, "t.state = 'running' and t.start_date <= '"+middle+"'"))
	a.compareList(t, api.ListMapped(ctx, expandedRef, filter{}), a.rows(t, "t.dag_id = 'zoo_wide' and t.task_id = 'waits'"))
	a.compareList(t, api.ListMapped(ctx, expandedRef, filter{Offset: 100, Limit: 7}), a.rows(t, "t.dag_id = 'zoo_wide' and t.task_id = 'waits' and t.map_index between 100 and 106"))
	a.compareList(t, api.ListMapped(ctx, mappedRef, filter{OrderBy: []string{"-start_date"}, States: []airflow.State{airflow.StateRunning}}),
		a.rows(t, "t.dag_id = 'zoo_mapped' and t.task_id = 'running'"))
	for got, err := range api.ListMapped(ctx, zooRef("zoo_mapped", "not_expanded", -1), filter{}) {
		t.Errorf("got %v, %v of a task that is not expanded", got, err)
	}
	if a.isV1() {
		return
	}
	for _, f := range []struct {
		filter
		where string
	}{
		{filter{RunID: airflow.Pattern{Prefix: "zoo~1"}}, "t.run_id like 'zoo~1%'"},
		{filter{DagID: airflow.Pattern{Contains: "MAPPED"}}, "t.dag_id like '%mapped%'"},
		{filter{TaskID: "running"}, "t.task_id = 'running'"},
		{filter{MapIndexes: []int{0, 149}}, "t.map_index in (0, 149)"},
		{filter{TryNumbers: []int{2}}, "t.try_number = 2"},
		{filter{Operators: []string{"PythonSensor"}}, "t.operator = 'PythonSensor'"},
		{filter{OperatorName: airflow.Pattern{Contains: "sensor"}}, "t.operator like '%Sensor%'"},
		{filter{QueueName: airflow.Pattern{Prefix: "gp"}}, "t.queue like 'gp%'"},
		{filter{DagVersions: []int{1}, States: []airflow.State{airflow.StateDeferred}}, "t.state = 'deferred'"},
		{filter{OrderBy: []string{"-state", "start_date"}, TaskDisplayName: airflow.Pattern{Prefix: "wait"}}, "t.task_id like 'wait%'"},
	} {
		a.compareList(t, api.List(ctx, anyRun, f.filter), a.rows(t, f.where))
	}
}

// testInstances compares single instances and their attempts.
func testInstances(t *testing.T, a *installation, api *airflow.TaskInstanceAPI) {
	ctx := t.Context()
	for _, ref := range []airflow.TaskInstanceRef{
		plainRef, mappedRef, expandedRef, zooRef("zoo_mapped", "not_expanded", -1), zooRef("zoo_states", "deferred", -1), zooRef("zoo_states", "failed", -1),
		zooRef("zoo_ünïcode_数据", "a.b-c_d.é", -1), zooRef(longDAG, longTask, -1),
	} {
		rows := a.rows(t, where(ref))
		if len(rows) != 1 {
			t.Fatalf("%v: %d rows in the database", ref, len(rows))
		}
		got, err := api.Get(ctx, ref)
		if err != nil {
			t.Error(err)
			continue
		}
		a.compareRow(t, got, rows[0], false)

		var history []dbRow
		if err := a.pg.query(ctx, a.db, a.rowsSQL("task_instance_history", where(ref)), &history); err != nil {
			t.Fatal(err)
		}
		if rows[0]["state"] != "up_for_retry" {
			history = append(history, rows[0])
		}
		tries, err := api.Tries(ctx, ref)
		if err != nil || len(tries) != len(history) {
			t.Errorf("%v: %d attempts, in the database %d, %v", ref, len(tries), len(history), err)
			continue
		}
		slices.SortFunc(tries, func(x, y airflow.TaskInstanceDetails) int { return x.TryNumber - y.TryNumber })
		for i, try := range tries {
			a.compareRow(t, try, history[i], true)
			detail, err := api.TryDetails(ctx, ref, try.TryNumber)
			if err != nil {
				t.Error(err)
				continue
			}
			a.compareRow(t, detail, history[i], true)
		}
		if links, err := api.ExtraLinks(ctx, ref); err != nil || links == nil {
			t.Errorf("%v: links %v, %v", ref, links, err)
		}
	}
	if tries, err := api.Tries(ctx, plainRef); err != nil || len(tries) != 2 {
		t.Errorf("%d attempts of a second one, %v", len(tries), err)
	}
	for _, ref := range []airflow.TaskInstanceRef{expandedRef, zooRef("zoo_pools", "waits_zero", -1)} {
		deps, err := api.Dependencies(ctx, ref)
		if err != nil || !slices.ContainsFunc(deps, func(d airflow.Dependency) bool { return d.Name == "Pool Slots Available" }) {
			t.Errorf("%v: %v, %v", ref, deps, err)
		}
	}
}

// testLinks reads the link of an operator that has one. Airflow 3 knows only its name until the task has run.
func testLinks(t *testing.T, a *installation, api *airflow.TaskInstanceAPI) {
	if err := a.trigger(t.Context(), "links", "zoo~0"); err != nil {
		t.Fatal(err)
	}
	links, err := api.ExtraLinks(t.Context(), zooRef("links", "linked", -1))
	link, ok := links["External DAG"]
	if err != nil || len(links) != 1 || !ok || a.isV1() == (link == nil) || link != nil && !strings.Contains(*link, "zoo_states") {
		t.Errorf("links %v, %v", links, err)
	}
}

// testLogs reads logs in both forms, of mapped ones and not, of what has ended and what has not.
func testLogs(t *testing.T, api *airflow.TaskInstanceAPI) {
	for _, tc := range []struct {
		ref  airflow.TaskInstanceRef
		want string
		more bool
	}{
		{zooRef("zoo_states", "failed", -1), "fails, on purpose", false},
		{plainRef, "fails, on purpose", false},
		{mappedRef, "", true},
	} {
		var texts []string
		for _, q := range []airflow.LogQuery{{}, {FullContent: true}, {Stream: true}} {
			stream, err := api.Log(t.Context(), tc.ref, 1, q)
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			levels, times := 0, 0
			for line, err := range stream.Lines() {
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintln(&text, line.Text)
				for _, key := range slices.Sorted(maps.Keys(line.Fields)) { // Airflow 3 keeps the traceback beside the text
					text.Write(line.Fields[key])
				}
				if line.Level != "" {
					levels++
				}
				if !line.Time.IsZero() {
					times++
				}
			}
			if !strings.Contains(text.String(), tc.want) || levels == 0 || times == 0 {
				t.Errorf("%v %+v: %d levels, %d times in\n%.2000s", tc.ref, q, levels, times, text.String())
			}
			if stream.More() != (tc.more && !q.Stream) {
				t.Errorf("%v %+v: more: %t, token %q", tc.ref, q, stream.More(), stream.Token())
			}
			texts = append(texts, text.String())
			if token := stream.Token(); token != "" && !q.FullContent {
				rest, err := api.Log(t.Context(), tc.ref, 1, airflow.LogQuery{Token: token})
				if err != nil {
					t.Fatal(err)
				}
				again, err := io.ReadAll(rest)
				if err != nil || tc.want != "" && strings.Contains(string(again), tc.want) || len(again) > 600 {
					t.Errorf("%v: continued with\n%.1000s\n%v", tc.ref, again, err)
				}
				if err := rest.Close(); err != nil {
					t.Error(err)
				}
			}
		}
		if texts[0] != texts[1] || texts[0] != texts[2] {
			t.Errorf("%v: the forms differ:\n%s\n%s\n%s", tc.ref, texts[0], texts[1], texts[2])
		}
	}
}

// everyRead are the operations that read one instance, by name.
func everyRead(t *testing.T, api *airflow.TaskInstanceAPI, ref airflow.TaskInstanceRef) map[string]error {
	ctx := t.Context()
	errs := map[string]error{}
	_, errs["Get"] = api.Get(ctx, ref)
	_, errs["Dependencies"] = api.Dependencies(ctx, ref)
	_, errs["Tries"] = api.Tries(ctx, ref)
	_, errs["TryDetails"] = api.TryDetails(ctx, ref, 1)
	_, errs["ExtraLinks"] = api.ExtraLinks(ctx, ref)
	log, err := api.Log(ctx, ref, 1, airflow.LogQuery{})
	if errs["Log"] = err; err == nil {
		_ = log.Close()
	}
	for _, errs["ListMapped"] = range api.ListMapped(ctx, ref, airflow.TaskInstanceFilter{}) {
	}
	return errs
}

// everyWrite are the operations that write, which are not to succeed.
func everyWrite(t *testing.T, api *airflow.TaskInstanceAPI, ref airflow.TaskInstanceRef) map[string]error {
	errs := map[string]error{}
	_, errs["SetState, dry"] = api.SetState(t.Context(), ref, airflow.StateChange{State: airflow.StateSuccess})
	_, errs["SetState"] = api.SetState(t.Context(), ref, airflow.StateChange{State: airflow.StateSuccess, Commit: true})
	_, errs["SetNote"] = api.SetNote(t.Context(), ref, "never written")
	return errs
}

// wantAll wants all these calls to fail in the same way.
func wantAll(t *testing.T, errs map[string]error, status int, class airflow.Class) {
	t.Helper()
	for name, err := range errs {
		e, ok := errors.AsType[*airflow.Error](err)
		if !ok || e.Status != status || e.Class != class {
			t.Errorf("%s: %v, want status %d and class %s", name, err, status, class)
		}
	}
}

// testErrors asks for every documented error.
func testErrors(t *testing.T, a *installation) {
	ctx := t.Context()
	admin, viewer := a.taskInstanceAPI(t, "admin", "admin"), a.taskInstanceAPI(t, "viewer", "viewer")
	before := a.rows(t, "true")

	unknown := everyRead(t, admin, unknownRef)
	if a.isV1() { // which has no attempts of what does not exist
		if unknown["Tries"] != nil {
			t.Error(unknown["Tries"])
		}
		delete(unknown, "Tries")
	}
	maps.Copy(unknown, everyWrite(t, admin, unknownRef))
	wantAll(t, unknown, 404, airflow.ClassClient)
	everyIndex := expandedRef
	everyIndex.MapIndex = -1
	wantAll(t, everyWrite(t, admin, everyIndex), 404, airflow.ClassClient)
	_, err := admin.Get(ctx, everyIndex)
	wantAll(t, map[string]error{"Get of an expanded task": err}, 404, airflow.ClassClient)
	wantAll(t, everyWrite(t, viewer, zooRef("zoo_paused", "never", -1)), 403, airflow.ClassForbidden)
	wantAll(t, everyWrite(t, viewer, expandedRef), 403, airflow.ClassForbidden)

	stranger := a.taskInstanceAPI(t, "viewer", "not-this-one")
	status, class := 401, airflow.ClassAuth
	if a.isV1() { // which does not tell a wrong password from a missing right
		status, class = 403, airflow.ClassForbidden
	}
	wantAll(t, map[string]error{"Get": everyRead(t, stranger, plainRef)["Get"]}, status, class)
	if a.isV1() {
		_, err := a.taskInstanceAPI(t, "exporter", "exporter").Log(ctx, plainRef, 1, airflow.LogQuery{})
		wantAll(t, map[string]error{"Log without the right": err}, 403, airflow.ClassForbidden)
	}

	bad := 422
	if a.isV1() {
		bad = 400
	}
	_, err = admin.SetState(ctx, plainRef, airflow.StateChange{State: airflow.StateRunning})
	wantAll(t, map[string]error{"SetState to running": err}, bad, airflow.ClassClient)
	_, err = admin.SetNote(ctx, plainRef, strings.Repeat("x", 1001))
	wantAll(t, map[string]error{"SetNote, too long": err}, bad, airflow.ClassClient)
	_, err = viewer.Log(ctx, plainRef, 1, airflow.LogQuery{Token: "no token"})
	errs := map[string]error{"Log with a bad token": err}
	for _, errs["ListMapped in no order"] = range viewer.ListMapped(ctx, expandedRef, airflow.TaskInstanceFilter{OrderBy: []string{"bogus"}}) {
	}
	wantAll(t, errs, 400, airflow.ClassClient)
	for _, err = range viewer.List(ctx, airflow.RunRef{DagID: "~", RunID: "~"}, airflow.TaskInstanceFilter{DagIDs: []string{"zoo_states"}}) {
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a filter that Airflow ignores: %v", err)
	}
	if after := a.rows(t, "true"); !reflect.DeepEqual(before, after) {
		t.Error("what failed changed the database")
	}
}

// testWrites changes what no other step looks at any more, and looks into the database.
func testWrites(t *testing.T, a *installation) {
	ctx := t.Context()
	api := a.taskInstanceAPI(t, "admin", "admin")
	never := zooRef("zoo_paused", "never", -1)
	states := func() map[string]int {
		n := map[string]int{}
		for _, row := range a.rows(t, "t.dag_id in ('zoo_paused', 'zoo_wide')") {
			n[fmt.Sprint(row["task_id"], " ", row["state"], " ", row["note"])]++
		}
		return n
	}
	want := states()
	check := func(what string) {
		t.Helper()
		if got := states(); !maps.Equal(got, want) {
			t.Errorf("after %s: got %v, want %v", what, got, want)
		}
	}
	for _, ref := range []airflow.TaskInstanceRef{never, expandedRef} {
		got, err := api.SetState(ctx, ref, airflow.StateChange{State: airflow.StateFailed})
		if err != nil || len(got) != 1 || got[0].TaskInstanceRef != ref || a.isV1() && got[0].LogicalDate.IsZero() || !a.isV1() && got[0].Details == nil {
			t.Errorf("dry run of %v: %v, %v", ref, got, err)
		}
	}
	check("dry runs")
	delete(want, "never <nil> <nil>")
	want["never success <nil>"]++
	want["waits scheduled <nil>"]--
	want["waits skipped <nil>"]++
	for _, err := range []error{second(api.SetState(ctx, never, airflow.StateChange{State: airflow.StateSuccess, Commit: true})),
		second(api.SetState(ctx, expandedRef, airflow.StateChange{State: airflow.StateSkipped, Commit: true}))} {
		if err != nil {
			t.Error(err)
		}
	}
	check("changes of state")
	_, err := api.SetState(ctx, expandedRef, airflow.StateChange{State: airflow.StateSkipped, Commit: true})
	if a.isV1() && err != nil {
		t.Error(err)
	}
	if !a.isV1() {
		wantAll(t, map[string]error{"the same once more": err}, 409, airflow.ClassClient)
	}
	check("the same once more")

	for ref, state := range map[airflow.TaskInstanceRef]string{never: "never success ", expandedRef: "waits skipped "} {
		for _, note := range []string{"a note: ü 数据", "another one"} {
			got, err := api.SetNote(ctx, ref, note)
			if err != nil || got.Note == nil || *got.Note != note {
				t.Errorf("%v: %v, %v", ref, got.Note, err)
				continue
			}
			a.compareRow(t, got, a.rows(t, where(ref))[0], false)
		}
		delete(want, state+"<nil>")
		want[state+"another one"]++
	}
	check("notes")
	if got, err := api.SetNote(ctx, never, ""); err != nil || got.Note != nil && *got.Note != "" {
		t.Errorf("%v, %v", got.Note, err)
	}
}

func second[T any](_ T, err error) error { return err }
