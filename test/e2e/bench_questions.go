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

var (
	// idsInPaths are the ids in the path of an API request.
	idsInPaths = regexp.MustCompile(`/(dags|dagRuns|taskInstances)/[^/~][^/]*`)
	// values are those of a query, so that its keys remain.
	values = regexp.MustCompile(`=[^&]*`)
)

// kind is the method, the path without ids, and the keys of the query or the body.
func (a *asked) kind() string {
	path, query, _ := strings.Cut(strings.TrimPrefix(a.target, "/api/v2"), "?")
	keys := strings.Split(values.ReplaceAllString(query, ""), "&")
	var members map[string]json.RawMessage
	if json.Unmarshal(a.body, &members) == nil {
		keys = slices.Collect(maps.Keys(members))
	}
	slices.Sort(keys)
	path = idsInPaths.ReplaceAllStringFunc(path, func(s string) string {
		if strings.HasSuffix(s, "/list") {
			return s
		}
		return s[:strings.LastIndex(s, "/")] + "/…"
	})
	return strings.TrimSpace(a.method + " " + path + " " + strings.Join(slices.Compact(keys), " "))
}

// questions asks again, one by one, what was asked in some scrapes, to learn what each kind costs.
func (b *bench) questions(ctx context.Context, seen []asked, scrapes int) ([]question, error) {
	const samples = 20 // the kernel counts in hundredths of a second
	kinds := map[string][]asked{}
	for _, a := range seen {
		kinds[a.kind()] = append(kinds[a.kind()], a)
	}
	var all []question
	for kind, of := range kinds {
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
