package session

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// proxyHeader is what tells a target who the client was (PROXY protocol, versions 1
// and 2, https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt).
func proxyHeader(version int, client, server netip.AddrPort) []byte {
	if version == 1 {
		family := "TCP6"
		if client.Addr().Is4() {
			family = "TCP4"
		}
		return fmt.Appendf(nil, "PROXY %s %s %s %d %d\r\n", family, client.Addr(), server.Addr(), client.Port(), server.Port())
	}
	const proxied = 0x21 // version 2, command PROXY
	family := byte(0x21) // TCP over IPv6
	if client.Addr().Is4() {
		family = 0x11
	}
	addresses := append(client.Addr().AsSlice(), server.Addr().AsSlice()...)
	addresses = binary.BigEndian.AppendUint16(addresses, client.Port())
	addresses = binary.BigEndian.AppendUint16(addresses, server.Port())
	h := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), proxied, family)
	h = binary.BigEndian.AppendUint16(h, uint16(len(addresses)))
	return append(h, addresses...)
}
