package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// pluginVersion is the Grafana whose options these are; without one a panel counts as old, and is migrated.
const pluginVersion = "13.2.2"

// interval is how often the exporter's numbers can change: a finer step shows nothing more.
const interval = "1m"

// query is one query of a panel with a series for each result.
type query struct{ expr, legend string }

// newPanel is a panel with what all kinds have.
func newPanel(kind, title, description string) panel {
	return panel{Panel: dashboard.Panel{
		Type:          kind,
		Title:         &title,
		Description:   &description,
		Datasource:    prometheusSource(),
		PluginVersion: new(pluginVersion),
		Transparent:   new(false),
		FieldConfig: &dashboard.FieldConfigSource{
			Defaults:  dashboard.FieldConfig{Mappings: []dashboard.ValueMapping{}},
			Overrides: []dashboard.DashboardFieldConfigSourceOverrides{},
		},
	}}
}

// refID is A for the first query of a panel.
func refID(i int) *string { return new("ABCDEFGHIJ"[i : i+1]) }

// overTime asks for the time that the dashboard shows.
func overTime(step string, format prometheus.PromQueryFormat, queries []query) []variants.Dataquery {
	var targets []variants.Dataquery
	for i, q := range queries {
		targets = append(targets, prometheus.Dataquery{
			Datasource:   prometheusSource(),
			EditorMode:   new(prometheus.QueryEditorModeCode),
			Expr:         q.expr,
			LegendFormat: &q.legend,
			Format:       &format,
			Range:        new(true),
			Instant:      new(false),
			Exemplar:     new(false),
			Interval:     &step,
			RefId:        refID(i),
		})
	}
	return targets
}

// now asks for the end of that time only. What is gone is then absent: the last value of a series would still be shown
// hours after it ended.
func now(format prometheus.PromQueryFormat, queries []query) []variants.Dataquery {
	targets := overTime(interval, format, queries)
	for i, t := range targets {
		if q, ok := t.(prometheus.Dataquery); ok {
			q.Range, q.Instant = new(false), new(true)
			targets[i] = q
		}
	}
	return targets
}

// step is a threshold: from here on in this colour.
type step struct {
	from   float64
	colour string
}

// thresholds begin with the colour of what is below all steps.
func thresholds(base string, steps ...step) *dashboard.ThresholdsConfig {
	t := &dashboard.ThresholdsConfig{Mode: dashboard.ThresholdsModeAbsolute, Steps: []dashboard.Threshold{{Color: base}}}
	for _, s := range steps {
		t.Steps = append(t.Steps, dashboard.Threshold{Value: new(s.from), Color: s.colour})
	}
	return t
}

// plain is for quantities that are neither good nor bad.
func plain() *dashboard.ThresholdsConfig { return thresholds("text") }

// none is good, anything else is for somebody to look at.
func noneIsGood() *dashboard.ThresholdsConfig { return thresholds("green", step{1, "red"}) }

// lastOf is the newest value of a series.
func lastOf() common.ReduceDataOptions {
	return common.ReduceDataOptions{Values: new(false), Calcs: []string{"lastNotNull"}, Fields: new("")}
}

// graph is a time series panel.
type graph struct {
	Title, Description string

	Queries    []query
	Unit       string
	Decimals   *float64
	Max        *float64
	Afloat     bool // the axis need not begin at 0
	Stacked    bool // areas on each other, or bars with Bars
	Bars       bool
	Stepped    bool                        // a value holds until the next one
	Thresholds *dashboard.ThresholdsConfig // drawn as lines
	Overrides  []dashboard.DashboardFieldConfigSourceOverrides
	Interval   string // default 1m
	Nothing    string // what it means that there is no series
}

func (g graph) wide(columns uint32) panel {
	p := newPanel("timeseries", g.Title, g.Description)
	if g.Interval == "" {
		g.Interval = interval
	}
	p.Targets = overTime(g.Interval, prometheus.PromQueryFormatTimeSeries, g.Queries)
	d := &p.FieldConfig.Defaults
	d.Unit, d.Decimals, d.Max, d.NoValue = &g.Unit, g.Decimals, g.Max, noValue(g.Nothing)
	if !g.Afloat {
		d.Min = new(0.0)
	}
	d.Color = &dashboard.FieldColor{Mode: dashboard.FieldColorModeIdPaletteClassic}
	d.Thresholds = thresholds("transparent")
	lines := common.GraphThresholdsStyleModeOff
	if g.Thresholds != nil {
		d.Thresholds, lines = g.Thresholds, common.GraphThresholdsStyleModeDashed
	}
	d.Custom = g.custom(lines)
	p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, g.Overrides...)
	legend := common.VizLegendOptions{DisplayMode: common.LegendDisplayModeList, Placement: common.LegendPlacementBottom, ShowLegend: true, Calcs: []string{}}
	p.Options = timeseries.Options{
		Legend:  legend,
		Tooltip: common.VizTooltipOptions{Mode: common.TooltipDisplayModeMulti, Sort: common.SortOrderDescending, HideZeros: new(true)},
	}
	return p.wide(columns)
}

func (g graph) custom(lines common.GraphThresholdsStyleMode) *common.GraphFieldConfig {
	c := &common.GraphFieldConfig{
		DrawStyle:         new(common.GraphDrawStyleLine),
		GradientMode:      new(common.GraphGradientModeNone),
		ThresholdsStyle:   &common.GraphThresholdsStyleConfig{Mode: lines},
		LineWidth:         new(1.5),
		LineInterpolation: new(common.LineInterpolationLinear),
		FillOpacity:       new(0.0),
		ShowPoints:        new(common.VisibilityModeNever),
		PointSize:         new(5.0),
		AxisPlacement:     new(common.AxisPlacementAuto),
		AxisColorMode:     new(common.AxisColorModeText),
		AxisLabel:         new(""),
		AxisCenteredZero:  new(false),
		AxisBorderShow:    new(false),
		ScaleDistribution: &common.ScaleDistributionConfig{Type: common.ScaleDistributionLinear},
		BarAlignment:      new(common.BarAlignmentCenter),
		Stacking:          &common.StackingConfig{Mode: new(common.StackingModeNone), Group: new("A")},
		HideFrom:          &common.HideSeriesConfig{},
		SpanNulls:         &common.BoolOrFloat64{Bool: new(false)},
		InsertNulls:       &common.BoolOrFloat64{Bool: new(false)},
	}
	if g.Stacked {
		// A line would be drawn on top even for a series that is 0.
		c.Stacking.Mode, c.FillOpacity, c.LineWidth = new(common.StackingModeNormal), new(75.0), new(0.0)
	}
	if g.Bars {
		c.DrawStyle, c.FillOpacity = new(common.GraphDrawStyleBars), new(85.0)
	}
	if g.Stepped {
		c.LineInterpolation = new(common.LineInterpolationStepAfter)
	}
	return c
}

// noValue is shown in place of "No data".
func noValue(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
