// Package lint checks PromQL in rules, dashboards and runbooks against what the
// exporter says, which its golden expositions show.
package lint
