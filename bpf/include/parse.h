/* SPDX-License-Identifier: GPL-2.0 */
/* From a frame to a TCP segment: one cursor, advanced a header at a time. */
#ifndef GORTAP_PARSE_H
#define GORTAP_PARSE_H

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86DD
#define ETH_P_8021Q 0x8100
#define ETH_P_8021AD 0x88A8
#define MAX_VLANS 4
#define MAX_EXT_HEADERS 8

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10

/* A hook's context, seen the same way from tc and from XDP. Which of the two is
 * a compile-time constant wherever this is inlined. */
struct frame {
	void *ctx;
	__u32 len; /* of the frame as the hook has it, accelerated VLAN tag not included */
	bool xdp;
};

struct segment {
	struct flow_key key;
	__u32 seq;
	__u32 ack;
	__u32 off; /* of the payload in the frame */
	__u32 len; /* of the payload */
	__u32 net_bytes;
	__u16 window;
	__u8 flags;
	__u8 dir;
	__u8 scale; /* of a SYN: see window.h */
	__u8 pad[7];
};

static __always_inline long load(struct frame *f, __u32 off, void *to, __u32 len)
{
	return f->xdp ? bpf_xdp_load_bytes(f->ctx, off, to, len) :
			bpf_skb_load_bytes(f->ctx, off, to, len);
}

/* Reads a header of constant size: straight from the linear part where it lies
 * there, which saves a helper call a header. */
#define LOAD_HEADER(f, off, to)                                                                \
	({                                                                                     \
		void *data = (f)->xdp ? (void *)(long)((struct xdp_md *)(f)->ctx)->data :      \
					(void *)(long)((struct __sk_buff *)(f)->ctx)->data;    \
		void *end = (f)->xdp ? (void *)(long)((struct xdp_md *)(f)->ctx)->data_end :   \
				       (void *)(long)((struct __sk_buff *)(f)->ctx)->data_end; \
		long err = 0;                                                                  \
		if ((off) < 512 && data + (off) + sizeof(*(to)) <= end)                        \
			__builtin_memcpy(to, __builtin_assume_aligned(data + (off), 4),        \
					 sizeof(*(to)));                                       \
		else                                                                           \
			err = load(f, off, to, sizeof(*(to)));                                 \
		err;                                                                           \
	})

/* Is the sender A? That is the lower port, then the lower address. */
static __always_inline bool source_is_a(const struct segment *s, __u16 sport, __u16 dport)
{
	const __u64 *src = (const __u64 *)s->key.a, *dst = (const __u64 *)s->key.b;

	if (sport != dport)
		return sport < dport;
	if (src[0] != dst[0])
		return bpf_be64_to_cpu(src[0]) < bpf_be64_to_cpu(dst[0]);
	return bpf_be64_to_cpu(src[1]) <= bpf_be64_to_cpu(dst[1]);
}

static __always_inline __u8 window_scale(struct frame *f, __u32 off, __u32 len);

/* Takes the sender's address in key.a and the receiver's in key.b, and in off and
 * len where TCP is, its header included. */
static __always_inline int parse_tcp(struct frame *f, struct segment *s)
{
	struct tcphdr tcp;
	__u32 off, doff;
	__u16 sport, dport;

	/* What is read back from memory has no history: else the verifier follows each
	 * way through IPv6 extension headers by itself, 15,000 instructions (6.18). */
	asm volatile("" ::: "memory");
	off = s->off;
	if (LOAD_HEADER(f, off, &tcp))
		return OUT_MALFORMED;
	doff = tcp.doff * 4;
	if (doff < sizeof(tcp) || doff > s->len)
		return OUT_MALFORMED;
	s->off = off + doff;
	s->len -= doff;
	s->seq = bpf_ntohl(tcp.seq);
	s->ack = bpf_ntohl(tcp.ack_seq);
	s->window = bpf_ntohs(tcp.window);
	s->flags = ((__u8 *)&tcp)[13];
	if (cfg_windows && tcp.syn)
		s->scale = window_scale(f, off + sizeof(tcp), doff - sizeof(tcp));

	sport = bpf_ntohs(tcp.source);
	dport = bpf_ntohs(tcp.dest);
	s->key.net = 0;
	if (source_is_a(s, sport, dport)) {
		s->key.aport = sport;
		s->key.bport = dport;
		s->dir = FROM_A;
	} else {
		__u64 *a = (__u64 *)s->key.a, *b = (__u64 *)s->key.b, first = a[0], second = a[1];

		a[0] = b[0];
		a[1] = b[1];
		b[0] = first;
		b[1] = second;
		s->key.aport = dport;
		s->key.bport = sport;
		s->dir = FROM_B;
	}
	return OUT_PARSED;
}

