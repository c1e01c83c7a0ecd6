package detect

import (
	"encoding/binary"
	"net/netip"
)

// mix spreads the bits of a number (the finaliser of SplitMix64).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// combine makes one hash of two.
func combine(a, b uint64) uint64 { return mix(a*0x9e3779b97f4a7c15 + b) }

func hashAddr(a netip.Addr) uint64 {
	if a.Is4() {
		b := a.As4()
		return combine(4, uint64(binary.BigEndian.Uint32(b[:])))
	}
	b := a.As16()
	return combine(binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:]))
}

// networkOf returns the /24 or /64 of an address.
func networkOf(a netip.Addr) netip.Addr {
	a = a.Unmap()
	bits := 64
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return a
	}
	return p.Addr()
}

// networkName shows what networkOf returned.
func networkName(a netip.Addr) string {
	if a.Is4() {
		return netip.PrefixFrom(a, 24).String()
	}
	return netip.PrefixFrom(a, 64).String()
}
