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

const opUnpausedDags = "list DAGs that are not paused"

// UnpausedDags returns the ids of all DAGs at which the scheduler looks: those
// that are neither paused nor stale (GET /dags?paused=false, in pages of 100).
func (c *Client) UnpausedDags(ctx context.Context) (map[string]struct{}, error) {
	s, err := c.server(ctx)
	if err != nil {
		return nil, err
	}
	k := c.call(s, opUnpausedDags, http.MethodGet, "/dags")
	unpaused := map[string]struct{}{}
	for range maxPages {
		k.query = url.Values{"paused": {"false"}, "order_by": {"dag_id"}, "limit": {strconv.Itoa(getLimit)}, "offset": {strconv.Itoa(len(unpaused))}}
		rows, total, err := c.dagPage(ctx, k, unpaused)
		if err != nil {
			return nil, err
		}
		if rows == 0 || len(unpaused) >= total {
			return unpaused, nil
		}
	}
	return nil, k.errorf(ClassDecode, nil, "the listing has no end")
}

// dagPage adds the ids of one page, and returns how many rows it held and how many there are in all.
func (c *Client) dagPage(ctx context.Context, k call, ids map[string]struct{}) (rows, total int, err error) {
	a, err := c.do(ctx, k)
	if err != nil {
		return 0, 0, err
	}
	defer a.Close()
	e, err := decodeListing(a.body, "dags", func(dec *jsontext.Decoder) error {
		var j struct {
			DagID *string `json:"dag_id"`
		}
		if err := json.UnmarshalDecode(dec, &j); err != nil {
			return err
		}
		if j.DagID == nil {
			return fmt.Errorf("row %d: a DAG without dag_id", rows)
		}
		rows++
		ids[*j.DagID] = struct{}{}
		return nil
	})
	if err := a.decodeError(err); err != nil {
		return 0, 0, err
	}
	if e.total < 0 {
		return 0, 0, a.errorf(ClassDecode, nil, "an answer without total_entries")
	}
	return rows, e.total, nil
}
