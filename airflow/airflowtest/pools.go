package airflowtest

import (
	"fmt"
	"math"
	"net/http"
)

// Unlimited is the number of slots of a pool without limit.
const Unlimited = -1

// Pool is one pool. Its occupancy is computed from the task instances in it.
type Pool struct {
	Name            string
	Slots           int // or Unlimited
	Description     string
	IncludeDeferred bool
	// Occupancy replaces the computed one if it is not nil.
	Occupancy *Occupancy
}

// Occupancy is how many slots task instances hold or wait for.
type Occupancy struct {
	Running, Queued, Scheduled, Deferred int
}

// PutPool adds or replaces a pool. There is a default_pool of 128 slots from the start.
func (db *Database) PutPool(pool Pool) *Pool {
	for i, p := range db.pools {
		if p.Name == pool.Name {
			db.pools[i] = &pool
			return &pool
		}
	}
	db.pools = append(db.pools, &pool)
	return &pool
}

// Pool returns a pool, nil if there is none.
func (db *Database) Pool(name string) *Pool {
	for _, p := range db.pools {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// occupancy sums the slots of the instances in a pool.
func (db *Database) occupancy(p *Pool) Occupancy {
	if p.Occupancy != nil {
		return *p.Occupancy
	}
	var o Occupancy
	for _, ti := range db.instances {
		if ti.Pool != p.Name {
			continue
		}
		switch ti.State {
		case Running:
			o.Running += ti.PoolSlots
		case Queued:
			o.Queued += ti.PoolSlots
		case Scheduled:
			o.Scheduled += ti.PoolSlots
		case Deferred:
			o.Deferred += ti.PoolSlots
		}
	}
	return o
}

// occupied are the slots that are not open.
func (p *Pool) occupied(o Occupancy) int {
	if p.IncludeDeferred {
		return o.Running + o.Queued + o.Deferred
	}
	return o.Running + o.Queued
}

// listPools is GET /pools of v1.
func (d v1) listPools(c *call) answer {
	q, problem := d.parseQuery(c.query(), "limit", "offset", "order_by")
	if problem != nil {
		return *problem
	}
	limit := c.clamp(min(q.limit, 100))
	if limit == 0 {
		limit = 100
	}
	rows := []any{}
	for i, p := range pageOf(c.db.pools, q.offset, limit) {
		if p.Slots == Unlimited {
			return d.nonconforming(unlimitedDetail(i))
		}
		o := c.db.occupancy(p)
		rows = append(rows, object{
			{"deferred_slots", o.Deferred},
			{"description", orNil(p.Description)},
			{"include_deferred", p.IncludeDeferred},
			{"name", p.Name},
			{"occupied_slots", p.occupied(o)},
			{"open_slots", p.Slots - p.occupied(o)},
			{"queued_slots", o.Queued},
			{"running_slots", o.Running},
			{"scheduled_slots", o.Scheduled},
			{"slots", p.Slots},
		})
	}
	a := d.json(http.StatusOK, object{{"pools", rows}, {"total_entries", len(c.db.pools)}})
	a.rows = len(rows)
	return a
}

// unlimitedDetail is how v1 stumbles over a pool without limit.
func unlimitedDetail(index int) string {
	return fmt.Sprintf(`inf is not of type 'integer'

Failed validating 'type' in schema['allOf'][0]['properties']['pools']['items']['properties']['open_slots']:
    {'type': 'integer',
     'readOnly': True,
     'description': 'The number of free slots at the moment.'}

On instance['pools'][%d]['open_slots']:
    inf`, index)
}

// listPools is GET /pools of v2.
func (d v2) listPools(c *call) answer {
	limit, offset, problem := d.paging(c)
	if problem != nil {
		return *problem
	}
	rows := []any{}
	for _, p := range pageOf(c.db.pools, offset, limit) {
		if p.Slots == Unlimited && !d.unlimitedPools() {
			return internalServerError()
		}
		o := c.db.occupancy(p)
		open := p.Slots - p.occupied(o)
		if p.Slots == Unlimited {
			open = Unlimited
		}
		row := object{
			{"name", p.Name},
			{"slots", p.Slots},
			{"description", orNil(p.Description)},
			{"include_deferred", p.IncludeDeferred},
			{"occupied_slots", p.occupied(o)},
			{"running_slots", o.Running},
			{"queued_slots", o.Queued},
			{"scheduled_slots", o.Scheduled},
			{"open_slots", open},
			{"deferred_slots", o.Deferred},
		}
		if d.hasTeams() {
			row = append(row, member{"team_name", nil})
		}
		rows = append(rows, row)
	}
	a := d.json(http.StatusOK, object{{"pools", rows}, {"total_entries", len(c.db.pools)}})
	a.rows = len(rows)
	return a
}

// pageOf cuts a page out of a list.
func pageOf[T any](list []T, offset, limit int) []T {
	offset = min(offset, len(list))
	if limit > math.MaxInt-offset {
		return list[offset:]
	}
	return list[offset:min(offset+limit, len(list))]
}

// orNil is null for an empty text.
func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}
