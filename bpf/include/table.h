/* SPDX-License-Identifier: GPL-2.0 */
/* The table of flows: finding one, beginning one, ending one. */
#ifndef GORTAP_TABLE_H
#define GORTAP_TABLE_H

#define ENOMEM 12
#define EEXIST 17

static __always_inline __u32 hash_key(const struct flow_key *k)
{
	const __u64 *w = (const __u64 *)k;
	__u64 h = 0x9e3779b97f4a7c15ULL;

	for (int i = 0; i < sizeof(*k) / 8; i++) {
		h ^= w[i];
		h *= 0xff51afd7ed558ccdULL;
		h ^= h >> 32;
	}
	return h;
}

/* Puts a new flow in the table, whole: another CPU may meet it at once. */
static __noinline long begin_flow(const struct flow_key *key, __u32 hash, __u64 now, __u8 replay)
{
	__u32 zero = 0;
	struct new_flow *n = bpf_map_lookup_elem(&new_flows, &zero);
	struct flow *f = (struct flow *)n;

	if (!n)
		return -ENOMEM;
	f->first_ns = now;
	for (int i = 0; i < 2; i++) {
		f->dirs[i].lock = lock_of(hash);
		f->dirs[i].last_ns = now;
	}
	f->shard = hash & (cfg_shards - 1);
	f->unsampled = cfg_sample != COPY_ALL && hash >= cfg_sample;
	f->replay = replay;
	return bpf_map_update_elem(&flows, key, f, BPF_NOEXIST);
}

/* The exact time takes a third of what a bare acknowledgement costs here, and it is
 * of no use there: the time of the last tick, up to 10 ms ago, will do. */
static __always_inline __u64 packet_time(const struct segment *s)
{
	if (!s->len && !(s->flags & (TCP_SYN | TCP_FIN | TCP_RST)))
		return bpf_ktime_get_coarse_ns();
	return bpf_ktime_get_ns();
}

/* Finds the flow, or begins it. NULL: the table is full. */
static __always_inline struct flow *find_flow(const struct segment *s, __u32 hash,
					      struct emission *e)
{
	const struct flow_key *key = &s->key;
	struct flow *f = bpf_map_lookup_elem(&flows, key);

	/* Not before the look-up: where that finds a flow ended, the end has an earlier time. */
	e->ts_ns = packet_time(s);
	/* Another CPU may have begun it, or ended it, in between. */
	for (int i = 0; i < 2 && !f; i++) {
		long err = begin_flow(key, hash, e->ts_ns, e->replay);

		if (err && err != -EEXIST)
			return NULL;
		f = bpf_map_lookup_elem(&flows, key);
	}
	return f;
}

__noinline int set_depth(const struct flow_key *key, __u8 depth)
{
	struct flow *f;

	if (!key)
		return 0;
	f = bpf_map_lookup_elem(&flows, key);
	if (!f)
		return 0;
	f->depth = depth; /* whoever reads it takes what it finds */
	return 1;
}

/* When the flow's last packet came. */
static __always_inline __u64 last_ns(const struct flow *f)
{
	__u64 a = *(volatile __u64 *)&f->dirs[0].last_ns;
	__u64 b = *(volatile __u64 *)&f->dirs[1].last_ns;

	return a > b ? a : b;
}

/* Ends a flow that is idle. From then on nothing of it changes: whoever finds it
 * turns away. False: it lives. */
static __always_inline bool end_flow(struct flow *f, __u64 idle_before)
{
	/* Its own lock, as it is while the flow lives: only this program ends flows. */
	__u64 free = f->dirs[0].lock & ~LOCK_STATE;

	if (!end_locks(f, free))
		return false;
	if (last_ns(f) < idle_before)
		return true;
	revive(f, free);
	return false;
}

#endif
