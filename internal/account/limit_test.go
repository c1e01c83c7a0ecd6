package account

import (
	"fmt"
	"strings"
	"testing"
)

// distinct returns the values of a label in a metric.
func distinct(m map[string]float64, name, label string) map[string]bool {
	out := map[string]bool{}
	for k := range m {
		rest, ok := strings.CutPrefix(k, name+"{")
		for _, pair := range strings.Split(strings.TrimSuffix(rest, "}"), ",") {
			if v, found := strings.CutPrefix(pair, label+"="); ok && found {
				out[v] = true
			}
		}
	}
	return out
}

func TestLabelsAreBoundedOverAllShardsAndTotalsExact(t *testing.T) {
	const limit, requests = 5, 40
	word := func(i int) string { return string(rune('a'+i/26)) + string(rune('a'+i%26)) }
	for _, c := range []struct {
		label   string
		config  Config
		request func(i int) (method, host, target string)
	}{
		{"service", Config{MaxServices: limit}, func(i int) (string, string, string) { return "GET", word(i) + ".example", "/" }},
		{"path", Config{MaxPaths: limit}, func(i int) (string, string, string) { return "GET", "h", "/" + word(i) }},
		{"path", Config{MaxEndpoints: limit}, func(i int) (string, string, string) { return "GET", "h", "/" + word(i) }},
		{"method", Config{MaxMethods: limit}, func(i int) (string, string, string) { return "X" + word(i), "h", "/" }},
	} {
		t.Run(c.label, func(t *testing.T) {
			a := newAccount(t, c.config, 2)
			for round := range 2 { // what was granted stays granted
				for i := range requests {
					f := newSim(a.Shard(i%2), fmt.Sprintf("10.0.0.9:%d", 40000+i), "10.0.0.1:80").open()
					method, host, target := c.request(i)
					f.exchange(method, host, target, 10, 20, 1000)
					f.close()
					f.end()
				}
				m := flatten(t, a)
				checkBalance(t, m)
				values := distinct(m, "gor_requests_total", c.label)
				if len(values) != limit+1 || !values[Other] {
					t.Errorf("round %d: values %v, want %d and %s", round, values, limit, Other)
				}
				n := float64(requests * (round + 1))
				if got := sum(m, "gor_requests_total"); got != n {
					t.Errorf("requests are %v, want %v", got, n)
				}
				if got := sum(m, "gor_bytes_total"); got != 30*n {
					t.Errorf("bytes are %v, want %v", got, 30*n)
				}
				if got := sum(m, "gor_label_overflow_total", "label="+c.label); got < n-float64(limit*(round+1)) && c.label != "service" {
					t.Errorf("overflow is %v of %v requests", got, n)
				}
			}
		})
	}
}

func TestEndpointLimitCountsMethodsToo(t *testing.T) {
	a := newAccount(t, Config{MaxEndpoints: 3}, 1)
	f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.1:80").open()
	for _, method := range []string{"GET", "POST", "PUT", "DELETE", "DELETE"} {
		f.exchange(method, "h", "/a", 1, 1, 1)
	}
	m := flatten(t, a)
	if got := m["gor_requests_total{code=200,method=DELETE,path=(other),service=h}"]; got != 2 {
		t.Errorf("requests beyond the limit are %v, want 2; all: %v", got, m)
	}
}

func TestConfiguredNamesAreBeyondTheLimit(t *testing.T) {
	a := newAccount(t, Config{
		MaxServices: 1, MaxPaths: 1,
		Rules:    []Rule{{Name: "mine", Hosts: []string{"mine.example"}}},
		Patterns: []string{"/mine/{x}"},
	}, 1)
	f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.1:80").open()
	for _, host := range []string{"one.example", "two.example", "mine.example"} {
		for _, path := range []string{"/one", "/two", "/mine/a", "/mine/b"} {
			f.exchange("GET", host, path, 1, 1, 1)
		}
	}
	m := flatten(t, a)
	for _, service := range []string{"one.example", Other, "mine"} {
		for path, want := range map[string]float64{"/one": 1, Other: 1, "/mine/{x}": 2} {
			key := fmt.Sprintf("gor_requests_total{code=200,method=GET,path=%s,service=%s}", path, service)
			if m[key] != want {
				t.Errorf("%s is %v, want %v", key, m[key], want)
			}
		}
	}
}

func TestCodesAreBounded(t *testing.T) {
	a := newAccount(t, Config{}, 1)
	f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.1:80").open()
	for code := -1; code < 1002; code++ {
		x := f.begin("GET", "h", "/")
		x.Status = code
		a.Shard(0).Done(x)
	}
	m := flatten(t, a)
	if n := len(distinct(m, "gor_requests_total", "code")); n != maxCodes {
		t.Errorf("%d codes, want %d", n, maxCodes)
	}
	if n := sum(m, "gor_requests_total"); n != 1003 {
		t.Errorf("%v requests, want 1003", n)
	}
}

func TestGarbageHostsMakeNoServices(t *testing.T) {
	a := newAccount(t, Config{}, 1)
	f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.1:80").open()
	for _, host := range []string{"", "10.9.9.9", "a b", "\xff\xfe", "x\"y", "[::1]", "(other)"} {
		f.exchange("GET", host, "/", 1, 1, 1)
	}
	got := distinct(flatten(t, a), "gor_bytes_total", "service")
	if len(got) != 1 || !got["10.0.0.1:80"] {
		t.Errorf("services are %v", got)
	}
}

func TestScrapeOfManyServicesMissesNone(t *testing.T) {
	a := newAccount(t, Config{}, 2)
	const services = 3 * rowsAtATime / 2
	for i := range services {
		f := newSim(a.Shard(i%2), "10.0.0.9:40000", "10.0.0.1:80").open()
		for _, path := range []string{"/a", "/b", "/c"} {
			f.exchange("GET", fmt.Sprintf("h%d.example", i), path, 1, 1, 1)
		}
		f.close()
		f.end()
	}
	if got, want := sum(flatten(t, a), "gor_requests_total"), 3.0*services; got != want {
		t.Errorf("requests are %v, want %v", got, want)
	}
}
