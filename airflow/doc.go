// Package airflow is a client for the stable REST API of Apache Airflow: v1 of
// Airflow 2 (2.10 and later) and v2 of Airflow 3, behind one set of types.
//
// A [Client] turns one question into one request, or one listing into an
// iterator over its rows, and answers with typed values or with an [*Error]
// that names the operation, the path, the status and the [Class] of what went
// wrong. It never retries on its own, never follows a redirect, and keeps to
// the request budget of its [Config] whoever calls it.
package airflow
