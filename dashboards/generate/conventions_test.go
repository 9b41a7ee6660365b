package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A dashboard as Grafana reads it. What the schema calls required is not looked at again.
type shownBoard struct {
	UID           string       `json:"uid"`
	Title         string       `json:"title"`
	Description   string       `json:"description"`
	Tags          []string     `json:"tags"`
	Timezone      string       `json:"timezone"`
	Editable      *bool        `json:"editable"`
	GraphTooltip  int          `json:"graphTooltip"`
	SchemaVersion int          `json:"schemaVersion"`
	Refresh       string       `json:"refresh"`
	Inputs        any          `json:"__inputs"`
	Panels        []shownPanel `json:"panels"`
	Links         []shownLink  `json:"links"`
	Time          struct{ From, To string }
	Templating    struct{ List []shownVariable }
	Annotations   struct{ List []shownAnnotation }
}

type shownVariable struct {
	Name, Type, AllValue, Regex string
	Query                       any
	Multi, IncludeAll           bool
	Hide, Refresh, Sort         int
	Datasource                  *shownSource
}

type shownAnnotation struct {
	Name, Expr, TitleFormat string
	Enable                  bool
	Datasource              *shownSource
}

type shownSource struct{ Type, UID string }

type shownLink struct {
	Type, URL                                      string
	Tags                                           []string
	AsDropdown, IncludeVars, KeepTime, TargetBlank bool
}

type shownPanel struct {
	ID            int
	Type          string
	Title         string
	Description   string
	Collapsed     bool
	Panels        []shownPanel
	PluginVersion string
	Datasource    *shownSource
	GridPos       struct{ X, Y, W, H int }
	Targets       []struct {
		Expr, RefID, Format, Interval string
		Instant, Range                bool
		Datasource                    *shownSource
	}
	Options     map[string]any
	FieldConfig struct {
		Defaults struct {
			Unit, NoValue string
			Links         []shownLink
		}
		Overrides []struct {
			Matcher    struct{ ID, Options string }
			Properties []struct {
				ID    string
				Value json.RawMessage
			}
		}
	}
}

func shown(t *testing.T) map[string]shownBoard {
	t.Helper()
	all := map[string]shownBoard{}
	for uid, text := range committed(t) {
		var b shownBoard
		if err := json.Unmarshal(text, &b); err != nil {
			t.Fatalf("%s: %v", uid, err)
		}
		all[uid] = b
	}
	return all
}

// drawn are all panels that are no rows, those of closed rows included.
func (b shownBoard) drawn() []shownPanel {
	var all []shownPanel
	for _, p := range b.Panels {
		if p.Type != "row" {
			all = append(all, p)
		}
		all = append(all, p.Panels...)
	}
	return all
}

// eachPanel calls a check for each panel; what it returns is wrong with it.
func eachPanel(t *testing.T, check func(b shownBoard, p shownPanel) []string) {
	t.Helper()
	for uid, b := range shown(t) {
		for _, p := range b.drawn() {
			for _, wrong := range check(b, p) {
				t.Errorf("%s: %s: %s", uid, p.Title, wrong)
			}
		}
	}
}

