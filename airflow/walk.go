package airflow

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	// getLimit is what Airflow 3 clamps the page of a GET list to, unless configured otherwise.
	getLimit = 100
	// maxPages ends a walk that has no end.
	maxPages = 10_000
)

// rowsOf is what is to be listed: rows of type R, told apart by K.
type rowsOf[R any, K comparable] struct {
	op     string
	key    string // of the rows in the answer: "dag_runs"
	decode func(*jsontext.Decoder) (R, error)
	ref    func(*R) K

	byGet    bool       // list page by page by GET instead of by batch
	path     string     // of the GET list below the API root; the batch list is at path + "/list"
	endpoint string     // Request.Endpoint; empty: the path
	params   url.Values // filters of the GET list
	// body is what the batch list is asked for, from the row at offset on.
	body    func(offset int) any
	ordered bool // pages of the batch list have an order
	room    int  // rows of one answer to the batch list
	byRow   bool // bare numbers that are not JSON do not come
	lenient bool // decode itself finds keys that come twice, and strings that are not UTF-8
	skip    int  // rows before the first page
	most    int  // rows that may come in all when they come page by page, or a page more; 0: any number
}

// walk is one listing under way.
type walk[R any, K comparable] struct {
	client *Client
	server *server
	of     rowsOf[R, K]
	yield  func(R) bool
	seen   map[uint64]struct{} // hashes of what was yielded
	seed   maphash.Seed
	body   *guard // of the newest answer
	newest R      // row; it is here so that none is garbage
	page   page[K]
}

// page is what the newest answer held.
type page[K comparable] struct {
	envelope
	rows        int
	first, last K
}

// listing begins a walk, which yields each row once.
func listing[R any, K comparable](c *Client, s *server, of rowsOf[R, K], yield func(R) bool) *walk[R, K] {
	return &walk[R, K]{client: c, server: s, of: of, yield: yield, seen: map[uint64]struct{}{}, seed: maphash.MakeSeed()}
}

// list lists all there is, by GET or by batch.
func (w *walk[R, K]) list(ctx context.Context) error {
	if w.of.byGet {
		return w.pages(ctx)
	}
	return w.batches(ctx)
}

// oneBatch asks for everything at once. Airflow up to 2.10.2 ignores the room, and sends everything, too.
func (w *walk[R, K]) oneBatch(ctx context.Context) error {
	k, err := w.batchCall(0)
	if err != nil {
		return err
	}
	if err := w.fetch(ctx, k); err != nil {
		return err
	}
	return w.complete(k, w.page.rows < w.of.room)
}

// batches asks for everything at once, too, and for the rest page by page when
// the server bounds its answers, if its pages have an order. It does not when
// there are more rows than there is room for.
func (w *walk[R, K]) batches(ctx context.Context) error {
	err := w.oneBatch(ctx)
	short, ok := errors.AsType[*IncompleteError](err)
	if !ok || !short.Clamped {
		return err
	}
	k, _ := w.batchCall(0) // it was built before
	switch {
	case !w.of.ordered:
		return k.errorf(ClassTooLarge, short, "%v: the server bounds its answers, and its pages have no order in which they could be asked for", short)
	case short.Total > w.of.room:
		return w.incomplete(k, false)
	}
	return w.offsets(ctx, k, w.batchCall)
}

func (w *walk[R, K]) batchCall(offset int) (call, error) {
	k := w.client.call(w.server, w.of.op, http.MethodPost, w.of.path+"/list")
	var err error
	if k.body, err = json.Marshal(w.of.body(offset)); err != nil {
		return k, k.errorf(ClassInternal, err, "%v", err)
	}
	return k, nil
}

// pages walks the GET list by cursor; a server that answers without the key
// next_cursor has none, and is walked by offset.
func (w *walk[R, K]) pages(ctx context.Context) error {
	k := w.getCall(getLimit)
	cursors := map[string]struct{}{}
	cursor := ""
	for range maxPages {
		k.query.Set("cursor", cursor)
		if err := w.fetch(ctx, k); err != nil {
			return err
		}
		if !w.page.hasCursor {
			return w.offsets(ctx, k, func(offset int) (call, error) {
				k := w.getCall(max(getLimit, w.of.room))
				k.query.Set("offset", strconv.Itoa(offset))
				return k, nil
			})
		}
		if w.page.cursor == "" {
			return nil
		}
		// Some releases do not count when there is a cursor; there is at least one more.
		w.page.total = max(w.page.total, len(w.seen)+1)
		if w.tooMany() {
			return w.incomplete(k, false)
		}
		cursor = w.page.cursor
		if _, again := cursors[cursor]; again {
			return k.errorf(ClassDecode, nil, "the cursor leads round in circles")
		}
		cursors[cursor] = struct{}{}
	}
	return w.incomplete(k, false)
}

