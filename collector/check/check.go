// Package check asks Airflow once for all that the exporter is going to ask
// for, and tells which of it the account may read: before the exporter is
// deployed.
package check

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/collector"
)

const (
	// patience is how long one question may take.
	patience = 15 * time.Second
	// skewLimit is how far the clocks may be apart without a word about it.
	skewLimit = 30 * time.Second
	// room is how many rows a listing may hold here: what it holds does not matter.
	room = 10
	// refusalsBeforeStop is after how many refusals in a row, when nothing was ever let in, no more are risked: directories
	// lock accounts after three or five.
	refusalsBeforeStop = 2
	// silencesBeforeStop is after how many questions in a row without an answer no more are asked.
	silencesBeforeStop = 2
)

// Options are the exporter's configuration, as far as it says what is asked.
type Options struct {
	Airflow   airflow.Config
	Collector collector.Config
}

// Run asks everything, one question after the other. The error names the key of
// the configuration that is wrong.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.Airflow.Validate(); err != nil { // it also settles where credentials are
		return nil, err
	}
	a := &asker{options: o, proven: map[right]struct{}{}}
	o.Airflow.Observe = a.observe
	client, err := airflow.New(o.Airflow)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	if err := client.CheckFiles(); err != nil {
		return nil, err
	}
	a.client = client
	a.report = &Report{URL: o.Airflow.URL, List: o.Airflow.List, Account: accountOf(&o.Airflow)}
	for _, q := range a.questions() {
		if a.report.Stopped != "" {
			break
		}
		a.put(ctx, q)
	}
	a.conclude()
	return a.report, nil
}

// asker puts the questions and keeps what answers are good for later ones.
type asker struct {
	options Options
	client  *airflow.Client
	report  *Report

	mu       sync.Mutex
	requests []airflow.Request // of the question that is being put

	letIn    bool               // something that needs a login was answered
	refused  int                // in a row, while nothing was
	silent   int                // in a row
	proven   map[right]struct{} // rights that the account has
	health   airflow.Health
	found    samples
	loggedIn bool // the report has a line about the login
}

func (a *asker) observe(r airflow.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests = append(a.requests, r)
}

// notTried is why there is nothing that a question could be about. It is no failure.
type notTried string

func (n notTried) Error() string { return string(n) }

// put puts one question and adds its result to the report.
func (a *asker) put(ctx context.Context, q question) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	note, err := q.ask(ctx)
	logins, others := a.took()
	if len(logins) > 0 && !a.loggedIn {
		a.loggedIn = true
		login := Result{Name: "login", Part: partAll, Needed: true, Request: logins[0].method(), Outcome: Passed, Took: duration(logins)}
		if err != nil && len(others) == 0 {
			login.fail(a, question{name: "login"}, err)
			a.report.Results = append(a.report.Results, login)
			a.report.stop(stoppedRefused, "the login failed: nothing that needs one was asked")
			return
		}
		a.report.Results = append(a.report.Results, login)
	}
	r := Result{Name: q.name, Part: q.part, Needed: q.part != partExplain, Request: a.request(q), Outcome: Passed, Note: note, Took: duration(others)}
	var nothing notTried
	switch {
	case errors.As(err, &nothing):
		r.Outcome, r.Note = NotTried, string(nothing)
	case err != nil:
		r.fail(a, q, err)
	case !q.open:
		for _, right := range q.needs {
			a.proven[right] = struct{}{}
		}
	}
	a.report.Results = append(a.report.Results, r)
	a.watch(q, r)
}

// took takes the requests of the question that was put, those for a token apart.
func (a *asker) took() (logins, others []request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer func() { a.requests = nil }()
	for _, r := range a.requests {
		if isLogin(r) {
			logins = append(logins, request(r))
			continue
		}
		others = append(others, request(r))
	}
	return logins, others
}

// watch ends the questions when nobody answers them, or lets the account in.
func (a *asker) watch(q question, r Result) {
	class := airflow.Class("")
	if r.Err != nil {
		class = airflow.ClassOf(r.Err)
	}
	switch class {
	case airflow.ClassDNS, airflow.ClassConnect, airflow.ClassTimeout, airflow.ClassTLS:
		a.silent++
	default:
		a.silent = 0
	}
	switch {
	case q.name == nameVersion && r.Outcome == Failed && r.Err != nil:
		a.report.stop(stoppedUnreachable, "without a version nothing else can be asked")
	case a.silent == silencesBeforeStop:
		a.report.stop(stoppedSilent, "Airflow does not answer any more: the rest was not asked")
	case q.open || r.Outcome == NotTried:
	case r.Outcome == Passed:
		a.letIn = true
	case class == airflow.ClassAuth && !a.letIn:
		a.report.stop(stoppedRefused, "Airflow did not let the account in: the rest was not asked")
	case class == airflow.ClassForbidden && !a.letIn && !tellsForbidden(a.client.Known()):
		if a.refused++; a.refused == refusalsBeforeStop {
			a.report.stop(stoppedRefused, "Airflow 2 gives the same answer to wrong credentials and to an account without any right; "+
				"the rest was not asked, so that no account is locked")
		}
	}
}

// tellsForbidden reports whether a 403 shows that the account itself was accepted.
func tellsForbidden(v airflow.Version) bool { return v.AtLeast(3, 0, 0) }

// conclude adds what follows from the answers together.
func (a *asker) conclude() {
	r := a.report
	if skew, ok := a.client.ClockSkew(); ok && r.Version.Number != "" { // else another service answered
		r.Skew = &skew
		if skew.Abs() > skewLimit {
			r.warn("the clock of this machine is %s %s Airflow's: mend whichever is wrong; ages and waits are computed with Airflow's, alerts with that of Prometheus",
				skew.Abs().Round(time.Second), aheadOf(skew))
		}
	}
	if s, ok := a.health["scheduler"]; ok && !s.Healthy {
		r.warn("Airflow calls its scheduler unhealthy: while it is, the exporter does not ask why task instances wait")
	}
	if m, ok := a.health["metadatabase"]; ok && !m.Healthy {
		r.warn("Airflow calls its metadatabase unhealthy")
	}
	if r.VisibleDags != nil && *r.VisibleDags == 0 {
		r.warn("the account sees no DAG: there is none, or it may read none, which Airflow does not tell")
	}
}

func aheadOf(skew time.Duration) string {
	if skew < 0 {
		return "behind"
	}
	return "ahead of"
}

func duration(requests []request) time.Duration {
	var sum time.Duration
	for _, r := range requests {
		sum += r.Duration
	}
	return sum
}

// request is one request to Airflow that was made.
type request airflow.Request

// method is the request for a token, for people.
func (r request) method() string {
	if r.Endpoint == loginEndpoint {
		return "POST " + loginEndpoint
	}
	return "POST to the token_url of OAuth 2"
}

// The endpoints, as requests name them, that give tokens.
const (
	loginEndpoint  = "/auth/token"
	oauth2Endpoint = "oauth2_token_url"
)

func isLogin(r airflow.Request) bool {
	return slices.Contains([]string{loginEndpoint, oauth2Endpoint}, r.Endpoint)
}
