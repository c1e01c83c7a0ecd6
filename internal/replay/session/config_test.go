package session

import (
	"bytes"
	"net/netip"
	"testing"
)

func TestTargets(t *testing.T) {
	for _, c := range []struct {
		text   string
		target string
		from   uint16
		share  float64
		ok     bool
	}{
		{"10.0.0.3:3306", "10.0.0.3:3306", 0, 1, true},
		{"80->10.0.0.3:8080|x2", "10.0.0.3:8080", 80, 2, true},
		{"80 -> [2001:db8::1]:8080|10%|50", "[2001:db8::1]:8080", 80, 0.1, true},
		{"10.0.0.3", "", 0, 0, false},
		{":80", "", 0, 0, false},
		{"0->10.0.0.3:80", "", 0, 0, false},
		{"x->10.0.0.3:80", "", 0, 0, false},
		{"10.0.0.3:80|fast", "", 0, 0, false},
	} {
		var got Config
		err := got.ParseTarget(c.text)
		if (err == nil) != c.ok {
			t.Errorf("%q: %v", c.text, err)
		}
		if c.ok && (got.Target != c.target || got.From != c.from || got.Limit.Connections != c.share) {
			t.Errorf("%q: %+v", c.text, got)
		}
	}
}

func TestClientsOfAPrefixAreHostsOfItAndDifferByCopy(t *testing.T) {
	client, target := netip.MustParseAddrPort("192.0.2.9:4000"), netip.MustParseAddr("10.0.0.1")
	clients, err := ParseClients("10.9.8.0/22")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[netip.Addr]bool{}
	for n := range 200 {
		a, err := clients.address(client, 12345, n, target)
		if err != nil {
			t.Fatal(err)
		}
		first, last := netip.MustParseAddr("10.9.8.0"), netip.MustParseAddr("10.9.11.255")
		if !clients.Prefix.Contains(a.Addr()) || a.Addr() == first || a.Addr() == last {
			t.Errorf("copy %d comes from %s", n, a)
		}
		seen[a.Addr()] = true
	}
	if len(seen) < 100 {
		t.Errorf("200 copies came from %d addresses", len(seen))
	}
}

func TestAClientOfTheOtherAddressFamilyHasNoAddress(t *testing.T) {
	clients := Clients{Original: true}
	if _, err := clients.address(netip.MustParseAddrPort("[2001:db8::1]:4000"), 1, 0, netip.MustParseAddr("10.0.0.1")); err == nil {
		t.Error("an IPv6 client reaches an IPv4 target")
	}
}

func TestEveryAddressOfASmallPrefixIsPicked(t *testing.T) {
	for text, want := range map[string]int{"10.0.0.7/32": 1, "10.0.0.6/31": 2, "10.0.0.4/30": 2, "2001:db8::/126": 2} {
		p, seen := netip.MustParsePrefix(text), map[netip.Addr]bool{}
		for hash := range uint64(64) {
			a := pick(p, hash)
			if !p.Contains(a) {
				t.Errorf("%s is not in %s", a, p)
			}
			seen[a] = true
		}
		if len(seen) != want {
			t.Errorf("%s: %d addresses, want %d", p, len(seen), want)
		}
	}
}

func TestProxyHeaders(t *testing.T) {
	client, server := netip.MustParseAddrPort("192.0.2.9:4000"), netip.MustParseAddrPort("192.0.2.1:80")
	if got, want := string(proxyHeader(1, client, server)), "PROXY TCP4 192.0.2.9 192.0.2.1 4000 80\r\n"; got != want {
		t.Errorf("version 1: %q, want %q", got, want)
	}
	want := append([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c"), 192, 0, 2, 9, 192, 0, 2, 1, 0x0f, 0xa0, 0, 80)
	if got := proxyHeader(2, client, server); !bytes.Equal(got, want) {
		t.Errorf("version 2: %q, want %q", got, want)
	}
	client, server = netip.MustParseAddrPort("[2001:db8::9]:4000"), netip.MustParseAddrPort("[2001:db8::1]:80")
	if got := proxyHeader(2, client, server); len(got) != 16+36 || got[13] != 0x21 {
		t.Errorf("version 2, IPv6: %q", got)
	}
}
