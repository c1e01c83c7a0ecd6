package filter

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// expressionTable has every primitive of pcap-filter(7) that can be asked of
// Ethernet, a line a section, alternatives separated by semicolons.
const expressionTable = `
; tcp; udp; icmp; icmp6; sctp; igmp; igrp; pim; vrrp; carp; ah; esp; ip; ip6; arp; rarp
host 10.0.0.1; src host 10.0.0.1; dst host 10.0.0.1; src or dst host 10.0.0.1; src and dst host 10.0.0.1; ip host 192.168.7.9
arp host 10.0.0.1; rarp host 10.0.0.1; host 2001:db8::1; src host fe80::9; dst host ff02::1; ip6 host 2001:db8::1; src 10.0.0.1; dst 192.168.7.9
host 10.0.0.1 and not host 192.168.7.9; src 10.0.0.1 or 192.168.7.9; not src host 10.0.0.1; host 255.255.255.255
ether host 02:00:00:00:00:0a; ether src 02:00:00:00:00:0b; ether dst 02:00:00:00:00:0a; ether dst ff:ff:ff:ff:ff:ff; ether src host 02:00:00:00:00:0a
net 10.0.0.0/8; net 10; net 10.0; net 192.168.7; src net 192.168.0.0/16; dst net 10.0.0.0 mask 255.0.0.0; net 0.0.0.0/0; net 10.0.0.0/31; net 10.0.0.1/32
net 2001:db8::/32; src net fe80::/10; ip6 net 2001:db8::/48; dst net ff00::/8; net 2001:db8::1/128; net ::/0; ip net 10.0.0.0/8; arp net 10
port 80; src port 80; dst port 80; src or dst port 53; src and dst port 80; tcp port 80; udp port 53; sctp port 80; tcp src port 443; tcp dst port 22
port http; port domain; tcp port ssh; port 0; port 65535; tcp dst port 80 and src port 40000; ip6 and port 80; ip and port 80
portrange 1-1024; src portrange 80-80; dst portrange 1000-60000; tcp portrange 50-90; udp portrange 5000-6000; sctp portrange 2900-2910; tcp src portrange 0-65535; not portrange 1-79
ip proto 6; ip proto \tcp; ip proto \udp; ip proto \icmp; ip6 proto \tcp; ip6 proto 58; ip6 proto 0; proto 17; proto \sctp; ip proto 255; ip6 proto 44; proto 51
ether proto 0x800; ether proto \ip; ether proto \ip6; ether proto \arp; ether proto 0x8100; ether proto 0x86dd; ether proto 0x88a8; ether proto \rarp; ether proto \mopdl; ether proto \lat; ether proto 5; ether proto \stp; ether proto \ipx; ether proto \netbeui; ether proto \atalk; ether proto \aarp
ip protochain 6; ip6 protochain 6; ip6 protochain \tcp; ip protochain 51; ip6 protochain 17; ip6 protochain 60; protochain 6; ip6 protochain 59; ip6 protochain 0
ether broadcast; ether multicast; ip multicast; ip6 multicast; multicast; broadcast; not broadcast and not multicast
atalk; aarp; decnet; iso; esis; isis; clnp; stp; ipx; netbeui; lat; moprc; mopdl; sca; iso proto \clnp; decnet src 1.2; decnet dst host 10.15; decnet host 1.1
llc; llc i; llc s; llc u; llc rr; llc rnr; llc rej; llc ui; llc ua; llc disc; llc sabme; llc test; llc xid; llc frmr; isis and l1; l1; l2; iih; lsp; snp; csnp; psnp
vlan; vlan 5; vlan 7; vlan 9; not vlan; vlan 5 and tcp; vlan and vlan; vlan 7 and vlan 5; vlan 7 and vlan 5 and tcp port 80; vlan and ip; vlan and arp; vlan 5 and ip6; vlan 100; vlan 100 and tcp; vlan 100 and vlan 5; vlan and tcp port 80; vlan 100 and tcp port 80; tcp port 80 or (vlan and tcp port 80); vlan and host 10.0.0.1; vlan 0; vlan 4095; vlan and len > 70; vlan and ether[12:2] = 0x8100
mpls; mpls 100; mpls 1000; mpls 1000 and mpls 2000; mpls and tcp; mpls 100 and tcp port 80; mpls and ip6; mpls 1000 and mpls and host 10.0.0.1; mpls and udp
pppoed; pppoes; pppoes 0x27; pppoes 0x27 and tcp; pppoes and ip6; pppoes and tcp port 80; pppoes 1; pppoes and host 10.0.0.1; pppoes and udp
geneve; geneve 7; geneve 9; geneve and tcp; geneve 7 and tcp port 80; geneve and ip6; geneve and udp port 53; geneve and host 10.0.0.1
less 60; greater 100; len = 60; len <= 64; len > 1500; len != 74; length >= 54; len & 1 = 0; len = 14; len > 18 and len < 60; len % 4 = 2; len / 10 = 6; len * 2 > 200; len - 14 = 40; len = 78
ether[0] & 1 != 0; ether[0] & 1 = 0 and ip[16] >= 224; ip[0] & 0xf != 5; ip[6:2] & 0x1fff = 0; ip[8] < 5; ip[9] = 6; ip[2:2] > 576; ip[12:4] = 0x0a000001; ip6[6] = 6; ip6[40] = 0; ip6[4:2] > 20; arp[6:2] = 1; arp[7] = 2; rarp[7] = 1
ether[12:2] = 0x800; ether[12:4] = 0x08004500; ether[10:4] = 0x000b0800; ether[11:2] = 0x0b08; ether[14] = 0x45; ether[15:2] = 0; ether[13:4] = 0; ether[8:4] = 0; ether[16:2] = 0x800; ether[12:1] = 0x81; ether[17] = 0; ether[14:4] = 0x00050800; ether[11:4] = 0x0b810060; ether[13:2] = 0x45; ether[14:2] & 0xfff = 5; ether[9] = 0; ether[9:2] = 0; ether[9:4] = 0; ether[6:4] = 0x02000000; ether[15:4] = 0
tcp[tcpflags] & tcp-syn != 0; tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn; tcp[13] = 0x18; tcp[tcpflags] == tcp-ack; tcp[tcpflags] & (tcp-rst|tcp-fin) != 0; tcp[tcpflags] & tcp-push != 0; tcp[tcpflags] & tcp-urg != 0; tcp[tcpflags] & (tcp-ece|tcp-cwr) = (tcp-ece|tcp-cwr)
tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420; tcp[12] >> 4 > 5; tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0); udp[4:2] > 20; udp[8] = 0x47; tcp[4:4] = 0x01020304; tcp[0:2] = 80; udp[0:2] * 2 = 106; sctp[12] = 1
icmp[icmptype] = icmp-echo; icmp[icmptype] = icmp-unreach and icmp[icmpcode] = 3; icmp[0] != 8; icmp6[icmp6type] = icmp6-echo; icmp6[icmp6type] = icmp6-neighborsolicit; icmp6[0] = 128; igmp[0] = 0x16; pim[0] = 0x20; icmp[4:4] = 7
ether[ether[0]] = 2; ether[ether[5] + 4] = 8; ether[ip[0] & 0xf : 2] = 0; ip[ip[8]] = 0; ip[ip[0] & 0xf] = 0x40; ether[len] = 0; ether[len - 1] = 10; ether[ip[2:2]] = 0; ether[ip[2:2] + 13] = 10; ether[(ip[2:2] + 10) : 4] = 0x0d0a0d0a; ether[65536] = 0; ether[70000:4] = 0; ether[32766:4] = 0; ether[2147483640] = 0; ether[4294967290] = 0
ether[ip[12:4]] = 0; ether[ip[12:4] - 167772150] = 0; ether[0 - ip[8]] = 0; ether[ip[8] - 64] = 2; ether[ip[8] - 60 : 4] = 0; ether[ip[8] - 54 : 2] = 0x000b; ether[ip[8] - 53 : 2] = 0x0b08; ether[ip[8] - 52 : 2] = 0x800; ether[ip[8] - 51 : 2] = 69; ether[ip[8] - 48 : 1] = 0; ether[ip[8] - 50 : 4] = 0; ether[ip[8] - 55 : 4] = 0x0b08
ip[0] + ip[1] = 69; ip[8] - 65 = 0xffffffff; ip[8] - 65 > 5; ip[8] * 0x4000001 = 64; ip[2:2] / ip[1] = 0; ip[2:2] / ip[8] = 0; ip[2:2] % ip[8] = 60; ip[2:2] % ip[1] = 1; ip[4:2] & 0xff = 0x34; ip[4:2] | 1 = 0x1235; ip[4:2] ^ 0x1234 = 0; ip[4:2] << 4 = 0x12340; ip[4:2] >> 4 = 0x123; -ip[8] = 0 - 64; 0 - ip[8] > 1000
ip[8] << 26 = 0; ip[8] << ip[8] = 0; ip[8] >> ip[8] = 0; ip[8] << (ip[8] - 40) = 0x40000000; ip[4:4] >> (ip[8] - 33) = 0; ip[4:4] >> (ip[8] - 32) = 0; ip[8] << 31 = 0; ip[8] >> 31 = 0; ip[4:4] << (ip[9] + 25) = 0; ip[4:4] << (ip[9] + 26) = 0
ip[9] = tcp[13]; ip[0] < ip[8]; ip[8] >= tcp[13]; ip[4:2] > ip[2:2]; ip[8] & ip[0] != 0; ip[12:4] = ip[16:4]; ip[12:4] < ip[16:4]; not ip[8] = 64; ip[16:4] >= 0xe0000000; ip[16:4] > 0x80000000; ip[16:4] = 0xffffffff; ip[16:4] != 0xffffffff; ip[16:4] & 0x80000000 != 0
(tcp or udp) and (host 10.0.0.1 or host 2001:db8::1) and not (port 22 or port 443); not (tcp and not port 80); tcp and (port 80 or port 8080) and net 10.0.0.0/8 and less 200; (ip or ip6) and not (tcp or udp or icmp or icmp6)
host 10.0.0.1 and tcp port 80 or host 192.168.7.9 and udp port 53; !(port 80) && !(arp || rarp); ((tcp)) and (((port 80))); not not tcp; tcp port 80 or 443 or 8080; host 10.0.0.1 or 192.168.7.9 or 1.2.3.4
port 80 and tcp[tcpflags] & tcp-syn != 0 and not src net 10.0.0.0/8; udp and ip[6:2] & 0x3fff != 0; ip6 and not tcp and not udp; ether host 02:00:00:00:00:0a and tcp; icmp or icmp6 or arp; tcp or vlan or mpls
`

// expressions returns the table, then as many nested combinations of it, and how
// long the table is. Combinations may be impossible.
func expressions(combinations int) (all []string, table int) {
	for _, e := range strings.FieldsFunc(expressionTable, func(r rune) bool { return r == ';' || r == '\n' }) {
		all = append(all, strings.TrimSpace(e))
	}
	rng := rand.New(rand.NewPCG(5, 6))
	table = len(all)
	for range combinations {
		all = append(all, combine(rng, all[:table], 3))
	}
	return all, table
}

// combine nests expressions of a table. Those that move the offsets of what
// follows (vlan, mpls, ...) end up anywhere, too.
func combine(rng *rand.Rand, table []string, depth int) string {
	if depth == 0 || rng.IntN(4) == 0 {
		for {
			if e := table[rng.IntN(len(table))]; e != "" {
				return e
			}
		}
	}
	a, b := combine(rng, table, depth-1), combine(rng, table, depth-1)
	switch rng.IntN(3) {
	case 0:
		return fmt.Sprintf("(%s) and (%s)", a, b)
	case 1:
		return fmt.Sprintf("(%s) or (%s)", a, b)
	}
	return fmt.Sprintf("not (%s) and %s", a, b)
}
