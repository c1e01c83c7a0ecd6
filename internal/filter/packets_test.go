package filter

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
)

// packet is one of the corpus.
type packet struct {
	name string
	data []byte
}

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }
func be16(v ...uint16) (b []byte) {
	for _, x := range v {
		b = binary.BigEndian.AppendUint16(b, x)
	}
	return b
}
func be32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

// Addresses that the expressions of the tests speak of.
var (
	macA, macB    = []byte{2, 0, 0, 0, 0, 0x0a}, []byte{2, 0, 0, 0, 0, 0x0b}
	macBroadcast  = []byte{255, 255, 255, 255, 255, 255}
	macMulticast  = []byte{1, 0, 0x5e, 0, 0, 1}
	ipA, ipB      = []byte{10, 0, 0, 1}, []byte{192, 168, 7, 9}
	ipMulticast   = []byte{224, 0, 0, 5}
	ipBroadcast   = []byte{255, 255, 255, 255}
	ip6A          = join([]byte{0x20, 1, 0xd, 0xb8}, make([]byte, 11), []byte{1})
	ip6B          = join([]byte{0xfe, 0x80}, make([]byte, 13), []byte{9})
	ip6Multicast  = join([]byte{0xff, 2}, make([]byte, 13), []byte{1})
	payload       = []byte("GET /index.html HTTP/1.1\r\nHost: a\r\n\r\n")
	tcpOptions    = []byte{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2}
	recordRoute   = []byte{7, 7, 4, 0, 0, 0, 0, 0}
	fortyOptions  = make([]byte, 40)
	authentic     = join([]byte{6, 4}, make([]byte, 22)) // AH, then TCP
	authenticUDP  = join([]byte{17, 4}, make([]byte, 22))
	hopByHopTCP   = []byte{6, 0, 5, 2, 0, 0, 1, 0}
	hopByHopFrag  = []byte{44, 0, 5, 2, 0, 0, 1, 0}
	routingThenDO = join([]byte{60, 2, 0, 1}, make([]byte, 20))
	destOptsTCP   = []byte{6, 0, 1, 4, 0, 0, 0, 0}
)

func ether(dst, src []byte, etherType uint16, body ...[]byte) []byte {
	return join(dst, src, be16(etherType), join(body...))
}

func eth(etherType uint16, body ...[]byte) []byte { return ether(macA, macB, etherType, body...) }

func ip4(src, dst []byte, proto byte, flagsOffset uint16, options []byte, body ...[]byte) []byte {
	b := join(body...)
	head := join([]byte{byte(0x45 + len(options)/4), 0}, be16(uint16(20+len(options)+len(b)), 0x1234, flagsOffset),
		[]byte{64, proto, 0, 0}, src, dst, options)
	return join(head, b)
}

func ip6(src, dst []byte, next byte, body ...[]byte) []byte {
	b := join(body...)
	return join(be32(0x60012345), be16(uint16(len(b))), []byte{next, 64}, src, dst, b)
}

func tcp(sport, dport uint16, flags byte, options []byte, body ...[]byte) []byte {
	return join(be16(sport, dport), be32(0x01020304), be32(0x0a0b0c0d),
		[]byte{byte(5+len(options)/4) << 4, flags}, be16(0xffff, 0, 0), options, join(body...))
}

func udp(sport, dport uint16, body ...[]byte) []byte {
	b := join(body...)
	return join(be16(sport, dport, uint16(8+len(b)), 0), b)
}

func sctp(sport, dport uint16) []byte {
	return join(be16(sport, dport), be32(1), be32(2), []byte{1, 0, 0, 4})
}

func icmp(kind, code byte) []byte { return join([]byte{kind, code, 0, 0}, be32(7), payload) }

func vlan(tci, etherType uint16, body ...[]byte) []byte {
	return join(be16(tci, etherType), join(body...))
}

func mpls(label uint32, bottom bool, body ...[]byte) []byte {
	entry := label<<12 | 64
	if bottom {
		entry |= 0x100
	}
	return join(be32(entry), join(body...))
}

