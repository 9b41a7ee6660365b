package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/table"
)

// listing is a table of what is there now. Each query gives a column of values, and its labels are columns, too.
type listing struct {
	Title, Description string

	Queries []string
	Columns []column // no other is shown
	Sort    []sorting
	Nothing string // what it means that there is no row
}

// column is a label, or the value of the n-th query.
type column struct {
	Field string // name of the label; "Value" of the only query, "Value #A" of the first of several
	Name  string // above it

	Unit       string
	Decimals   *float64
	Width      float64 // 0: what is left
	Words      []dashboard.ValueMapping
	Thresholds *dashboard.ThresholdsConfig
	Bar        bool // a bar behind the number, as long as the largest is the widest
	Filled     bool // the colour fills the cell, not only its text
	Links      []dashboard.DashboardLink
	Filterable bool
	Hidden     bool // needed by a link of another column
}

// sorting names a column as it stands above it.
type sorting struct {
	column string
	desc   bool
}

func (l listing) wide(columns uint32) panel {
	p := newPanel("table", l.Title, l.Description)
	var queries []query
	for _, expr := range l.Queries {
		queries = append(queries, query{expr, ""})
	}
	p.Targets = now(prometheus.PromQueryFormatTable, queries)
	d := &p.FieldConfig.Defaults
	d.Unit, d.NoValue = new("none"), noValue(l.Nothing)
	d.Color = &dashboard.FieldColor{Mode: dashboard.FieldColorModeIdThresholds}
	d.Thresholds = plain()
	d.Custom = &common.TableFieldOptions{Align: common.FieldTextAlignmentAuto, CellOptions: cell("auto"), Inspect: false, Filterable: new(false)}
	names, order := []string{}, map[string]int{}
	for i, c := range l.Columns {
		names = append(names, c.Field)
		order[c.Field] = i
		p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, c.override())
	}
	if len(l.Queries) > 1 {
		p.Transformations = append(p.Transformations, dashboard.DataTransformerConfig{Id: "merge", Options: map[string]any{}})
	}
	p.Transformations = append(p.Transformations,
		dashboard.DataTransformerConfig{Id: "filterFieldsByName", Options: map[string]any{"include": map[string]any{"names": names}}},
		dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{
			"excludeByName": map[string]any{}, "includeByName": map[string]any{}, "indexByName": order, "renameByName": map[string]any{},
		}})
	var sort []common.TableSortByFieldState
	for _, s := range l.Sort {
		sort = append(sort, common.TableSortByFieldState{DisplayName: s.column, Desc: &s.desc})
	}
	p.Options = table.Options{
		ShowHeader:    true,
		ShowTypeIcons: new(false),
		SortBy:        sort,
		CellHeight:    new(common.TableCellHeightSm),
		Footer:        &common.TableFooterOptions{Reducer: []string{}},
	}
	return p.wide(columns)
}

func (c column) override() dashboard.DashboardFieldConfigSourceOverrides {
	var properties []dashboard.DynamicConfigValue
	set := func(id string, value any) {
		properties = append(properties, dashboard.DynamicConfigValue{Id: id, Value: value})
	}
	set("displayName", c.Name)
	set("noValue", " ") // else each empty cell says what an empty table means
	if c.Unit != "" {
		set("unit", c.Unit)
	}
	if c.Decimals != nil {
		set("decimals", *c.Decimals)
	}
	if c.Width > 0 {
		set("custom.width", c.Width)
	} else if !c.Hidden {
		set("custom.minWidth", 130)
	}
	if c.Hidden {
		set("custom.hideFrom.viz", true)
		set("custom.hidden", true) // before Grafana 12
	}
	if c.Filterable {
		set("custom.filterable", true)
	}
	if c.Words != nil {
		set("mappings", c.Words)
	}
	if c.Thresholds != nil {
		set("thresholds", c.Thresholds)
	}
	switch {
	case c.Bar:
		set("min", 0)
		set("custom.cellOptions", cell("gauge"))
		if c.Thresholds == nil {
			set("thresholds", thresholds("blue"))
		}
	case c.Words != nil || c.Thresholds != nil:
		kind := "color-text"
		if c.Filled {
			kind = "color-background"
			if c.Thresholds == nil {
				set("thresholds", thresholds("transparent")) // of cells without a value
			}
		}
		set("custom.cellOptions", cell(kind))
	}
	if c.Links != nil {
		set("links", c.Links)
	}
	return dashboard.DashboardFieldConfigSourceOverrides{Matcher: dashboard.MatcherConfig{Id: "byName", Options: c.Field}, Properties: properties}
}

