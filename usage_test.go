package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// ended is thrown where the program would end.
type ended int

// usage is what the program says of itself, and the status with which it ends.
func usage(t *testing.T, args ...string) (text string, status int) {
	t.Helper()
	var out bytes.Buffer
	app := newApp(new(flags), &out, io.Discard, func(status int) { panic(ended(status)) })
	defer func() {
		end, ok := recover().(ended)
		if !ok {
			t.Errorf("%q does not end the program", args)
		}
		text, status = out.String(), int(end)
	}()
	_, err := app.Parse(args)
	t.Errorf("%q: went on, %v", args, err)
	return "", 0
}

// The help of a command is about that command: its own flags and arguments, how it is called, how it ends.
func TestHelpOfOneCommand(t *testing.T) {
	own := map[string][]string{
		commandServe:   {"--web.listen-address", "--web.telemetry-path", "--[no-]config.check"},
		commandCheck:   {"--output"},
		commandExplain: {"--output", "--log-lines", "--[no-]wait", "<dag>", "[<map_index>]"},
	}
	for command := range own {
		text, status := usage(t, command, "--help")
		if status != 0 {
			t.Errorf("%s --help: status %d", command, status)
		}
		for _, args := range [][]string{{"--help", command}, {"help", command}} {
			if again, _ := usage(t, args...); again != text {
				t.Errorf("%q does not say the same as %s --help:\n%s", args, command, again)
			}
		}
		for other, words := range own {
			for _, word := range words {
				if has, wants := strings.Contains(text, word), other == command || word == "--output" && command != commandServe; has != wants {
					t.Errorf("%s --help: %s is there: %v, want %v\n%s", command, word, has, wants, text)
				}
			}
		}
		for _, want := range []string{"usage: airflow_exporter " + command, "--config.file", "--airflow.url", "Exit status:\n  0  ", "\n  1  ", "\n  2  "} {
			if !strings.Contains(text, want) {
				t.Errorf("%s --help lacks %q", command, want)
			}
		}
		if examples := examplesIn(t, text); examples != 2 {
			t.Errorf("%s --help has %d examples", command, examples)
		}
	}
}

// examplesIn counts the lines to type, each of which must be one that the program takes.
func examplesIn(t *testing.T, text string) (n int) {
	t.Helper()
	for line := range strings.Lines(text) {
		if args, ok := commandLine(line); ok {
			n++
			if _, err := parseFlags(args, io.Discard, io.Discard); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		}
	}
	return n
}

// The help of the program has every flag of every command.
func TestHelpOfTheProgram(t *testing.T) {
	text, status := usage(t, "--help")
	if again, _ := usage(t, "help"); again != text || status != 0 {
		t.Errorf("status %d; help and --help differ:\n%s", status, again)
	}
	for _, want := range []string{"--config.file", "--web.listen-address", "--[no-]config.check", "--log-lines", "--output", "  airflow_exporter explain [<flags>] <dag>"} {
		if !strings.Contains(text, want) {
			t.Errorf("--help lacks %q:\n%s", want, text)
		}
	}
	if _, status := usage(t, "help", "chek"); status != wrongUsage {
		t.Errorf("help about what does not exist: status %d", status)
	}
}
