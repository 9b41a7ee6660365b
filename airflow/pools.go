package airflow

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Unlimited is the number of slots of a pool without a limit.
const Unlimited = -1

// Pool is one of Airflow's pools, with its slots by what holds them.
type Pool struct {
	Name      string
	Slots     int // configured size, or Unlimited
	Open      int // free slots; meaningless in an unlimited pool
	Running   int
	Queued    int
	Scheduled int // wanted by instances that are scheduled, not held
	Deferred  int
}

const opPools = "list pools"

// Pools lists all pools (GET /pools, in pages of 100). It costs Airflow several
// statements and commits per pool: ask rarely. Airflow 2 answers 500 when any
// pool is unlimited.
func (c *Client) Pools(ctx context.Context) ([]Pool, error) {
	s, err := c.server(ctx)
	if err != nil {
		return nil, err
	}
	var pools []Pool
	seen := map[string]struct{}{}
	k := c.call(s, opPools, http.MethodGet, "/pools")
	for range maxPages {
		k.query = url.Values{"limit": {"100"}, "offset": {strconv.Itoa(len(pools))}}
		received, e, err := c.poolPage(ctx, k)
		if err != nil {
			return nil, err
		}
		before := len(pools)
		for _, p := range received {
			if _, again := seen[p.Name]; !again {
				seen[p.Name] = struct{}{}
				pools = append(pools, p)
			}
		}
		if e.total < 0 {
			return nil, k.errorf(ClassDecode, nil, "an answer without total_entries")
		}
		// A total that the rows have outgrown says nothing of how many there are.
		if len(pools) == e.total || len(pools) > e.total && len(pools) == before {
			return pools, nil
		}
		if len(pools) == before {
			cause := &IncompleteError{Received: len(pools), Total: e.total}
			return nil, k.errorf(ClassDecode, cause, "%v", cause)
		}
	}
	return nil, k.errorf(ClassTooLarge, nil, "more than %d pages", maxPages)
}

func (c *Client) poolPage(ctx context.Context, k call) ([]Pool, envelope, error) {
	a, err := c.do(ctx, k)
	if err != nil {
		return nil, envelope{}, err
	}
	defer a.Close()
	var pools []Pool
	e, err := decodeListing(a.body, "pools", func(dec *jsontext.Decoder) error {
		p, err := decodePool(dec)
		if err != nil {
			return fmt.Errorf("row %d: %w", len(pools), err)
		}
		pools = append(pools, p)
		return nil
	})
	return pools, e, a.decodeError(err)
}

func decodePool(dec *jsontext.Decoder) (Pool, error) {
	var j struct {
		Name      *string `json:"name"`
		Slots     *int    `json:"slots"`
		Open      *int    `json:"open_slots"`
		Running   *int    `json:"running_slots"`
		Queued    *int    `json:"queued_slots"`
		Scheduled *int    `json:"scheduled_slots"`
		Deferred  *int    `json:"deferred_slots"`
	}
	if err := json.UnmarshalDecode(dec, &j); err != nil {
		return Pool{}, err
	}
	if j.Name == nil || *j.Name == "" {
		return Pool{}, fmt.Errorf("a pool without name")
	}
	for name, field := range map[string]*int{"slots": j.Slots, "open_slots": j.Open, "running_slots": j.Running,
		"queued_slots": j.Queued, "scheduled_slots": j.Scheduled, "deferred_slots": j.Deferred} {
		if field == nil {
			return Pool{}, fmt.Errorf("a pool without %s", name)
		}
	}
	return Pool{Name: *j.Name, Slots: *j.Slots, Open: *j.Open, Running: *j.Running,
		Queued: *j.Queued, Scheduled: *j.Scheduled, Deferred: *j.Deferred}, nil
}
