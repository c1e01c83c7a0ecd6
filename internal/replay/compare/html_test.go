package compare

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"gortap/internal/record"
)

// page is a comparison with everything that a report shows.
func page(t *testing.T) *Result {
	r := newRig(t, Config{Original: "shop:80 (recorded)", Candidate: "http://candidate:8080", Baseline: "http://baseline:8080", Baselines: 1, Threshold: 0.005})
	random := rand.New(rand.NewPCG(1, 2))
	latency := func(ms float64) time.Duration {
		return time.Duration(ms * (0.7 + random.ExpFloat64()*0.5) * float64(time.Millisecond))
	}
	n := 0
	for _, e := range []struct {
		line     string
		count    int
		ms, more float64
		fault    func(i int) string
	}{
		{"GET /api/v1/items/", 3000, 4, 20, func(i int) string {
			return answer(fmt.Sprintf(`{"id":%d,"at":%d,"price":{"amount":12,"currency":"EUR"},"tags":["a","b","c"]}`, i, 3*i), jsonType, "X-Version: 2.0")
		}},
		{"GET /api/v1/search", 900, 12, 0, func(i int) string {
			if i%50 == 0 {
				return "HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n"
			}
			return answer(fmt.Sprintf(`{"id":%d,"at":%d,"price":{"amount":5,"currency":"EUR"},"tags":["a","b"]}`, i, 3*i), jsonType, "X-Version: 1.9")
		}},
		{"POST /api/v1/orders", 400, 30, -22, func(i int) string {
			return answer(fmt.Sprintf(`{"id":%d,"at":%d,"price":{"amount":5,"currency":"EUR"},"tags":["a","b"],"<script>alert(1)</script>":"\u202e<img src=x onerror=alert(2)>"}`, i, 3*i), jsonType, "X-Version: 1.9")
		}},
		{"GET /static/app.js", 20, 1, 0, func(i int) string { return answer("function old() {}", jsonType, "X-Version: 1.9") }},
	} {
		for i := range e.count {
			n++
			ok := func(k int) string {
				if strings.HasPrefix(e.line, "GET /static") {
					return answer("function young() {}", jsonType, "X-Version: 1.9")
				}
				return answer(fmt.Sprintf(`{"id":%d,"at":%d,"price":{"amount":5,"currency":"EUR"},"tags":["a","b"]}`, i, 3*i+k), jsonType, "X-Version: 1.9")
			}
			r.request(n, e.line+map[bool]string{true: fmt.Sprint(i), false: ""}[strings.HasSuffix(e.line, "/")]+" HTTP/1.1")
			r.c.Original(rec(n, record.Response, ok(1), latency(e.ms)))
			r.c.Candidate(rec(n, record.Replayed, e.fault(i), latency(e.ms+e.more)))
			r.c.Baseline(rec(n, record.Replayed, ok(2), latency(e.ms+0.3)))
		}
	}
	r.request(n+1, "GET /gone HTTP/1.1")
	return r.result()
}

func TestReportIsOneSafePage(t *testing.T) {
	var b bytes.Buffer
	if err := page(t).WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	if path := os.Getenv("GORTAP_TEST_REPORT"); path != "" {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root, err := html.Parse(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "script", "img", "link", "iframe", "object", "base", "form":
			t.Errorf("a <%s> in the page", n.Data)
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "src" || a.Key == "href" && a.Val != "#differences" {
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
	}
	if css := strings.Count(b.String(), ".plot .line{"); css != 1 {
		t.Errorf("the charts' styles are in the page %d times", css)
	}
	for _, want := range []string{"Differs", "json $.price.amount: 5 → 12", "status 200 → 502", "GET /api/v1/items/{id}", "slower", "&lt;script&gt;"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in the page", want)
		}
	}
	if strings.Contains(b.String(), "\u202e") || strings.Contains(b.String(), "ZgotmplZ") || strings.Contains(b.String(), "NaN") {
		t.Error("a control character, an unsafe value or no number in the page")
	}
}

func TestReportOfNothingIsAPage(t *testing.T) {
	var b bytes.Buffer
	if err := newRig(t, Config{}).result().WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "nothing was compared") {
		t.Error(b.String())
	}
}
