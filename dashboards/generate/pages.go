package main

import (
	"fmt"
	"strings"
)

// address is a page of Airflow's web interface: its parts stand around the dag_id and the task_id, and differ between Airflow 3
// (API v2) and Airflow 2 (v1). All were opened on 2.10.5, 2.11.2 and 3.3.2.
type address struct {
	v2, v1 [3]string
	ids    [2]string // labels behind the first and the second part
}

var (
	// An address with /grid is not found on Airflow 3, one with a slash at the end not on Airflow 2.
	dagPage = address{v2: [3]string{"/dags/"}, v1: [3]string{"/dags/"}, ids: [2]string{"dag_id"}}

	taskPage = address{
		v2:  [3]string{"/dags/", "/tasks/"},
		v1:  [3]string{"/dags/", "?task_id="},
		ids: [2]string{"dag_id", "task_id"},
	}

	// failuresPage lists the failed instances of a task, the newest first: one more click leads to the log. Airflow 3.2
	// and later want task_state, those before state.
	failuresPage = address{
		v2:  [3]string{"/dags/", "/tasks/", "/task_instances?task_state=failed&state=failed"},
		v1:  [3]string{"/taskinstance/list/?_flt_3_dag_id=", "&_flt_3_task_id=", "&_flt_3_state=failed&_oc_TaskInstanceModelView=start_date&_od_TaskInstanceModelView=desc"},
		ids: [2]string{"dag_id", "task_id"},
	}

	poolsPage = address{v2: [3]string{"/pools"}, v1: [3]string{"/pool/list/"}}
)

// with gives each series of expr the label named, its address in Airflow. An Airflow that was just upgraded, or whose
// exporters differ, has two versions for a while: the one that was seen last counts.
func (s scope) with(label string, a address, expr string) string {
	known := maxBy("cluster", "last_over_time("+s.airflow().of("airflow_exporter_build_info")+"[1d])")
	newest := "0 * topk by (cluster) (1, " + maxBy("cluster, url, api", "max_over_time(timestamp("+s.airflow().of("airflow_info")+")[15m:1m])") + ") + 1"
	parts := replaced(newest, "root", "$1", "url", "(.*?)/*")
	taken, joined := []string{"root"}, []string{`"root"`}
	for i, name := range []string{"first", "second", "third"} {
		switch {
		case a.v2[i] == a.v1[i] && a.v2[i] == "":
			continue
		case a.v2[i] == a.v1[i]:
			parts = replaced(parts, name, a.v2[i], "api", ".*")
		default:
			parts = replaced(replaced(parts, name, a.v2[i], "api", "v2"), name, a.v1[i], "api", "v1")
		}
		taken, joined = append(taken, name), append(joined, `"`+name+`"`)
		if i < len(a.ids) && a.ids[i] != "" {
			joined = append(joined, `"`+a.ids[i]+`"`)
		}
	}
	// A row is worth more than its link: it stays, without one, where airflow_info is missing.
	parts += " or on (cluster) 0 * " + known + " + 1"
	whole := fmt.Sprintf(`label_join((%s) * on (cluster) group_left (%s) (%s), %q, "", %s)`, expr, strings.Join(taken, ", "), parts, label, strings.Join(joined, ", "))
	for _, none := range append([]string{"root"}, a.ids[:]...) {
		if none != "" {
			whole = replaced(whole, label, "", none, "(__other__)?") // of those no page exists
		}
	}
	// The parts must go: they differ between two addresses, and what a table merges would not fit together.
	for _, name := range taken {
		whole = replaced(whole, name, "", "", "")
	}
	return whole
}

func replaced(expr, label, value, from, pattern string) string {
	return fmt.Sprintf(`label_replace(%s, %q, %q, %q, %q)`, expr, label, value, from, pattern)
}
