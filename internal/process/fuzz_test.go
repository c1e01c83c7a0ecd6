package process

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

func FuzzSpecs(f *testing.F) {
	f.Add("/a/(.*)/b:/c/$1")
	f.Add("Host: (.*).example.com,$1.beta")
	f.Add("user_id: 25%")
	f.Add("http://x|x10|50%|7")
	f.Fuzz(func(t *testing.T, spec string) {
		if r, err := parseRewrite(spec, ":"); err == nil && r.re.String()+":"+string(r.to) != spec {
			t.Errorf("%q became %q and %q", spec, r.re, r.to)
		}
		if s, err := parseShare(spec); err == nil && !(s.percent >= 0 && s.percent <= 100) {
			t.Errorf("%q: %v", spec, s)
		}
		if p, err := parseURLPattern(spec); err == nil && p.re.String() != spec {
			t.Errorf("%q: %v", spec, p)
		}
		if h, err := parseHeader(spec); err == nil && strings.ContainsAny(h.name+h.value, "\r\n") {
			t.Errorf("%q: %q", spec, h)
		}
		if base, l, err := ParseLimit(spec); err == nil {
			if !strings.HasPrefix(spec, base) || !(l.Connections > 0) || l.PerSecond < 0 {
				t.Errorf("%q: %q %+v", spec, base, l)
			}
			if n := l.Copies(1); n < 0 || n > maxCopies+1 {
				t.Errorf("%q: %d copies", spec, n)
			}
		}
		_, _ = parseHeaderRewrite(spec)
		_, _ = parseParam(spec)
		_, _ = parseMethod(spec)
	})
}

func FuzzRules(f *testing.F) {
	f.Add([]byte(request), "name", "value")
	f.Add([]byte("GET /?name=1&name=2&x HTTP/1.1\r\n\r\n"), "name", "3")
	f.Fuzz(func(t *testing.T, data []byte, name, value string) {
		p, err := parseParam(name + "=" + value)
		if err != nil {
			return
		}
		r := &rules{
			setParam:       []pair{p},
			disallowURL:    []urlPattern{{regexp.MustCompile("^nowhere$"), inURL}},
			paramShare:     []share{{p.name, 100}},
			rewriteURL:     []rewrite{{re: regexp.MustCompile("nothing like it"), to: nil}},
			allowURL:       []urlPattern{{regexp.MustCompile(""), inHost}},
			basicAuth:      []*regexp.Regexp{regexp.MustCompile("")},
			allowMethod:    nil,
			rewriteBody:    []rewrite{{re: regexp.MustCompile("nothing like it"), to: nil}},
			headerShare:    []share{{"host", 100}},
			allowHeader:    nil,
			setHeader:      nil,
			disallowMethod: nil,
		}
		kept := bytes.Clone(data)
		out, why := r.apply(data, &counters{})
		if !bytes.Equal(data, kept) {
			t.Fatal("changed the data of the record")
		}
		if why != passed {
			return
		}
		again, why := r.apply(out, &counters{})
		if why != passed || !bytes.Equal(again, out) {
			t.Fatalf("%q, then %q", out, again)
		}
	})
}