func cell(kind string) *common.TableCellOptions {
	switch kind {
	case "color-background":
		return &common.TableCellOptions{TableColoredBackgroundCellOptions: &common.TableColoredBackgroundCellOptions{
			Type: "color-background", Mode: new(common.TableCellBackgroundDisplayModeBasic), ApplyToRow: new(false), WrapText: new(false),
		}}
	case "gauge":
		return &common.TableCellOptions{TableBarGaugeCellOptions: &common.TableBarGaugeCellOptions{
			Type: "gauge", Mode: new(common.BarGaugeDisplayModeBasic), ValueDisplayMode: new(common.BarGaugeValueModeText),
		}}
	case "color-text":
		return &common.TableCellOptions{TableColorTextCellOptions: &common.TableColorTextCellOptions{Type: "color-text", WrapText: new(false)}}
	default:
		return &common.TableCellOptions{TableAutoCellOptions: &common.TableAutoCellOptions{Type: "auto", WrapText: new(false)}}
	}
}

// The columns that many tables have.

func clusterColumn() column { return column{Field: "cluster", Name: "Cluster", Width: 95} }

// dagColumn leads to the dashboard of the DAG.
func dagColumn() column {
	return column{Field: "dag_id", Name: "DAG", Links: []dashboard.DashboardLink{dataLink("Dashboard of the DAG", toDag("${__data.fields.cluster}", "${__data.fields.dag_id}"))}}
}

// pageColumn leads to Airflow itself. Its value is the address, which no one wants to read.
func pageColumn() column {
	return column{
		Field: "page", Name: "Airflow", Width: 70,
		Words: []dashboard.ValueMapping{{RegexMap: &dashboard.RegexMap{
			Type:    dashboard.MappingTypeRegexToText,
			Options: dashboard.DashboardRegexMapOptions{Pattern: ".+", Result: dashboard.ValueMappingResult{Text: new("open"), Color: new("blue"), Index: new(int32(0))}},
		}}},
		Links: []dashboard.DashboardLink{toPage("Open in Airflow", "${__value.raw}")},
	}
}

// taskColumn leads to the task in Airflow, whose address is in the column page.
func taskColumn() column {
	return column{Field: "task_id", Name: "Task", Links: []dashboard.DashboardLink{toPage("The task in Airflow", "${__data.fields.page}")}}
}

// addressColumn is a column that only links of others need.
func addressColumn(field string) column { return column{Field: field, Name: field, Hidden: true} }

// toDag is the dashboard of a DAG, for the same time and data source.
func toDag(cluster, dagID string) string {
	return "/d/" + dagUID + "?${datasource:queryparam}&var-airflow=" + cluster + "&var-dag=" + dagID + "&${__url_time_range}"
}

// toTasksOf is the dashboard of tasks, for one DAG.
func toTasksOf(cluster, dagID string) []dashboard.DashboardLink {
	return []dashboard.DashboardLink{dataLink("Dashboard of the tasks", "/d/"+tasksUID+"?${datasource:queryparam}&var-cluster="+cluster+"&var-dag_id="+dagID+"&${__url_time_range}")}
}

// dataLink leads to another dashboard.
func dataLink(title, url string) dashboard.DashboardLink {
	return dashboard.DashboardLink{Title: title, Type: dashboard.DashboardLinkTypeLink, Url: &url, Tags: []string{}}
}

// toPage leads out of Grafana, in a tab of its own.
func toPage(title, url string) dashboard.DashboardLink {
	l := dataLink(title, url)
	l.TargetBlank = true
	return l
}
