package airflowtest

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// links are the extra links of an instance, by their names.
func (ti *TaskInstance) links() object {
	o := object{}
	for _, name := range slices.Sorted(maps.Keys(ti.Links)) {
		o = append(o, member{name, orNil(ti.Links[name])})
	}
	return o
}

// listLinks is GET …/taskInstances/{task}/links of v1.
func (d v1) listLinks(c *call) answer {
	query := c.query()
	if d.linksByIndex() {
		query = c.queryBut("map_index")
	}
	if _, problem := d.parseQuery(query); problem != nil {
		return *problem
	}
	if !c.mayRead(c.path["dag"]) {
		return d.forbidden()
	}
	ti, _ := c.one(c.queryIndex())
	if !d.linksByIndex() {
		ti = c.anyIndex()
	}
	if ti == nil {
		return d.problem(http.StatusNotFound, "DAG Run not found", fmt.Sprintf("DAG Run with ID = \"%s\" not found", c.path["run"]), "NotFound")
	}
	return d.json(http.StatusOK, ti.links())
}

// listLinks is GET …/taskInstances/{task}/links of v2.
func (d v2) listLinks(c *call) answer {
	ti, _, problem := d.named(c)
	if problem != nil {
		return *problem
	}
	if ti == nil {
		return d.detail(http.StatusNotFound, "TaskInstance not found")
	}
	links := ti.links()
	return d.json(http.StatusOK, object{{"extra_links", links}, {"total_entries", len(links)}})
}

// anyIndex is the first instance of the task that the path names, whatever its index.
func (c *call) anyIndex() *TaskInstance {
	for _, ti := range c.db.instances {
		if ti.DagID == c.path["dag"] && ti.RunID == c.path["run"] && ti.TaskID == c.path["task"] {
			return ti
		}
	}
	return nil
}

// queryBut is the query without these parameters.
func (c *call) queryBut(known ...string) url.Values {
	q := c.query()
	for _, name := range known {
		q.Del(name)
	}
	return q
}

// queryIndex is the map index that the query of v1 names, −1 if none.
func (c *call) queryIndex() int {
	index, err := strconv.Atoi(c.query().Get("map_index"))
	if err != nil {
		return -1
	}
	return index
}
