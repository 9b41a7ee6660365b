package explain

import (
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
)

type (
	instanceJSON struct {
		TaskID       string        `json:"task_id"`
		MapIndex     int           `json:"map_index"` // -1: not mapped, or not expanded yet
		State        string        `json:"state"`
		Since        *time.Time    `json:"since"`
		SinceSeconds *float64      `json:"since_seconds"`
		TryNumber    int           `json:"try_number"`
		MaxTries     int           `json:"max_tries"`
		Tries        int           `json:"tries"` // how many there may be
		StartDate    *time.Time    `json:"start_date"`
		EndDate      *time.Time    `json:"end_date"`
		Duration     *float64      `json:"duration_seconds"`
		Operator     *string       `json:"operator"`
		Queue        *string       `json:"queue"`
		Hostname     *string       `json:"hostname"`
		Note         *string       `json:"note"`
		Trigger      *string       `json:"trigger"`
		Pool         poolJSON      `json:"pool"`
		Mapped       *mappedJSON   `json:"mapped"`
		Why          *whyJSON      `json:"why"`
		Retry        *retryJSON    `json:"retry"`
		Attempts     []attemptJSON `json:"attempts"`
		Failed       []failedJSON  `json:"failed_in_run"`
		Log          *logJSON      `json:"log"`
		Links        []linkJSON    `json:"links"`
	}
	poolJSON struct {
		Name      string `json:"name"`
		Takes     int    `json:"pool_slots"` // that the instance takes
		Exists    *bool  `json:"exists"`     // null: not asked, or not told
		Slots     *int   `json:"slots"`      // -1: unlimited
		Open      *int   `json:"open_slots"`
		Running   *int   `json:"running_slots"`
		Queued    *int   `json:"queued_slots"`
		Scheduled *int   `json:"scheduled_slots"`
		Deferred  *int   `json:"deferred_slots"`
	}
	mappedJSON struct {
		States []countJSON `json:"states"`
		Chosen bool        `json:"chosen"` // the index was not named: the worst was taken
	}
	retryJSON struct {
		Delay   *float64   `json:"delay_seconds"`
		Backoff bool       `json:"exponential_backoff"`
		Due     *time.Time `json:"due"`
	}
	attemptJSON struct {
		TryNumber int        `json:"try_number"`
		State     string     `json:"state"`
		StartDate *time.Time `json:"start_date"`
		EndDate   *time.Time `json:"end_date"`
		Duration  *float64   `json:"duration_seconds"`
	}
	failedJSON struct {
		TaskID   string     `json:"task_id"`
		MapIndex int        `json:"map_index"`
		EndDate  *time.Time `json:"end_date"`
	}
	logJSON struct {
		TryNumber int      `json:"try_number"`
		Before    int      `json:"lines_before"`
		Lines     []string `json:"lines"`
		Error     *string  `json:"error"`
	}
	linkJSON struct {
		Name string `json:"name"`
		URL  string `json:"url"`
	}
)

func (r *Report) instanceJSON(i *Instance) *instanceJSON {
	at := i.since()
	j := &instanceJSON{
		TaskID: i.TaskID, MapIndex: i.MapIndex, State: string(i.State), Since: orNull(at), SinceSeconds: r.seconds(at),
		TryNumber: i.TryNumber, MaxTries: i.MaxTries, Tries: i.tries(), StartDate: orNull(i.StartDate), EndDate: orNull(i.EndDate), Duration: duration(&i.TaskInstance),
		Queue: orNull(i.Queue), Pool: i.poolJSON(), Why: i.Why.json(), Attempts: []attemptJSON{}, Failed: []failedJSON{}, Links: []linkJSON{},
	}
	if d := i.Details; d != nil {
		j.Operator, j.Hostname, j.Note = notEmpty(d.Operator), notEmpty(d.Hostname), notEmpty(d.Note)
		if d.Trigger != nil {
			j.Trigger = orNull(d.Trigger.Classpath)
		}
	}
	if t := i.Task; t != nil {
		j.Retry = &retryJSON{Backoff: t.RetryBackoff, Due: orNull(i.retryDue())}
		if t.RetryDelay != nil {
			j.Retry.Delay = new(t.RetryDelay.Seconds())
		}
	}
	if m := r.Mapped; m != nil {
		j.Mapped = &mappedJSON{countsJSON(m.States), !m.Named}
	}
	for n := range i.Attempts {
		a := &i.Attempts[n]
		j.Attempts = append(j.Attempts, attemptJSON{a.TryNumber, string(a.State), orNull(a.StartDate), orNull(a.EndDate), duration(a)})
	}
	for _, t := range i.Failed {
		j.Failed = append(j.Failed, failedJSON{t.TaskID, t.MapIndex, orNull(t.EndDate)})
	}
	if l := i.Log; l != nil {
		j.Log = &logJSON{TryNumber: l.TryNumber, Before: l.Before, Lines: append([]string{}, l.Lines...)}
		if l.Err != nil {
			j.Log.Error = new(l.Err.Error())
		}
	}
	for _, l := range i.Links {
		j.Links = append(j.Links, linkJSON(l))
	}
	return j
}

func (i *Instance) poolJSON() poolJSON {
	j := poolJSON{Name: i.TaskInstance.Pool, Takes: i.PoolSlots}
	if i.NoPool {
		j.Exists = new(false)
	}
	if p := i.Pool; p != nil {
		j.Exists, j.Slots = new(true), &p.Slots
		j.Running, j.Queued, j.Scheduled, j.Deferred = &p.Running, &p.Queued, &p.Scheduled, &p.Deferred
		if p.Slots != airflow.Unlimited {
			j.Open = &p.Open
		}
	}
	return j
}

// duration is how long an attempt ran, null while it does, or when Airflow does not tell.
func duration(t *airflow.TaskInstance) *float64 {
	if !t.HasDuration || t.StartDate.IsZero() || !t.State.Finished() && t.State != airflow.StateUpForRetry {
		return nil
	}
	return new(t.Duration.Seconds())
}
