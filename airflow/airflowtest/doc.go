// Package airflowtest is an Airflow for tests: one small database behind both
// dialects of the stable REST API, v1 of Airflow 2 and v2 of Airflow 3, with
// the habits of each release as they were measured on real servers.
//
//	server := airflowtest.Start(t, airflowtest.Options{Version: "3.3.2"})
//	server.Update(func(db *airflowtest.Database) {
//		db.Add(airflowtest.Task("etl", "run1", "load"), 2).Start()
//	})
//	cfg := airflow.DefaultConfig()
//	cfg.URL, cfg.DialContext = server.URL, server.DialContext
//
// Task instances, DAG runs and pools move as Airflow moves them: an instance is
// scheduled, runs, fails, is cleared; a run begins, settles when its instances
// have ended, is marked by a person, cleared, deleted. Asking why an instance
// does not run may write, as it does on real servers (AskingWrites), so that a
// test can prove that nobody asked.
//
// Task instances have logs, links and notes, and can be written to by PATCH.
//
// The server speaks real HTTP over an in-memory listener, so it works inside a
// testing/synctest bubble as long as it is started there.
//
// What it sends is compared with answers of real servers in airflow/testdata:
// errors byte by byte, recorded rows after a round trip through the database,
// and everything else by its keys, their order and its types.
package airflowtest
