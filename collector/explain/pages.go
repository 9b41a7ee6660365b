package explain

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// The pages of Airflow's web interface, as in the dashboards.

// page is an address below that of Airflow.
func (g *gatherer) page(path string) string { return strings.TrimRight(g.report.URL, "/") + path }

func (g *gatherer) isV1() bool { return g.report.Version.API == "v1" }
func (g *gatherer) isV2() bool { return g.report.Version.API == "v2" }

func (g *gatherer) dagPage() string { return g.page("/dags/" + url.PathEscape(g.options.DagID)) }

func (g *gatherer) runPage() string {
	run := g.report.Run
	if g.isV1() {
		return g.dagPage() + "/grid?" + url.Values{"dag_run_id": {run.RunID}}.Encode()
	}
	return g.dagPage() + "/runs/" + url.PathEscape(run.RunID)
}

func (g *gatherer) instancePage(ref airflow.TaskInstanceRef) string {
	if g.isV1() {
		q := url.Values{"dag_run_id": {ref.RunID}, "task_id": {ref.TaskID}}
		if ref.MapIndex >= 0 {
			q.Set("map_index", strconv.Itoa(ref.MapIndex))
		}
		return g.dagPage() + "/grid?" + q.Encode()
	}
	page := g.dagPage() + "/runs/" + url.PathEscape(ref.RunID) + "/tasks/" + url.PathEscape(ref.TaskID)
	if ref.MapIndex >= 0 {
		page += "/mapped/" + strconv.Itoa(ref.MapIndex)
	}
	return page
}
