package airflowtest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
)

// testedVersions are those that answers were recorded from.
func testedVersions() []string { return []string{"2.10.2", "2.10.5", "2.11.2", "3.3.2"} }

// recordedAnswer is a file of testdata and what was asked for it.
type recordedAnswer struct {
	version, file string
	method, path  string // the query included
	body          string // of the request
	want          string // the answer as it was sent
}

var manifestRequest = regexp.MustCompile("^\\| ([^ ]+) \\|.*?`(GET|POST) ([^ `]+)(?: (\\{[^`]*?\\}))?(?: \\[[a-z]+\\])?` \\|(?: `(\\{.*?\\})` \\|)?")

// recordedAnswers are the answers of all versions whose file name matches,
// with their requests out of MANIFEST.md.
func recordedAnswers(t *testing.T, name *regexp.Regexp) []recordedAnswer {
	t.Helper()
	var list []recordedAnswer
	for _, version := range testedVersions() {
		manifest, err := os.ReadFile("../testdata/" + version + "/MANIFEST.md")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(manifest)) {
			m := manifestRequest.FindStringSubmatch(line)
			if m == nil || !name.MatchString(m[1]) {
				continue
			}
			b, err := os.ReadFile("../testdata/" + version + "/" + m[1])
			if err != nil {
				t.Fatal(err)
			}
			if version[0] == '3' { // these were indented for the file
				var compact bytes.Buffer
				if err := json.Compact(&compact, b); err != nil {
					t.Fatal(err)
				}
				b = compact.Bytes()
			}
			list = append(list, recordedAnswer{version, m[1], m[2], m[3], m[4] + m[5], string(b)})
		}
	}
	if len(list) == 0 {
		t.Fatalf("no recorded answer is named like %s", name)
	}
	return list
}

// ask lets a server that fill has filled answer the recorded request.
func (r *recordedAnswer) ask(t *testing.T, fill func(db *Database)) string {
	t.Helper()
	s := Start(t, Options{Version: r.version})
	s.Update(func(db *Database) {
		fill(db)
		db.started = db.Now()
	})
	request := httptest.NewRequest(r.method, r.path, strings.NewReader(r.body))
	request.Header.Set("Content-Type", "application/json")
	s.dbMu.Lock()
	defer s.dbMu.Unlock()
	a := s.route(&call{server: s, db: s.db, request: request, body: []byte(r.body)})
	if a.status != http.StatusOK {
		t.Errorf("status %d", a.status)
	}
	return string(a.body)
}

// rows are the elements of a list of the recorded answer.
func (r *recordedAnswer) rows(t *testing.T, list string) (rows []json.RawMessage, total int) {
	t.Helper()
	var body map[string]json.RawMessage
	if err := json.Unmarshal([]byte(r.want), &body); err != nil {
		t.Fatal(err)
	}
	if body[list] == nil {
		return []json.RawMessage{json.RawMessage(r.want)}, 1
	}
	if err := json.Unmarshal(body[list], &rows); err != nil {
		t.Fatal(err)
	}
	if n := body["total_entries"]; n != nil {
		if err := json.Unmarshal(n, &total); err != nil {
			t.Fatal(err)
		}
	}
	return rows, total
}

func decodeRow[T any](t *testing.T, raw json.RawMessage) T {
	t.Helper()
	var row T
	if err := json.Unmarshal(raw, &row); err != nil {
		t.Fatal(err)
	}
	return row
}
