package airflow_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// Who has enough of an answer does not wait for its rest, and its connection is free for the next request.
func TestAnswersThatAreGivenUp(t *testing.T) {
	task := airflow.TaskInstanceRef{DagID: "etl", RunID: "r", TaskID: "part", MapIndex: 7}
	firstLine := func(ctx context.Context, api *airflow.TaskInstanceAPI, q airflow.LogQuery) error {
		stream, err := api.Log(ctx, task, 1, q)
		if err != nil {
			return err
		}
		for _, err := range stream.Lines() {
			return err
		}
		return nil
	}
	for name, tc := range map[string]struct {
		path string
		take func(ctx context.Context, api *airflow.TaskInstanceAPI) error
	}{
		"a loop over a stream": {"/logs/1", func(ctx context.Context, api *airflow.TaskInstanceAPI) error {
			return firstLine(ctx, api, airflow.LogQuery{Stream: true})
		}},
		"a loop over a log": {"/logs/1", func(ctx context.Context, api *airflow.TaskInstanceAPI) error {
			return firstLine(ctx, api, airflow.LogQuery{})
		}},
		"a closed stream": {"/logs/1", func(ctx context.Context, api *airflow.TaskInstanceAPI) error {
			stream, err := api.Log(ctx, task, 1, airflow.LogQuery{Stream: true})
			if err != nil {
				return err
			}
			return stream.Close()
		}},
		"a list with a limit": {"/taskInstances", func(ctx context.Context, api *airflow.TaskInstanceAPI) error {
			rows, err := collect(api.List(ctx, runOf(task), airflow.TaskInstanceFilter{Limit: 2}))
			if len(rows) != 2 {
				t.Errorf("%d rows", len(rows))
			}
			return err
		}},
	} {
		for _, version := range []string{"2.11.2", "3.3.2"} {
			t.Run(name+" of "+version, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server, _ := wideDag(t, version)
					server.Update(func(db *airflowtest.Database) {
						db.TaskInstance(airflowtest.MappedTask("etl", "r", "part", 7)).Logs = map[int][]airflowtest.LogLine{1: {{Text: "x"}, {Text: "y"}}}
					})
					api := connect(t, server, func(c *airflow.Config) { c.Concurrency = 1 }).TaskInstanceAPI()
					if _, err := api.Get(t.Context(), task); err != nil {
						t.Fatal(err)
					}
					length := 230
					if tc.path == "/taskInstances" {
						length = 2500
					}
					server.Inject(airflowtest.On("", tc.path), airflowtest.HangAfter(length))
					begun := time.Now()
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					if err := tc.take(ctx, api); err != nil {
						t.Error(err)
					}
					if _, err := api.Get(ctx, task); err != nil {
						t.Error(err)
					}
					if waited := time.Since(begun); waited >= time.Minute {
						t.Errorf("it took %s", waited)
					}
				})
			})
		}
	}
}

// A call that its caller gives up, before the answer or in it, is none that Airflow refused.
func TestCallsThatAreCancelled(t *testing.T) {
	for name, fault := range map[string]airflowtest.Fault{"before the answer": airflowtest.Hang(), "in the answer": airflowtest.HangAfter(2500)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := wideDag(t, "3.3.2")
				api := connect(t, server, nil).TaskInstanceAPI()
				server.Inject(airflowtest.On("", "/taskInstances"), fault)
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				_, err := collect(api.List(ctx, airflow.RunRef{DagID: "etl", RunID: "r"}, airflow.TaskInstanceFilter{}))
				if airflow.ClassOf(err) != airflow.ClassTimeout || !errors.Is(err, context.Canceled) || !strings.HasSuffix(err.Error(), "given up by the caller") {
					t.Errorf("got %v of class %s", err, airflow.ClassOf(err))
				}
			})
		})
	}
}
