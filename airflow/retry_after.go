package airflow

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// retryAfter remembers until when Airflow asked to be left alone.
type retryAfter struct{ until atomic.Int64 } // unix nanoseconds

// maxRetryAfter bounds what a server may ask for.
const maxRetryAfter = 10 * time.Minute

// left is how long Airflow must still be left alone.
func (r *retryAfter) left() time.Duration {
	until := r.until.Load()
	if until == 0 {
		return 0
	}
	return time.Until(time.Unix(0, until))
}

// obey notes the Retry-After of an answer with status 429 or 503. A shorter
// one never ends an earlier one.
func (r *retryAfter) obey(resp *http.Response) {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return
	}
	wait, ok := parseRetryAfter(resp.Header)
	if !ok {
		return
	}
	until := time.Now().Add(min(wait, maxRetryAfter)).UnixNano()
	for {
		before := r.until.Load()
		if until <= before || r.until.CompareAndSwap(before, until) {
			return
		}
	}
}

// parseRetryAfter understands seconds, and HTTP dates by the clock of who sent them.
func parseRetryAfter(h http.Header) (time.Duration, bool) {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	now := time.Now()
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return max(0, at.Sub(now)), true
}
