package compare

import (
	"fmt"
	"path"
	"strings"
)

// treatment says what of a header counts.
type treatment uint8

const (
	whole    treatment = iota
	presence           // whether it is there, not its value
	cookies            // names and attributes of cookies, not their values and dates
	length             // Content-Length: only where there is no body to compare
	notAtAll           // nothing
)

// defaultTreatments are the headers that differ between two healthy servers, or
// say nothing about what a server answers.
func defaultTreatments() map[string]treatment {
	m := map[string]treatment{
		"set-cookie": cookies, "content-length": length,
		"etag": presence, "last-modified": presence, "expires": presence,
	}
	for _, name := range DefaultIgnoredHeaders() {
		m[name] = notAtAll
	}
	return m
}

// DefaultIgnoredHeaders are the headers that are not compared unless
// Config.CompareHeaders names them: the clock, the connection, and the ids that
// a server gives to each request.
func DefaultIgnoredHeaders() []string {
	return []string{
		"date", "age",
		"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
		"x-request-id", "request-id", "x-correlation-id", "correlation-id", "x-trace-id", "traceparent", "tracestate",
		"traceresponse", "x-amzn-requestid", "x-amzn-trace-id", "x-amz-request-id", "x-amz-id-2", "x-b3-traceid", "x-b3-spanid",
		"x-cloud-trace-context", "cf-ray", "uber-trace-id", "server-timing", "x-runtime", "x-response-time",
		"x-envoy-upstream-service-time",
	}
}

// rules say what is not compared.
type rules struct {
	headers map[string]treatment
	ignored []string // patterns of header names, in lower case
	json    []jsonPath
}

func newRules(c *Config) (*rules, error) {
	r := &rules{headers: defaultTreatments()}
	for _, name := range c.CompareHeaders {
		r.headers[strings.ToLower(name)] = whole
	}
	for _, name := range c.IgnoreHeaders {
		pattern := strings.ToLower(name)
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			return nil, fmt.Errorf("read header pattern %q: not a name or a pattern (for example X-Debug-*)", name)
		}
		if !strings.ContainsAny(pattern, `*?[\`) {
			r.headers[pattern] = notAtAll
			continue
		}
		r.ignored = append(r.ignored, pattern)
	}
	for _, text := range c.IgnoreJSON {
		p, err := parseJSONPath(text)
		if err != nil {
			return nil, err
		}
		r.json = append(r.json, p)
	}
	return r, nil
}

// header returns what counts of a header whose name is in lower case.
func (r *rules) header(name []byte) treatment {
	t := r.headers[string(name)]
	if t == notAtAll {
		return t
	}
	for _, pattern := range r.ignored {
		if ok, _ := path.Match(pattern, string(name)); ok { // it was tried in newRules
			return notAtAll
		}
	}
	return t
}

// ignoresJSON reports whether a place is not compared.
func (r *rules) ignoresJSON(place []step) bool {
	for _, p := range r.json {
		if p.matches(place) {
			return true
		}
	}
	return false
}
