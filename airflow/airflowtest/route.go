package airflowtest

import (
	"embed"
	"net/http"
	"net/url"
	"strings"
)

// dialect is what the two APIs do differently.
type dialect interface {
	// routes are the endpoints, with paths below the base path.
	routes() []route
	// head adds the headers that every answer has.
	head(h http.Header)
	// authenticate finds the user of a call, or the answer that refuses it.
	authenticate(c *call) (*User, *answer)
	// forbidden answers a call for which the user lacks a right.
	forbidden() answer
	// unknown answers a path that is none of the routes.
	unknown(path string) answer
	// wrongMethod answers a path that has routes, but none of this method.
	wrongMethod() answer
}

func newDialect(r release) dialect {
	if r.major == 2 {
		return v1{r}
	}
	return v2{r}
}

// route is one endpoint.
type route struct {
	method string
	path   string // segments in braces match anything
	needs  Rights // of the user; openToAll for no login at all
	serve  func(c *call) answer
}

// call is one request on its way to its endpoint.
type call struct {
	server  *Server
	db      *Database // locked
	request *http.Request
	body    []byte
	path    map[string]string // the segments in braces, unescaped
	user    *User             // nil if there are no users
}

func (c *call) query() url.Values { return c.request.URL.Query() }

// mayRead reports whether the user may read this DAG.
func (c *call) mayRead(dagID string) bool { return c.user == nil || c.user.mayRead(dagID) }

// route finds the endpoint of a call, checks the user's rights and lets it answer.
func (s *Server) route(c *call) answer {
	escaped := c.request.URL.EscapedPath()
	path, ok := strings.CutPrefix(escaped, s.options.BasePath)
	if !ok || (path != "" && path[0] != '/') {
		return text(http.StatusNotFound, "Apache Airflow is not at this location")
	}
	known := false
	for _, r := range s.routes {
		values, ok := match(r.path, path)
		if !ok || hasSlash(values) { // both Airflows decode before they split
			continue
		}
		known = true
		if r.method != c.request.Method {
			continue
		}
		c.path = values
		return s.serve(r, c)
	}
	if known {
		return s.dialect.wrongMethod()
	}
	return s.dialect.unknown(path)
}

// serve lets r answer c if the user may ask.
func (s *Server) serve(r route, c *call) answer {
	if r.needs == openToAll || s.options.Users == nil {
		return r.serve(c)
	}
	user, refusal := s.dialect.authenticate(c)
	if refusal != nil {
		return *refusal
	}
	c.user = user
	if !user.Rights.include(r.needs) {
		return s.dialect.forbidden()
	}
	return r.serve(c)
}

// match compares an escaped path with the pattern of a route, segment by
// segment, and returns the segments that stand in braces.
func match(pattern, path string) (map[string]string, bool) {
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return nil, false
	}
	values := make(map[string]string)
	for i, segment := range have {
		text, err := url.PathUnescape(segment)
		if err != nil {
			return nil, false
		}
		name, isName := strings.CutPrefix(want[i], "{")
		switch {
		case isName && text != "":
			values[strings.TrimSuffix(name, "}")] = text
		case want[i] != text:
			return nil, false
		}
	}
	return values, true
}

func hasSlash(values map[string]string) bool {
	for _, value := range values {
		if strings.Contains(value, "/") {
			return true
		}
	}
	return false
}

// text is an answer that is not for programs.
func text(status int, body string) answer {
	return answer{status: status, contentType: "text/plain; charset=utf-8", body: []byte(body)}
}

// page is an answer for a browser.
func page(status int, contentType, body string) answer {
	return answer{status: status, contentType: contentType, body: []byte(body)}
}

// pages are HTML pages as real servers send them.
//
//go:embed pages/*.html
var pages embed.FS

func htmlPage(name string) string {
	b, err := pages.ReadFile("pages/" + name + ".html")
	if err != nil {
		panic(err) // it is embedded
	}
	return string(b)
}
