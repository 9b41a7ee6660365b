package collector

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

// dagsValue is the DAGs, by id: those that Airflow lists, those that it does
// not, but whose runs go on, and those that are missing from the newest listing only.
type dagsValue struct {
	at      time.Time // when they were listed, on Airflow's clock
	dags    map[string]dagFacts
	visible int  // how many were listed, whether they are wanted or not
	clash   bool // one of them has the name of other
	// gone are those that are missing from this listing as from the one before
	// and have no active runs. They are told once: this value may be seen by
	// several collections, and at tells it from the next.
	gone []string
}

// dagFacts is a DAG, and what follows from more than its newest row.
type dagFacts struct {
	airflow.Dag
	listed   bool      // in the newest listing: the scheduler knows it
	nextRun  time.Time // when the next run is, or was, due to be created; zero: none is planned
	heldBack bool      // Airflow creates no run because too many are active
}

// dagsPart lists the DAGs. Which of them have active runs it takes from an
// earlier collection, so that it waits for no other part.
type dagsPart struct {
	fanout   int
	selected selection
	sights   *sights
	listings int
	listedAt time.Time // of the newest listing
	taggedAt time.Time // of the newest one with tags
	known    map[string]*knownDag
	soon     atomic.Bool // the only listing so far did without the active runs
}

// knownDag is a DAG over the listings.
type knownDag struct {
	dagFacts
	told    bool      // Airflow told it; else only its runs are known
	askedAt time.Time // by its id, because it is not listed
	missing int       // complete listings in a row without it and without active runs
}

const (
	// tagsAge is how old tags may grow: they cost Airflow 2 a statement per DAG.
	tagsAge = time.Hour
	// goneAfter is how many complete listings in a row a DAG is missing from when it is gone.
	goneAfter = 2
	// longestRunsAge is how old a listing of active runs may be that tells which DAGs have some.
	longestRunsAge = 5 * time.Minute
)

func newDagsPart(fanout int, selected selection, sights *sights) *dagsPart {
	p := &dagsPart{fanout: fanout, selected: selected, sights: sights, known: map[string]*knownDag{}}
	for id, k := range sights.knownDags.get() {
		if selected.has(id) {
			p.known[id] = &k
		}
	}
	return p
}

func (*dagsPart) name() string { return "dags" }
func (*dagsPart) open() bool   { return false }

func (p *dagsPart) minAge() time.Duration {
	if p.soon.Load() {
		return (*dagRunsPart)(nil).minAge()
	}
	return 5 * time.Minute
}

// fetch lists the DAGs, and asks for some of those that are not listed although
// their runs go on: a file that does not import any more takes its DAGs out of the listing.
func (p *dagsPart) fetch(ctx context.Context, client *airflow.Client, known facts) (value, error) {
	at := airflowNow(client)
	active := p.activeRuns(known, at, at.Add(-longestRunsAge))
	sinceLast := active
	// Who is scraped seldom knows of those at the listing before, but of none that is newer.
	if active == nil && !p.listedAt.IsZero() && known[(*dagRunsPart)(nil).name()].err == nil {
		sinceLast = p.activeRuns(known, at, p.listedAt.Add(-overlap))
	}
	q := airflow.DagQuery{Tags: at.Sub(p.taggedAt) >= forgiving(tagsAge) || p.lacksTags()}
	listed, err := client.Dags(ctx, q)
	if isIncomplete(err) { // DAGs came or went meanwhile
		listed, err = client.Dags(ctx, q)
	}
	if err != nil {
		return nil, err
	}
	visible := len(listed)
	clash := slices.ContainsFunc(listed, func(d airflow.Dag) bool { return d.DagID == other })
	listed = p.selected.dags(listed)
	asked, err := p.ask(ctx, client, p.unlisted(listed, active))
	if err != nil {
		return nil, err
	}
	if q.Tags {
		p.taggedAt = at
	}
	p.listings++
	p.listedAt = at
	p.soon.Store(active == nil && p.listings == 1)
	v := p.sum(listed, asked, active, sinceLast)
	v.at, v.visible, v.clash = at, visible, clash
	all := make(map[string]knownDag, len(p.known))
	for id, k := range p.known {
		all[id] = *k
	}
	p.sights.knownDags.set(all)
	return v, nil
}

// activeRuns counts the active runs of each DAG that has some, those of
// backfills as none: they do not keep Airflow from creating others. It is nil
// if they were not listed before now, since the oldest time.
func (p *dagsPart) activeRuns(known facts, now, oldest time.Time) map[string]int {
	seen := p.sights.activeRuns.get()
	if !seen.at.Before(now) { // they are being listed beside this; whether they are known yet is luck
		seen = activeRunsSeen{}
	}
	if runs, ok := known[(*dagRunsPart)(nil).name()].value.(*dagRunsValue); ok {
		seen = activeRunsSeen{runs.at, activeRunsOf(runs.active)}
	}
	if seen.at.Before(oldest) {
		return nil
	}
	return seen.runs
}

func activeRunsOf(runs []airflow.DagRun) map[string]int {
	active := map[string]int{}
	for _, r := range runs {
		n := 1
		if r.RunType == "backfill" {
			n = 0
		}
		active[r.DagID] += n
	}
	return active
}

// lacksTags reports whether a DAG has come that was never listed with tags.
func (p *dagsPart) lacksTags() bool {
	for _, k := range p.known {
		if k.told && k.Tags == nil {
			return true
		}
	}
	return false
}

