/* SPDX-License-Identifier: GPL-2.0 */
/* The place of the capture filter: a stub a hook, which matches everything until
 * internal/filter puts the translation of a pcap-filter expression in its place,
 * and the loads that the translation calls where a direct access will not do.
 *
 * All are weak, so that the compiler assumes nothing of the bodies that it sees,
 * and global, so that the verifier checks each once instead of once a call. */
#ifndef GORTAP_FILTER_H
#define GORTAP_FILTER_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define FILTER_TAG_AT 12 /* where a VLAN tag stands in an Ethernet frame */
#define FILTER_TAG_LEN 4
#define FILTER_OFF_MAX 0x7fffffff /* the helpers take 32 bits and would wrap */

/* Loads return 1, 2 or 4 bytes at an offset as a number, negative where the packet
 * does not have them. They reach what is not in the linear part. */

__weak __noinline __s64 filter_load_tc_l3(struct __sk_buff *skb, __u64 off, __u32 size)
{
	__u32 bytes = 0;

	if (size < 1 || size > sizeof(bytes) || off > FILTER_OFF_MAX)
		return -1;
	if (bpf_skb_load_bytes(skb, off, &bytes, size))
		return -1;
	return bpf_ntohl(bytes) >> 8 * (sizeof(bytes) - size);
}

/* A device, or the stack on receive, takes the outermost VLAN tag out of the frame
 * and puts it beside. A filter speaks of the frame as it was on the wire. */
__weak __noinline __s64 filter_load_tc_l2(struct __sk_buff *skb, __u64 off, __u32 size)
{
	__u64 value = 0;
	__u32 tag;

	if (!skb->vlan_present || off + size <= FILTER_TAG_AT)
		return filter_load_tc_l3(skb, off, size);
	if (off >= FILTER_TAG_AT + FILTER_TAG_LEN)
		return filter_load_tc_l3(skb, off - FILTER_TAG_LEN, size);

	tag = (__u32)bpf_ntohs(skb->vlan_proto) << 16 | (skb->vlan_tci & 0xffff);
	for (__u32 i = 0; i < sizeof(tag) && i < size; i++, off++) {
		__s64 byte;

		if (off < FILTER_TAG_AT)
			byte = filter_load_tc_l3(skb, off, 1);
		else if (off < FILTER_TAG_AT + FILTER_TAG_LEN)
			byte = tag >> 8 * (FILTER_TAG_AT + FILTER_TAG_LEN - 1 - off) & 0xff;
		else
			byte = filter_load_tc_l3(skb, off - FILTER_TAG_LEN, 1);
		if (byte < 0)
			return -1;
		value = value << 8 | byte;
	}
	return value;
}

__weak __noinline __s64 filter_load_xdp(struct xdp_md *xdp, __u64 off, __u32 size)
{
	__u32 bytes = 0;

	if (size < 1 || size > sizeof(bytes) || off > FILTER_OFF_MAX)
		return -1;
	if (bpf_xdp_load_bytes(xdp, off, &bytes, size))
		return -1;
	return bpf_ntohl(bytes) >> 8 * (sizeof(bytes) - size);
}

/* The stubs return non-zero for a match. Their loads never run, as no packet is
 * empty: they make the loader link the functions that the translation calls. */

__weak __noinline int filter_tc_l2(struct __sk_buff *skb)
{
	return skb->len ? 1 : filter_load_tc_l2(skb, 0, 1) >= 0;
}

__weak __noinline int filter_tc_l3(struct __sk_buff *skb)
{
	return skb->len ? 1 : filter_load_tc_l3(skb, 0, 1) >= 0;
}

static __always_inline bool filter_is_empty(struct xdp_md *xdp)
{
	/* As pointers: compared as the 32-bit numbers of the context they could wrap. */
	return (void *)(long)xdp->data >= (void *)(long)xdp->data_end;
}

__weak __noinline int filter_xdp_l2(struct xdp_md *xdp)
{
	return filter_is_empty(xdp) ? filter_load_xdp(xdp, 0, 1) >= 0 : 1;
}

__weak __noinline int filter_xdp_l3(struct xdp_md *xdp)
{
	return filter_is_empty(xdp) ? filter_load_xdp(xdp, 0, 1) >= 0 : 1;
}

#endif
