package airflow

import (
	stdjson "encoding/json"
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// eachFilter are filters with one field set, every field of TaskInstanceFilter but its order and pages, by the field's name.
func eachFilter(t *testing.T) map[string]TaskInstanceFilter {
	filters := map[string]TaskInstanceFilter{}
	var set func(name string, index []int)
	set = func(name string, index []int) {
		var f TaskInstanceFilter
		value := reflect.ValueOf(&f).Elem().FieldByIndex(index)
		switch v := value.Addr().Interface().(type) {
		case *string:
			*v = "x"
		case *[]string:
			*v = []string{"x", "y"}
		case *[]int:
			*v = []int{1, 2}
		case *[]State:
			*v = []State{StateFailed, StateNone}
		case *time.Time:
			*v = time.Date(2026, 11, 24, 8, 0, 0, 500e6, time.FixedZone("", 3600))
		case *time.Duration:
			*v = 2 * time.Second
		case *TimeRange, *DurationRange, *Pattern:
			for i := range value.NumField() {
				set(name+"."+value.Type().Field(i).Name, append(slices.Clone(index), i))
			}
			return
		default:
			t.Fatalf("the field %s is of an unknown type", name)
		}
		filters[name] = f
	}
	fields := reflect.TypeFor[TaskInstanceFilter]()
	for i := range fields.NumField() {
		if name := fields.Field(i).Name; !slices.Contains([]string{"OrderBy", "Offset", "Limit", "Room"}, name) {
			set(name, []int{i})
		}
	}
	return filters
}

func serverOf(t *testing.T, version string) *server {
	t.Helper()
	number, err := parseVersion("", version)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Version: number, dialect: v1{}}
	if number.Major == 3 {
		s.dialect = v2{}
	}
	return s
}

// Each version takes exactly those filters that its own specification has, in each of the three lists: all that are there are
// offered, and one that it would ignore or refuse is an error that names field and version.
func TestFiltersAreThoseOfTheSpecification(t *testing.T) {
	text, err := os.ReadFile("testdata/task_instance_filters.json")
	if err != nil {
		t.Fatal(err)
	}
	var versions map[string]map[string][]string
	if err := stdjson.Unmarshal(text, &versions); err != nil || len(versions) < 7 {
		t.Fatal(len(versions), err)
	}
	filters := eachFilter(t)
	for version, lists := range versions {
		for _, list := range []taskInstanceList{listOfRun, listOfMapped, listByBatch} {
			s := serverOf(t, version)
			var known []string
			for field, f := range filters {
				sel, err := s.dialect.selection(s, &f, list)
				if err != nil {
					if !errors.Is(err, errors.ErrUnsupported) || ClassOf(err) != ClassInternal || !strings.Contains(err.Error(), "TaskInstanceFilter."+field+" ") || !strings.Contains(err.Error(), version) {
						t.Errorf("%s: %v", field, err)
					}
					continue
				}
				for key := range sel.body {
					if key != "order_by" {
						known = append(known, key)
					}
					if len(sel.params[key]) == 0 {
						t.Errorf("%s has no value in a query", key)
					}
				}
			}
			slices.Sort(known)
			if want := lists[list.String()]; !slices.Equal(known, want) {
				t.Errorf("%s of %s:\ngot  %v\nwant %v", list, version, known, want)
			}
		}
	}
}

