package airflow

import (
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// envelope is what a listing carries beside its rows.
type envelope struct {
	total     int    // total_entries; −1: null or missing
	hasCursor bool   // the key next_cursor is there: the server has cursors
	cursor    string // next_cursor; empty at the end
}

// errStop ends a listing early, because its consumer wants no more.
var errStop = errors.New("stop")

// decodeListing reads one listing, {"<rows>": […], "total_entries": …}, in
// whatever order its keys come, and calls row in front of each element, which
// row must consume. Unknown keys are skipped, but must be valid JSON.
func decodeListing(r io.Reader, rows string, row func(*jsontext.Decoder) error, options ...jsontext.Options) (envelope, error) {
	e := envelope{total: -1}
	found, counted := false, false
	dec := jsontext.NewDecoder(r, options...)
	err := decodeObject(dec, func(key string) error {
		switch key {
		case rows:
			if found {
				return fmt.Errorf("%s comes twice", key)
			}
			found = true
			return decodeArray(dec, row)
		case "total_entries":
			if counted {
				return fmt.Errorf("%s comes twice", key)
			}
			counted = true
			var total *int
			if err := json.UnmarshalDecode(dec, &total); err != nil {
				return err
			}
			if total == nil {
				return nil
			}
			if *total < 0 {
				return fmt.Errorf("total_entries is %d", *total)
			}
			e.total = *total
			return nil
		case "next_cursor":
			if e.hasCursor {
				return fmt.Errorf("%s comes twice", key)
			}
			e.hasCursor = true
			var cursor *string
			if err := json.UnmarshalDecode(dec, &cursor); err != nil {
				return err
			}
			if cursor != nil {
				e.cursor = *cursor
			}
			return nil
		}
		return dec.SkipValue()
	})
	if err != nil {
		return e, err
	}
	if !found {
		return e, fmt.Errorf("a listing without %s", rows)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errors.New("something follows the end of the listing")
		}
		return e, err
	}
	return e, nil
}

// decodeObject calls member at the value of each key.
func decodeObject(dec *jsontext.Decoder, member func(key string) error) error {
	if err := expect(dec, '{'); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		key, err := dec.ReadToken()
		if err != nil {
			return err
		}
		if err := member(key.String()); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// decodeArray calls element in front of each element.
func decodeArray(dec *jsontext.Decoder, element func(*jsontext.Decoder) error) error {
	if err := expect(dec, '['); err != nil {
		return err
	}
	for dec.PeekKind() != ']' {
		if dec.PeekKind() == 0 {
			_, err := dec.ReadToken() // the reason why nothing can be read
			return err
		}
		if err := element(dec); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// expect reads the token that opens an object or array.
func expect(dec *jsontext.Decoder, kind jsontext.Kind) error {
	token, err := dec.ReadToken()
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	if token.Kind() != kind {
		return fmt.Errorf("%s where %s is expected", token.Kind(), kind)
	}
	return nil
}
