package main

import (
	"maps"
	"slices"
	"strconv"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// state is one of Airflow's, with the hue of Airflow 3, made so that it can be read on dark and on light panels
// (contrast of at least 3 to both).
type state struct{ name, colour string }

const (
	success = "#00a837"
	running = "#0092b8"
	failed  = "#fb2c36"
	queued  = "#79716b"
)

// states are those of task instances, the bad ones first.
func states() []state {
	return []state{
		{"failed", failed},
		{"upstream_failed", "#ea5800"},
		{"up_for_retry", "#d08700"},
		{"restarting", "#8e51ff"},
		{"running", running},
		{"deferred", "#ad46ff"},
		{"awaiting_input", "#c800de"},
		{"up_for_reschedule", "#0084d1"},
		{"queued", queued},
		{"scheduled", "#b08a5a"},
		{"none", "#788ba1"},
		{"skipped", "#f6339a"},
		{"removed", "#62748e"},
		{"success", success},
	}
}

// stateOverrides give each state its colour and its place, on graphs with a series for each.
func stateOverrides() []dashboard.DashboardFieldConfigSourceOverrides {
	var all []dashboard.DashboardFieldConfigSourceOverrides
	for _, s := range states() {
		all = append(all, override(s.name, "color", fixed(s.colour)))
	}
	return all
}

// stateMappings give each state its colour in the cells of a table.
func stateMappings() []dashboard.ValueMapping {
	m := map[string]dashboard.ValueMappingResult{}
	for i, s := range states() {
		m[s.name] = dashboard.ValueMappingResult{Text: new(s.name), Color: new(s.colour), Index: new(int32(i))}
	}
	return valueMappings(m)
}

// reason is why a task instance waits, in the words of the exporter, and what it means.
type reason struct{ name, colour, meaning string }

// reasons are all values of the label reason of airflow_task_instances_blocked.
func reasons() []reason {
	return []reason{
		{"pool_slots", "#fb2c36", "pool is full"},
		{"missing_pool", "#f6339a", "pool does not exist"},
		{"dag_concurrency", "#ea5800", "max_active_tasks of the DAG"},
		{"task_concurrency", "#d08700", "max_active_tis of the task"},
		{"none_reported", "#ad46ff", "no reason given"},
		{"depends_on_past", "#5b8def", "earlier run"},
		{"trigger_rule", "#00a6a6", "upstream tasks"},
		{"mapped_dependency", "#5a9a6e", "tasks it is mapped over"},
		{"not_yet_mapped", "#8f9f3b", "its mapping"},
		{"dag_paused", "#788ba1", "DAG is paused"},
		{"dag_run_not_running", "#8a8178", "run is queued"},
		{"date", "#b08a5a", "its date"},
		{"not_yet_rescheduled", "#8e51ff", "next poke"},
		{"previously_skipped", "#b56576", "skipped before"},
		{"backfill", "#62748e", "a backfill"},
		{"other", "#c800de", "another check"},
	}
}

func reasonOverrides() []dashboard.DashboardFieldConfigSourceOverrides {
	var all []dashboard.DashboardFieldConfigSourceOverrides
	for _, r := range reasons() {
		all = append(all, override(r.name, "color", fixed(r.colour)))
	}
	return all
}

func reasonMappings() []dashboard.ValueMapping {
	m := map[string]dashboard.ValueMappingResult{}
	for i, r := range reasons() {
		m[r.name] = dashboard.ValueMappingResult{Text: new(r.meaning + " (" + r.name + ")"), Color: new(r.colour), Index: new(int32(i))}
	}
	return valueMappings(m)
}

func valueMappings(m map[string]dashboard.ValueMappingResult) []dashboard.ValueMapping {
	return []dashboard.ValueMapping{{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: m}}}
}

// unknownIsGrey is for the gaps of a timeline.
func unknownIsGrey() []dashboard.ValueMapping {
	return []dashboard.ValueMapping{{SpecialValueMap: &dashboard.SpecialValueMap{
		Type: dashboard.MappingTypeSpecialValue,
		Options: dashboard.DashboardSpecialValueMapOptions{
			Match:  dashboard.SpecialValueMatchNullAndNan,
			Result: dashboard.ValueMappingResult{Text: new("unknown"), Color: new("#62748e"), Index: new(int32(99))},
		},
	}}}
}

// worded maps numbers to words with a colour: the n-th word belongs to n.
func worded(words ...state) []dashboard.ValueMapping {
	m := map[string]dashboard.ValueMappingResult{}
	for i, w := range words {
		m[strconv.Itoa(i)] = dashboard.ValueMappingResult{Text: new(w.name), Color: new(w.colour), Index: new(int32(i))}
	}
	return valueMappings(m)
}

// shades give the series that match a pattern shades of a colour.
func shades(colours map[string]string) []dashboard.DashboardFieldConfigSourceOverrides {
	var all []dashboard.DashboardFieldConfigSourceOverrides
	for _, pattern := range slices.Sorted(maps.Keys(colours)) {
		all = append(all, dashboard.DashboardFieldConfigSourceOverrides{
			Matcher: dashboard.MatcherConfig{Id: "byRegexp", Options: pattern},
			Properties: []dashboard.DynamicConfigValue{{Id: "color", Value: dashboard.FieldColor{
				Mode: dashboard.FieldColorModeIdShades, FixedColor: new(colours[pattern]),
			}}},
		})
	}
	return all
}

// byOutcome colours quantiles of attempts that succeeded and that failed.
func byOutcome() []dashboard.DashboardFieldConfigSourceOverrides {
	return shades(map[string]string{"/^failed/": failed, "/^success/": success})
}

func override(field, property string, value interface{}) dashboard.DashboardFieldConfigSourceOverrides {
	return dashboard.DashboardFieldConfigSourceOverrides{
		Matcher:    dashboard.MatcherConfig{Id: "byName", Options: field},
		Properties: []dashboard.DynamicConfigValue{{Id: property, Value: value}},
	}
}

func fixed(colour string) dashboard.FieldColor {
	return dashboard.FieldColor{Mode: dashboard.FieldColorModeIdFixed, FixedColor: &colour}
}
