/* SPDX-License-Identifier: GPL-2.0 */
/* The locks of a flow, one a direction. Only packets take them. Their programs run
 * with softirqs off, so that no two of them nest on a CPU. The control program runs in
 * process context, where before Linux 6.10 a packet may interrupt it: it holds no
 * lock that a packet could wait for, but ends both of a flow for good.
 *
 * No bpf_spin_lock: a value has room for one of them, and it allows no calls. */
#ifndef GORTAP_LOCK_H
#define GORTAP_LOCK_H

#define LOCK_STATE 0xffffffffULL

/* 23 ms, as long as bpf_loop goes. A lock is held for less than 0.1 us, unless an interrupt
 * comes in between; for milliseconds only where a hypervisor takes the holder's CPU away,
 * as it can with every lock of the kernel. */
#define LOCK_TRIES (1 << 23)

static __always_inline __u64 lock_of(__u32 hash)
{
	return (__u64)hash << LOCK_HASH_SHIFT;
}

struct waiting {
	__u64 *lock;
	__u64 free;
	int outcome; /* 0: it is ours */
};

/* Looks before it tries: a look leaves the line where it is. Returns 1 at the end. */
static long try_again(__u32 i, struct waiting *w)
{
	__u64 found = *(volatile __u64 *)w->lock;

	if (found == w->free)
		found = __sync_val_compare_and_swap(w->lock, w->free, w->free | LOCK_TAKEN);
	if (found == (w->free | LOCK_TAKEN))
		return 0;
	w->outcome = found == w->free ? 0 : OUT_EVICTING;
	return 1;
}

__noinline int wait_for(__u64 *lock, __u64 free)
{
	struct waiting w = { .lock = lock, .free = free, .outcome = OUT_CONTENDED };

	if (lock)
		bpf_loop(LOCK_TRIES, try_again, &w, 0);
	return w.outcome;
}

static __always_inline bool try_take(struct flow_dir *d, __u64 free)
{
	return __sync_val_compare_and_swap(&d->lock, free, free | LOCK_TAKEN) == free;
}

/* Returns 0, or what becomes of the packet. */
static __always_inline int take(struct flow_dir *d, __u64 free)
{
	return try_take(d, free) ? 0 : wait_for(&d->lock, free);
}

/* What was written under the lock is seen before the lock is seen free. */
static __always_inline void give(struct flow_dir *d, __u64 free)
{
	store_release(&d->lock, free);
}

/* Takes the locks of both directions, or of one. */
static __always_inline int take_locks(struct flow *f, __u8 dir, bool both, __u64 free)
{
	int outcome = take(&f->dirs[both ? 0 : dir & 1], free);

	if (outcome || !both)
		return outcome;
	outcome = take(&f->dirs[1], free);
	if (outcome)
		give(&f->dirs[0], free);
	return outcome;
}

static __always_inline void give_locks(struct flow *f, __u8 dir, bool both, __u64 free)
{
	if (both)
		give(&f->dirs[1], free);
	give(&f->dirs[both ? 0 : dir & 1], free);
}

static __always_inline bool end_lock(struct flow_dir *d, __u64 free)
{
	return __sync_val_compare_and_swap(&d->lock, free, free | LOCK_ENDED) == free;
}

/* Ends both locks. False: a packet has one of them, and the flow is not idle. */
static __always_inline bool end_locks(struct flow *f, __u64 free)
{
	if (!end_lock(&f->dirs[0], free))
		return false;
	if (end_lock(&f->dirs[1], free))
		return true;
	give(&f->dirs[0], free);
	return false;
}

/* Takes back that they were ended. */
static __always_inline void revive(struct flow *f, __u64 free)
{
	give(&f->dirs[1], free);
	give(&f->dirs[0], free);
}

#endif
