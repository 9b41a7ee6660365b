package airflowtest

import "slices"

// User may log in.
type User struct {
	Name     string
	Password string
	Rights   Rights
	// DagIDs are the DAGs that the user may read; nil means all.
	DagIDs []string
}

// Rights are what a user may do, as a set.
type Rights uint

// The rights that the served endpoints ask for.
const (
	ReadDags Rights = 1 << iota
	ReadDagRuns
	ReadTaskInstances
	ReadTaskLogs
	ReadPools
	ReadImportErrors
	EditTaskInstances

	// Viewer is the role of that name.
	Viewer = ReadDags | ReadDagRuns | ReadTaskInstances | ReadTaskLogs | ReadPools | ReadImportErrors
	// Op may also change task instances.
	Op = Viewer | EditTaskInstances

	// readRuns is what listing DAG runs needs.
	readRuns = ReadDags | ReadDagRuns
	// readInstances is what listing task instances needs.
	readInstances = ReadDags | ReadDagRuns | ReadTaskInstances
	// readLogs is what reading the log of a task instance needs.
	readLogs = readInstances | ReadTaskLogs
	// editInstances is what changing a task instance needs.
	editInstances = readInstances | EditTaskInstances
	// openToAll marks endpoints that need no login.
	openToAll Rights = 0
)

func (r Rights) include(needed Rights) bool { return r&needed == needed }

func (u *User) mayRead(dagID string) bool {
	return u.DagIDs == nil || slices.Contains(u.DagIDs, dagID)
}

// user finds a user by name and password, nil for none.
func (s *Server) user(name, password string) *User {
	for i := range s.options.Users {
		u := &s.options.Users[i]
		if u.Name == name && u.Password == password {
			return u
		}
	}
	return nil
}
