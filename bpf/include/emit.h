/* Segment -> ring record. Up to DRAFT_BYTES a record is put together in memory of
 * this CPU and then copied to the ring, with no byte to spare: dense records touch
 * fewer cache lines, which is worth more than the second copy costs. What is larger is
 * read straight into the ring; there the verifier wants a constant size. */
#ifndef GORTAP_EMIT_H
#define GORTAP_EMIT_H

#define SLICE 32768
#define MAX_SLICES 17 /* covers the largest GSO packet, 512 KiB */

/* What one record holds: the whole segment, or a slice of it. */
struct slice {
	__u32 seq;
	__u32 off; /* in the frame */
	__u32 len;
	__u32 cap;
	__u32 net_bytes;
	__u8 flags;
	__u8 tail_len;
};

static __always_inline void fill(struct event *e, const struct segment *s, const struct slice *sl,
				 const struct emission *em)
{
	e->ts_ns = em->ts_ns;
	e->type = EVENT_SEGMENT;
	e->dir = s->dir;
	e->flags = sl->flags;
	e->tail_len = sl->tail_len;
	e->seq = sl->seq - em->back;
	e->ack = s->ack;
	e->len = sl->len + em->back;
	e->cap = sl->cap;
	e->net_bytes = sl->net_bytes;
	e->window = s->window;
	e->scale = s->scale;
	e->pad0 = 0;
	e->window_max = em->window_max;
	e->pad1 = 0;
	e->key = s->key;
}

/* cap <= DRAFT_BYTES */
static __always_inline int emit_draft(struct frame *f, const struct segment *s,
				      const struct slice *sl, void *ring, __u64 *wake,
				      const struct emission *em)
{
	__u32 zero = 0;
	struct draft *d = bpf_map_lookup_elem(&drafts, &zero);
	__u64 cap = sl->cap;

	if (!d)
		return OUT_RING_FULL;
	fill(&d->event, s, sl, em);
	/* Clang would bound a copy of cap and pass the original on. */
	asm volatile("" : "+r"(cap));
	if (cap > DRAFT_BYTES)
		cap = DRAFT_BYTES;
	if (cap > 0 && load(f, sl->off, d->data, cap))
		return OUT_COPY_FAILED;
	if (sl->tail_len) {
		if (load(f, sl->off + sl->len - TAIL_BYTES, d->data + cap, TAIL_BYTES))
			return OUT_COPY_FAILED;
		cap += TAIL_BYTES;
	}
	if (bpf_ringbuf_output(ring, d, sizeof(d->event) + cap, BPF_RB_NO_WAKEUP))
		return OUT_RING_FULL;
	wake_after(ring, wake);
	return OUT_EMITTED;
}

/* cap <= class; class is a constant. No tail: what is cut has a small budget. */
static __always_inline int emit_class(struct frame *f, const struct segment *s,
				      const struct slice *sl, void *ring, __u64 *wake,
				      const struct emission *em, const __u32 class)
{
	struct event *e = bpf_ringbuf_reserve(ring, sizeof(*e) + class + TAIL_BYTES, 0);
	__u64 cap = sl->cap;

	if (!e)
		return OUT_RING_FULL;
	fill(e, s, sl, em);
	asm volatile("" : "+r"(cap));
	if (cap > class)
		cap = class;
	if (cap > 0 && load(f, sl->off, e + 1, cap))
		goto failed;
	if (sl->tail_len &&
	    load(f, sl->off + sl->len - TAIL_BYTES, (void *)(e + 1) + cap, TAIL_BYTES))
		goto failed;
	bpf_ringbuf_submit(e, wake_flags(ring, wake));
	return OUT_EMITTED;
failed:
	bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
	return OUT_COPY_FAILED;
}

static __always_inline int emit_slice(struct frame *f, const struct segment *s,
				      const struct slice *sl, void *ring, __u64 *wake,
				      const struct emission *em)
{
	if (sl->cap <= 2080)
		return emit_class(f, s, sl, ring, wake, em, 2080);
	if (sl->cap <= 8192)
		return emit_class(f, s, sl, ring, wake, em, 8192);
	return emit_class(f, s, sl, ring, wake, em, SLICE);
}

/* Tells what was skipped before this segment and is no part of its record. */
static __always_inline int emit_skip(const struct segment *s, const struct skip *k, void *ring)
{
	__u32 zero = 0;
	struct draft *d = bpf_map_lookup_elem(&drafts, &zero);

	if (!d)
		return OUT_RING_FULL;
	__builtin_memset(&d->event, 0, sizeof(d->event));
	d->event.ts_ns = k->ts_ns;
	d->event.type = EVENT_SEGMENT;
	d->event.dir = k->dir;
	d->event.flags = TCP_ACK;
	d->event.seq = k->end - k->len;
	d->event.ack = k->ack;
	d->event.len = k->len;
	d->event.key = s->key;
	if (bpf_ringbuf_output(ring, d, sizeof(d->event), BPF_RB_NO_WAKEUP))
		return OUT_RING_FULL;
	return OUT_EMITTED;
}

/* Writes the segment's record, or several where its copy is larger than a slice.
 * Where one does not fit, the rest is not tried. */
static __always_inline int write_records(struct frame *f, const struct segment *s,
					 struct emission *em)
{
	__u32 shard = em->shard, left = s->len, cap = em->cap;
	__u8 tail_len = em->tail_len;
	void *ring = bpf_map_lookup_elem(&rings, &shard);
	__u64 *wake = bpf_map_lookup_elem(&wake_at, &shard);
	struct slice sl = {
		.seq = s->seq,
		.off = s->off,
		.net_bytes = s->net_bytes,
	};

	if (!ring)
		return OUT_RING_FULL;
	if ((em->turn_start && is_turnless(f, s)) || (em->unasked && is_pipelined(f, s))) {
		set_depth(&s->key, DEPTH_ALL);
		cap = left;
		tail_len = 0;
		em->back = 0; /* what is copied does not go into one record with it */
	} else if (em->held) {
		return OUT_COUNTED;
	}
	if (em->skip.len && !em->back) {
		if (emit_skip(s, &em->skip, ring) != OUT_EMITTED)
			return OUT_RING_FULL;
		em->skip.len = 0;
	}
	if (cap <= DRAFT_BYTES) {
		sl.len = left;
		sl.cap = cap;
		sl.flags = s->flags;
		sl.tail_len = tail_len;
		return emit_draft(f, s, &sl, ring, wake, em);
	}
	for (int i = 0; i < MAX_SLICES; i++) {
		bool last = cap <= SLICE;
		int outcome;

		sl.cap = last ? cap : SLICE;
		sl.len = last ? left : SLICE;
		sl.tail_len = last ? tail_len : 0;
		/* What ends the stream belongs behind its last byte. */
		sl.flags = last ? s->flags : s->flags & ~(TCP_FIN | TCP_RST | TCP_PSH);
		if (i)
			sl.flags &= ~TCP_SYN;
		outcome = emit_slice(f, s, &sl, ring, wake, em);
		if (outcome != OUT_EMITTED || last)
			return outcome;
		sl.seq += SLICE + (!i && (s->flags & TCP_SYN));
		sl.off += SLICE;
		sl.net_bytes = 0;
		left -= SLICE;
		cap -= SLICE;
	}
	return OUT_COPY_FAILED;
}

/* Writes what there is to tell of a segment. A skip before it stays to be told where
 * that fails. */
static __always_inline int emit(struct frame *f, const struct segment *s, struct emission *em)
{
	int outcome = write_records(f, s, em);

	if (outcome != OUT_EMITTED)
		put_back(s, em);
	return outcome;
}

#endif
