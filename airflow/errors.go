package airflow

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Class says what kind of trouble a failed request met. The set is closed, so
// that it can be a metric label.
type Class string

// The classes of failed requests.
const (
	ClassDNS         Class = "dns"          // the host name does not resolve
	ClassConnect     Class = "connect"      // refused, reset, unreachable, closed without an answer
	ClassTLS         Class = "tls"          // certificate or handshake
	ClassTimeout     Class = "timeout"      // no complete answer within the time there was
	ClassAuth        Class = "auth"         // credentials missing, wrong or expired
	ClassForbidden   Class = "forbidden"    // 403: the account lacks a right (Airflow 2 answers so to a wrong password, too)
	ClassRateLimited Class = "rate_limited" // 429, or a Retry-After that is not over yet
	ClassClient      Class = "client"       // any other 4xx
	ClassServer      Class = "server"       // 5xx
	ClassDecode      Class = "decode"       // an answer that is not what Airflow's API sends
	ClassRedirect    Class = "redirect"     // 3xx, which is never followed
	ClassTooLarge    Class = "too_large"    // an answer, or one string in it, above its limit
	ClassInternal    Class = "internal"     // a fault of this program or its configuration
)

// maxDetail bounds the text that an error carries of what a server said.
const maxDetail = 500

// Error is what every failed call returns. It never holds a credential, a
// query string or more of a body than Airflow's own error text.
type Error struct {
	Op     string // what was asked for, for people: "list task instances"
	Method string // HTTP method, empty when no request was made
	Path   string // URL path without query, empty when no request was made
	Status int    // HTTP status, 0 when there was no answer
	Class  Class
	Detail string // what Airflow or the network said, one bounded line; may be empty
	Err    error  // the cause, for errors.Is and errors.As; may be nil
}

// Error is one line: operation, request, status and detail.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Method != "" {
		fmt.Fprintf(&b, ": %s %s", e.Method, e.Path)
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, ": %d %s", e.Status, http.StatusText(e.Status))
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf returns the class of the first *Error in err's chain, ClassTimeout
// for a context that ended, and ClassInternal for anything else.
func ClassOf(err error) Class {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return ClassTimeout
	}
	return ClassInternal
}

// Advice is one sentence that tells the operator of the exporter what to do about err, and what the exporter does meanwhile.
func Advice(err error) string {
	advice := AdviceOnce(err)
	switch e, _ := errors.AsType[*Error](err); {
	case e == nil:
	case e.Class == ClassTimeout:
		advice += "; what it does not tell goes absent after collector.max_age"
	case e.Class == ClassAuth:
		advice += "; after two refusals they are tried again after 1, 2, 4, 8 and then every 10 minutes, and at once after a reload or when their file changes"
	}
	return advice
}

// AdviceOnce is Advice for who asks once: it leaves out later tries.
func AdviceOnce(err error) string {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return "please report this as a bug, with the log lines around it"
	}
	switch e.Class {
	case ClassDNS:
		return "the host name of airflow.url does not resolve: check its spelling and the resolver of this machine"
	case ClassConnect:
		if e.Status != 0 {
			return "the connection broke off in the middle of an answer: look at Airflow's API server, and at the proxies before it"
		}
		return "nothing answers at airflow.url: check host and port, and that Airflow's webserver (2) or API server (3) runs"
	case ClassTLS:
		return "the TLS handshake failed: check that airflow.url has the right scheme and host name, and set airflow.http_client.tls_config.ca_file for a private CA, cert_file and key_file where Airflow wants a certificate"
	case ClassTimeout:
		return "Airflow did not answer in time: look at the load of its API server"
	case ClassAuth:
		return "Airflow wants credentials, or did not accept those it got: check airflow.username and airflow.password (or AIRFLOW_EXPORTER_USERNAME and AIRFLOW_EXPORTER_PASSWORD)"
	case ClassForbidden:
		right := "give the account read rights on what the path names (the role Viewer has all that is needed)"
		if e.aboutWrite() {
			right = "the account needs the right to edit task instances (can edit on Task Instances)"
		}
		return right + "; on Airflow 2 a wrong user or password gets this answer, too, and so does a server without airflow.api.auth.backend.basic_auth in [api] auth_backends"
	case ClassRateLimited:
		return "Airflow, or a proxy before it, asks to slow down: lower airflow.requests_per_second or scrape less often"
	case ClassClient:
		if e.Status == http.StatusNotFound {
			return "no Airflow API at this address: airflow.url must be the address of Airflow's web page, with its path prefix, if any, and without /api/v1 or /api/v2"
		}
		return "Airflow refused the request as wrong: please report this as a bug, with the Airflow version"
	case ClassServer:
		return "Airflow failed to answer: look for this path in the log of its API server"
	case ClassDecode:
		return "this is not an answer of Airflow's API: check the path prefix of airflow.url, and that it leads to Airflow itself, not to a login page or another service"
	case ClassRedirect:
		return "redirects are never followed: set airflow.url to the final address, and let the exporter past any login proxy"
	case ClassTooLarge:
		return "an answer is larger than Airflow's ever are; only if it is the listing of a very large installation, raise airflow.max_response_bytes"
	case ClassInternal:
		return "check the configuration of the exporter"
	}
	return ""
}

// unusableFile is what is said of the files of tls_config.
var unusableFile = regexp.MustCompile(`^unable to (?:read|use specified) (?:CA|client) (?:cert|key)`)

// classifyTransport finds the class of an error that a round trip or a body
// read returned before Airflow's answer was complete.
func classifyTransport(err error) Class {
	var (
		dns     *net.DNSError
		netErr  net.Error
		cert    *tls.CertificateVerificationError
		op      *net.OpError
		record  tls.RecordHeaderError
		alert   tls.AlertError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return ClassTimeout
	case errors.As(err, &dns):
		return ClassDNS
	case errors.As(err, &cert), errors.As(err, &record), errors.As(err, &alert),
		errors.As(err, &unknown), errors.As(err, &host), errors.As(err, &invalid):
		return ClassTLS
	// The other side gave up the handshake: it did not like our certificate, or that there was none.
	case errors.As(err, &op) && op.Op == "remote error":
		return ClassTLS
	// What is wrong with our own files, and a plain HTTP answer to a handshake, is told as text only.
	case unusableFile.MatchString(err.Error()), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return ClassTLS
	}
	return ClassConnect
}

// transportError describes a request that got no answer, or not a whole one.
func transportError(k *call, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	cause := err
	for u, ok := errors.AsType[*url.Error](cause); ok; u, ok = errors.AsType[*url.Error](cause) {
		cause = u.Err // without the URL, whose query is no one's business
	}
	if errors.Is(cause, context.Canceled) {
		return k.errorf(ClassTimeout, cause, "given up by the caller")
	}
	class := classifyTransport(cause)
	if errors.Is(cause, io.ErrUnexpectedEOF) || errors.Is(cause, io.EOF) {
		return k.errorf(class, cause, "the connection was closed before the answer was complete")
	}
	if errors.Is(cause, context.DeadlineExceeded) {
		return k.errorf(class, cause, "no complete answer in time")
	}
	return k.errorf(class, cause, "%v", cause)
}

// oneLine makes text from outside safe to log: one line, valid UTF-8, bounded.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if len(s) <= maxDetail {
		return s
	}
	s = s[:maxDetail]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}
