package collector

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// reporter writes one line when something begins to fail, when the reason
// changes, and when it works again; repetitions go to the debug level.
type reporter struct {
	logger log.Logger
	told   map[string]string // by part: what was said of it last
}

// collection reports how the parts are. Parts that fail for the same reason share a line.
func (r *reporter) collection(parts []partState) {
	type trouble struct {
		names []string
		err   error
		fresh bool
	}
	var troubles []*trouble
	byReason := map[string]*trouble{}
	if r.told == nil {
		r.told = map[string]string{}
	}
	for _, s := range parts {
		name := s.part.name()
		if s.err == nil {
			r.works(name, s.value)
			continue
		}
		reason := reasonOf(s.err)
		t := byReason[reason]
		if t == nil {
			t = &trouble{err: s.err}
			byReason[reason] = t
			troubles = append(troubles, t)
		}
		t.names = append(t.names, name)
		t.fresh = t.fresh || r.told[name] != reason
		r.told[name] = reason
	}
	for _, t := range troubles {
		logger := level.Debug(r.logger)
		if t.fresh {
			logger = level.Error(r.logger)
		}
		line := []any{"msg", "cannot ask Airflow", "collector", strings.Join(t.names, ","), "class", string(classOf(t.err)), "err", t.err}
		if p, ok := errors.AsType[*panicError](t.err); ok {
			line = append(line, "stack", string(p.stack))
		}
		_ = logger.Log(append(line, "advice", airflow.Advice(t.err))...)
	}
}

const (
	toldTruncated = "truncated"
	// toldVersion is where told keeps which version answered.
	toldVersion = "version of Airflow"
	// toldClash is where it keeps that a DAG has the name of other.
	toldClash = "DAG with the name of other"
)

// works reports that a part is well again, or cut short.
func (r *reporter) works(name string, v value) {
	if h, ok := v.(*healthValue); ok && r.told[toldVersion] != h.version.Number {
		r.told[toldVersion] = h.version.Number
		_ = level.Info(r.logger).Log("msg", "Airflow answers", "version", h.version.Number, "api", h.version.API)
	}
	if d, ok := v.(*dagsValue); ok && d.clash && r.told[toldClash] == "" {
		r.told[toldClash] = other
		_ = level.Warn(r.logger).Log("msg", "a DAG has the name that stands for all without series of their own: it counts as not selected", "dag_id", other, "advice", "rename it")
	}
	if b, ok := v.(*blockedValue); ok && len(b.unknown) > 0 {
		names := slices.Sorted(slices.Values(b.unknown))
		_ = level.Debug(r.logger).Log("msg", "dependencies that are not Airflow's own count as other", "names", strings.Join(slices.Compact(names), ", "))
	}
	now := ""
	if v != nil && v.truncated() {
		now = toldTruncated
	}
	switch last := r.told[name]; {
	case last == now:
	case now == toldTruncated:
		r.cut(name, v)
	case last == toldTruncated && name != (*taskInstancesPart)(nil).name(): // as little news as that it was cut
	default:
		_ = level.Info(r.logger).Log("msg", "works again", "collector", name)
	}
	r.told[name] = now
}

// cut reports that a part is cut short. Parts that follow the task instances
// are so for the same reason, or for a moment only.
func (r *reporter) cut(name string, v value) {
	instances, ok := v.(*taskInstancesValue)
	runs, _ := v.(*dagRunsValue)
	switch {
	case runs != nil && runs.skipped:
		_ = level.Warn(r.logger).Log("msg", "Airflow fails to list a DAG run that ended: it is not counted", "collector", name,
			"advice", "look for the reason in the log of Airflow's API server; it may be one damaged row of its table dag_run")
	case !ok:
		_ = level.Debug(r.logger).Log("msg", "not all could be asked for yet", "collector", name)
	case len(instances.missing) > 0:
		_ = level.Warn(r.logger).Log("msg", "Airflow fails to list some states: their details are missing", "collector", name,
			"states", strings.Trim(fmt.Sprint(slices.Sorted(maps.Keys(instances.missing))), "[]"),
			"advice", "look for the reason in the log of Airflow's API server: if it could not write to its table log, set airflow.list: get; else it may be one damaged row of its table task_instance")
	default:
		_ = level.Warn(r.logger).Log("msg", "too much to list: details are missing", "collector", name,
			"advice", "raise collector.max_rows if Airflow really has that many unfinished task instances")
	}
}

// stay reports that a limit on series was lowered below what counters and histograms have.
func (r *reporter) stay(series, limit int) {
	_ = level.Warn(r.logger).Log("msg", "collector.max_series was lowered, but counters and histograms that exist stay", "series", series, "max_series", limit,
		"advice", "restart the exporter if Prometheus cannot take that many")
}

// bug reports what should never happen.
func (r *reporter) bug(err error) {
	line := []any{"msg", "please report this bug", "err", err}
	if p, ok := errors.AsType[*panicError](err); ok {
		line = append(line, "stack", string(p.stack))
	}
	_ = level.Error(r.logger).Log(line...)
}

// reasonOf is what two errors share that need the same cure. Their texts may
// differ from one time to the next: ports, times, ids.
func reasonOf(err error) string {
	reason := string(classOf(err))
	if e, ok := errors.AsType[*airflow.Error](err); ok && e.Status != 0 {
		reason += " " + strconv.Itoa(e.Status)
	}
	return reason
}