// onePage asks the GET list for everything at once, where its pages have no order.
func (w *walk[R, K]) onePage(ctx context.Context) error {
	k := w.getCall(w.of.room)
	if w.of.params["order_by"] == nil {
		k.query.Del("order_by")
	}
	if w.of.skip > 0 {
		k.query.Set("offset", strconv.Itoa(w.of.skip))
	}
	if err := w.fetch(ctx, k); err != nil {
		return err
	}
	return w.complete(k, false)
}

// pagesByOffset walks the GET list by offset.
func (w *walk[R, K]) pagesByOffset(ctx context.Context) error {
	next := func(offset int) (call, error) {
		k := w.getCall(getLimit)
		k.query.Set("offset", strconv.Itoa(w.of.skip+offset))
		return k, nil
	}
	k, _ := next(0) // it has no error
	if err := w.fetch(ctx, k); err != nil {
		return err
	}
	return w.offsets(ctx, k, next)
}

func (w *walk[R, K]) getCall(limit int) call {
	k := w.client.call(w.server, w.of.op, http.MethodGet, w.of.path)
	if w.of.endpoint != "" {
		k.endpoint = w.of.endpoint
	}
	k.query = url.Values{"order_by": {"id"}, "limit": {strconv.Itoa(limit)}}
	for key, values := range w.of.params {
		k.query[key] = values
	}
	return k
}

// offsets goes on by offset after the first page, the answer to k. Each page
// begins with the last row of the one before: where it does not, rows came or
// went in between and others may have been passed over unseen, whatever the
// total says, so the listing is not complete.
func (w *walk[R, K]) offsets(ctx context.Context, k call, next func(offset int) (call, error)) error {
	for range maxPages {
		if w.page.total < 0 {
			return k.errorf(ClassDecode, nil, "an answer without total_entries")
		}
		// A total that the rows have outgrown says nothing of how many there are.
		if len(w.seen) == w.page.total || w.page.rows == 0 {
			break
		}
		if w.tooMany() {
			return w.incomplete(k, false)
		}
		received, last := len(w.seen), w.page.last
		var err error
		if k, err = next(received - 1); err != nil {
			return err
		}
		if err := w.fetch(ctx, k); err != nil {
			return err
		}
		if w.page.rows == 0 || w.page.first != last {
			w.page.total = max(w.page.total, len(w.seen)+1) // at least the one that was passed over
			return w.incomplete(k, false)
		}
		if len(w.seen) == received {
			break
		}
	}
	return w.complete(k, false)
}

// tooMany reports whether there are more rows than may come.
func (w *walk[R, K]) tooMany() bool { return w.of.most > 0 && w.page.total > w.of.most }

// complete checks that every row there is has been yielded.
func (w *walk[R, K]) complete(k call, clamped bool) error {
	if w.page.total < 0 {
		return k.errorf(ClassDecode, nil, "an answer without total_entries")
	}
	if len(w.seen) >= w.page.total {
		return nil
	}
	return w.incomplete(k, clamped)
}

func (w *walk[R, K]) incomplete(k call, clamped bool) error {
	cause := &IncompleteError{Received: len(w.seen), Total: w.page.total, Clamped: clamped}
	return k.errorf(ClassTooLarge, cause, "%v", cause)
}

// fetch makes one request and yields the rows of its answer that were not there before.
func (w *walk[R, K]) fetch(ctx context.Context, k call) error {
	k.maxBytes, k.byRow = w.client.cfg.MaxResponseBytes, w.of.byRow
	a, err := w.client.do(ctx, k)
	if err != nil {
		return err
	}
	defer a.Close()
	w.page, w.body = page[K]{}, a.body
	var options []jsontext.Options
	if w.of.lenient {
		options = lenient
	}
	w.page.envelope, err = decodeListing(a.body, w.of.key, w.row, options...)
	if errors.Is(err, errStop) {
		return errStop
	}
	if w.page.total > 0 {
		w.page.total = max(0, w.page.total-w.of.skip)
	}
	return a.decodeError(err)
}

// lenient leaves out checks that take a quarter of the decoder's time.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// row decodes one row and yields it once. Of two rows with the same hash of 64 bits, which a
// listing of 20,000 has once in a hundred billion, one is left out.
func (w *walk[R, K]) row(dec *jsontext.Decoder) error {
	w.body.row()
	var err error
	if w.newest, err = w.of.decode(dec); err != nil {
		return fmt.Errorf("row %d: %w", w.page.rows, err)
	}
	ref := w.of.ref(&w.newest)
	if w.page.rows == 0 {
		w.page.first = ref
	}
	w.page.last = ref
	w.page.rows++
	hash := maphash.Comparable(w.seed, ref)
	if _, again := w.seen[hash]; again {
		return nil
	}
	w.seen[hash] = struct{}{}
	if !w.yield(w.newest) {
		return errStop
	}
	return nil
}
