package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// What surrounds the panels: variables, links between the dashboards, annotations.

// tag is on each dashboard, and what the list of dashboards goes by.
const tag = "airflow"

// The uids never change: links, the annotation dashboard_uid of the alerts, and bookmarks need them.
const (
	overviewUID = "airflow-overview"
	dagsUID     = "airflow-dags"
	dagUID      = "airflow-dag"
	tasksUID    = "airflow-tasks"
	sloUID      = "airflow-slo"
	exporterUID = "airflow-exporter"
)

func datasourceVariable() dashboard.VariableModel {
	return dashboard.VariableModel{
		Type:        dashboard.VariableTypeDatasource,
		Name:        "datasource",
		Label:       new("Data source"),
		Hide:        new(dashboard.VariableHideDontHide),
		SkipUrlSync: new(false),
		Query:       &dashboard.StringOrMap{String: new("prometheus")},
		Multi:       new(false),
		IncludeAll:  new(false),
		Refresh:     new(dashboard.VariableRefreshOnDashboardLoad),
		Regex:       new(""),
		Current:     &dashboard.VariableOption{Selected: new(false), Text: text(""), Value: text("")},
		Options:     []dashboard.VariableOption{},
	}
}

// allValues also matches what has no such label, as with a single Airflow that has no cluster.
const allValues = ".*"

// variable is asked anew when the time changes, so that what is gone can still be chosen in its time.
func variable(name, label, query string) dashboard.VariableModel {
	return dashboard.VariableModel{
		Type:        dashboard.VariableTypeQuery,
		Name:        name,
		Label:       &label,
		Hide:        new(dashboard.VariableHideDontHide),
		SkipUrlSync: new(false),
		Datasource:  prometheusSource(),
		Query:       &dashboard.StringOrMap{String: &query},
		Definition:  &query,
		Refresh:     new(dashboard.VariableRefreshOnTimeRangeChanged),
		Sort:        new(dashboard.VariableSortAlphabeticalAsc),
		Regex:       new(""),
		Multi:       new(false),
		IncludeAll:  new(false),
		Options:     []dashboard.VariableOption{},
		Current:     &dashboard.VariableOption{Selected: new(false), Text: text(""), Value: text("")},
	}
}

// several makes a variable one of which several or all can be chosen, and all are at first.
func several(v dashboard.VariableModel) dashboard.VariableModel {
	v.Multi = new(true)
	v.IncludeAll = new(true)
	v.AllValue = new(allValues)
	v.Current = &dashboard.VariableOption{Selected: new(true), Text: text("All"), Value: text("$__all")}
	return v
}

// hidden is for what panels and links need and nobody chooses. regex cuts its value out of the answer.
func hidden(v dashboard.VariableModel, regex string) dashboard.VariableModel {
	v.Hide = new(dashboard.VariableHideHideVariable)
	v.SkipUrlSync = new(true)
	v.Regex = &regex
	return v
}

func text(s string) dashboard.StringOrArrayOfString {
	return dashboard.StringOrArrayOfString{String: &s}
}

func clusters() dashboard.VariableModel {
	return several(variable("cluster", "Cluster", "label_values(airflow_up, cluster)"))
}

func dags() dashboard.VariableModel {
	return several(variable("dag_id", "DAG", `label_values(airflow_dag_info{cluster=~"$cluster"}, dag_id)`))
}

// otherDashboards takes the reader along with the variables and the time.
func otherDashboards() dashboard.DashboardLink {
	return dashboard.DashboardLink{
		Title:       "Airflow dashboards",
		Type:        dashboard.DashboardLinkTypeDashboards,
		Icon:        "external link",
		Tooltip:     "",
		Url:         new(""),
		Tags:        []string{tag},
		AsDropdown:  true,
		IncludeVars: true,
		KeepTime:    true,
	}
}

// headerLink stands beside the list of dashboards, and opens a tab of its own.
func headerLink(title, url, tooltip string) dashboard.DashboardLink {
	return dashboard.DashboardLink{
		Title:       title,
		Type:        dashboard.DashboardLinkTypeLink,
		Icon:        "external link",
		Tooltip:     tooltip,
		Url:         &url,
		Tags:        []string{},
		TargetBlank: true,
	}
}

// toItsTasks leads from the dashboard of a DAG to that of the tasks, whose variables have other names.
func toItsTasks() dashboard.DashboardLink {
	l := headerLink("Its tasks", "/d/"+tasksUID+"?${datasource:queryparam}&var-cluster=${airflow}&var-dag_id=${dag}", "The dashboard Tasks, for this DAG")
	l.TargetBlank, l.KeepTime, l.Icon = false, true, "dashboard"
	return l
}

// firing marks since when alerts that fire have been active: ALERTS_FOR_STATE has that as its value. Marked as long as they
// fire, a bad night would hide the graphs. Matchers choose those of the dashboard.
func (s scope) firing(matchers ...string) dashboard.AnnotationQuery {
	matchers = append([]string{`alertname=~"Airflow.+"`, `severity!="info"`}, matchers...)
	a := annotation("Firing alerts", "red",
		"1000 * "+s.airflow().of("ALERTS_FOR_STATE", matchers...)+" and ignoring (alertstate) "+s.airflow().of("ALERTS", append(matchers, `alertstate="firing"`)...),
		"{{alertname}}", "{{cluster}} {{dag_id}} {{pool}} {{queue}}", "severity")
	a.UseValueForTime = new(true)
	return a
}

// restarts shows when exporters started, for counters begin at 0 then.
func restarts() dashboard.AnnotationQuery {
	a := annotation("Exporter starts", "blue",
		"1000 * "+fleet.of("process_start_time_seconds")+" and on (job, instance) "+fleet.of("airflow_exporter_build_info"),
		"The exporter started", "{{instance}}", "")
	a.UseValueForTime = new(true)
	return a
}

func annotation(name, colour, expr, title, body, tags string) dashboard.AnnotationQuery {
	return dashboard.AnnotationQuery{
		Name:            name,
		Datasource:      prometheusSource(),
		Enable:          true,
		Hide:            new(false),
		IconColor:       colour,
		Expr:            &expr,
		Step:            new("60s"),
		TitleFormat:     &title,
		TextFormat:      &body,
		TagKeys:         &tags,
		UseValueForTime: new(false),
	}
}