static __always_inline int parse_ipv4(struct frame *f, struct segment *s, __u32 off)
{
	__u32 *src = (__u32 *)s->key.a, *dst = (__u32 *)s->key.b;
	struct iphdr ip;
	__u32 ihl, total;

	if (LOAD_HEADER(f, off, &ip) || ip.version != 4)
		return OUT_MALFORMED;
	if (ip.protocol != IPPROTO_TCP)
		return OUT_NOT_TCP;
	ihl = ip.ihl * 4;
	/* A GSO packet above 64 KiB (BIG TCP) has no total length. */
	total = ip.tot_len ? bpf_ntohs(ip.tot_len) : f->len - off;
	if (ihl < sizeof(ip) || total < ihl || off + total > f->len)
		return OUT_MALFORMED;
	s->net_bytes = total;
	if (ip.frag_off & bpf_htons(0x3fff)) /* MF or an offset */
		return OUT_FRAGMENT;
	src[0] = src[1] = dst[0] = dst[1] = 0;
	src[2] = dst[2] = bpf_htonl(0xffff);
	src[3] = ip.saddr;
	dst[3] = ip.daddr;
	s->off = off + ihl;
	s->len = total - ihl;
	return OUT_PARSED;
}

static __always_inline bool is_extension(__u8 next)
{
	switch (next) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_AH:
	case IPPROTO_DSTOPTS:
	case IPPROTO_MH:
		return true;
	default:
		return false;
	}
}

static __always_inline int parse_ipv6(struct frame *f, struct segment *s, __u32 off)
{
	struct ipv6hdr ip;
	__u32 end, next_off = off + sizeof(ip);
	bool fragment = false;
	__u8 next;

	if (LOAD_HEADER(f, off, &ip) || ip.version != 6)
		return OUT_MALFORMED;
	/* Zero: a jumbogram (RFC 2675), as BIG TCP makes them. */
	end = ip.payload_len ? next_off + bpf_ntohs(ip.payload_len) : f->len;
	next = ip.nexthdr;

	for (int i = 0; i < MAX_EXT_HEADERS && !fragment && is_extension(next); i++) {
		struct {
			__u8 next;
			__u8 len;
			__be16 frag_off; /* in a fragment header */
		} ext;

		/* Rare: not worth the instructions of LOAD_HEADER in a loop. */
		if (load(f, next_off, &ext, sizeof(ext)))
			return OUT_MALFORMED;
		if (next == IPPROTO_FRAGMENT) {
			next_off += 8;
			/* An atomic fragment (RFC 6946) is a whole packet. */
			fragment = ext.frag_off & bpf_htons(0xfff9);
		} else {
			/* RFC 8200 counts 8-byte units after the first, RFC 4302 4-byte units after two. */
			next_off += next == IPPROTO_AH ? (ext.len + 2) * 4 : (ext.len + 1) * 8;
		}
		next = ext.next;
	}
	if (next != IPPROTO_TCP)
		return !fragment && is_extension(next) ? OUT_MALFORMED : OUT_NOT_TCP;
	if (next_off > end || end > f->len)
		return OUT_MALFORMED;
	s->net_bytes = end - off;
	if (fragment)
		return OUT_FRAGMENT;
	__builtin_memcpy(s->key.a, &ip.saddr, 16);
	__builtin_memcpy(s->key.b, &ip.daddr, 16);
	s->off = next_off;
	s->len = end - next_off;
	return OUT_PARSED;
}

#define NO_NETWORK ((__u32)-1) /* an offset that no load accepts */

/* Where the IP header of an Ethernet frame starts, or NO_NETWORK. A
 * hardware-accelerated VLAN tag is not in the frame: nothing to step over. */
static __always_inline __u32 network_offset(struct frame *f)
{
	struct {
		__u8 addresses[12];
		__be16 proto;
	} eth;
	struct {
		__be16 tci;
		__be16 proto;
	} vlan;
	__u32 off = sizeof(eth);
	__be16 proto;

	if (LOAD_HEADER(f, 0, &eth))
		return NO_NETWORK;
	proto = eth.proto;
	for (int i = 0; i < MAX_VLANS; i++) {
		if (proto != bpf_htons(ETH_P_8021Q) && proto != bpf_htons(ETH_P_8021AD))
			break;
		if (LOAD_HEADER(f, off, &vlan))
			return NO_NETWORK;
		proto = vlan.proto;
		off += sizeof(vlan);
	}
	return proto == bpf_htons(ETH_P_IP) || proto == bpf_htons(ETH_P_IPV6) ? off : NO_NETWORK;
}

/* Parses from the IP header at off on (0 on a raw-IP device: tun, wireguard).
 * Returns OUT_PARSED with *s filled, or the outcome that ends the packet. */
static __always_inline int parse_ip(struct frame *f, struct segment *s, __u32 off)
{
	__u8 version;
	int outcome = OUT_NOT_IP;

	if (LOAD_HEADER(f, off, &version))
		return OUT_NOT_IP;
	if (version >> 4 == 4)
		outcome = parse_ipv4(f, s, off);
	else if (version >> 4 == 6)
		outcome = parse_ipv6(f, s, off);
	return outcome == OUT_PARSED ? parse_tcp(f, s) : outcome;
}

#endif
