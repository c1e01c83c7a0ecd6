/* SPDX-License-Identifier: GPL-2.0 */
/* Waking the reader of a ring. It polls: to wake it for each record costs the
 * observed server up to half of its requests. Before it sleeps it says here with
 * how many bytes in the ring it wants to be woken after all: one where it has found
 * nothing for a while, a good part of the ring where a burst could fill it. */
#ifndef GORTAP_WAKE_H
#define GORTAP_WAKE_H

/* By shard. User space maps it: no system call to sleep or to look. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_SHARDS);
	__type(key, __u32);
	__type(value, __u64); /* bytes; 0: do not wake */
} wake_at SEC(".maps");

/* The flags to submit a record with. For use after its reservation: a reader that
 * says at this moment that it sleeps looks into the ring once more after that. */
static __always_inline __u64 wake_flags(void *ring, volatile __u64 *at)
{
	__u64 bytes = at ? *at : 0;

	if (!bytes || bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) < bytes)
		return BPF_RB_NO_WAKEUP;
	*at = 0; /* once */
	return BPF_RB_FORCE_WAKEUP;
}

/* The same for a record that is in the ring already. Only an empty one can wake then;
 * where there is no room for it the reader is far from sleep. */
static __always_inline void wake_after(void *ring, volatile __u64 *at)
{
	void *nothing;

	if (!at || !*at || bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) < *at)
		return;
	nothing = bpf_ringbuf_reserve(ring, 8, 0);
	if (!nothing)
		return;
	*at = 0; /* once */
	bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
}

#endif
