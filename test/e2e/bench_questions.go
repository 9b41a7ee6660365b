//go:build e2e && bench

package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// An asked is a request that went through the meter.
type asked struct {
	method, target string // the path with its query
	header         http.Header
	body           []byte
}

// A question is all requests of one kind, with what they cost in a scrape on average.
type question struct {
	kind string
	cost
}

// idsInPaths are the ids in the path of an API request.
var idsInPaths = regexp.MustCompile(`/(dags|dagRuns|taskInstances)/[^/~][^/]*`)

// kinds are the questions of a scrape: what their method, path and the keys of their query or body consist of, and what they ask.
var kinds = []struct{ pattern, asks string }{
	{`/dependencies `, "why an instance waits"},
	{`/tries `, "earlier attempts of an instance"},
	{`POST /dags/~/dagRuns/~/taskInstances/list .*dag_ids.*end_date_gte`, "what finished in runs in which something moved"},
	{`POST /dags/~/dagRuns/~/taskInstances/list .*dag_ids`, "instances without a state, and all of a run that ended"},
	{`POST /dags/~/dagRuns/~/taskInstances/list `, "the unfinished task instances"},
	{`GET /dags/~/dagRuns/~/taskInstances `, "how many have no state"},
	{`POST /dags/~/dagRuns/list .*end_date_gte`, "runs that ended"},
	{`POST /dags/~/dagRuns/list `, "the active runs"},
	{`GET /dags/.*/dagRuns `, "the last runs of a DAG"},
	{`GET /dags `, "the DAGs"},
	{`GET /pools `, "the pools"},
	{`GET /importErrors `, "the import errors"},
	{`GET /monitor/health `, "the health"},
	{`GET /version `, "the version"},
	{`POST /auth/token `, "a token"},
}

// kind is what is asked.
func (a *asked) kind() string {
	path, query, _ := strings.Cut(strings.TrimPrefix(a.target, "/api/v2"), "?")
	values, _ := url.ParseQuery(query)
	keys := slices.Collect(maps.Keys(values))
	var members map[string]json.RawMessage
	if json.Unmarshal(a.body, &members) == nil {
		keys = slices.Collect(maps.Keys(members))
	}
	slices.Sort(keys)
	text := a.method + " " + path + " " + strings.Join(keys, " ")
	for _, k := range kinds {
		if regexp.MustCompile(k.pattern).MatchString(text) {
			return k.asks
		}
	}
	return idsInPaths.ReplaceAllString(text, "/$1/…")
}

// questions asks again, one by one, what was asked in some scrapes, to learn what each kind costs.
func (b *bench) questions(ctx context.Context, seen []asked, scrapes int) ([]question, error) {
	const samples = 20 // the kernel counts in hundredths of a second
	byKind := map[string][]asked{}
	for _, a := range seen {
		byKind[a.kind()] = append(byKind[a.kind()], a)
	}
	var all []question
	for kind, of := range byKind {
		c, err := b.measure(ctx, b.airflow.procs["api-server"], nil, func() (c cost, err error) {
			for i := range samples {
				begin := time.Now()
				n, err := b.askAgain(ctx, of[i*len(of)/samples])
				if err != nil {
					return c, err
				}
				c.bytes += float64(n)
				c.wait = max(c.wait, time.Since(begin))
			}
			return c, nil
		})
		if err != nil {
			return nil, err
		}
		longest := c.wait
		c.requests = samples
		c = c.times(float64(len(of)) / float64(samples*scrapes))
		c.wait = longest
		all = append(all, question{kind, c})
	}
	slices.SortFunc(all, func(x, y question) int { return cmp.Compare(y.airflows(), x.airflows()) })
	return all, nil
}

// askAgain puts a question to Airflow itself, and returns the size of the answer.
func (b *bench) askAgain(ctx context.Context, a asked) (int, error) {
	req, err := http.NewRequestWithContext(ctx, a.method, b.airflow.url()+a.target, bytes.NewReader(a.body))
	if err != nil {
		return 0, err
	}
	req.Header = a.header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %.300s", a.method, a.target, resp.Status, answer)
	}
	return len(answer), err
}
