package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// columns is how wide Grafana's grid is.
const columns = 24

// board is one dashboard: rows of lines of panels, from the symptom to its cause.
type board struct {
	UID, Title, Description string

	Variables   []dashboard.VariableModel // after the data source
	Links       []dashboard.DashboardLink // beside the list of dashboards
	Annotations []dashboard.AnnotationQuery
	Rows        []row
}

// row is a group of lines below a heading, which asks the question that its panels answer.
type row struct {
	Title     string
	Collapsed bool // its panels ask nothing until it is opened
	Lines     []line
}

// line is a group of panels side by side, of the same height. Together they are as wide as the grid.
type line struct {
	Height uint32
	Panels []panel
}

// panel is a panel that has no place yet.
type panel struct {
	dashboard.Panel
	width uint32
}

func (p panel) wide(columns uint32) panel {
	p.width = columns
	return p
}

// build places the panels, and numbers them in the order in which they are read.
func (b board) build() dashboard.Dashboard { //nolint:staticcheck // the newer model can be provisioned from files by few
	d := dashboard.NewDashboard()
	d.Uid = &b.UID
	d.Title = &b.Title
	d.Description = &b.Description
	d.Tags = []string{tag}
	d.Timezone = new("browser")
	d.Editable = new(false)
	d.GraphTooltip = new(dashboard.DashboardCursorSyncCrosshair)
	d.Time = &dashboard.DashboardDashboardTime{From: "now-6h", To: "now"}
	d.Refresh = new("1m")
	d.LiveNow = new(false)
	d.Preload = new(false)
	d.FiscalYearStartMonth = new(uint8(0))
	d.Version = new(uint32(1))
	d.Templating.List = append([]dashboard.VariableModel{datasourceVariable()}, b.Variables...)
	d.Annotations.List = b.Annotations
	d.Links = append([]dashboard.DashboardLink{otherDashboards()}, b.Links...)

	p := placer{}
	for _, r := range b.Rows {
		p.row(r)
	}
	d.Panels = p.panels
	return *d
}

// placer fills the grid from the top.
type placer struct {
	panels []dashboard.PanelOrRowPanel
	y      uint32
	lastID uint32
}

func (p *placer) id() uint32 {
	p.lastID++
	return p.lastID
}

func (p *placer) row(r row) {
	heading := dashboard.NewRowPanel()
	heading.Id = p.id()
	heading.Title = &r.Title
	heading.Collapsed = r.Collapsed
	heading.GridPos = &dashboard.GridPos{X: 0, Y: p.y, W: columns, H: 1}
	heading.Panels = []dashboard.Panel{}
	p.panels = append(p.panels, dashboard.PanelOrRowPanel{RowPanel: heading})
	p.y++
	below := p.y
	for _, l := range r.Lines {
		var x uint32
		for _, panel := range l.Panels {
			placed := panel.Panel
			placed.Id = new(p.id())
			placed.GridPos = &dashboard.GridPos{X: x, Y: p.y, W: panel.width, H: l.Height}
			x += panel.width
			if r.Collapsed {
				heading.Panels = append(heading.Panels, placed)
			} else {
				p.panels = append(p.panels, dashboard.PanelOrRowPanel{Panel: &placed})
			}
		}
		p.y += l.Height
	}
	if r.Collapsed {
		p.y = below // what is below a closed row begins right after it
	}
}

// prometheusSource is the data source that the reader chooses.
func prometheusSource() *common.DataSourceRef {
	return &common.DataSourceRef{Type: new("prometheus"), Uid: new("${datasource}")}
}
