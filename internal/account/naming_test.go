package account

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHostIsNormalised(t *testing.T) {
	for raw, want := range map[string]string{
		"shop.example":           "shop.example",
		"Shop.EXAMPLE.":          "shop.example",
		"shop.example:80":        "shop.example",
		"shop.example:443":       "shop.example",
		"shop.example:8080":      "shop.example:8080",
		"shop.example:":          "shop.example",
		"under_score.svc":        "under_score.svc",
		"localhost:3000":         "localhost:3000",
		"10.0.0.1:8080":          "address 10.0.0.1:8080",
		"10.0.0.1.":              "address 10.0.0.1",
		"17":                     "address 17",
		"[::1]:8080":             "address [::1]:8080",
		"[FE80::1]":              "address [fe80::1]",
		strings.Repeat("a", 253): strings.Repeat("a", 253),
		strings.Repeat("a", 254): "garbage",
		"":                       "garbage",
		".":                      "garbage",
		"..":                     "garbage",
		".a":                     "garbage",
		"a..b":                   "garbage",
		"[]":                     "garbage",
		":80":                    "garbage",
		"a b":                    "garbage",
		"a\nb":                   "garbage",
		"a\"b":                   "garbage",
		"\xff":                   "garbage",
		"(other)":                "garbage",
		"::1":                    "garbage",
		"shop.example:http":      "garbage",
		"shop.example:123456":    "garbage",
		"user@shop.example":      "garbage",
	} {
		got := "garbage"
		if h, ok := parseHost(nil, []byte(raw)); ok {
			got = string(h.full)
			if h.isAddress {
				got = "address " + got
			}
		}
		if got != want {
			t.Errorf("host %q is %q, want %q", raw, got, want)
		}
	}
}

type resolverFunc func(netip.AddrPort) (string, bool)

func (f resolverFunc) Service(a netip.AddrPort) (string, bool) { return f(a) }

func TestServiceComesFromRuleResolverHostAddressInThisOrder(t *testing.T) {
	rules, err := compileRules([]Rule{
		{Name: "billing", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}, Ports: []uint16{80, 8080}},
		{Name: "shops", Hosts: []string{"*.Shop.example", "shop.example"}},
		{Name: "dev", Hosts: []string{"*.test:8081"}},
		{Name: "six", CIDRs: []netip.Prefix{netip.MustParsePrefix("fd00::/8")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	n := namer{rules: rules, resolver: resolverFunc(func(a netip.AddrPort) (string, bool) {
		if a.Port() == 54 {
			return "not a label", true
		}
		return "kube/dns", a.Port() == 53
	})}
	type result struct {
		Name       string
		Configured bool
	}
	for _, c := range []struct {
		server, host string
		want         result
	}{
		{"10.1.2.3:8080", "www.shop.example", result{"billing", true}},
		{"10.1.2.3:8080", "", result{"billing", true}},
		{"10.1.2.3:81", "www.shop.example", result{"shops", true}},
		{"10.2.2.3:80", "SHOP.example:9999", result{"shops", true}},
		{"10.2.2.3:80", "a.test:8081", result{"dev", true}},
		{"10.2.2.3:80", "a.test:8082", result{"a.test:8082", false}},
		{"[fd00::1]:80", "x.example", result{"six", true}},
		{"10.2.2.3:53", "www.shop.example", result{"shops", true}},
		{"10.2.2.3:53", "x.example", result{"kube/dns", false}},
		{"10.2.2.3:54", "x.example", result{"x.example", false}},
		{"10.2.2.3:80", "X.example", result{"x.example", false}},
		{"10.2.2.3:80", "1.2.3.4", result{"10.2.2.3:80", false}},
		{"10.2.2.3:80", "gar bage", result{"10.2.2.3:80", false}},
		{"10.2.2.3:80", "", result{"10.2.2.3:80", false}},
		{"[fe80::1]:80", "", result{"[fe80::1]:80", false}},
	} {
		name, configured := n.name(netip.MustParseAddrPort(c.server), []byte(c.host))
		if diff := cmp.Diff(c.want, result{string(name), configured}); diff != "" {
			t.Errorf("service of %q at %s (-want +got):\n%s", c.host, c.server, diff)
		}
	}
}

func TestRuleErrorsNameTheRule(t *testing.T) {
	for want, r := range map[string]Rule{
		`read service rule 1: name "" is empty or not printable ASCII`:        {Ports: []uint16{80}},
		`read service rule 1: name "a b" is empty or not printable ASCII`:     {Name: "a b", Ports: []uint16{80}},
		`read service rule "a": no condition (give a CIDR, a port or a host)`: {Name: "a"},
		`read service rule "a": invalid CIDR (for example 10.0.0.0/8)`:        {Name: "a", CIDRs: make([]netip.Prefix, 1)},
	} {
		if _, err := New(Config{Rules: []Rule{r}}, 1); err == nil || err.Error() != want {
			t.Errorf("rule %+v: error %v, want %s", r, err, want)
		}
	}
}

func FuzzHost(f *testing.F) {
	for _, s := range []string{"a.b:80", "[::1]:1", "1.2.3.4", "A_b.", ":", "[", "]:", "[]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, ok := parseHost(nil, raw)
		if !ok {
			return
		}
		if len(h.full) == 0 || len(h.full) > maxHost+6 || h.nameLen > len(h.full) || !isPlainName(string(h.full)) {
			t.Fatalf("host %q is %q", raw, h.full)
		}
		again, ok := parseHost(nil, h.full)
		if !ok || string(again.full) != string(h.full) {
			t.Fatalf("host %q is %q, and that is %q", raw, h.full, again.full)
		}
	})
}
