// Command generate writes the dashboards, ../*.json as seen from here, and fails if one was stale.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func boards() []board {
	return []board{overview(), fleetOfDags(), singleDag(), taskInstances(), slo(), exporter()}
}

// run writes the dashboards that differ from what is in dir. What was there may be somebody's work: it is kept beside it.
func run(dir string) error {
	var stale []string
	for _, b := range boards() {
		want, err := encode(b)
		if err != nil {
			return err
		}
		path := filepath.Join(dir, b.UID+".json")
		have, err := os.ReadFile(path) //nolint:gosec // named by a constant
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if bytes.Equal(have, want) {
			continue
		}
		if have != nil {
			if err := os.WriteFile(path+".orig", have, 0o644); err != nil { //nolint:gosec // everybody may read it
				return err
			}
		}
		if err := os.WriteFile(path, want, 0o644); err != nil { //nolint:gosec // everybody may read it
			return err
		}
		stale = append(stale, path)
	}
	if stale != nil {
		return fmt.Errorf("written anew, because they were not what the generator makes: %v. Commit them; what was changed by hand is in *.json.orig, and belongs into generate/", stale)
	}
	return nil
}

// encode is the JSON of a dashboard as Grafana saves it: indented, < and > as they are.
func encode(b board) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(b.build()); err != nil {
		return nil, fmt.Errorf("%s: %w", b.UID, err)
	}
	return out.Bytes(), nil
}
