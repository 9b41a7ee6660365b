package airflow

import (
	"net/http"
	"sync/atomic"
	"time"
)

// clockSkew is the newest measurement of our clock minus Airflow's.
type clockSkew struct{ value atomic.Pointer[time.Duration] }

func (s *clockSkew) get() (time.Duration, bool) {
	if p := s.value.Load(); p != nil {
		return *p, true
	}
	return 0, false
}

// measure compares our clock with the Date header, which has whole seconds and
// was written some time between started and now. Of all skews that explain
// both, the smallest is taken: clocks that agree as far as can be told have none.
func (s *clockSkew) measure(started time.Time, h http.Header) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	// A second for what the header cuts off, and one because servers keep it for a second.
	least, most := started.Sub(date.Add(2*time.Second)), time.Since(date)
	skew := min(max(0, least), most)
	s.value.Store(&skew)
}

// airflowNow is the time on Airflow's clock, as far as it is known.
func (c *Client) airflowNow() time.Time {
	skew, _ := c.skew.get()
	return time.Now().Round(0).Add(-skew)
}
