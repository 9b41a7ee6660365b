// Package airflow is a client for the stable REST API of Apache Airflow: v1 of
// Airflow 2 (2.10 and later) and v2 of Airflow 3, behind one set of types.
//
// A [Client] turns one question into one request, or one listing into an
// iterator over its rows, and answers with typed values or with an [*Error]
// that names the operation, the path, the status and the [Class] of what went
// wrong. It never retries on its own, never follows a redirect, and keeps to
// the request budget of its [Config] whoever calls it.
//
// # Task instances
//
// The methods of Client are made for the exporter, which asks much and cheaply.
// [TaskInstanceAPI] is for everything else: all operations of Airflow's own
// API of task instances, with all fields, filters, logs and writes, the same for
// both versions.
//
//	cfg := airflow.DefaultConfig()
//	cfg.URL, cfg.Username, cfg.Password = url, "viewer", password
//	client, err := airflow.New(cfg)
//	…
//	defer client.Close()
//	ref := airflow.RunRef{DagID: "etl", RunID: "monday"}.Task("load")
//	ti, err := client.TaskInstanceAPI().Get(ctx, ref)
//
// A MapIndex of −1 is a task that is not mapped, or not expanded yet, which has
// to be said: the zero value is index 0. An instance of an expanded mapped task
// has its index, in every method. What a version lacks is nil or zero in the
// rows, and an error that wraps [errors.ErrUnsupported] in what is asked for.
// Writes are dry runs unless [StateChange] says Commit.
package airflow
