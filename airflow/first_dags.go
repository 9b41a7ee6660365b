package airflow

import (
	"context"
	"net/http"
	"strconv"
)

// FirstDags asks for the first n of the DAGs that [Client.Dags] would list, n
// at most 100, and for how many those are (GET /dags, one request). A server may
// send fewer.
func (c *Client) FirstDags(ctx context.Context, n int) (dags []Dag, total int, err error) {
	return c.firstDags(ctx, "", n)
}

// DagsLike is FirstDags of those in whose id the text is, in capitals or not;
// "%" stands for any text and "_" for any character.
func (c *Client) DagsLike(ctx context.Context, text string, n int) (dags []Dag, total int, err error) {
	return c.firstDags(ctx, text, n)
}

func (c *Client) firstDags(ctx context.Context, like string, n int) (dags []Dag, total int, err error) {
	s, err := c.server(ctx)
	if err != nil {
		return nil, 0, err
	}
	l := offsetListing[Dag]{call: c.call(s, opDags, http.MethodGet, "/dags"), rows: "dags", decode: decodeDag}
	l.call.query = s.dialect.dagsQuery(DagQuery{})
	l.call.query.Del("fields") // with them, some releases of Airflow 2 do not count
	l.call.query.Set("order_by", "dag_id")
	if like != "" {
		l.call.query.Set("dag_id_pattern", like)
	}
	l.call.query.Set("limit", strconv.Itoa(n))
	p, err := l.page(ctx, c, 0)
	if err != nil {
		return nil, 0, err
	}
	if p.total < 0 {
		return nil, 0, l.call.errorf(ClassDecode, nil, "an answer without total_entries")
	}
	return p.rows, p.total, nil
}
