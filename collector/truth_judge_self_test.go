package collector

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

// The judge of the truth test finds each kind of mistake, and none where there is none.
func TestTheJudgeOfTheTruth(t *testing.T) {
	const (
		sizeA, sizeB = `airflow_pool_size_slots{pool="a"}`, `airflow_pool_size_slots{pool="b"}`
		retries      = `airflow_task_retries_total{dag_id="d",task_id="t"}`
	)
	first := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	second := first.Add(truthStep)
	// said is an exposition of parts that were fetched at some time, with changes.
	said := func(at time.Time, change map[string]string) exposed {
		lines := map[string]string{"airflow_up": "1", sizeA: "1", sizeB: "2", retries: "5"}
		for _, part := range partNames {
			for family, value := range map[string]string{"success": "1", "truncated": "0", "last_refresh_timestamp_seconds": fmt.Sprint(seconds(at))} {
				lines[fmt.Sprintf(`airflow_exporter_collector_%s{collector=%q}`, family, part)] = value
			}
		}
		maps.Copy(lines, change)
		var b strings.Builder
		for sample, value := range lines {
			if value != "" {
				b.WriteString(sample + " " + value + "\n")
			}
		}
		return parseExposition(t, b.String())
	}
	failed := func(at time.Time, more map[string]string) map[string]string {
		change := map[string]string{
			`airflow_exporter_collector_success{collector="pools"}`:                        "0",
			`airflow_exporter_collector_last_refresh_timestamp_seconds{collector="pools"}`: fmt.Sprint(seconds(at)),
		}
		maps.Copy(change, more)
		return change
	}
	before := map[string]string{sizeA: "7", retries: "4"}
	for name, tc := range map[string]struct {
		change            map[string]string
		maxAge            time.Duration
		mayFlag           []string
		wrong, gap, flags int
	}{
		"the truth":                      {},
		"another value":                  {change: map[string]string{sizeA: "3"}, wrong: 1},
		"the value before":               {change: map[string]string{sizeA: "7"}, wrong: 1},
		"a sample too many":              {change: map[string]string{`airflow_pool_size_slots{pool="c"}`: "1"}, wrong: 1},
		"a sample too few":               {change: map[string]string{sizeB: ""}, gap: 1},
		"none, with a flag":              {change: failed(first, map[string]string{sizeA: "", sizeB: ""}), mayFlag: []string{"pools"}},
		"none, with a flag for nothing":  {change: failed(first, map[string]string{sizeA: "", sizeB: ""}), flags: 1},
		"a flag of another part":         {change: failed(first, map[string]string{sizeA: "", sizeB: ""}), mayFlag: []string{"dags"}, flags: 1},
		"the value before, with its age": {change: failed(first, map[string]string{sizeA: "7"}), maxAge: time.Hour, mayFlag: []string{"pools"}},
		"the value before, too old":      {change: failed(first, map[string]string{sizeA: "7"}), mayFlag: []string{"pools"}, wrong: 2},
		"the value now, as that before":  {change: failed(first, nil), maxAge: time.Hour, mayFlag: []string{"pools"}, wrong: 1},
		"success of long ago":            {change: map[string]string{`airflow_exporter_collector_last_refresh_timestamp_seconds{collector="pools"}`: fmt.Sprint(seconds(first))}, maxAge: time.Hour, wrong: 2},
		"down for nothing":               {change: map[string]string{"airflow_up": "0"}, flags: 1},
		"a count that fell":              {change: map[string]string{retries: "3"}, wrong: 2},
		"a count that is missing":        {change: map[string]string{retries: ""}, gap: 1, wrong: 1},
		"counted twice":                  {change: map[string]string{retries: "6"}, wrong: 1},
		"not counted yet":                {change: map[string]string{retries: "4", `airflow_exporter_collector_success{collector="attempts"}`: "0"}, mayFlag: []string{"attempts"}},
		"not counted, without a flag":    {change: map[string]string{retries: "4"}, wrong: 1},
	} {
		j := &judge{maxAge: tc.maxAge, mayFlag: tc.mayFlag}
		v := j.compare(said(second, tc.change), said(first, before), []truthMoment{{first, said(first, before)}, {second, said(second, nil)}})
		if len(v.wrong) != tc.wrong || len(v.gaps) != tc.gap || len(v.flags) != tc.flags {
			t.Errorf("%s: %+v", name, v)
		}
	}
}
