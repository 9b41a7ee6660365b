package airflow

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// sentSecrets are what a request sent that nobody may read in an error. Some servers and proxies say back in an
// answer what they were told, and errors quote answers. What was really sent is what counts: credentials come from
// the configuration, from files that change, and from logins, and a proxy has its own.
type sentSecrets struct {
	mu   sync.Mutex
	list []string
}

// openHeaders tell nobody anything. All others may be secrets: keys have many names.
var openHeaders = []string{"Accept", "Accept-Encoding", "Connection", "Content-Length", "Content-Type", "Host", "Transfer-Encoding", "User-Agent"}

// watch notes the headers of the requests that are made with the context it returns.
func (s *sentSecrets) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaderField: s.header})
}

func (s *sentSecrets) header(key string, values []string) {
	if strings.HasPrefix(key, ":") || slices.Contains(openHeaders, textproto.CanonicalMIMEHeaderKey(key)) {
		return
	}
	for _, value := range values {
		s.add(value)
		if _, credentials, ok := strings.Cut(value, " "); ok { // a scheme before them
			s.add(credentials)
			if decoded, err := base64.StdEncoding.DecodeString(credentials); err == nil {
				_, password, _ := strings.Cut(string(decoded), ":")
				s.add(password)
			}
		}
	}
}

// shortestSecret keeps words of every text from being taken for a secret.
const shortestSecret = 4

func (s *sentSecrets) add(secret string) {
	if len(secret) < shortestSecret {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.list, secret) {
		s.list = append(s.list, secret)
	}
}

// conceal replaces them in a text, as they are and in the ways in which texts quote them.
func (s *sentSecrets) conceal(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range s.list {
		quoted, err := json.Marshal(secret)
		if err != nil {
			continue // a string has no value that cannot be marshalled
		}
		once := strings.Trim(string(quoted), `"`)
		twice := strings.ReplaceAll(strings.ReplaceAll(once, `\`, `\\`), `"`, `\"`)
		for _, form := range []string{twice, once, url.QueryEscape(secret), url.PathEscape(secret), secret} {
			text = strings.ReplaceAll(text, form, "<secret>")
		}
	}
	return text
}
