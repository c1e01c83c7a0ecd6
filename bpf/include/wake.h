/* SPDX-License-Identifier: GPL-2.0 */
/* Waking the reader of a shard. It polls: to wake it for each record costs the
 * observed server up to half of its requests. Before it sleeps it says here when it
 * wants to be woken after all: at the next record where it has found nothing for a
 * while, once some chunks are full where a burst could take them all. */
#ifndef GORTAP_WAKE_H
#define GORTAP_WAKE_H

/* By shard. User space maps it: no system call to sleep or to look. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_SHARDS);
	__type(key, __u32);
	__type(value,
	       __u64); /* wake at the next record, once so many chunks less 1 are begun; 0: do not */
} wake_at SEC(".maps");

/* A ring buffer a shard that never has data: the kernel wakes who polls it. */
struct bell {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* Go sets a page */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MAX_SHARDS);
	__type(key, __u32);
	__array(values, struct bell);
} bells SEC(".maps");

static __always_inline void chunk_begun(__u32 shard)
{
	__u64 *at = bpf_map_lookup_elem(&wake_at, &shard), left;

	left = at ? *(volatile __u64 *)at : 0;
	if (left > 1) /* another CPU may have been faster: one counts for both */
		__sync_val_compare_and_swap(at, left, left - 1);
}

/* For use behind a record: a reader that says at this moment that it sleeps looks once
 * more after that. */
static __always_inline void wake(__u32 shard)
{
	volatile __u64 *at = bpf_map_lookup_elem(&wake_at, &shard);
	void *bell, *nothing;

	if (!at || *at != 1)
		return;
	bell = bpf_map_lookup_elem(&bells, &shard);
	nothing = bell ? bpf_ringbuf_reserve(bell, 8, 0) : NULL;
	if (!nothing)
		return;
	*at = 0; /* once */
	bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
}

#endif
