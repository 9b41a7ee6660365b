package airflowtest

import (
	"regexp"
	"testing"
	"time"
)

// recordedImportError are the fields of a recorded import error, of either API.
type recordedImportError struct {
	ID         int       `json:"import_error_id"`
	Bundle     string    `json:"bundle_name"`
	Filename   string    `json:"filename"`
	StackTrace string    `json:"stack_trace"`
	Timestamp  time.Time `json:"timestamp"`
}

// TestRecordedImportErrors is TestRecordedRunLists for lists of import errors.
func TestRecordedImportErrors(t *testing.T) {
	for _, r := range recordedAnswers(t, regexp.MustCompile(`(?i)^(list_)?importerrors\.`)) {
		t.Run(r.version+" "+r.file, func(t *testing.T) {
			rows, _ := r.rows(t, "import_errors")
			got := r.ask(t, func(db *Database) {
				for _, raw := range rows {
					row := decodeRow[recordedImportError](t, raw)
					for range row.ID - 1 { // ids that were used up before
						db.PutImportError(ImportError{Filename: "mended"})
					}
					db.FixImportError(row.Bundle, "mended")
					db.PutImportError(ImportError{Bundle: row.Bundle, Filename: row.Filename, StackTrace: row.StackTrace, Timestamp: row.Timestamp})
				}
			})
			if got != r.want {
				t.Errorf("got\n%s\nwant\n%s", got, r.want)
			}
		})
	}
}
