package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each command line of this program that a text tells people to type is one that it takes.
func TestCommandsInTextsAreTaken(t *testing.T) {
	commands := 0
	for _, pattern := range []string{"README.md", "docs/*.md", "alerts/README.md", "alerts/runbooks/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(text)) {
				args, ok := commandLine(line)
				if !ok {
					continue
				}
				commands++
				if _, err := parseFlags(args, io.Discard, io.Discard); err != nil {
					t.Errorf("%s: %q: %v", file, strings.TrimSpace(line), err)
				}
			}
		}
	}
	if commands < 20 {
		t.Errorf("only %d commands were found", commands)
	}
}

// commandLine is what follows the name of the program in a line of a block of commands.
func commandLine(line string) ([]string, bool) {
	line, _, _ = strings.Cut(strings.TrimSpace(line), "  #")
	words := strings.Fields(strings.ReplaceAll(line, `"$RUN"`, "scheduled__2026-01-01T00:00:00+00:00"))
	if len(words) == 0 || strings.TrimPrefix(words[0], "./") != name {
		return nil, false
	}
	for _, word := range words[1:] {
		if strings.Contains(word, "|") || strings.HasSuffix(word, ",") { // it is a sentence or a table
			return nil, false
		}
	}
	return words[1:], true
}

// Who is told to type $RUN was told before which run that is, and has a command that prints it.
func TestRunbooksTellWhereTheRunComesFrom(t *testing.T) {
	files, err := filepath.Glob("alerts/runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	runbooks := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		before, _, uses := strings.Cut(string(text), "$RUN")
		if !uses {
			continue
		}
		runbooks++
		said := strings.Contains(before, "`dag_run_id`") && strings.Contains(before, "into `RUN`")
		if !said && !strings.Contains(before, "RUN=") {
			t.Errorf("%s uses $RUN before it says that the dag_run_id of which run goes into RUN", file)
		}
		for line := range strings.Lines(string(text)) { // each listing of task instances of any run
			if strings.Contains(line, "/dagRuns/~/taskInstances") && !strings.Contains(line, ".dag_run_id") {
				t.Errorf("%s: no run can be taken from what this prints: %s", file, line)
			}
		}
		if !strings.Contains(string(text), "[.dag_run_id") && !strings.Contains(string(text), ", .dag_run_id") {
			t.Errorf("%s has no command that prints a dag_run_id", file)
		}
	}
	if runbooks < 6 {
		t.Errorf("only %d runbooks use $RUN", runbooks)
	}
}

// docs/commands.md names each key of what the commands write for programs.
func TestKeysForProgramsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"check", "explain"} {
		_, part, _ := strings.Cut(string(text), "\n## "+command+"\n")
		part, _, _ = strings.Cut(part, "\n## ")
		files, err := filepath.Glob("collector/" + command + "/testdata/*.json")
		if err != nil || len(files) < 20 {
			t.Fatalf("%d reports of %s, %v", len(files), command, err)
		}
		missing := map[string]string{}
		for _, file := range files {
			report, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var value any
			if err := json.Unmarshal(report, &value); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			walkKeys(value, func(key string) {
				if !strings.Contains(part, "`"+key+"`") {
					missing[key] = file
				}
			})
		}
		for key, file := range missing {
			t.Errorf("%s: %s, as in %s, is not documented", command, key, file)
		}
	}
}

func walkKeys(value any, found func(key string)) {
	switch v := value.(type) {
	case map[string]any:
		for key, member := range v {
			found(key)
			walkKeys(member, found)
		}
	case []any:
		for _, element := range v {
			walkKeys(element, found)
		}
	}
}
