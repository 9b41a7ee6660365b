package airflowtest

import (
	"net/http"
	"path"
	"slices"
	"time"
)

// defaultBundle is the bundle of every DAG.
const defaultBundle = "dags-folder"

// ImportError is a DAG file that does not import.
type ImportError struct {
	Bundle     string // Airflow 3 only; empty means dags-folder
	Filename   string // as Dag.File on Airflow 2, within its bundle on 3
	StackTrace string
	Timestamp  time.Time // zero means now

	id int
}

// PutImportError adds an import error, or replaces that of the same file as
// parsing it again does: with a new id and timestamp.
func (db *Database) PutImportError(e ImportError) *ImportError {
	if e.Bundle == "" && db.release.major > 2 {
		e.Bundle = defaultBundle
	}
	db.FixImportError(e.Bundle, e.Filename)
	setDate(&e.Timestamp, db.Now())
	db.importErrorIDs++
	e.id = db.importErrorIDs
	db.importErrors = append(db.importErrors, &e)
	return &e
}

// FixImportError removes the import error of a file, if there is one.
func (db *Database) FixImportError(bundle, filename string) {
	db.importErrors = slices.DeleteFunc(db.importErrors, func(e *ImportError) bool { return e.Bundle == bundle && e.Filename == filename })
}

// findImportErrors returns those that the user of c may see, by id. Of a file
// without DAGs Airflow 2 tells only those who may read all DAGs.
func (c *call) findImportErrors(inFile func(e *ImportError, dag *Dag) bool, withoutDags bool) []*ImportError {
	if c.user == nil || c.user.DagIDs == nil {
		return c.db.importErrors
	}
	var visible []*ImportError
	for _, e := range c.db.importErrors {
		empty, readable := true, false
		for id, dag := range c.db.dags {
			if inFile(e, dag) {
				empty, readable = false, readable || c.mayRead(id)
			}
		}
		if readable || empty && withoutDags {
			visible = append(visible, e)
		}
	}
	return visible
}

// listImportErrors is GET /importErrors of v1.
func (d v1) listImportErrors(c *call) answer {
	q, problem := d.parseQuery(c.query(), "limit", "offset")
	if problem != nil {
		return *problem
	}
	all := c.findImportErrors(func(e *ImportError, dag *Dag) bool { return dag.File == e.Filename }, false)
	rows := []any{}
	for _, e := range pageOf(all, q.offset, c.clamp(fullPage(q.limit))) {
		rows = append(rows, object{
			{"filename", e.Filename},
			{"import_error_id", e.id},
			{"stack_trace", e.StackTrace},
			{"timestamp", v1Time(e.Timestamp)},
		})
	}
	a := d.json(http.StatusOK, object{{"import_errors", rows}, {"total_entries", len(all)}})
	a.rows = len(rows)
	return a
}

// listImportErrors is GET /importErrors of v2.
func (d v2) listImportErrors(c *call) answer {
	limit, offset, problem := d.paging(c)
	if problem != nil {
		return *problem
	}
	for key := range c.query() {
		if key != "limit" && key != "offset" {
			return unserved(key)
		}
	}
	all := c.findImportErrors(func(e *ImportError, dag *Dag) bool {
		return e.Bundle == defaultBundle && path.Base(dag.File) == e.Filename
	}, true)
	rows := []any{}
	for _, e := range pageOf(all, offset, limit) {
		rows = append(rows, object{
			{"import_error_id", e.id},
			{"timestamp", v2Time(e.Timestamp)},
			{"filename", e.Filename},
			{"bundle_name", e.Bundle},
			{"stack_trace", e.StackTrace},
		})
	}
	a := d.json(http.StatusOK, object{{"import_errors", rows}, {"total_entries", len(all)}})
	a.rows = len(rows)
	return a
}
