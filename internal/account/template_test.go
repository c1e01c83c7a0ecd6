package account

import (
	"strings"
	"testing"

	"gortap/internal/proto"
)

func TestTemplateReplacesData(t *testing.T) {
	for target, want := range map[string]string{
		"/":                        "/",
		"/users":                   "/users",
		"/users/":                  "/users/",
		"/users/42":                "/users/{id}",
		"/users/42/posts/7?page=3": "/users/{id}/posts/{id}",
		"/users/42#top":            "/users/{id}",
		"//a":                      "//a",
		"/v1/orders/-5":            "/v1/orders/{id}",
		"/api/v2.10/x":             "/api/v2.10/x",
		"/o/550e8400-e29b-41d4-a716-446655440000":      "/o/{id}",
		"/o/550E8400-E29B-41D4-A716-446655440000.json": "/o/{id}.json",
		"/blob/d41d8cd98f00b204e9800998ecf8427e":       "/blob/{id}",
		"/commit/3f2a9c1":                              "/commit/{id}",
		"/static/main.3f2a9c1b.js":                     "/static/main.{id}.js",
		"/jquery-3.6.0.min.js":                         "/jquery-{id}.{id}.min.js",
		"/log/2024-01-31":                              "/log/{id}",
		"/log/2024-01-31T10:15:00Z":                    "/log/{id}",
		"/log/20240131T101500.123Z":                    "/log/{id}",
		"/report-2024-01-31.pdf":                       "/report-{id}.pdf",
		"/order-12345":                                 "/order-{id}",
		"/u/u1234567":                                  "/u/{id}",
		"/u/alice@example.com":                         "/u/{id}",
		"/u/alice%40example.com":                       "/u/{id}",
		"/@scope/package":                              "/@scope/package",
		"/cus_9s6XKzkNRiz8i3":                          "/cus_{id}",
		"/s/01ARZ3NDEKTSV4RRFFQ69G5FAV":                "/s/{id}",
		"/t/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9": "/t/{id}",
		"/f/dGhpcyBpcyBhIHRlc3QgdG9rZW4tX18":                                          "/f/{id}",
		"/wiki/%E4%BD%A0%E5%A5%BD":                                                    "/wiki/{id}",
		"/" + strings.Repeat("z", 65):                                                 "/{id}",

		// Names stay.
		"/caf%c3%a9":                        "/caf%C3%A9",
		"/helloworld.Greeter/SayHello":      "/helloworld.Greeter/SayHello",
		"/oauth2Callback2Handler":           "/oauth2Callback2Handler",
		"/getUserAccountPreferencesHandler": "/getUserAccountPreferencesHandler",
		"/base64/sha256/ipv4/h264/mp3":      "/base64/sha256/ipv4/h264/mp3",
		"/deadbeef-facade/deadbeef.facade":  "/deadbeef-facade/deadbeef.facade",
		"/deadbeef/facade":                  "/deadbeef/facade",
		"/how-to-write-a-parser-in-go":      "/how-to-write-a-parser-in-go",
		"/c4f3/bed1a/cafe12":                "/c4f3/bed1a/cafe12",
		"/index.html":                       "/index.html",
		"/wp-login.php":                     "/wp-login.php",

		// One spelling.
		"/%61%2f%7e":             "/a%2F~",
		"/a;jsessionid=12/b;v=1": "/a/b",
		"/{id}":                  "/%7Bid%7D",
		"/(lost)":                "/%28lost%29",
		"/\"\\\xff\n":            "/{id}",
		"/\"\xff":                "/%22%FF",
		"/100%":                  "/100%25",

		// Other forms of target.
		"http://shop.example/a/7?x": "/a/{id}",
		"http://shop.example":       "/",
		"http://shop.example?x":     "/",
		"*":                         "*",
		"(unknown)":                 "(unknown)",
		"":                          "(invalid)",
		"?x":                        "(invalid)",
		"a/b":                       "(invalid)",
		"://x/":                     "(invalid)",
		"h p://x/":                  "(invalid)",
	} {
		var p templater
		if got, _ := p.template([]byte("GET"), []byte(target)); string(got) != want {
			t.Errorf("template of %q is %q, want %q", target, got, want)
		}
	}
}

func TestTemplateOfConnectIsNoAuthority(t *testing.T) {
	var p templater
	if got, _ := p.template([]byte("CONNECT"), []byte("shop.example:443")); string(got) != "(connect)" {
		t.Errorf("template of an authority is %q", got)
	}
}

