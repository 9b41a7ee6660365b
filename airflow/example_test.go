package airflow_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	promconfig "github.com/prometheus/common/config"

	"github.com/seed-9c0ac15d/airflow_exporter/airflow"
	"github.com/seed-9c0ac15d/airflow_exporter/airflow/airflowtest"
)

// exampleAPI is the API of a small Airflow that runs in this process. The DAG "etl" has a task "load", whose first attempt
// failed, and a mapped task "part" with three instances.
func exampleAPI(version string) (api *airflow.TaskInstanceAPI, shutdown func()) {
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	server, err := airflowtest.New(airflowtest.Options{Version: version, Clock: func() time.Time { return noon }})
	if err != nil {
		log.Fatal(err)
	}
	server.Update(func(db *airflowtest.Database) {
		load := db.Add(airflowtest.Task("etl", "monday", "load"), 2).Fail()
		load.Links = map[string]string{"Runbook": "https://example.org/load"}
		load.Logs = map[int][]airflowtest.LogLine{1: {
			{Time: noon, Level: "INFO", Source: "load.py:7", Text: "loading 3 parts"},
			{Time: noon, Level: "ERROR", Source: "load.py:9", Text: "part 2 is missing"},
		}}
		part := db.Add(airflowtest.Task("etl", "monday", "part"), 0)
		for i, ti := range db.Expand(part.Key, 3) {
			if i == 2 {
				ti.Fail()
				continue
			}
			ti.Succeed()
		}
	})
	cfg := airflow.DefaultConfig()
	cfg.URL, cfg.DialContext = server.URL, server.DialContext
	client, err := airflow.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	return client.TaskInstanceAPI(), func() {
		client.Close()
		server.Close()
	}
}

func ExampleNew() {
	server, err := airflowtest.New(airflowtest.Options{Version: "3.3.2", TCP: true, Users: []airflowtest.User{{Name: "viewer", Password: "pw", Rights: airflowtest.Viewer}}})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	server.Update(func(db *airflowtest.Database) { db.Add(airflowtest.Task("etl", "monday", "load"), 0).Fail() })
	ctx, url, password := context.Background(), server.URL, promconfig.Secret("pw")

	cfg := airflow.DefaultConfig()
	cfg.URL, cfg.Username, cfg.Password = url, "viewer", password
	client, err := airflow.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	ref := airflow.RunRef{DagID: "etl", RunID: "monday"}.Task("load")
	ti, err := client.TaskInstanceAPI().Get(ctx, ref)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ti.State)
	// Output: failed
}

// exampleOfARunningTask has a task "watch", which writes its last line when it goes on.
func exampleOfARunningTask() (api *airflow.TaskInstanceAPI, goOn, shutdown func()) {
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	server, err := airflowtest.New(airflowtest.Options{Version: "3.3.2", Clock: func() time.Time { return noon }})
	if err != nil {
		log.Fatal(err)
	}
	watch := airflowtest.Task("etl", "monday", "watch")
	written := []airflowtest.LogLine{{Time: noon, Level: "INFO", Text: "waiting for a file"}, {Time: noon, Level: "INFO", Text: "it is there"}}
	server.Update(func(db *airflowtest.Database) {
		ti := db.Add(watch, 0)
		ti.Start()
		ti.Logs = map[int][]airflowtest.LogLine{1: written[:1]}
	})
	goOn = func() {
		server.Update(func(db *airflowtest.Database) {
			ti := db.TaskInstance(watch)
			ti.Logs[1] = written
			ti.Succeed()
		})
	}
	cfg := airflow.DefaultConfig()
	cfg.URL, cfg.DialContext = server.URL, server.DialContext
	client, err := airflow.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	return client.TaskInstanceAPI(), goOn, func() {
		client.Close()
		server.Close()
	}
}

func ExampleTaskInstanceAPI_Get() {
	api, shutdown := exampleAPI("3.3.2")
	defer shutdown()

	ref := airflow.RunRef{DagID: "etl", RunID: "monday"}.Task("part")
	ref.MapIndex = 2
	ti, err := api.Get(context.Background(), ref)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ti.State, ti.TryNumber, *ti.Operator, *ti.Hostname)
	// Output: failed 1 PythonOperator worker-1
}

func ExampleTaskInstanceAPI_List() {
	api, shutdown := exampleAPI("2.11.2")
	defer shutdown()

	run := airflow.RunRef{DagID: "etl", RunID: "monday"}
	failed := airflow.TaskInstanceFilter{States: []airflow.State{airflow.StateFailed}}
	for ti, err := range api.List(context.Background(), run, failed) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(ti.TaskID, ti.MapIndex)
	}
	// Output: part 2
}

func ExampleTaskInstanceAPI_ListMapped() {
	api, shutdown := exampleAPI("3.3.2")
	defer shutdown()

	task := airflow.RunRef{DagID: "etl", RunID: "monday"}.Task("part")
	for ti, err := range api.ListMapped(context.Background(), task, airflow.TaskInstanceFilter{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(ti.MapIndex, ti.State)
	}
	// Output:
	// 0 success
	// 1 success
	// 2 failed
}

func ExampleTaskInstanceAPI_ListBatch() {
	api, shutdown := exampleAPI("2.11.2")
	defer shutdown()

	for _, err := range api.ListBatch(context.Background(), airflow.TaskInstanceFilter{
		DagIDs:   []string{"etl"},
		RunAfter: airflow.TimeRange{GTE: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)},
	}) {
		if errors.Is(err, errors.ErrUnsupported) {
			fmt.Println(err)
		}
	}
	// Output: list task instances by ListBatch: Airflow 2.11.2 does not support TaskInstanceFilter.RunAfter.GTE there
}

