package airflow

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ImportError is a DAG file that does not import.
type ImportError struct {
	ID       int    // may change each time that Airflow parses the file
	Bundle   string // empty on Airflow 2, which has no bundles
	Filename string // within the bundle on Airflow 3, absolute on 2
	// Timestamp is when Airflow parsed the file last, not when it broke; zero: Airflow sent null.
	Timestamp time.Time
}

const opImportErrors = "list import errors"

// ImportErrors lists the DAG files that do not import now (GET /importErrors,
// in pages of 100, by their ids). For an account that may not read all DAGs
// Airflow leaves out files of which it may read none. The listing is complete,
// or an error: an *Error, which wraps an *IncompleteError when rows went meanwhile.
func (c *Client) ImportErrors(ctx context.Context) ([]ImportError, error) {
	s, err := c.server(ctx)
	if err != nil {
		return nil, err
	}
	l := offsetListing[ImportError]{
		call: c.call(s, opImportErrors, http.MethodGet, "/importErrors"),
		rows: "import_errors", decode: decodeImportError,
		key:    func(e ImportError) string { return strconv.Itoa(e.ID) },
		joined: s.dialect.hasBundles() && !s.AtLeast(3, 3, 0), // up to 3.2 with the DAGs that were in the file
	}
	return l.all(ctx, c)
}

// HasBundles reports whether DAG files come in bundles (Airflow 3). It asks
// nothing but the version, and that only when none is known yet.
func (c *Client) HasBundles(ctx context.Context) (bool, error) {
	s, err := c.server(ctx)
	if err != nil {
		return false, err
	}
	return s.dialect.hasBundles(), nil
}

func decodeImportError(dec *jsontext.Decoder) (ImportError, error) {
	var j struct {
		ID        *int       `json:"import_error_id"`
		Bundle    *string    `json:"bundle_name"`
		Filename  *string    `json:"filename"`
		Timestamp *time.Time `json:"timestamp"`
	}
	if err := json.UnmarshalDecode(dec, &j); err != nil {
		return ImportError{}, err
	}
	if j.ID == nil {
		return ImportError{}, errors.New("an import error without import_error_id")
	}
	return ImportError{ID: *j.ID, Bundle: orZero(j.Bundle), Filename: orZero(j.Filename), Timestamp: orZero(j.Timestamp)}, nil
}