// The uids are part of links, bookmarks and alerts out there. They never change.
func TestTheSixDashboardsHaveTheirUIDs(t *testing.T) {
	want := map[string]string{
		"airflow-overview": "Airflow / Overview", "airflow-dags": "Airflow / DAGs", "airflow-dag": "Airflow / DAG",
		"airflow-tasks": "Airflow / Tasks", "airflow-slo": "Airflow / SLO", "airflow-exporter": "Airflow / Exporter",
	}
	got := map[string]string{}
	for _, b := range shown(t) {
		got[b.UID] = b.Title
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFramesFollowTheConventions(t *testing.T) {
	for uid, b := range shown(t) {
		frame := fmt.Sprintln(b.Tags, b.Timezone, b.Editable != nil && !*b.Editable, b.GraphTooltip, b.SchemaVersion, b.Refresh, b.Time.From, b.Time.To)
		if want := "[airflow] browser true 1 42 1m now-6h now\n"; frame != want {
			t.Errorf("%s: got %s, want %s", uid, frame, want)
		}
		if b.Inputs != nil {
			t.Errorf("%s: __inputs cannot be provisioned", uid)
		}
		if b.Description == "" {
			t.Errorf("%s: no description", uid)
		}
		l := b.Links[0]
		if l.Type != "dashboards" || !slices.Equal(l.Tags, []string{"airflow"}) || !l.AsDropdown || !l.IncludeVars || !l.KeepTime {
			t.Errorf("%s: the list of the other dashboards: %+v", uid, l)
		}
		if len(b.Annotations.List) == 0 || b.Annotations.List[0].Name != "Firing alerts" {
			t.Errorf("%s: firing alerts are no annotation", uid)
		}
		for _, a := range b.Annotations.List {
			if !a.Enable || a.TitleFormat == "" || a.Datasource == nil || a.Datasource.UID != "${datasource}" {
				t.Errorf("%s: annotation %s: %+v", uid, a.Name, a)
			}
		}
	}
}

func TestVariablesFollowTheConventions(t *testing.T) {
	for uid, b := range shown(t) {
		names := []string{}
		for _, v := range b.Templating.List {
			names = append(names, v.Name)
			if v.Type == "datasource" {
				continue
			}
			if v.Datasource == nil || v.Datasource.UID != "${datasource}" || v.Refresh != 2 || v.Sort != 1 {
				t.Errorf("%s: $%s: %+v", uid, v.Name, v)
			}
			// ".+" would lose an Airflow that has no cluster.
			if v.IncludeAll != v.Multi || v.IncludeAll && v.AllValue != ".*" {
				t.Errorf("%s: $%s: all is %q", uid, v.Name, v.AllValue)
			}
		}
		if len(names) < 2 || names[0] != "datasource" || names[1] != "cluster" {
			t.Errorf("%s: variables %v do not begin with datasource, cluster", uid, names)
		}
	}
}

func TestPanelsHaveIDsOfTheirOwn(t *testing.T) {
	for uid, b := range shown(t) {
		seen := map[int]string{}
		for _, p := range append(slices.Clone(b.Panels), b.drawn()...) {
			if other, ok := seen[p.ID]; p.ID == 0 || ok && other != p.Title {
				t.Errorf("%s: %q and %q have the id %d", uid, other, p.Title, p.ID)
			}
			seen[p.ID] = p.Title
		}
	}
}

func TestPanelsFillTheGridWithoutOverlap(t *testing.T) {
	for uid, b := range shown(t) {
		open := []shownPanel{}
		for _, p := range b.Panels {
			open = append(open, p)
			if p.Type == "row" && p.Collapsed {
				for _, wrong := range gaps(p.Panels) {
					t.Errorf("%s: row %s: %s", uid, p.Title, wrong)
				}
			}
		}
		for _, wrong := range gaps(open) {
			t.Errorf("%s: %s", uid, wrong)
		}
	}
}

// gaps are cells of the grid, between the first and the last panel, that are in no panel or in two.
func gaps(panels []shownPanel) []string {
	var wrong []string
	owners := map[[2]int][]string{}
	top, bottom := 1<<30, 0
	for _, p := range panels {
		top, bottom = min(top, p.GridPos.Y), max(bottom, p.GridPos.Y+p.GridPos.H)
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				owners[[2]int{x, y}] = append(owners[[2]int{x, y}], p.Title)
			}
		}
		if p.GridPos.X+p.GridPos.W > 24 {
			wrong = append(wrong, p.Title+" leaves the grid")
		}
	}
	for y := top; y < bottom; y++ {
		for x := range 24 {
			if o := owners[[2]int{x, y}]; len(o) != 1 {
				wrong = append(wrong, fmt.Sprintf("column %d, line %d: %q", x, y, o))
			}
		}
	}
	return wrong
}