func ExampleTaskInstanceAPI_Tries() {
	api, shutdown := exampleAPI("3.3.2")
	defer shutdown()

	ref := airflow.RunRef{DagID: "etl", RunID: "monday"}.Task("load")
	tries, err := api.Tries(context.Background(), ref)
	if err != nil {
		log.Fatal(err)
	}
	for _, try := range tries {
		fmt.Println(try.TryNumber, try.State)
	}
	// Output: 1 failed
}

func ExampleTaskInstanceAPI_ExtraLinks() {
	api, shutdown := exampleAPI("2.11.2")
	defer shutdown()

	ref := airflow.RunRef{DagID: "etl", RunID: "monday"}.Task("load")
	links, err := api.ExtraLinks(context.Background(), ref)
	if err != nil {
		log.Fatal(err)
	}
	for name, link := range links {
		if link != nil { // a link may be known by its name only
			fmt.Println(name, *link)
		}
	}
	// Output: Runbook https://example.org/load
}

func ExampleTaskInstanceAPI_Log() {
	api, shutdown := exampleAPI("2.11.2")
	defer shutdown()

	ref := airflow.RunRef{DagID: "etl", RunID: "monday"}.Task("load")
	stream, err := api.Log(context.Background(), ref, 1, airflow.LogQuery{})
	if err != nil {
		log.Fatal(err)
	}
	for line, err := range stream.Lines() { // which also closes it
		if err != nil {
			log.Fatal(err)
		}
		if line.Level == "error" {
			fmt.Println(line.Time.UTC().Format(time.TimeOnly), line.Source, line.Text)
		}
	}
	fmt.Println("more:", stream.More())
	// Output:
	// 12:00:00 load.py:9 part 2 is missing
	// more: false
}

// A log that is still being written is continued where the last answer ended.
func ExampleLogStream_Token() {
	api, goOn, shutdown := exampleOfARunningTask()
	defer shutdown()

	ref := airflow.RunRef{DagID: "etl", RunID: "monday"}.Task("watch")
	var q airflow.LogQuery
	for {
		stream, err := api.Log(context.Background(), ref, 1, q)
		if err != nil {
			log.Fatal(err)
		}
		for line, err := range stream.Lines() {
			if err != nil {
				log.Fatal(err)
			}
			if line.Level != "" {
				fmt.Println(line.Text)
			}
		}
		if !stream.More() {
			break
		}
		q.Token = stream.Token()
		goOn() // in a program, wait for a few seconds here
	}
	// Output:
	// waiting for a file
	// it is there
}

// A log as it is, without looking at its lines.
func ExampleLogStream_Read() {
	api, shutdown := exampleAPI("3.3.2")
	defer shutdown()

	ref := airflow.RunRef{DagID: "etl", RunID: "monday"}.Task("load")
	stream, err := api.Log(context.Background(), ref, 1, airflow.LogQuery{Stream: true})
	if err != nil {
		log.Fatal(err)
	}
	defer stream.Close()
	if _, err := io.Copy(os.Stdout, stream); err != nil {
		log.Print(err)
	}
	// Output:
	// {"timestamp":null,"event":"::group::Log message source details"}
	// {"timestamp":null,"event":"/opt/airflow/logs/dag_id=etl/run_id=monday/task_id=load/attempt=1.log"}
	// {"timestamp":null,"event":"::endgroup::"}
	// {"timestamp":"2026-11-24T12:00:00Z","event":"loading 3 parts","level":"info","logger":"task","filename":"load.py","lineno":7}
	// {"timestamp":"2026-11-24T12:00:00Z","event":"part 2 is missing","level":"error","logger":"task","filename":"load.py","lineno":9}
}

func ExampleTaskInstanceAPI_SetState() {
	api, shutdown := exampleAPI("3.3.2")
	defer shutdown()

	ctx := context.Background()
	ref := airflow.RunRef{DagID: "etl", RunID: "monday"}.Task("part")
	ref.MapIndex = 2
	change := airflow.StateChange{State: airflow.StateSuccess}
	planned, err := api.SetState(ctx, ref, change)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("would change:", len(planned))

	change.Commit = true
	if _, err := api.SetState(ctx, ref, change); err != nil {
		log.Fatal(err)
	}
	ti, err := api.Get(ctx, ref)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("now:", ti.State)
	// Output:
	// would change: 1
	// now: success
}

func ExampleTaskInstanceAPI_SetNote() {
	api, shutdown := exampleAPI("2.11.2")
	defer shutdown()

	ref := airflow.RunRef{DagID: "etl", RunID: "monday"}.Task("load")
	ti, err := api.SetNote(context.Background(), ref, "part 2 is on its way")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(*ti.Note)
	// Output: part 2 is on its way
}
