package airflow

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// answer is an HTTP answer whose status and content type were checked.
type answer struct {
	call    call
	status  int
	raw     io.ReadCloser // nil without an answer
	body    *guard
	started time.Time
	observe func(Request)
	release func()
	letIn   bool // Request.LetIn
	taken   bool // it is the answer that was wanted
}

// Close frees the slot. The connection can be used again when the body was read to its end; of an answer that was refused, a
// little is drained for that. One that was wanted and then given up is not waited for: its server may pause as long as it likes.
func (a *answer) Close() {
	defer a.release()
	if a.raw != nil {
		if !a.taken {
			_, _ = io.CopyN(io.Discard, a.raw, 4<<10)
		}
		_ = a.raw.Close()
	}
	a.done()
}

// done reports the request to the observer.
func (a *answer) done() {
	if a.observe == nil {
		return
	}
	r := Request{Endpoint: a.call.endpoint, Status: a.status, Duration: time.Since(a.started), Open: a.call.open, LetIn: a.letIn}
	if a.body != nil {
		r.Bytes = a.body.read
	}
	a.observe(r)
}

// errorf is an *Error about this answer.
func (a *answer) errorf(class Class, err error, format string, args ...any) *Error {
	e := a.call.errorf(class, err, format, args...)
	e.Status = a.status
	return e
}

// check turns everything but the expected status with a body of the expected type into an error.
func (a *answer) check(h http.Header) error {
	if enc := h.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return a.errorf(ClassDecode, nil, "Content-Encoding %q, which was not asked for", enc)
	}
	want := a.call.want
	if want == 0 {
		want = http.StatusOK
	}
	if a.status == want || a.status == a.call.orWant {
		err := a.checkContentType(h)
		a.letIn = err == nil && !a.call.open
		return err
	}
	switch {
	case a.status >= 300 && a.status < 400:
		return a.errorf(ClassRedirect, nil, "redirects to %s", redirectTarget(h))
	case a.status >= 200 && a.status < 300:
		return a.errorf(ClassDecode, nil, "want status %d", want)
	}
	detail := a.problem(h)
	if detail == http.StatusText(a.status) {
		detail = ""
	}
	class := a.refusal(detail)
	// Airflow 3 says 401 to whom it does not know; Airflow 2 says 403 to them, too.
	a.letIn = class == ClassForbidden && !a.call.open && strings.HasPrefix(a.call.path, root(v2{}))
	return a.errorf(class, nil, "%s", detail)
}

func (a *answer) checkContentType(h http.Header) error {
	want := cmp.Or(a.call.sends, a.call.accept, jsonType)
	contentType, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	switch {
	case contentType == want:
		return nil
	case want != jsonType:
		return a.errorf(ClassDecode, nil, "answered with content type %q, not with %s", contentType, want)
	case contentType == "text/html":
		return a.errorf(ClassDecode, nil, "answered with a page of HTML, not with JSON")
	}
	return a.errorf(ClassDecode, nil, "answered with content type %q, not with JSON", contentType)
}

// refusal is the class of a status of 400 and above.
func (a *answer) refusal(detail string) Class {
	switch {
	case a.status == http.StatusUnauthorized:
		return ClassAuth
	case a.status == http.StatusForbidden && detail == invalidToken:
		return ClassAuth
	case a.status == http.StatusForbidden:
		return ClassForbidden
	case a.status == http.StatusTooManyRequests:
		return ClassRateLimited
	case a.status >= 500:
		return ClassServer
	}
	return ClassClient
}

// invalidToken is Airflow 3's answer to a token that is garbage, of another key or not yet valid.
const invalidToken = "Invalid JWT token" //nolint:gosec // an error text, not a credential

// problem reads Airflow's own error text: "detail" of v2 (a string, or a list
// or object), "detail" and "title" of v1. It is empty for anything but JSON,
// and for the login, whose answer repeats what was sent.
func (a *answer) problem(h http.Header) string {
	contentType, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	if !strings.HasSuffix(contentType, "json") || a.call.endpoint == loginEndpoint {
		return ""
	}
	var body struct {
		Title  string         `json:"title"`
		Detail jsontext.Value `json:"detail"`
		Error  string         `json:"error"`
	}
	if err := json.UnmarshalRead(io.LimitReader(a.body, maxErrorBody), &body); err != nil {
		return ""
	}
	switch body.Detail.Kind() {
	case '[', '{':
		return a.quote(string(body.Detail))
	case '"':
		var detail string
		if err := json.Unmarshal(body.Detail, &detail); err != nil {
			return ""
		}
		return a.quote(detail)
	}
	return a.quote(body.Title + " " + body.Error)
}

// quote makes text of the answer safe to log. Secrets go before the text is cut off: a part of one is a secret, too.
func (a *answer) quote(text string) string { return oneLine(a.call.sent.conceal(text)) }

// decode reads one complete JSON value and nothing after it into out.
func (a *answer) decode(out any) error {
	return a.decodeError(json.UnmarshalRead(a.body, out))
}

// decodeError tells a body that broke off or grew too large from one that is
// not what was expected.
func (a *answer) decodeError(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if limit, ok := errors.AsType[*limitError](err); ok {
		return a.errorf(ClassTooLarge, err, "%v", limit)
	}
	if a.body.failed != nil {
		e := transportError(&a.call, a.body.failed)
		e.Status = a.status
		return e
	}
	return a.errorf(ClassDecode, err, "not the expected JSON: %v", err)
}

// redirectTarget is where a redirect leads, without its query, which may hold secrets.
func redirectTarget(h http.Header) string {
	u, err := url.Parse(h.Get("Location"))
	if err != nil || u.Path+u.Host == "" {
		return "nowhere"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// bodyReader keeps nil a nil reader, and gives net/http a length and a way to send the body again.
func bodyReader(b []byte) io.Reader {
	if b == nil {
		return nil
	}
	return bytes.NewReader(b)
}