func pppoe(code byte, session, proto uint16, body ...[]byte) []byte {
	b := join(body...)
	return join([]byte{0x11, code}, be16(session, uint16(2+len(b)), proto), b)
}

// ipPackets are the packets without a link header.
func ipPackets() []packet {
	return []packet{
		{"v4 tcp syn", ip4(ipA, ipB, 6, 0x4000, nil, tcp(40000, 80, 0x02, tcpOptions))},
		{"v4 tcp get", ip4(ipA, ipB, 6, 0x4000, nil, tcp(40000, 80, 0x18, nil, payload))},
		{"v4 tcp answer", ip4(ipB, ipA, 6, 0x4000, nil, tcp(80, 40000, 0x10, nil, payload))},
		{"v4 tcp rst", ip4(ipB, ipA, 6, 0, nil, tcp(8080, 22, 0x14, nil))},
		{"v4 tcp fin 443", ip4(ipA, ipB, 6, 0, nil, tcp(443, 50000, 0x11, tcpOptions, payload))},
		{"v4 tcp all flags", ip4(ipA, ipB, 6, 0, nil, tcp(5, 6, 0xff, nil))},
		{"v4 options tcp", ip4(ipA, ipB, 6, 0, recordRoute, tcp(1234, 80, 0x18, tcpOptions, payload))},
		{"v4 forty options udp", ip4(ipA, ipB, 17, 0, fortyOptions, udp(53, 5353, payload))},
		{"v4 short header length", append([]byte{0x41}, ip4(ipA, ipB, 6, 0, nil, tcp(80, 80, 2, nil))[1:]...)},
		{"v4 version 5", append([]byte{0x55}, ip4(ipA, ipB, 6, 0, nil, tcp(80, 80, 2, nil))[1:]...)},
		{"v4 first fragment", ip4(ipA, ipB, 17, 0x2000, nil, udp(53, 80, payload))},
		{"v4 later fragment", ip4(ipA, ipB, 17, 0x2005, nil, udp(53, 80, payload))},
		{"v4 last fragment", ip4(ipA, ipB, 6, 0x0010, nil, tcp(80, 80, 2, nil))},
		{"v4 udp dns", ip4(ipA, ipB, 17, 0, nil, udp(40000, 53, payload))},
		{"v4 udp multicast", ip4(ipA, ipMulticast, 17, 0, nil, udp(520, 520, payload))},
		{"v4 udp broadcast", ip4(ipA, ipBroadcast, 17, 0, nil, udp(68, 67, make([]byte, 240)))},
		{"v4 icmp echo", ip4(ipA, ipB, 1, 0, nil, icmp(8, 0))},
		{"v4 icmp unreachable", ip4(ipB, ipA, 1, 0, nil, icmp(3, 3))},
		{"v4 igmp", ip4(ipA, ipMulticast, 2, 0, nil, []byte{0x16, 0, 0, 0, 224, 0, 0, 5})},
		{"v4 sctp", ip4(ipA, ipB, 132, 0, nil, sctp(80, 2905))},
		{"v4 ah tcp", ip4(ipA, ipB, 51, 0, nil, authentic, tcp(1, 80, 2, nil))},
		{"v4 ah udp", ip4(ipA, ipB, 51, 0, nil, authenticUDP, udp(1, 80))},
		{"v4 esp", ip4(ipA, ipB, 50, 0, nil, make([]byte, 32))},
		{"v4 pim", ip4(ipA, ipMulticast, 103, 0, nil, []byte{0x20, 0, 0, 0})},
		{"v4 vrrp", ip4(ipA, []byte{224, 0, 0, 18}, 112, 0, nil, []byte{0x21, 1, 100, 1, 0, 1, 0, 0})},
		{"v4 igrp", ip4(ipA, ipB, 9, 0, nil, make([]byte, 12))},
		{"v4 gre", ip4(ipA, ipB, 47, 0, nil, be16(0, 0x800), ip4(ipB, ipA, 6, 0, nil, tcp(80, 1, 2, nil)))},
		{"v4 in v4", ip4(ipA, ipB, 4, 0, nil, ip4(ipB, ipA, 6, 0, nil, tcp(80, 1, 2, nil)))},
		{"v4 geneve", ip4(ipA, ipB, 17, 0, nil, udp(40000, 6081, geneve(7, nil, 0x6558,
			eth(0x800, ip4(ipB, ipA, 6, 0, nil, tcp(80, 1, 2, nil))))))},
		{"v4 geneve options v6", ip4(ipA, ipB, 17, 0, nil, udp(40000, 6081, geneve(9, make([]byte, 8), 0x86dd,
			ip6(ip6A, ip6B, 17, udp(53, 53)))))},
		{"v4 total length lies", append([]byte{0x45, 0, 0, 3}, ip4(ipA, ipB, 6, 0, nil, tcp(80, 80, 2, nil))[4:]...)},
		{"v6 tcp syn", ip6(ip6A, ip6B, 6, tcp(40000, 80, 0x02, tcpOptions))},
		{"v6 tcp answer", ip6(ip6B, ip6A, 6, tcp(80, 40000, 0x18, nil, payload))},
		{"v6 udp", ip6(ip6A, ip6B, 17, udp(53, 40000, payload))},
		{"v6 udp multicast", ip6(ip6B, ip6Multicast, 17, udp(5353, 5353, payload))},
		{"v6 icmp echo", ip6(ip6A, ip6B, 58, icmp(128, 0))},
		{"v6 neighbour", ip6(ip6B, ip6Multicast, 58, icmp(135, 0))},
		{"v6 sctp", ip6(ip6A, ip6B, 132, sctp(80, 2905))},
		{"v6 hop-by-hop tcp", ip6(ip6A, ip6B, 0, hopByHopTCP, tcp(1, 80, 2, nil))},
		{"v6 first fragment", ip6(ip6A, ip6B, 44, []byte{6, 0, 0, 1, 0, 0, 0, 9}, tcp(1, 80, 2, nil))},
		{"v6 later fragment", ip6(ip6A, ip6B, 44, []byte{17, 0, 1, 0x40, 0, 0, 0, 9}, udp(53, 53))},
		{"v6 many headers", ip6(ip6A, ip6B, 0, hopByHopFrag, []byte{43, 0, 0, 0, 0, 0, 0, 9}, routingThenDO,
			destOptsTCP, tcp(1, 80, 2, nil))},
		{"v6 ah", ip6(ip6A, ip6B, 51, authentic, tcp(80, 80, 2, nil))},
		{"v6 no next header", ip6(ip6A, ip6B, 59)},
		{"v6 header loop", ip6(ip6A, ip6B, 0, slices.Repeat([]byte{0, 0, 0, 0, 0, 0, 0, 0}, 20))},
	}
}

