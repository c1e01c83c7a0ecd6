/* SPDX-License-Identifier: GPL-2.0 */
/* Records that are kept back: of segments in order of which nothing is copied. One
 * direction of a flow has some at a time, so that nothing is told behind what
 * acknowledges it. To begin takes the locks of both directions, to go on that of its
 * own. Whoever tells them has its own lock, and a record of the other direction both. */
#ifndef GORTAP_HOLD_H
#define GORTAP_HOLD_H

/* A skip is told when it is so long, or when nothing came for so long: so what is
 * counted is not far ahead of what is told. */
#define HOLD_BYTES (512 << 10)
#define HOLD_NS 10000000LL

/* The other direction keeps something back: a record of this one tells it. What this
 * segment acknowledges passed a hook before the segment was sent, so that what is
 * kept back of it shows here. */
static __always_inline bool other_skips(const struct flow *f, const struct segment *s)
{
	__u8 skipping = *(volatile __u8 *)&f->skipping;

	return skipping && skipping != 1 + s->dir && (s->len || cfg_windows);
}

/* Begins a skip, unless the other direction has one, or is at work. */
static __always_inline bool begin_skip(struct flow *f, const struct segment *s,
				       const struct emission *e, __u64 free)
{
	struct flow_dir *d = &f->dirs[s->dir & 1], *other = &f->dirs[!s->dir];
	bool done;

	if (!e->both && !try_take(other, free))
		return false;
	done = !f->skipping;
	if (done) {
		f->skipping = 1 + s->dir;
		f->told = d->payload - s->len;
	}
	if (!e->both)
		give(other, free);
	return done;
}

/* Keeps back the record of a segment in order of which nothing is copied. */
static __always_inline bool hold(struct flow *f, const struct segment *s, const struct emission *e,
				 __u64 free)
{
	struct skip *k = &f->skip;

	if (!s->len || e->cap || e->tail_len || (s->flags & (TCP_SYN | TCP_FIN | TCP_RST)) ||
	    !e->next || !e->recent)
		return false;
	if (f->skipping == 1 + s->dir) {
		if (k->end != s->seq || k->len + s->len > HOLD_BYTES)
			return false;
	} else if (!begin_skip(f, s, e, free)) {
		return false;
	}
	k->ts_ns = e->ts_ns;
	k->end = s->seq + s->len;
	k->len += s->len;
	k->ack = s->ack;
	k->dir = s->dir;
	k->packets++;
	k->net_bytes += s->net_bytes;
	return true;
}

/* A segment that counts only tells nothing, and what waits goes on waiting. */
static __always_inline void pass_skip(struct flow *f, const struct flow_dir *d,
				      const struct segment *s)
{
	if (s->len && f->skipping == 1 + s->dir)
		f->told = d->payload - f->skip.len;
}

/* Takes what was kept back into the record of this segment, or before it. */
static __always_inline void release(struct flow *f, const struct segment *s, struct emission *e)
{
	bool own = f->skipping == 1 + s->dir;

	if (!own && (!f->skipping || !e->both))
		return;
	if (own && f->skip.end == s->seq && !e->cap && !(s->flags & (TCP_SYN | TCP_RST)))
		e->back = f->skip.len;
	e->skip = f->skip;
	f->skip.len = f->skip.packets = f->skip.net_bytes = 0;
	f->skipping = 0;
}

/* Gives a skip back to its flow: not where that has ended, or begun another one, nor
 * where another CPU is at work on it, for the stack has no room to wait here. */
static __always_inline bool resume_skip(struct flow *f, const struct skip *k, __u64 free)
{
	bool done;

	if (!try_take(&f->dirs[0], free))
		return false;
	if (!try_take(&f->dirs[1], free)) {
		give(&f->dirs[0], free);
		return false;
	}
	done = !f->skipping;
	if (done) {
		f->skip = *k;
		f->skipping = 1 + (k->dir & 1);
		f->told = f->dirs[k->dir & 1].payload - k->len;
	}
	give_locks(f, 0, true, free);
	return done;
}

/* Puts a skip back of which the ring had no room to tell: the flow's next record tries
 * again. Its packets count as delivered, and it is. They do not where that cannot be. */
__noinline int put_back(const struct segment *s, const struct emission *e)
{
	struct flow *f;

	if (!s || !e || !e->skip.len)
		return 0;
	f = bpf_map_lookup_elem(&flows, &s->key);
	if (f && resume_skip(f, &e->skip, lock_of(hash_key(&s->key))))
		return 1;
	recount_lost(e->skip.packets, e->skip.net_bytes);
	return 0;
}

#endif
