package detect

import (
	"math/bits"
	"net/netip"
)

// maxServers bounds the server addresses that are remembered.
const maxServers = 4096

// service is the traffic of one service in the present window.
type service struct {
	name      string
	requests  int64
	bytes     int64
	seen      span64
	clients   crowd // addresses
	again     int64 // bytes that were sent again
	seenAgain span64
	networks  crowd // /24 and /64
}

// services holds them, and knows which addresses are servers.
type services struct {
	max     int
	byName  map[string]*service
	order   []*service // of byName, to look for a small one
	hand    int
	servers map[uint64]*host // by the hash of the address
	last    *service
	server  netip.Addr // the latest, and what is known of it
	host    *host
}

// host is a server's address. One with several services is still one caller: it is
// called by the one that has most requests.
type host struct {
	main     *service
	requests int64
}

func newServices(most int) *services {
	return &services{max: most, byName: make(map[string]*service), servers: make(map[uint64]*host)}
}

// observe counts an exchange. caller is the service whose server's address the client
// has, nil where it has none: loopback and a server's calls to itself tell nothing.
func (s *services) observe(x *exchange) (svc, caller *service) {
	svc = s.of(x.Service)
	svc.requests++
	svc.bytes += x.bytes
	svc.seen.see(x.nowNs)
	client, server := x.Client.Addr(), x.Server.Addr()
	c := svc.clients.of(x.client, client)
	c.add(x)
	svc.networks.of(c.networkHash, c.network).add(x)
	s.serve(server, svc)
	h := s.servers[x.client]
	if h == nil || client == server || client.IsLoopback() || h.main == svc {
		return svc, nil
	}
	return svc, h.main
}

func (s *services) serve(server netip.Addr, svc *service) {
	if s.host == nil || s.server != server {
		hash := hashAddr(server)
		h := s.servers[hash]
		if h == nil {
			if len(s.servers) >= maxServers {
				return
			}
			h = &host{main: svc}
			s.servers[hash] = h
		}
		s.server, s.host = server, h
	}
	switch h := s.host; {
	case h.main == svc:
		h.requests++
	case svc.requests > h.main.requests:
		h.main = svc
	}
}

// nameOf calls a client by its address, and by its service where it is one.
func (s *services) nameOf(l leader) string {
	address := l.addr.Unmap().String()
	if h := s.servers[l.hash]; h != nil && !l.addr.IsLoopback() && l.addr.IsValid() && h.main.name != address {
		return h.main.name + " (" + address + ")"
	}
	return address
}

func (s *services) of(name string) *service {
	if s.last != nil && s.last.name == name {
		return s.last
	}
	svc := s.byName[name]
	if svc == nil {
		svc = s.room(name)
		s.byName[name] = svc
	}
	s.last = svc
	return svc
}

func (s *services) room(name string) *service {
	svc := &service{name: name}
	if len(s.order) < s.max {
		s.order = append(s.order, svc)
		return svc
	}
	least := -1
	for range min(evictionLooks, s.max) {
		s.hand = (s.hand + 1) % s.max
		if least < 0 || s.order[s.hand].bytes < s.order[least].bytes {
			least = s.hand
		}
	}
	delete(s.byName, s.order[least].name)
	s.order[least] = svc
	return svc
}

func (s *services) reset() {
	*s = *newServices(s.max)
}

// maxCrowd is how many addresses of a service are told apart.
const maxCrowd = 128

// crowd are the clients of a service with the most bytes (Space-Saving; the least of a
// few gives way), and about how many there were.
type crowd struct {
	index map[uint64]*member
	order []*member
	hand  int
	last  [64]*member // by hash
	seen  [16]uint64  // a bit for each of 1024 parts of the addresses
}

type member struct {
	hash            uint64
	addr            netip.Addr
	bytes, doubt    int64
	requests, conns int64
	seen            span64
	network         netip.Addr // that addr is in
	networkHash     uint64
}

func (m *member) add(x *exchange) {
	m.requests++
	m.bytes += x.bytes
	if x.First {
		m.conns++
	}
	m.seen.see(x.nowNs)
}

func (c *crowd) of(hash uint64, addr netip.Addr) *member {
	last := &c.last[hash>>(64-6)]
	if m := *last; m != nil && m.hash == hash {
		return m
	}
	if c.index == nil {
		c.index = make(map[uint64]*member)
	}
	m := c.index[hash]
	if m == nil {
		bit := mix(hash^0x5bd1e995) & 1023
		c.seen[bit>>6] |= 1 << (bit & 63)
		m = c.room()
		m.hash, m.addr = hash, addr
		m.network = networkOf(addr)
		m.networkHash = hashAddr(m.network)
		c.index[hash] = m
	}
	*last = m
	return m
}

func (c *crowd) room() *member {
	if len(c.order) < maxCrowd {
		m := &member{}
		c.order = append(c.order, m)
		return m
	}
	var least *member
	for range evictionLooks {
		c.hand = (c.hand + 1) % maxCrowd
		if m := c.order[c.hand]; least == nil || m.bytes < least.bytes {
			least = m
		}
	}
	delete(c.index, least.hash)
	*least = member{bytes: least.bytes, doubt: least.bytes}
	return least
}

// distinct estimates how many there were: exact up to maxCrowd.
func (c *crowd) distinct() int {
	if len(c.order) < maxCrowd {
		return len(c.order)
	}
	set := 0
	for _, word := range c.seen {
		set += bits.OnesCount64(word)
	}
	return max(maxCrowd, linearCount(set))
}
