package airflow

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"testing"
)

// A token of Airflow 2 says itself whether the log has ended, also where it is packed because it is long.
func TestTokensThatEndALog(t *testing.T) {
	packed := func(text string) string {
		var b bytes.Buffer
		w := zlib.NewWriter(&b)
		_, err := w.Write([]byte(text))
		if err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		return "." + base64.RawURLEncoding.EncodeToString(b.Bytes()) + ".signature"
	}
	plain := func(text string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(text)) + ".signature"
	}
	for token, want := range map[string]bool{
		plain(`{"end_of_log":true,"log_pos":7}`):    true,
		plain(`{"end_of_log":false,"log_pos":7}`):   false,
		plain(`{"end_of_log":"true"}`):              true,
		plain(`{"end_of_log":"false"}`):             false,
		plain(`{"end_of_log":[1]}`):                 false,
		plain(`{"log_pos":7}`):                      false,
		plain(`[]`):                                 false,
		packed(`{"end_of_log":true,"log_pos":7}`):   true,
		packed(`{"end_of_log":false,"log_pos":7}`):  false,
		"." + plain(`{"end_of_log":true}`):          false,
		packed(`{"end_of_log":true}`)[1:]:           false,
		packed(`{"end_of_log":true,"log_pos":`)[:9]: false,
		"!": false,
		"":  false,
	} {
		if got := endOfLog(token); got != want {
			t.Errorf("%s: %t", token, got)
		}
	}
}
