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

var interpolated = regexp.MustCompile(`\$\{([A-Za-z_]\w*)`)

// A link that names a dashboard that is not there, or a column that the table lacks, leads nowhere.
func TestLinksLeadSomewhere(t *testing.T) {
	uids := shown(t)
	dags, pages := 0, 0
	eachPanel(t, func(_ shownBoard, p shownPanel) []string {
		var wrong []string
		fields := map[string]bool{} // what the filter leaves
		for _, tr := range p.Transformations {
			for _, name := range tr.Options.Include.Names {
				fields[name] = true
			}
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
				if l.TargetBlank || !strings.Contains(l.URL, "${datasource:queryparam}") || !strings.Contains(l.URL, "${__url_time_range}") || !regexp.MustCompile(`var-(cluster|airflow)=`).MatchString(l.URL) {
					wrong = append(wrong, "it forgets the data source, the cluster or the time: "+l.URL)
				}
			} else {
				pages++
				if !l.TargetBlank {
					wrong = append(wrong, "it leaves Grafana in the same tab: "+l.URL)
				}
			}
			for _, field := range regexp.MustCompile(`\$\{__data\.fields\.(\w+)`).FindAllStringSubmatch(l.URL, -1) {
				if !fields[field[1]] {
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

// Two addresses are made of different parts: a label that stays would keep the rows of a task apart.
func TestOfAnAddressOnlyTheWholeStays(t *testing.T) {
	found := 0
	eachPanel(t, func(_ shownBoard, p shownPanel) []string {
		var wrong []string
		for _, q := range p.Targets {
			m := regexp.MustCompile(`group_left \((root[^)]*)\)`).FindStringSubmatch(q.Expr)
			if m == nil {
				continue
			}
			found++
			for _, part := range strings.Split(m[1], ", ") {
				if !strings.Contains(q.Expr, fmt.Sprintf(`, %q, "", "", "")`, part)) {
					wrong = append(wrong, q.RefID+": the label "+part+" stays")
				}
			}
		}
		return wrong
	})
	if found < 10 {
		t.Errorf("only %d addresses", found)
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