func TestTemplateIsBounded(t *testing.T) {
	var p templater
	for target, want := range map[string]string{
		strings.Repeat("/a", 40):                      strings.Repeat("/a", maxSegments) + "/{rest}",
		strings.Repeat("/long-name-of-things", 12):    strings.Repeat("/long-name-of-things", 9) + "/{rest}",
		"/x" + strings.Repeat("/", 3*maxPath):         "/x" + strings.Repeat("/", maxSegments-1) + "/{rest}",
		"/a/" + strings.Repeat("b", 3*maxPath):        "/a/{rest}",
		"/a/" + strings.Repeat("b", maxPath-3) + "/c": "/a/{rest}",
	} {
		got, _ := p.template([]byte("GET"), []byte(target))
		if string(got) != want || len(got) > maxTemplate {
			t.Errorf("template of %.30q... is %q (%d bytes), want %q", target, got, len(got), want)
		}
	}
}

func TestPatternsComeFirst(t *testing.T) {
	patterns, err := compilePatterns([]string{
		"/users/{user}/posts/{slug}", "/users/me", "/static/**", "/thumbs/*.jpg", "/",
	})
	if err != nil {
		t.Fatal(err)
	}
	p := templater{patterns: patterns}
	for target, want := range map[string]string{
		"/users/alice/posts/first?x=1": "/users/{user}/posts/{slug}",
		"/users/alice/posts/":          "/users/alice/posts/",
		"/users/me":                    "/users/me",
		"/users/17":                    "/users/{id}",
		"/users/me/x":                  "/users/me/x",
		"/static":                      "/static/**",
		"/static/":                     "/static/**",
		"/static/a/b.css":              "/static/**",
		"/statics/a":                   "/statics/a",
		"/thumbs/17.jpg":               "/thumbs/*.jpg",
		"/thumbs/17.png":               "/thumbs/{id}.png",
		"/thumbs/a/17.jpg":             "/thumbs/a/{id}.jpg",
		"/":                            "/",
		"*":                            "*",
		"http://h/thumbs/%31.jpg":      "/thumbs/*.jpg",
	} {
		if got, _ := p.template([]byte("GET"), []byte(target)); string(got) != want {
			t.Errorf("template of %q is %q, want %q", target, got, want)
		}
	}
}

func TestPatternErrorsNameThePattern(t *testing.T) {
	for text, want := range map[string]string{
		"users":                         `read path pattern "users": no leading slash (for example /users/{id})`,
		"/a/**/b":                       `read path pattern "/a/**/b": ** must be the last segment (* matches within one)`,
		"/a/x{id}":                      `read path pattern "/a/x{id}": segment "x{id}" mixes a placeholder with text (use *)`,
		"/a b":                          `read path pattern "/a b": byte 2 is not printable ASCII (percent-encode it)`,
		"/" + strings.Repeat("a", 3000): "longer than 200 bytes",
	} {
		_, err := compilePatterns([]string{"/fine", text})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("pattern %.20q: error %v, want %q", text, err, want)
		}
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "abc", true}, {"a*", "abc", true},
		{"*c", "abc", true}, {"a*c", "abcbc", true}, {"a*c", "abcb", false}, {"*b*", "abc", true},
		{"a*b*c", "a1b2b3c", true}, {"abc", "ab", false}, {"ab", "abc", false}, {"*.x", ".x", true},
	} {
		if got := globMatch(c.pattern, []byte(c.s)); got != c.want {
			t.Errorf("globMatch(%q, %q) = %v", c.pattern, c.s, got)
		}
	}
}

func FuzzTemplateIsASafeLabel(f *testing.F) {
	for _, s := range []string{"/", "*", "/a/1?x", "http://h/%zz", "/a;b=c/d", "/\xff\x00/%e4%bd", "/a.b.1.2-3_4"} {
		f.Add([]byte("GET"), []byte(s))
	}
	patterns, err := compilePatterns([]string{"/a/**", "/{x}/*.y"})
	if err != nil {
		f.Fatal(err)
	}
	p := templater{patterns: patterns}
	f.Fuzz(func(t *testing.T, method, target []byte) {
		got, _ := p.template(method, target)
		if len(got) == 0 || len(got) > maxTemplate {
			t.Fatalf("template of %q has %d bytes", target, len(got))
		}
		for _, c := range got {
			if c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
				t.Fatalf("template of %q is %q: unsafe byte", target, got)
			}
		}
		if got[0] != '/' && string(got) != "*" && string(got) != pathInvalid && string(got) != proto.Unknown && string(got) != pathConnect {
			t.Fatalf("template of %q is %q: no path", target, got)
		}
	})
}
