/* SPDX-License-Identifier: GPL-2.0 */
/* Segment -> ring record. A record's size must be a constant for the verifier, so
 * there is one reservation a size class; payload is read straight into it. */
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

/* cap <= class; class is a constant. */
static __always_inline int emit_class(struct frame *f, const struct segment *s,
				      const struct slice *sl, void *ring, __u64 *wake, __u64 ts_ns,
				      const __u32 class)
{
	struct event *e = bpf_ringbuf_reserve(ring, sizeof(*e) + class, 0);
	__u64 cap = sl->cap;

	if (!e)
		return OUT_RING_FULL;
	e->ts_ns = ts_ns;
	e->type = EVENT_SEGMENT;
	e->dir = s->dir;
	e->flags = sl->flags;
	e->tail_len = sl->tail_len;
	e->seq = sl->seq;
	e->ack = s->ack;
	e->len = sl->len;
	e->cap = cap;
	e->net_bytes = sl->net_bytes;
	e->window = s->window;
	e->pad0 = 0;
	e->pad1 = 0;
	e->key = s->key;
	if (class) {
		/* Clang would bound a copy of cap and pass the original on. */
		asm volatile("" : "+r"(cap));
		if (cap > class)
			cap = class;
		if (cap > 0 && load(f, sl->off, e + 1, cap))
			goto failed;
	}
	if (sl->tail_len && load(f, sl->off + sl->len - TAIL_BYTES, e->tail, TAIL_BYTES))
		goto failed;
	bpf_ringbuf_submit(e, wake_flags(ring, wake));
	return OUT_EMITTED;
failed:
	bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
	return OUT_COPY_FAILED;
}

static __always_inline int emit_slice(struct frame *f, const struct segment *s,
				      const struct slice *sl, void *ring, __u64 *wake, __u64 ts_ns)
{
	if (sl->cap == 0)
		return emit_class(f, s, sl, ring, wake, ts_ns, 0);
	if (sl->cap <= 160)
		return emit_class(f, s, sl, ring, wake, ts_ns, 160);
	if (sl->cap <= 928)
		return emit_class(f, s, sl, ring, wake, ts_ns, 928);
	if (sl->cap <= 2080)
		return emit_class(f, s, sl, ring, wake, ts_ns, 2080);
	if (sl->cap <= 8192)
		return emit_class(f, s, sl, ring, wake, ts_ns, 8192);
	return emit_class(f, s, sl, ring, wake, ts_ns, SLICE);
}

/* Writes the segment's record, or several where its copy is larger than a slice.
 * Where one does not fit, the rest is not tried. */
static __always_inline int emit(struct frame *f, const struct segment *s, const struct emission *em)
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
		outcome = emit_slice(f, s, &sl, ring, wake, em->ts_ns);
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

#endif
