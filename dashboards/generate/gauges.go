package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
)

// number is a stat panel: one value, now, or one for each Airflow.
type number struct {
	Title, Description string

	Expr       string
	Unit       string
	Decimals   *float64
	Thresholds *dashboard.ThresholdsConfig // nil: neither good nor bad
	Words      []dashboard.ValueMapping
	Quiet      bool // the colour is that of the text, not behind it
	Links      []dashboard.DashboardLink
	Nothing    string // what it means that there is no value
}

func (n number) wide(columns uint32) panel {
	p := newPanel("stat", n.Title, n.Description)
	p.Targets = now(prometheus.PromQueryFormatTimeSeries, []query{{n.Expr, "{{cluster}}"}})
	d := &p.FieldConfig.Defaults
	d.Unit, d.Decimals, d.Links, d.NoValue = &n.Unit, n.Decimals, n.Links, noValue(n.Nothing)
	d.Color = &dashboard.FieldColor{Mode: dashboard.FieldColorModeIdThresholds}
	colour := common.BigValueColorModeBackgroundSolid
	if d.Thresholds = n.Thresholds; d.Thresholds == nil {
		d.Thresholds = plain()
	}
	switch {
	case n.Thresholds == nil && n.Words == nil:
		colour = common.BigValueColorModeNone
	case n.Quiet:
		colour = common.BigValueColorModeValue
	}
	d.Mappings = append(d.Mappings, n.Words...)
	p.Options = stat.Options{
		GraphMode:              common.BigValueGraphModeNone,
		ColorMode:              colour,
		JustifyMode:            common.BigValueJustifyModeAuto,
		TextMode:               common.BigValueTextModeAuto, // names, if there are several
		WideLayout:             true,
		ReduceOptions:          lastOf(),
		PercentChangeColorMode: common.PercentChangeColorModeStandard,
		Orientation:            common.VizOrientationAuto,
	}
	return p.wide(columns)
}

// ranking is a bar gauge: one bar for each result, now.
type ranking struct {
	Title, Description string

	Expr, Legend string
	Unit         string
	Decimals     *float64
	Max          *float64
	Thresholds   *dashboard.ThresholdsConfig // nil: neither good nor bad
	Links        []dashboard.DashboardLink
	Nothing      string
}

func (r ranking) wide(columns uint32) panel {
	p := newPanel("bargauge", r.Title, r.Description)
	p.Targets = now(prometheus.PromQueryFormatTimeSeries, []query{{r.Expr, r.Legend}})
	d := &p.FieldConfig.Defaults
	d.Unit, d.Decimals, d.Min, d.Max, d.NoValue = &r.Unit, r.Decimals, new(0.0), r.Max, noValue(r.Nothing)
	d.Links = r.Links
	d.Color = &dashboard.FieldColor{Mode: dashboard.FieldColorModeIdThresholds}
	if d.Thresholds = r.Thresholds; d.Thresholds == nil {
		d.Thresholds = thresholds("blue")
	}
	p.Options = bargauge.Options{
		DisplayMode:   common.BarGaugeDisplayModeBasic,
		ValueMode:     common.BarGaugeValueModeText,
		NamePlacement: common.BarGaugeNamePlacementLeft,
		ShowUnfilled:  true,
		Sizing:        common.BarGaugeSizingAuto,
		MinVizWidth:   8,
		MinVizHeight:  16,
		MaxVizHeight:  40,
		Legend:        common.VizLegendOptions{DisplayMode: common.LegendDisplayModeList, Placement: common.LegendPlacementBottom, Calcs: []string{}},
		ReduceOptions: lastOf(),
		Text:          &common.VizTextDisplayOptions{TitleSize: new(14.0), ValueSize: new(18.0)},
		Orientation:   common.VizOrientationHorizontal,
	}
	return p.wide(columns)
}

// timeline is a state timeline: a bar for each result, whose colour tells its state.
type timeline struct {
	Title, Description string

	Queries []query
	Words   []dashboard.ValueMapping
	Nothing string // the legend calls gaps so, too
}

func (t timeline) wide(columns uint32) panel {
	p := newPanel("state-timeline", t.Title, t.Description)
	p.Targets = overTime(interval, prometheus.PromQueryFormatTimeSeries, t.Queries)
	d := &p.FieldConfig.Defaults
	d.Unit, d.NoValue, d.Mappings = new("none"), noValue(t.Nothing), append(unknownIsGrey(), t.Words...)
	d.Color = &dashboard.FieldColor{Mode: dashboard.FieldColorModeIdPaletteClassic} // with thresholds those would be drawn, not the words
	d.Thresholds = plain()
	d.Custom = &statetimeline.FieldConfig{
		LineWidth:     new(uint32(0)),
		FillOpacity:   new(uint32(85)),
		AxisPlacement: new(common.AxisPlacementAuto),
		HideFrom:      &common.HideSeriesConfig{},
		SpanNulls:     &statetimeline.BoolOrUint32{Bool: new(false)},
		InsertNulls:   &statetimeline.BoolOrUint32{Bool: new(false)},
	}
	p.Options = statetimeline.Options{
		ShowValue:   common.VisibilityModeNever,
		RowHeight:   0.85,
		MergeValues: new(true),
		AlignValue:  new(common.TimelineValueAlignmentLeft),
		Legend:      common.VizLegendOptions{DisplayMode: common.LegendDisplayModeList, Placement: common.LegendPlacementBottom, ShowLegend: true, Calcs: []string{}},
		Tooltip:     common.VizTooltipOptions{Mode: common.TooltipDisplayModeSingle, Sort: common.SortOrderNone},
	}
	return p.wide(columns)
}

// heat is a heat map of a histogram: when how many were how long.
type heat struct {
	Title, Description string

	Expr     string // by le, or native
	Interval string
	Nothing  string
}

func (h heat) wide(columns uint32) panel {
	p := newPanel("heatmap", h.Title, h.Description)
	p.Targets = overTime(h.Interval, prometheus.PromQueryFormatHeatmap, []query{{h.Expr, "{{le}}"}})
	d := &p.FieldConfig.Defaults
	d.Unit, d.NoValue = new("s"), noValue(h.Nothing)
	d.Custom = &heatmap.FieldConfig{HideFrom: &common.HideSeriesConfig{}, ScaleDistribution: &common.ScaleDistributionConfig{Type: common.ScaleDistributionLinear}}
	p.Options = heatmap.Options{
		Calculate: new(false),
		Color: heatmap.HeatmapColorOptions{
			Mode: new(heatmap.HeatmapColorModeScheme), Scheme: "Oranges", Fill: "dark-orange", Scale: new(heatmap.HeatmapColorScaleExponential), Exponent: 0.5, Steps: 64,
		},
		FilterValues: &heatmap.FilterValueRange{Le: new(float32(1e-9))},
		RowsFrame:    &heatmap.RowsHeatmapOptions{Layout: new(common.HeatmapCellLayoutAuto)},
		ShowValue:    common.VisibilityModeNever,
		CellGap:      new(uint8(1)),
		CellValues:   &heatmap.CellValues{Unit: new("short")},
		YAxis:        heatmap.YAxisConfig{Unit: new("s"), AxisPlacement: new(common.AxisPlacementLeft), Reverse: new(false), AxisLabel: new("")},
		Legend:       heatmap.HeatmapLegend{Show: true},
		Tooltip:      heatmap.HeatmapTooltip{Mode: common.TooltipDisplayModeSingle, YHistogram: new(false), ShowColorScale: new(false)},
		Exemplars:    heatmap.ExemplarConfig{Color: "rgba(255,0,255,0.7)"},
	}
	return p.wide(columns)
}