// unlisted are the ids of the DAGs that have active runs and are not listed,
// those first that were asked for longest ago.
func (p *dagsPart) unlisted(listed []airflow.Dag, active map[string]int) []string {
	missing := maps.Clone(active)
	for _, d := range listed {
		delete(missing, d.DagID)
	}
	for id := range missing {
		if p.known[id] == nil {
			p.known[id] = &knownDag{}
		}
	}
	return slices.SortedFunc(maps.Keys(missing), func(a, b string) int {
		return cmp.Or(p.known[a].askedAt.Compare(p.known[b].askedAt), cmp.Compare(a, b))
	})
}

// ask asks for the first of some DAGs one by one. One that Airflow does not
// tell about keeps what is known of it.
func (p *dagsPart) ask(ctx context.Context, client *airflow.Client, ids []string) ([]airflow.Dag, error) {
	var dags []airflow.Dag
	for _, id := range ids[:min(len(ids), p.fanout)] {
		d, err := client.Dag(ctx, id)
		switch {
		case err == nil:
			dags = append(dags, d)
		case !definite(err) && !isServerError(err):
			return nil, err
		}
		p.known[id].askedAt = airflowNow(client)
	}
	return dags, nil
}

// sum takes what Airflow told of the DAGs, and drops those that are gone. While
// it is not known which had active runs since the listing before, none goes.
func (p *dagsPart) sum(told, unlisted []airflow.Dag, active, sinceLast map[string]int) *dagsValue {
	v := &dagsValue{dags: map[string]dagFacts{}}
	listed := map[string]struct{}{}
	for _, d := range told {
		listed[d.DagID] = struct{}{}
	}
	told = slices.Concat(told, unlisted)
	fresh := map[string]struct{}{}
	for i := range told {
		p.take(&told[i], active)
		fresh[told[i].DagID] = struct{}{}
	}
	for id, k := range p.known {
		_, here := fresh[id]
		_, k.listed = listed[id]
		_, runs := sinceLast[id]
		switch {
		case here, runs:
			k.missing = 0
		case sinceLast != nil:
			k.missing++
		}
		if k.missing == goneAfter {
			delete(p.known, id)
			v.gone = append(v.gone, id)
			continue
		}
		if k.told {
			v.dags[id] = k.dagFacts
		}
	}
	slices.Sort(v.gone)
	return v
}

// take notes what Airflow told of a DAG now.
func (p *dagsPart) take(d *airflow.Dag, active map[string]int) {
	k := p.known[d.DagID]
	if k == nil {
		k = &knownDag{}
		p.known[d.DagID] = k
	}
	tags := k.Tags
	k.Dag, k.told = *d, true
	if k.Tags == nil {
		k.Tags = tags
	}
	full := d.MaxActiveRuns > 0 && active[d.DagID] >= d.MaxActiveRuns
	k.heldBack = d.HasTimeSchedule && (d.HeldBack() || full)
	k.nextRun = nextRun(k.dagFacts)
}

// nextRun is when the next run is due to be created. Of a DAG that is held back
// Airflow may tell nothing but when its newest run was due: that stays, as does
// what was known before.
func nextRun(d dagFacts) time.Time {
	switch {
	case !d.HasTimeSchedule:
		return time.Time{}
	case !d.NextRunAfter.IsZero():
		return d.NextRunAfter
	case !d.NextIntervalEnd.IsZero():
		return d.NextIntervalEnd
	case d.heldBack:
		return d.nextRun
	}
	return time.Time{} // the schedule is over
}

// scheduleInterval is how far apart the scheduled runs of a DAG are, as far as
// a rule may rely on it: the larger of the gaps before and after the newest
// one, so that a schedule of weekdays does not look late on Monday. A time that
// is not known is zero, and so is the result if no gap is known.
func scheduleInterval(previousDue, newestDue, nextDue time.Time) time.Duration {
	var interval time.Duration
	if !previousDue.IsZero() && !newestDue.IsZero() {
		interval = newestDue.Sub(previousDue)
	}
	if !newestDue.IsZero() && !nextDue.IsZero() {
		interval = max(interval, nextDue.Sub(newestDue))
	}
	return max(interval, 0)
}

// scheduled are the DAGs at which the scheduler looks.
func (v *dagsValue) scheduled() map[string]struct{} {
	scheduled := map[string]struct{}{}
	for id, d := range v.dags {
		if d.listed && !d.Paused {
			scheduled[id] = struct{}{}
		}
	}
	return scheduled
}

// paused are the DAGs that are.
func (v *dagsValue) paused() map[string]struct{} {
	paused := map[string]struct{}{}
	for id, d := range v.dags {
		if d.Paused {
			paused[id] = struct{}{}
		}
	}
	return paused
}

func (*dagsValue) truncated() bool { return false }

func (v *dagsValue) emit(e *exposition) {
	e.gauge(visibleDags, float64(v.visible))
	for id, d := range v.dags {
		e.gauge(dagPaused, boolean(d.Paused), id)
		if d.Tags != nil {
			e.gauge(dagInfo, 1, id, commaJoined(d.Owners), commaJoined(d.Tags), d.Schedule)
		}
		if !d.nextRun.IsZero() {
			e.gauge(dagNextRun, seconds(d.nextRun), id)
		}
	}
}

// commaJoined is a list as one label: sorted, each once.
func commaJoined(list []string) string {
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(list))), ",")
}
