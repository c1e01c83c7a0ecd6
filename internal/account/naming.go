package account

import "net/netip"

// namer finds the service of a request or of a connection. It belongs to one
// shard; its scratch buffers make it free of allocation.
type namer struct {
	rules    []Rule
	resolver Resolver
	host     []byte // scratch
	address  []byte // scratch
}

// name returns the service's name, valid until the next call: a rule's, the
// resolver's, the Host header's (where it is a name and not an address, which
// would split one server in two), or the server's "ip:port". configured tells
// a rule's name, which no limit applies to.
func (n *namer) name(server netip.AddrPort, rawHost []byte) (name []byte, configured bool) {
	h, ok := parseHost(n.host[:0], rawHost)
	if ok {
		n.host = h.full
	}
	for i := range n.rules {
		if n.rules[i].match(server, h) {
			n.address = append(n.address[:0], n.rules[i].Name...)
			return n.address, true
		}
	}
	if n.resolver != nil {
		if name, ok := n.resolver.Service(server); ok && name != "" && len(name) <= maxHost && isPlainName(name) {
			n.address = append(n.address[:0], name...)
			return n.address, false
		}
	}
	if ok && !h.isAddress {
		return h.full, false
	}
	n.address = server.AppendTo(n.address[:0])
	return n.address, false
}