// Values are written as both APIs read them.
func TestValuesOfFilters(t *testing.T) {
	at := time.Date(2026, 11, 24, 9, 0, 0, 500e6, time.FixedZone("", 3600))
	f := TaskInstanceFilter{
		States: []State{StateFailed, StateNone}, Pools: []string{"a b", "c"},
		LogicalDate: TimeRange{GTE: at}, Duration: DurationRange{LTE: 90 * time.Second},
	}
	for version, want := range map[string]struct{ query, body string }{
		"2.11.2": {"duration_lte=90&execution_date_gte=2026-11-24T08%3A00%3A00.5Z&pool=a+b&pool=c&state=failed&state=none",
			`{"duration_lte":90,"execution_date_gte":"2026-11-24T08:00:00.5Z","pool":["a b","c"],"state":["failed",null]}`},
		"3.3.2": {"duration_lte=90&logical_date_gte=2026-11-24T08%3A00%3A00.5Z&order_by=id&pool=a+b&pool=c&state=failed&state=none",
			`{"duration_lte":90,"logical_date_gte":"2026-11-24T08:00:00.5Z","order_by":"id","pool":["a b","c"],"state":["failed",null]}`},
	} {
		s := serverOf(t, version)
		sel, err := s.dialect.selection(s, &f, listByBatch)
		if err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(sel.body, json.Deterministic(true))
		if err != nil || string(body) != want.body {
			t.Errorf("%s: got  %s\nwant %s, %v", version, body, want.body, err)
		}
		if sel, err = s.dialect.selection(s, &f, listOfRun); err != nil || sel.params.Encode() != want.query {
			t.Errorf("%s: got  %s\nwant %s, %v", version, sel.params.Encode(), want.query, err)
		}
	}
}

// What a version orders, pages and takes for a state is told before it is asked, too.
func TestOrdersPagesAndStatesOfVersions(t *testing.T) {
	for _, tc := range []struct {
		version string
		list    taskInstanceList
		filter  TaskInstanceFilter
		ok      bool
	}{
		{"2.11.2", listOfRun, TaskInstanceFilter{OrderBy: []string{"start_date"}}, false},
		{"2.11.2", listByBatch, TaskInstanceFilter{OrderBy: []string{"start_date"}}, false},
		{"2.11.2", listOfMapped, TaskInstanceFilter{OrderBy: []string{"-start_date"}}, true},
		{"2.11.2", listOfMapped, TaskInstanceFilter{OrderBy: []string{"state", "start_date"}}, false},
		{"2.10.2", listByBatch, TaskInstanceFilter{Offset: 1}, false},
		{"2.10.3", listByBatch, TaskInstanceFilter{Offset: 1}, true},
		{"2.10.2", listOfRun, TaskInstanceFilter{Offset: 1}, true},
		{"2.11.2", listByBatch, TaskInstanceFilter{Duration: DurationRange{GTE: time.Second / 2}}, false},
		{"2.11.2", listOfRun, TaskInstanceFilter{Duration: DurationRange{GTE: time.Second / 2}}, true},
		{"2.11.2", listOfRun, TaskInstanceFilter{States: []State{StateAwaitingInput}}, false},
		{"2.11.2", listOfRun, TaskInstanceFilter{States: []State{StateRestarting, StateRemoved, StateNone}}, true},
		{"3.2.2", listOfRun, TaskInstanceFilter{States: []State{StateAwaitingInput}}, false},
		{"3.3.2", listOfRun, TaskInstanceFilter{States: []State{StateAwaitingInput}}, true},
		{"3.4.0", listOfRun, TaskInstanceFilter{States: []State{"hibernating"}}, true},
		{"3.0.6", listOfRun, TaskInstanceFilter{OrderBy: []string{"state", "start_date"}}, false},
		{"3.1.0", listOfRun, TaskInstanceFilter{OrderBy: []string{"state", "start_date"}}, true},
		{"3.3.2", listByBatch, TaskInstanceFilter{OrderBy: []string{"state", "start_date"}}, false},
		{"3.3.2", listByBatch, TaskInstanceFilter{OrderBy: []string{"-start_date"}, Offset: 1}, true},
	} {
		s := serverOf(t, tc.version)
		_, err := s.dialect.selection(s, &tc.filter, tc.list)
		if (err == nil) != tc.ok || err != nil && !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s of %s, %+v: %v", tc.list, tc.version, tc.filter, err)
		}
	}
}
