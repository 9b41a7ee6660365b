package airflow

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// offsetListing is a GET list that is read page by page, by offset, in an order
// that the server keeps.
type offsetListing[T any] struct {
	call   call // its query is that of every page, but for limit and offset
	rows   string
	decode func(*jsontext.Decoder) (T, error)
	key    func(T) string // of a row, unique
	// joined: the server may count a row several times, in total_entries as in
	// offsets, and send it once; then a page can be short of rows before the end.
	joined bool
}

// offsetPage is one answer.
type offsetPage[T any] struct {
	envelope
	rows []T
}

// all returns every row once. A listing that has no total_entries ends with a
// page of nothing new. Each page begins with the last row of the one before:
// where it is missing, rows went in between and others were passed over
// unseen. The error is then an *Error that wraps an *IncompleteError.
func (l *offsetListing[T]) all(ctx context.Context, c *Client) ([]T, error) {
	var all []T
	seen := map[string]struct{}{}
	last, at, jumped := "", 0, false
	for range maxPages {
		p, err := l.page(ctx, c, at)
		if err != nil {
			return nil, err
		}
		known := len(all)
		overlaps := at == 0 || jumped
		for _, row := range p.rows {
			key := l.key(row)
			overlaps = overlaps || key == last
			if _, again := seen[key]; !again {
				seen[key] = struct{}{}
				all = append(all, row)
			}
		}
		next := at + len(p.rows) - 1
		if len(p.rows) > 0 {
			last = l.key(p.rows[len(p.rows)-1])
		}
		switch {
		case !overlaps: // whatever the total says: what went makes room in it for what was passed over
			return nil, l.incomplete(len(all), p.total)
		// A total that the rows have outgrown says nothing of how many there are.
		case len(all) == p.total, len(all) > p.total && len(all) == known:
			return all, nil
		case len(all) > known:
			at, jumped = next, false
			continue
		case !l.joined || len(p.rows) == 0:
			return nil, l.incomplete(len(all), p.total)
		}
		at, jumped = at+getLimit, true // the whole page was one row, many times
		if at >= p.total {
			return all, nil
		}
	}
	return nil, l.call.errorf(ClassDecode, nil, "the listing has no end")
}

func (l *offsetListing[T]) incomplete(received, total int) error {
	cause := &IncompleteError{Received: received, Total: total}
	return l.call.errorf(ClassTooLarge, cause, "%v", cause)
}

// page asks for the rows from an offset on.
func (l *offsetListing[T]) page(ctx context.Context, c *Client, offset int) (offsetPage[T], error) {
	k := l.call
	k.maxBytes = c.cfg.MaxResponseBytes
	k.query = url.Values{"limit": {strconv.Itoa(getLimit)}, "offset": {strconv.Itoa(offset)}}
	maps.Copy(k.query, l.call.query)
	a, err := c.do(ctx, k)
	if err != nil {
		return offsetPage[T]{}, err
	}
	defer a.Close()
	var p offsetPage[T]
	p.envelope, err = decodeListing(a.body, l.rows, func(dec *jsontext.Decoder) error {
		row, err := l.decode(dec)
		if err != nil {
			return fmt.Errorf("row %d: %w", len(p.rows), err)
		}
		p.rows = append(p.rows, row)
		return nil
	})
	return p, a.decodeError(err)
}
