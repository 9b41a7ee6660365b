package airflowtest

// Dag is one DAG. Adding a run adds its DAG.
type Dag struct {
	DagID       string
	DisplayName string // empty means DagID
	Paused      bool

	versionID string
}

// PutDag adds or replaces a DAG.
func (db *Database) PutDag(dag Dag) *Dag {
	if dag.DisplayName == "" {
		dag.DisplayName = dag.DagID
	}
	dag.versionID = db.newID()
	db.dags[dag.DagID] = &dag
	return &dag
}

// Dag returns a DAG, nil if there is none.
func (db *Database) Dag(dagID string) *Dag { return db.dags[dagID] }
