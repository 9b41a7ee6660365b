package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// writeFile is where all that can write to Airflow is, and what may be named in it only.
const writeFile = "airflow/task_instance_write.go"

// writers are the names of what writes: to call one, its name must be said.
var writers = []string{"SetState", "SetNote", "MethodPatch", "MethodPut", "MethodDelete"}

// The exporter reads. Nothing in this repository, tests and the server for tests
// aside, names what writes to Airflow, but for the file that defines it.
func TestNothingWritesToAirflow(t *testing.T) {
	files, defined := 0, map[string]bool{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (path == "test" || path == "airflow/airflowtest" || path != "." && strings.HasPrefix(entry.Name(), ".")):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files++
		for name, at := range writersIn(t, path) {
			if filepath.ToSlash(path) == writeFile {
				defined[name] = true
				continue
			}
			t.Errorf("%s: %s writes to Airflow", at, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 50 {
		t.Errorf("%d files were looked at", files)
	}
	for _, name := range writers[:3] {
		if !defined[name] {
			t.Errorf("%s does not name %s: this test looks for something else than what writes", writeFile, name)
		}
	}
}

// writersIn are the places where a file names what writes, be it by a selector, an identifier or the method's text.
func writersIn(t *testing.T, path string) map[string]token.Position {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]token.Position{}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			if slices.Contains(writers, n.Name) {
				found[n.Name] = set.Position(n.Pos())
			}
		case *ast.BasicLit:
			text, err := strconv.Unquote(n.Value)
			if n.Kind == token.STRING && err == nil && slices.Contains([]string{"PATCH", "PUT", "DELETE"}, text) {
				found[text] = set.Position(n.Pos())
			}
		}
		return true
	})
	return found
}