func TestGapsAndOverlapsAreFound(t *testing.T) {
	at := func(title string, x, y, w, h int) shownPanel {
		p := shownPanel{Title: title}
		p.GridPos.X, p.GridPos.Y, p.GridPos.W, p.GridPos.H = x, y, w, h
		return p
	}
	for want, panels := range map[string][]shownPanel{
		"[]":                             {at("a", 0, 0, 12, 2), at("b", 12, 0, 12, 2)},
		`[column 23, line 0: []]`:        {at("a", 0, 0, 12, 1), at("b", 12, 0, 11, 1)},
		`[column 11, line 0: ["a" "b"]]`: {at("a", 0, 0, 12, 1), at("b", 11, 0, 13, 1)},
		`[b leaves the grid]`:            {at("a", 0, 0, 12, 1), at("b", 12, 0, 13, 1)},
	} {
		if got := fmt.Sprint(gaps(panels)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A dashboard asks for all its open panels at once.
func TestNotTooManyPanelsAreOpen(t *testing.T) {
	for uid, b := range shown(t) {
		open := 0
		for _, p := range b.Panels {
			if p.Type != "row" {
				open++
			}
		}
		if open > 15 {
			t.Errorf("%s opens %d panels", uid, open)
		}
	}
}

func TestPanelsSayWhatTheyAreAndWhatToDo(t *testing.T) {
	eachPanel(t, func(_ shownBoard, p shownPanel) []string {
		var wrong []string
		if p.Title == "" || p.GridPos.W <= 4 && len([]rune(p.Title)) > 20 {
			wrong = append(wrong, "the title is cut off or missing")
		}
		// One sentence says what it shows, the next what the reader does with it.
		if sentences := regexp.MustCompile(`[.:;?]( |$)`).FindAllString(p.Description, -1); len(sentences) < 2 || len(p.Description) > 260 {
			wrong = append(wrong, fmt.Sprintf("the description has %d parts and %d bytes", len(sentences), len(p.Description)))
		}
		if p.FieldConfig.Defaults.Unit == "" {
			wrong = append(wrong, "no unit")
		}
		if p.FieldConfig.Defaults.NoValue == "" {
			wrong = append(wrong, "it does not say what it means when there is nothing to show")
		}
		if p.PluginVersion == "" {
			wrong = append(wrong, "no pluginVersion: it would be migrated")
		}
		return wrong
	})
}

func TestPanelsAskTheDataSourceThatWasChosen(t *testing.T) {
	eachPanel(t, func(_ shownBoard, p shownPanel) []string {
		var wrong []string
		if p.Datasource == nil || *p.Datasource != (shownSource{"prometheus", "${datasource}"}) {
			wrong = append(wrong, "another data source")
		}
		if len(p.Targets) == 0 {
			wrong = append(wrong, "no query")
		}
		for i, q := range p.Targets {
			if q.Datasource == nil || *q.Datasource != (shownSource{"prometheus", "${datasource}"}) {
				wrong = append(wrong, q.RefID+": another data source")
			}
			if q.RefID != string(rune('A'+i)) {
				wrong = append(wrong, "refId "+q.RefID)
			}
			if q.Instant == q.Range || q.Interval == "" {
				wrong = append(wrong, q.RefID+": instant, range or interval")
			}
			if (p.Type == "table") != (q.Format == "table") || (p.Type == "heatmap") != (q.Format == "heatmap") {
				wrong = append(wrong, q.RefID+": format "+q.Format)
			}
			// What is gone must be absent, and the last value of a range is not.
			if slices.Contains([]string{"stat", "bargauge", "table"}, p.Type) != q.Instant {
				wrong = append(wrong, q.RefID+": a "+p.Type+" with an instant query: "+fmt.Sprint(q.Instant))
			}
			if !strings.Contains(q.Expr, `cluster=~"$cluster"`) && !strings.Contains(q.Expr, `cluster="$cluster"`) {
				wrong = append(wrong, q.RefID+": all clusters")
			}
		}
		return wrong
	})
}

// fixedWindows are those that the rules have, too; a number that is shown now needs no window that goes with the width of a graph.
var fixedWindows = []string{"$__rate_interval", "$__range", "5m", "15m", "1h"}

var rates = regexp.MustCompile(`\b(?:rate|increase)\([^\[]*\[([^\]]+)\]`)

func TestRatesHaveAWindowThatFits(t *testing.T) {
	eachPanel(t, func(_ shownBoard, p shownPanel) []string {
		var wrong []string
		for _, q := range p.Targets {
			for _, m := range rates.FindAllStringSubmatch(q.Expr, -1) {
				if !slices.Contains(fixedWindows, m[1]) || q.Range && m[1] != "$__rate_interval" || q.Instant && m[1] == "$__rate_interval" {
					wrong = append(wrong, "a rate over "+m[1])
				}
			}
		}
		return wrong
	})
}

func TestNoPanelIsOfAKindThatGrafanaGaveUp(t *testing.T) {
	known := []string{"stat", "timeseries", "table", "bargauge", "state-timeline", "heatmap"}
	eachPanel(t, func(_ shownBoard, p shownPanel) []string {
		if !slices.Contains(known, p.Type) {
			return []string{"kind " + p.Type}
		}
		return nil
	})
}

// An old heat map that calculates its buckets again draws nonsense.
func TestHeatMapsSayThatTheirBucketsAreCounted(t *testing.T) {
	maps := 0
	eachPanel(t, func(_ shownBoard, p shownPanel) []string {
		if p.Type != "heatmap" {
			return nil
		}
		maps++
		axis, _ := p.Options["yAxis"].(map[string]any)
		colour, _ := p.Options["color"].(map[string]any)
		if p.Options["calculate"] != false || axis["unit"] != "s" || colour["mode"] != "scheme" {
			return []string{fmt.Sprint(p.Options)}
		}
		return nil
	})
	if maps == 0 {
		t.Error("there is no heat map")
	}
}

var interpolated = regexp.MustCompile(`\$\{([A-Za-z_]\w*)`)

// A link that names a dashboard that is not there, or a column that the table lacks, leads nowhere.
func TestLinksLeadSomewhere(t *testing.T) {
	uids := shown(t)
	dags, pages := 0, 0
	eachPanel(t, func(_ shownBoard, p shownPanel) []string {
		var wrong []string
		fields := map[string]bool{}
		for _, o := range p.FieldConfig.Overrides {
			fields[o.Matcher.Options] = true
		}
		links := slices.Clone(p.FieldConfig.Defaults.Links)
		for _, o := range p.FieldConfig.Overrides {
			for _, property := range o.Properties {
				if property.ID == "links" {
					var some []shownLink
					if err := json.Unmarshal(property.Value, &some); err != nil {
						wrong = append(wrong, err.Error())
					}
					links = append(links, some...)
				}
			}
		}
		for _, l := range links {
			if rest, ok := strings.CutPrefix(l.URL, "/d/"); ok {
				dags++
				uid, _, _ := strings.Cut(rest, "?")
				if _, ok := uids[uid]; !ok {
					wrong = append(wrong, "no dashboard "+uid)
				}
				if l.TargetBlank || !strings.Contains(l.URL, "${datasource:queryparam}") || !strings.Contains(l.URL, "${__url_time_range}") || !strings.Contains(l.URL, "var-cluster=") {
					wrong = append(wrong, "it forgets the data source, the cluster or the time: "+l.URL)
				}
			} else {
				pages++
				if !l.TargetBlank {
					wrong = append(wrong, "it leaves Grafana in the same tab: "+l.URL)
				}
			}
			for _, field := range regexp.MustCompile(`\$\{__data\.fields\.(\w+)`).FindAllStringSubmatch(l.URL, -1) {
				if !fields[field[1]] && field[1] != "cluster" {
					wrong = append(wrong, "there is no column "+field[1])
				}
			}
		}
		return wrong
	})
	if dags < 10 || pages < 10 {
		t.Errorf("only %d links to dashboards and %d to Airflow and runbooks", dags, pages)
	}
}

func TestVariablesAreDefinedAndUsed(t *testing.T) {
	for uid, text := range committed(t) {
		var b shownBoard
		if err := json.Unmarshal(text, &b); err != nil {
			t.Fatal(err)
		}
		used := map[string]bool{}
		for _, m := range append(interpolated.FindAllSubmatch(text, -1), regexp.MustCompile(`\$([A-Za-z_]\w*)`).FindAllSubmatch(text, -1)...) {
			if name := string(m[1]); !strings.HasPrefix(name, "__") {
				used[name] = true
			}
		}
		defined := map[string]bool{}
		for _, v := range b.Templating.List {
			defined[v.Name] = true
		}
		if !maps.Equal(used, defined) {
			t.Errorf("%s: used %v, defined %v", uid, slices.Sorted(maps.Keys(used)), slices.Sorted(maps.Keys(defined)))
		}
		if bytes.Contains(text, []byte(`"datasource": null`)) {
			t.Errorf("%s: a datasource is null", uid)
		}
	}
}
