/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GORTAP_MAPS_H
#define GORTAP_MAPS_H

#define MAX_SHARDS 64

/* Not LRU: an eviction by the kernel would lose a flow's last bytes. User
 * space evicts through the control program. Not preallocated: an idle machine
 * should not pay for the limit. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct flow_key);
	__type(value, struct flow);
} flows SEC(".maps");

/* Where a flow is prepared. Kernels before 6.9 have room for it on the stack of no
 * chain of calls: they round each frame up to 32 bytes. No lock may lie in such a
 * map, hence the bytes. What is not set when a flow begins stays zero. */
struct new_flow {
	__u64 words[sizeof(struct flow) / sizeof(__u64)];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct new_flow);
} new_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, OUT_MAX);
	__type(key, __u32);
	__type(value, struct counter);
} counters SEC(".maps");

static __always_inline void count(__u32 outcome, __u64 bytes)
{
	struct counter *c = bpf_map_lookup_elem(&counters, &outcome);

	if (c) {
		/* Per CPU, but a softirq can interrupt the control program's or
		 * a process context's run on the same CPU only between packets. */
		c->packets++;
		c->bytes += bytes;
	}
}

/* Takes back that packets were delivered: they are lost after all. Of one CPU's
 * counter that may make less than nothing; what counts is the sum. */
static __always_inline void recount_lost(__u32 packets, __u32 bytes)
{
	__u32 from = OUT_COUNTED, to = OUT_RING_FULL;
	struct counter *counted = bpf_map_lookup_elem(&counters, &from);
	struct counter *lost = bpf_map_lookup_elem(&counters, &to);

	if (!counted || !lost)
		return;
	counted->packets -= packets;
	counted->bytes -= bytes;
	lost->packets += packets;
	lost->bytes += bytes;
}

#endif
