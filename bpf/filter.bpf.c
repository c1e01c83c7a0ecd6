//go:build ignore

// SPDX-License-Identifier: GPL-2.0
/* The filter alone, its verdict as the return value: what BPF_PROG_TEST_RUN needs
 * to say what an expression makes of a packet on this kernel. Nothing of it is
 * attached, but for tally. */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "filter.h"

char LICENSE[] SEC("license") = "GPL";

#define TC_NEXT (-1)

SEC("tc")
int probe_tc_l2(struct __sk_buff *skb)
{
	return filter_tc_l2(skb);
}

SEC("tc")
int probe_tc_l3(struct __sk_buff *skb)
{
	return filter_tc_l3(skb);
}

/* Takes a VLAN tag's EtherType and TCI from cb[0] and cb[1] and puts it beside the
 * frame, as a device with tag offload does: the input of a test run cannot say so. */
SEC("tc")
int probe_tc_l2_tagged(struct __sk_buff *skb)
{
	if (bpf_skb_vlan_push(skb, bpf_htons(skb->cb[0]), skb->cb[1]))
		return -1;
	return filter_tc_l2(skb);
}

SEC("xdp.frags")
int probe_xdp_l2(struct xdp_md *xdp)
{
	return filter_xdp_l2(xdp);
}

SEC("xdp.frags")
int probe_xdp_l3(struct xdp_md *xdp)
{
	return filter_xdp_l3(xdp);
}

enum tally_counter {
	TALLY_MATCHED,
	TALLY_NON_LINEAR, /* matched, and not wholly in the linear part */
	TALLY_COUNTERS,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TALLY_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} tallies SEC(".maps");

static __always_inline void tally_one(__u32 which)
{
	__u64 *n = bpf_map_lookup_elem(&tallies, &which);

	if (n)
		__sync_fetch_and_add(n, 1);
}

/* Counts what a real device's packets make of the filter. */
SEC("tc")
int tally(struct __sk_buff *skb)
{
	if (filter_tc_l2(skb)) {
		tally_one(TALLY_MATCHED);
		if (skb->data_end - skb->data < skb->len)
			tally_one(TALLY_NON_LINEAR);
	}
	return TC_NEXT;
}