func geneve(vni uint32, options []byte, proto uint16, body ...[]byte) []byte {
	return join([]byte{byte(len(options) / 4), 0}, be16(proto), be32(vni<<8), options, join(body...))
}

func etherType(ip []byte) uint16 {
	if ip[0]>>4 == 6 {
		return 0x86dd
	}
	return 0x800
}

// frames is the corpus for Ethernet: every IP packet in each encapsulation, other
// protocols, packets that end anywhere, and noise.
func frames() []packet {
	var all []packet
	add := func(name string, data []byte) { all = append(all, packet{name, data}) }
	for i, p := range ipPackets() {
		kind := etherType(p.data)
		ppp := map[uint16]uint16{0x800: 0x21, 0x86dd: 0x57}[kind]
		add(p.name, eth(kind, p.data))
		add("vlan 5, "+p.name, eth(0x8100, vlan(0x6005, kind, p.data)))
		add("qinq 7 5, "+p.name, eth(0x88a8, vlan(7, 0x8100, vlan(5, kind, p.data))))
		add("mpls, "+p.name, eth(0x8847, mpls(100, true, p.data)))
		add("pppoe, "+p.name, eth(0x8864, pppoe(0, 0x27, ppp, p.data)))
		if i%4 > 0 {
			continue
		}
		add("mpls mpls, "+p.name, eth(0x8847, mpls(1000, false, mpls(2000, true, p.data))))
		add("llc snap, "+p.name, eth(uint16(8+len(p.data)), []byte{0xaa, 0xaa, 3, 0, 0, 0}, be16(kind), p.data))
	}
	arp := join(be16(1, 0x800), []byte{6, 4}, be16(1), macB, ipA, make([]byte, 6), ipB)
	add("arp", ether(macBroadcast, macB, 0x806, arp))
	add("rarp", ether(macBroadcast, macB, 0x8035, arp))
	add("arp in vlan 9", eth(0x8100, vlan(9, 0x806, arp)))
	add("multicast", ether(macMulticast, macA, 0x800, ip4(ipA, ipMulticast, 17, 0, nil, udp(1, 2))))
	add("pppoe discovery", ether(macBroadcast, macA, 0x8863, pppoe(9, 0, 0x0101)))
	add("pppoe lcp", eth(0x8864, pppoe(0, 1, 0xc021, []byte{9, 1, 0, 8})))
	add("stp", ether([]byte{1, 0x80, 0xc2, 0, 0, 0}, macA, 38, []byte{0x42, 0x42, 3}, make([]byte, 35)))
	add("is-is", eth(200, []byte{0xfe, 0xfe, 3, 0x83, 27, 1, 0, 0x10}, make([]byte, 192)))
	add("netbeui", eth(60, []byte{0xf0, 0xf0, 3}, make([]byte, 57)))
	add("ipx", eth(0x8137, make([]byte, 40)))
	add("ipx raw", eth(40, be16(0xffff), make([]byte, 38)))
	add("appletalk", eth(0x809b, make([]byte, 40)))
	add("aarp", eth(0x80f3, make([]byte, 40)))
	add("decnet", eth(0x6003, be16(20), make([]byte, 40)))
	add("lat", eth(0x6004, make([]byte, 46)))
	add("loopback", eth(0x9000, make([]byte, 46)))
	add("three tags", eth(0x88a8, vlan(1, 0x88a8, vlan(2, 0x8100, vlan(3, 0x806, arp)))))
	add("old qinq", eth(0x9100, vlan(7, 0x8100, vlan(5, 0x800, ipPackets()[0].data))))
	add("header only", eth(0x800, []byte{0x45}))
	add("jumbo", eth(0x800, ip4(ipA, ipB, 17, 0, nil, udp(53, 53, make([]byte, 3000)))))

	for _, p := range all[:7] {
		for n := 15; n < len(p.data); n += 5 {
			add(fmt.Sprintf("%s, cut to %d", p.name, n), p.data[:n])
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	whole := len(all)
	for i := range 60 {
		noisy := slices.Clone(all[rng.IntN(whole)].data)
		for range 1 + rng.IntN(4) {
			noisy[rng.IntN(min(len(noisy), 60))] ^= byte(1 << rng.IntN(8))
		}
		add(fmt.Sprintf("noisy %d", i), noisy)
	}
	for i := range 20 {
		noise := make([]byte, 15+rng.IntN(100))
		for j := range noise {
			noise[j] = byte(rng.Uint32())
		}
		add(fmt.Sprintf("noise %d", i), noise)
	}
	return all
}

// rawPackets is the corpus for packets that begin with their IP header.
func rawPackets() []packet {
	all := ipPackets()
	for _, p := range []packet{all[0], all[6], all[31]} {
		for n := 15; n < len(p.data); n += 3 {
			all = append(all, packet{fmt.Sprintf("%s, cut to %d", p.name, n), p.data[:n]})
		}
	}
	rng := rand.New(rand.NewPCG(3, 4))
	whole := len(all)
	for i := range 40 {
		noisy := slices.Clone(all[rng.IntN(whole)].data)
		noisy[rng.IntN(min(len(noisy), 50))] ^= byte(1 << rng.IntN(8))
		all = append(all, packet{fmt.Sprintf("noisy %d", i), noisy})
	}
	return all
}

// withTag returns the frame with a VLAN tag where the wire has it.
func withTag(frame []byte, etherType, tci uint16) []byte {
	return join(frame[:12], be16(etherType, tci), frame[12:])
}
