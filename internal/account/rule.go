package account

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Rule names the service of every request or connection that meets each kind
// of condition given; of one kind, any may match. A rule without Hosts also
// names connections that are no HTTP.
type Rule struct {
	Name string
	// CIDRs and Ports are the server's.
	CIDRs []netip.Prefix
	Ports []uint16
	// Hosts are compared with the Host header, lower-cased and without port;
	// one that has a colon, with the port. "*" stands for any characters.
	Hosts []string
}

func compileRules(rules []Rule) ([]Rule, error) {
	compiled := make([]Rule, 0, len(rules))
	for i, r := range rules {
		switch {
		case r.Name == "" || !isPlainName(r.Name):
			return nil, fmt.Errorf("read service rule %d: name %q is empty or not printable ASCII", i+1, r.Name)
		case len(r.CIDRs)+len(r.Ports)+len(r.Hosts) == 0:
			return nil, fmt.Errorf("read service rule %q: no condition (give a CIDR, a port or a host)", r.Name)
		}
		for _, p := range r.CIDRs {
			if !p.IsValid() {
				return nil, fmt.Errorf("read service rule %q: invalid CIDR (for example 10.0.0.0/8)", r.Name)
			}
		}
		r.Hosts = slices.Clone(r.Hosts)
		for i, h := range r.Hosts {
			r.Hosts[i] = strings.ToLower(h)
		}
		compiled = append(compiled, r)
	}
	return compiled, nil
}

func isPlainName(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' })
}

// match tells whether a rule covers a server and a host; host is the zero
// value where no request named one.
func (r *Rule) match(server netip.AddrPort, h host) bool {
	if len(r.Ports) > 0 && !slices.Contains(r.Ports, server.Port()) {
		return false
	}
	if len(r.CIDRs) > 0 && !r.covers(server.Addr()) {
		return false
	}
	return len(r.Hosts) == 0 || r.knows(h)
}

func (r *Rule) covers(a netip.Addr) bool {
	for _, p := range r.CIDRs {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func (r *Rule) knows(h host) bool {
	for _, pattern := range r.Hosts {
		name := h.full
		if strings.IndexByte(pattern, ':') < 0 {
			name = h.full[:h.nameLen]
		}
		if len(name) > 0 && globMatch(pattern, name) {
			return true
		}
	}
	return false
}
