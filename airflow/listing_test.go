package airflow

import (
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

func decodeNumbers(s string) ([]int, envelope, error) {
	var rows []int
	e, err := decodeListing(iotest.OneByteReader(strings.NewReader(s)), "rows", func(dec *jsontext.Decoder) error {
		var n int
		if err := json.UnmarshalDecode(dec, &n); err != nil {
			return err
		}
		rows = append(rows, n)
		return nil
	})
	return rows, e, err
}

func TestListingsComeInAnyKeyOrder(t *testing.T) {
	for in, want := range map[string]envelope{
		`{"rows":[1,2],"total_entries":2}`:                                             {total: 2},
		`{"total_entries":2,"rows":[1,2]}`:                                             {total: 2},
		` { "next_cursor" : null , "rows" : [ 1 , 2 ] , "total_entries" : 7 } ` + "\n": {total: 7, hasCursor: true},
		`{"rows":[1,2],"total_entries":null,"next_cursor":"abc"}`:                      {total: -1, hasCursor: true, cursor: "abc"},
		`{"rows":[1,2]}`: {total: -1},
		`{"unknown":{"deep":[{"rows":[9]}]},"rows":[1,2],"total_entries":2,"previous_cursor":null}`: {total: 2},
	} {
		rows, e, err := decodeNumbers(in)
		if err != nil || !reflect.DeepEqual(rows, []int{1, 2}) || e != want {
			t.Errorf("%s: got %v, %+v, %v, want %+v", in, rows, e, err, want)
		}
	}
}

func TestListingsThatAreNotWhatTheySeem(t *testing.T) {
	for in, want := range map[string]string{
		``:                                   "unexpected EOF",
		`[]`:                                 "where { is expected",
		`null`:                               "where { is expected",
		`{"rows":[1,2]`:                      "unexpected EOF",
		`{"rows":[1,2`:                       "unexpected EOF",
		`{"rows":[1,`:                        "EOF",
		`{"rows":`:                           "EOF",
		`{"total_entries":0}`:                "a listing without rows",
		`{"rows":null,"total_entries":0}`:    "where [ is expected",
		`{"rows":{},"total_entries":0}`:      "where [ is expected",
		`{"rows":[1],"rows":[1]}`:            "duplicate",
		`{"rows":[],"total_entries":-1}`:     "total_entries is -1",
		`{"rows":[],"total_entries":"1"}`:    "total_entries",
		`{"rows":[],"total_entries":1.5}`:    "total_entries",
		`{"rows":[],"next_cursor":7}`:        "next_cursor",
		`{"rows":[]}<html>`:                  "invalid character",
		`{"rows":[]}{"rows":[]}`:             "something follows",
		`{"rows":[], "a": "` + "\xff" + `"}`: "invalid UTF-8",
		`{"rows":[], "a": tru}`:              "invalid",
		`{"Rows":[]}`:                        "a listing without rows",
	} {
		if _, _, err := decodeNumbers(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", in, err, want)
		}
	}
}
