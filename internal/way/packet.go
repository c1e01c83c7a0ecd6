package way

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

const (
	flagSYN = 1 << 1
	flagRST = 1 << 2
)

// parse takes a packet from its network header on apart. Of an ICMP error, to and from
// are those of the error's sender, and of the packet that it is about: its to is where
// that came from.
func (p *observed) parse(b []byte, ether uint16) bool {
	switch ether {
	case etherARP:
		return p.parseARP(b)
	case etherIPv4:
		if len(b) < 20 || len(b) < int(b[0]&15)*4 {
			return false
		}
		from, to := netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		rest := b[int(b[0]&15)*4:]
		if b[9] == unix.IPPROTO_ICMP {
			return p.parseICMP(rest, from)
		}
		return b[9] == unix.IPPROTO_TCP && p.parseTCP(rest, from, to)
	case etherIPv6:
		if len(b) < 40 {
			return false
		}
		from, to := netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		if b[6] == unix.IPPROTO_ICMPV6 {
			return p.parseICMP(b[40:], from)
		}
		return b[6] == unix.IPPROTO_TCP && p.parseTCP(b[40:], from, to)
	}
	return false
}

func (p *observed) parseTCP(b []byte, from, to netip.Addr) bool {
	if len(b) < 14 {
		return false
	}
	p.from = netip.AddrPortFrom(from, binary.BigEndian.Uint16(b))
	p.to = netip.AddrPortFrom(to, binary.BigEndian.Uint16(b[2:]))
	p.flags = b[13]
	return true
}

// parseARP takes requests for IPv4 addresses (RFC 826).
func (p *observed) parseARP(b []byte) bool {
	if len(b) < 28 || binary.BigEndian.Uint16(b[2:]) != etherIPv4 || b[4] != 6 || binary.BigEndian.Uint16(b[6:]) != 1 {
		return false
	}
	p.from = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[14:18])), 0)
	p.asksFor = netip.AddrFrom4([4]byte(b[24:28]))
	return true
}

// icmpKind names what a type and code of ICMP say of a packet that was not delivered
// (RFC 792, RFC 1812 5.2.7.1; RFC 4443, 3.1); "" is something else.
func icmpKind(v6 bool, kind, code byte) string {
	if v6 {
		switch [2]byte{kind, code} {
		case [2]byte{1, 0}:
			return "network unreachable"
		case [2]byte{1, 1}, [2]byte{1, 5}, [2]byte{1, 6}:
			return prohibited
		case [2]byte{1, 3}:
			return "host unreachable"
		case [2]byte{1, 4}:
			return "port unreachable"
		case [2]byte{3, 0}:
			return "time exceeded"
		}
		return ""
	}
	switch [2]byte{kind, code} {
	case [2]byte{3, 0}:
		return "network unreachable"
	case [2]byte{3, 1}:
		return "host unreachable"
	case [2]byte{3, 3}:
		return "port unreachable"
	case [2]byte{3, 9}, [2]byte{3, 10}, [2]byte{3, 13}:
		return prohibited
	case [2]byte{11, 0}:
		return "time exceeded"
	}
	return ""
}

const (
	prohibited   = "administratively prohibited"
	solicitation = 135
)

func (p *observed) parseICMP(b []byte, from netip.Addr) bool {
	if len(b) < 8 {
		return false
	}
	if from.Is6() && b[0] == solicitation && len(b) >= 24 {
		p.from, p.asksFor = netip.AddrPortFrom(from, 0), netip.AddrFrom16([16]byte(b[8:24]))
		return true
	}
	kind := icmpKind(from.Is6(), b[0], b[1])
	if kind == "" {
		return false
	}
	ether := uint16(etherIPv4)
	if from.Is6() {
		ether = etherIPv6
	}
	var about observed
	inner := b[8:]
	if len(inner) > 0 && from.Is4() && int(inner[0]&15)*4+8 <= len(inner) {
		inner = append(append([]byte(nil), inner...), make([]byte, 14)...) // only 8 bytes of TCP are sure to be there
	}
	if !about.parse(inner, ether) || about.icmp != "" {
		return false
	}
	p.icmp, p.from, p.to = kind, netip.AddrPortFrom(from, 0), about.from
	return true
}
