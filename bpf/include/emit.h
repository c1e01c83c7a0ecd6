/* SPDX-License-Identifier: GPL-2.0 */
/* Segment -> record. Payload goes straight from the packet to where user space reads
 * it, and a record is as long as what it holds. */
#ifndef GORTAP_EMIT_H
#define GORTAP_EMIT_H

#define MAX_SLICES 80 /* covers 64 KiB with the smallest chunks, 512 KiB (BIG TCP) from 32 KiB on */

/* What one record holds: the whole segment, or a slice of it. */
struct slice {
	__u32 seq;
	__u32 off; /* in the frame */
	__u32 len;
	__u32 cap;
	__u32 net_bytes;
	__u8 flags;
	__u8 tail_len;
	__u8 pad[2];
};

static __always_inline void fill(struct event *e, const struct segment *s, const struct slice *sl,
				 const struct emission *em)
{
	e->type = EVENT_SEGMENT;
	e->dir = s->dir;
	e->flags = sl->flags;
	e->tail_len = sl->tail_len;
	e->ts_ns = em->ts_ns;
	e->seq = sl->seq - em->back;
	e->ack = s->ack;
	e->len = sl->len + em->back;
	e->net_bytes = sl->net_bytes;
	e->cap = sl->cap;
	e->window = s->window;
	e->window_max = em->window_max;
	e->scale = s->scale;
	e->pad = 0;
	e->key = s->key;
}

/* Writes one record. sl->cap is not above cfg_slice. */
static __always_inline int write_slice(struct frame *f, const struct segment *s,
				       const struct slice *sl, const struct emission *em)
{
	struct lane *lane = own_lane(em->shard);
	struct event *e = lane ? reserve(lane, em->shard) : NULL;
	__u64 cap = sl->cap;

	if (!e)
		return OUT_RING_FULL;
	/* Clang would bound a copy of cap and pass the original on. */
	asm volatile("" : "+r"(cap));
	if (cap > cfg_slice)
		return OUT_COPY_FAILED;
	fill(e, s, sl, em);
	if (cap > 0 && load(f, sl->off, e + 1, cap))
		return OUT_COPY_FAILED;
	/* Looked at where it was copied to: to read a packet costs more. */
	if (em->turn_start && cap >= TURNLESS_BYTES && is_turnless((void *)(e + 1)))
		return OUT_TURNLESS;
	if (sl->tail_len) {
		if (load(f, sl->off + sl->len - TAIL_BYTES, (void *)(e + 1) + cap, TAIL_BYTES))
			return OUT_COPY_FAILED;
		cap += TAIL_BYTES;
	}
	e->size = (sizeof(*e) + cap + 7) & ~7;
	publish(lane, e->size);
	wake(em->shard);
	return OUT_EMITTED;
}

__noinline int write_tc(struct __sk_buff *skb, const struct segment *s, const struct slice *sl,
			const struct emission *em)
{
	struct frame f = { .ctx = skb, .xdp = false };

	return s && sl && em ? write_slice(&f, s, sl, em) : OUT_MALFORMED;
}

__noinline int write_xdp(struct xdp_md *ctx, const struct segment *s, const struct slice *sl,
			 const struct emission *em)
{
	struct frame f = { .ctx = ctx, .xdp = true };

	return s && sl && em ? write_slice(&f, s, sl, em) : OUT_MALFORMED;
}

/* Tells what was skipped before this segment and is no part of its record. */
static __always_inline int write_skip(const struct segment *s, const struct skip *k, __u32 shard)
{
	struct lane *lane = own_lane(shard);
	struct event *e = lane ? reserve(lane, shard) : NULL;

	if (!e)
		return OUT_RING_FULL;
	__builtin_memset(e, 0, sizeof(*e));
	e->size = sizeof(*e);
	e->type = EVENT_SEGMENT;
	e->dir = k->dir;
	e->flags = TCP_ACK;
	e->ts_ns = k->ts_ns;
	e->seq = k->end - k->len;
	e->ack = k->ack;
	e->len = k->len;
	e->key = s->key;
	publish(lane, sizeof(*e));
	return OUT_EMITTED;
}

/* Writes the segment's record, or several where its copy is larger than a slice.
 * Where one does not fit, the rest is not tried. */
static __always_inline int write_slices(struct frame *f, const struct segment *s,
					struct emission *em)
{
	struct slice sl = {
		.seq = s->seq,
		.off = s->off,
		.net_bytes = s->net_bytes,
	};

	em->left = s->len;
	for (int i = 0; i < MAX_SLICES; i++) {
		/* Read back each time: what is in memory has no history to verify. */
		__u32 left = em->left, cap = em->cap;
		bool last = cap <= cfg_slice, first = left == s->len;
		int outcome;

		sl.cap = last ? cap : cfg_slice;
		sl.len = last ? left : cfg_slice;
		sl.tail_len = last ? em->tail_len : 0;
		/* What ends the stream belongs behind its last byte. */
		sl.flags = last ? s->flags : s->flags & ~(TCP_FIN | TCP_RST | TCP_PSH);
		if (!first)
			sl.flags &= ~TCP_SYN;
		outcome = f->xdp ? write_xdp(f->ctx, s, &sl, em) : write_tc(f->ctx, s, &sl, em);
		if (outcome != OUT_EMITTED || last)
			return outcome;
		sl.seq += cfg_slice + (first && (s->flags & TCP_SYN));
		sl.off += cfg_slice;
		sl.net_bytes = 0;
		em->left = left - cfg_slice;
		em->cap = cap - cfg_slice;
		em->turn_start = 0;
	}
	return OUT_COPY_FAILED;
}

/* From now on all of the flow is copied, this segment first. */
static __always_inline void copy_whole(const struct segment *s, struct emission *em)
{
	set_depth(&s->key, DEPTH_ALL);
	em->cap = s->len;
	em->tail_len = 0;
	em->turn_start = 0;
	em->back = 0; /* what is copied does not go into one record with it */
}

static __always_inline int write_records(struct frame *f, const struct segment *s,
					 struct emission *em)
{
	if (em->unasked && is_pipelined(f, s))
		copy_whole(s, em);
	else if (em->held)
		return OUT_COUNTED;
	if (em->skip.len && !em->back) {
		if (write_skip(s, &em->skip, em->shard) != OUT_EMITTED)
			return OUT_RING_FULL;
		em->skip.len = 0;
	}
	return write_slices(f, s, em);
}

/* Writes what there is to tell of a segment. A skip before it stays to be told where
 * that fails. OUT_TURNLESS: nothing was written, it is to be called again. */
static __always_inline int emit(struct frame *f, const struct segment *s, struct emission *em)
{
	int outcome = write_records(f, s, em);

	if (outcome == OUT_TURNLESS)
		copy_whole(s, em);
	else if (outcome != OUT_EMITTED)
		put_back(s, em);
	return outcome;
}

#endif
