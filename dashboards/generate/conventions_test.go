package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
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
	Options         map[string]any
	Transformations []struct {
		Options struct {
			Include struct{ Names []string }
		}
	}
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
			for _, name := range ofAllClusters(a.Expr) {
				t.Errorf("%s: annotation %s: %s of all clusters", uid, a.Name, name)
			}
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
		if len(names) < 2 || names[0] != "datasource" || names[1] != "cluster" && names[1] != "airflow" {
			t.Errorf("%s: variables %v do not begin with the data source and the Airflow", uid, names)
		}
	}
}

// The list of dashboards hands variables over by name: all values, or several, to one that takes one would show nothing.
func TestVariablesOfOneNameTakeTheSame(t *testing.T) {
	multi := map[string]bool{}
	for uid, b := range shown(t) {
		for _, v := range b.Templating.List {
			if m, ok := multi[v.Name]; ok && m != v.Multi {
				t.Errorf("%s: $%s takes several: %v, elsewhere: %v", uid, v.Name, v.Multi, m)
			}
			multi[v.Name] = v.Multi
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
			for _, name := range ofAllClusters(q.Expr) {
				wrong = append(wrong, q.RefID+": "+name+" of all clusters")
			}
		}
		return wrong
	})
}

var selectors = regexp.MustCompile(`\b((?:airflow|process|scrape|ALERTS|cluster\w*:)[\w:]*)(\{cluster=~"\$cluster"|\{cluster="\$airflow")?`)

// ofAllClusters are the metrics in expr that are not those of the chosen Airflows only.
func ofAllClusters(expr string) []string {
	var names []string
	unquoted := regexp.MustCompile(`label_(replace|join)\(|"[^"]*"`).ReplaceAllStringFunc(expr, func(text string) string {
		if text == `"$cluster"` || text == `"$airflow"` {
			return text
		}
		return ""
	})
	for _, m := range selectors.FindAllStringSubmatch(unquoted, -1) {
		if m[2] == "" {
			names = append(names, m[1])
		}
	}
	return names
}

func TestASelectorWithoutItsClusterIsFound(t *testing.T) {
	for expr, want := range map[string]string{
		`max by (cluster) (airflow_up{cluster=~"$cluster"}) == 0 and on (cluster) airflow_info`:                                  "[airflow_info]",
		`sum(cluster_dag:x:rate5m{state="failed"})`:                                                                              "[cluster_dag:x:rate5m]",
		`airflow_up{cluster="$airflow",job="airflow_up"} or label_replace(ALERTS{cluster=~"$cluster"}, "airflow_x", "", "", "")`: "[]",
	} {
		if got := fmt.Sprint(ofAllClusters(expr)); got != want {
			t.Errorf("%s: got %s, want %s", expr, got, want)
		}
	}
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
