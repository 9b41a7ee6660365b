module github.com/seed-9c0ac15d/airflow_exporter/dashboards

go 1.26.8

// npm brings Go files along.
ignore ./preview/node_modules

require (
	github.com/grafana/grafana-foundation-sdk/go v0.0.18
	go.yaml.in/yaml/v3 v3.0.6
)
