package airflow

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Dag is one of Airflow's DAGs. A zero time means that Airflow sent null.
type Dag struct {
	DagID  string
	Paused bool
	// Stale: it is in no file any more, or its file does not import, so the scheduler does not look at it. Only [Client.Dag] tells.
	Stale  bool
	Owners []string // in Airflow's order
	// Tags are in Airflow's order. Nil means that they were not asked for; those
	// of a DAG without tags are empty.
	Tags []string
	// Schedule is Airflow's own summary: a cron expression or preset, a time delta
	// as Python writes it ("1 day, 0:00:00"), Asset (Dataset on Airflow 2), or what
	// a timetable calls itself. Empty: none.
	Schedule string
	// HasTimeSchedule: Airflow plans runs ahead, at points in time. One that is
	// only triggered, by people, assets or datasets, has none.
	HasTimeSchedule bool
	// MaxActiveRuns is how many runs may be active at a time, those of backfills
	// not included; 0: Airflow does not tell.
	MaxActiveRuns int

	// What Airflow plans next: the logical date of that run (execution date on
	// Airflow 2) and its data interval. All are zero when no run is planned.
	NextLogicalDate   time.Time
	NextIntervalStart time.Time
	NextIntervalEnd   time.Time
	// NextRunAfter is when that run is due to be created: next_dagrun_create_after
	// on Airflow 2, next_dagrun_run_after on 3. See HeldBack.
	NextRunAfter time.Time
}

// HeldBack reports whether Airflow says that it creates no run because too many
// are active. It then forgets NextRunAfter, and the rest is that of the newest
// run that it created. Airflow 3.2 and later keep that to themselves: there it
// is always false, and MaxActiveRuns must be compared with what is active.
func (d *Dag) HeldBack() bool { return !d.NextLogicalDate.IsZero() && d.NextRunAfter.IsZero() }

// DagQuery says what is wanted of the DAGs.
type DagQuery struct {
	// Tags asks for the tags, too. They cost Airflow 2 a statement per DAG;
	// Airflow 3 sends them whether asked or not.
	Tags bool
}

const (
	opDags = "list DAGs"
	opDag  = "ask for a DAG"
)

// Dags lists all DAGs that are in some file and that the account may read (GET
// /dags, in pages of 100): those that Airflow 2 calls active, and Airflow 3
// does not call stale. One whose file does not import any more is neither after
// about a minute, although its runs may go on. The listing is complete, or an
// error: an *Error, which wraps an *IncompleteError when DAGs went meanwhile.
func (c *Client) Dags(ctx context.Context, q DagQuery) ([]Dag, error) {
	s, err := c.server(ctx)
	if err != nil {
		return nil, err
	}
	l := offsetListing[Dag]{
		call: c.call(s, opDags, http.MethodGet, "/dags"),
		rows: "dags", decode: decodeDag, key: func(d Dag) string { return d.DagID },
	}
	l.call.query = s.dialect.dagsQuery(q)
	l.call.query.Set("order_by", "dag_id")
	return l.all(ctx, c)
}

// Dag asks for one DAG, with its tags, whether it is in some file or not (GET
// /dags/{dag_id}). One that does not exist is an *Error with status 404, or 403
// for an account that may not read all DAGs.
func (c *Client) Dag(ctx context.Context, dagID string) (Dag, error) {
	s, err := c.server(ctx)
	if err != nil {
		return Dag{}, err
	}
	k := c.call(s, opDag, http.MethodGet, "/dags/"+url.PathEscape(dagID))
	k.endpoint = "/dags/{dag_id}"
	a, err := c.do(ctx, k)
	if err != nil {
		return Dag{}, err
	}
	defer a.Close()
	var j dagJSON
	if err := a.decode(&j); err != nil {
		return Dag{}, err
	}
	d, err := j.dag()
	if err != nil {
		return Dag{}, a.errorf(ClassDecode, err, "not the expected JSON: %v", err)
	}
	return d, nil
}

// dagJSON is a DAG as both APIs send it.
type dagJSON struct {
	DagID   *string        `json:"dag_id"`
	Paused  *bool          `json:"is_paused"`
	Stale   *bool          `json:"is_stale"`  // v2
	Active  *bool          `json:"is_active"` // v1
	Owners  []string       `json:"owners"`
	Tags    *[]dagTag      `json:"tags"`
	Summary *string        `json:"timetable_summary"` // v2
	V1      map[string]any `json:"schedule_interval"`
	MaxRuns *int           `json:"max_active_runs"`

	Next          *time.Time `json:"next_dagrun_logical_date"`
	NextV1        *time.Time `json:"next_dagrun"`
	IntervalStart *time.Time `json:"next_dagrun_data_interval_start"`
	IntervalEnd   *time.Time `json:"next_dagrun_data_interval_end"`
	RunAfter      *time.Time `json:"next_dagrun_run_after"`
	RunAfterV1    *time.Time `json:"next_dagrun_create_after"`
}

type dagTag struct {
	Name string `json:"name"`
}

func decodeDag(dec *jsontext.Decoder) (Dag, error) {
	var j dagJSON
	if err := json.UnmarshalDecode(dec, &j); err != nil {
		return Dag{}, err
	}
	return j.dag()
}

// dag refuses a row in which a field is missing that both APIs always send.
func (j *dagJSON) dag() (Dag, error) {
	switch {
	case j.DagID == nil || *j.DagID == "":
		return Dag{}, errors.New("a DAG without dag_id")
	case j.Paused == nil:
		return Dag{}, errors.New("a DAG without is_paused")
	}
	d := Dag{
		DagID: *j.DagID, Paused: *j.Paused, Stale: orZero(j.Stale) || j.Active != nil && !*j.Active, MaxActiveRuns: orZero(j.MaxRuns),
		Schedule:          scheduleSummary(orZero(j.Summary), j.V1),
		NextLogicalDate:   orZero(cmp.Or(j.Next, j.NextV1)),
		NextIntervalStart: orZero(j.IntervalStart), NextIntervalEnd: orZero(j.IntervalEnd),
		NextRunAfter: orZero(cmp.Or(j.RunAfter, j.RunAfterV1)),
	}
	d.HasTimeSchedule = !d.NextRunAfter.IsZero() || !d.NextLogicalDate.IsZero() || plansAhead(d.Schedule)
	for _, owner := range j.Owners {
		d.Owners = append(d.Owners, strings.TrimSpace(owner)) // Airflow 2 splits at the comma alone
	}
	if j.Tags != nil {
		d.Tags = []string{}
		for _, tag := range *j.Tags {
			d.Tags = append(d.Tags, tag.Name)
		}
	}
	return d, nil
}
