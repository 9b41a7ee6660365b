package airflowtest

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
)

// Body answers 200 with a body that calls itself JSON.
func Body(name, body string) Fault {
	return Fault{name: name, serve: func(x *exchange) {
		a := x.answer()
		x.send(answer{status: a.status, contentType: "application/json", body: []byte(body)})
	}}
}

// Around puts something before and after the right answer.
func Around(name, before, after string) Fault {
	return named(name, Rewrite(func(b []byte) []byte { return []byte(before + string(b) + after) }))
}

// GzipBomb answers with a small body that unpacks to so many bytes of blanks.
func GzipBomb(size int) Fault {
	return compressed("gzip bomb", func([]byte) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		blanks := bytes.Repeat([]byte(" "), 1<<16)
		for n := 0; n < size; n += len(blanks) {
			_, _ = w.Write(blanks) // a bytes.Buffer takes everything
		}
		_ = w.Close()
		return b.Bytes()
	})
}

// GzipCut answers with the first half of the packed right answer.
func GzipCut() Fault {
	return compressed("cut gzip", func(b []byte) []byte {
		b = compress(b)
		return b[:len(b)/2]
	})
}

// GzipSpoilt answers with the packed right answer, whose checksum is wrong.
func GzipSpoilt() Fault {
	return compressed("spoilt gzip", func(b []byte) []byte {
		b = compress(b)
		b[len(b)-6] ^= 1
		return b
	})
}

// compressed sends what pack makes of the right answer, as gzip.
func compressed(name string, pack func([]byte) []byte) Fault {
	return Fault{name: name, serve: func(x *exchange) {
		a := x.answer()
		x.head(a)
		x.w.Header().Set("Content-Encoding", "gzip")
		x.status(a.status)
		x.write(pack(a.body))
	}}
}

// EndlessArray begins an answer whose list of rows never ends.
func EndlessArray() Fault { return endless("endless array", `{"a": [`, strings.Repeat(`{}, `, 8<<10)) }

// EndlessString begins an answer with a string that never ends.
func EndlessString() Fault { return endless("endless string", `{"a": "`, strings.Repeat("x", 32<<10)) }

// endless sends begin once and more again and again, as fast as the client reads.
func endless(name, begin, more string) Fault {
	return Fault{name: name, serve: func(x *exchange) {
		x.head(answer{contentType: "application/json"})
		x.status(http.StatusOK)
		for ok := x.write([]byte(begin)); ok; ok = x.write([]byte(more)) {
			select {
			case <-x.stopped:
				panic(http.ErrAbortHandler)
			default:
			}
		}
	}}
}
