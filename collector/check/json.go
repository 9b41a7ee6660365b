package check

import (
	"io"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/collector/terminal"
)

// The report for programs. What is not known is null or left out.
type (
	reportJSON struct {
		ExitStatus       int          `json:"exit_status"`
		URL              string       `json:"url"`
		Version          *string      `json:"version"`
		API              *string      `json:"api"`
		Account          accountJSON  `json:"account"`
		List             string       `json:"list"`
		ClockSkewSeconds *float64     `json:"clock_skew_seconds"`
		VisibleDags      *int         `json:"visible_dags"`
		Results          []resultJSON `json:"results"`
		Warnings         []string     `json:"warnings"`
		Stopped          string       `json:"stopped,omitempty"`
		Verdict          string       `json:"verdict"`
	}
	accountJSON struct {
		Method string  `json:"method"` // none, basic, token_login, token, oauth2, headers
		User   *string `json:"user"`
	}
	resultJSON struct {
		Question      string   `json:"question"`
		Request       string   `json:"request"`
		Part          string   `json:"part"`
		Needed        bool     `json:"needed"`
		Outcome       string   `json:"outcome"` // ok, failed, not_tried
		Seconds       float64  `json:"seconds"`
		Note          string   `json:"note,omitempty"`
		Class         string   `json:"class,omitempty"` // of the error, as in airflow_exporter_collector_error
		Error         string   `json:"error,omitempty"`
		MissingRights []string `json:"missing_rights,omitempty"`
		Advice        string   `json:"advice,omitempty"`
	}
)

// WriteJSON writes the report for programs.
func (r *Report) WriteJSON(w io.Writer) error {
	j := reportJSON{
		ExitStatus: r.Status(), URL: r.URL, Version: orNull(r.Version.Number), API: orNull(r.Version.API),
		Account: accountJSON{r.Account.method(r.Version), orNull(r.Account.User)},
		List:    r.List, VisibleDags: r.VisibleDags, Results: []resultJSON{}, Warnings: append([]string{}, r.Warnings...),
		Stopped: r.Stopped, Verdict: r.verdict(),
	}
	if r.Skew != nil {
		j.ClockSkewSeconds = new(r.Skew.Seconds())
	}
	for _, result := range r.Results {
		j.Results = append(j.Results, result.json())
	}
	return terminal.JSON(w, j)
}

func (r *Result) json() resultJSON {
	j := resultJSON{
		Question: r.Name, Request: r.Request, Part: r.Part, Needed: r.Needed, Outcome: string(r.Outcome), Seconds: r.Took.Seconds(), Note: r.Note,
		Error: r.Problem, MissingRights: r.MissingRights, Advice: r.Advice,
	}
	if r.Outcome == NotTried {
		j.Outcome = "not_tried"
	}
	if r.Err != nil {
		j.Class = string(airflow.ClassOf(r.Err))
	}
	return j
}

// orNull is nil for an empty text.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
