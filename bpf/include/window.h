/* SPDX-License-Identifier: GPL-2.0 */
/* How fast a client takes what its server sends: told by bare acknowledgements, which
 * else have no record. Only of clients that read slowly, and of the first one, which
 * ends the handshake. Where nobody asks, the verifier removes all of it. */
#ifndef GORTAP_WINDOW_H
#define GORTAP_WINDOW_H

#define TCPOPT_END 0
#define TCPOPT_NOP 1
#define TCPOPT_WINDOW 3
#define MAX_OPTIONS 16

/* After so many records in whose windows there was room again, no more follow. */
#define SLOW_TICKS 255
#define TICK_SHIFT 22 /* 4.2 ms: one record at most in each */
/* Full, as far as it matters: of a window below an eighth of the largest one. */
#define FULL_SHIFT 3

/* The window scale option of a SYN plus 1, 0 where there is none (RFC 7323, 2.2). */
static __always_inline __u8 window_scale(struct frame *f, __u32 off, __u32 len)
{
	__u32 end = off + len;

	for (int i = 0; i < MAX_OPTIONS && off + 3 <= end; i++) {
		__u8 o[3];

		if (load(f, off, o, sizeof(o)) || o[0] == TCPOPT_END)
			return 0;
		if (o[0] == TCPOPT_WINDOW)
			return (o[2] > 14 ? 14 : o[2]) + 1;
		if (o[0] == TCPOPT_NOP)
			off++;
		else if (o[1] < 2)
			return 0;
		else
			off += o[1];
	}
	return 0;
}

/* Returns the largest window so far where a bare acknowledgement is to be told, else 0.
 * The caller holds the direction's lock. */
static __always_inline __u16 tells_window(const struct flow *f, struct dir_rare *r,
					  const struct segment *s, __u64 now)
{
	__u32 tick = now >> TICK_SHIFT;
	bool news = !r->window_max, full;

	if (!f->opener_known || s->dir != f->opener || !(s->flags & TCP_ACK) ||
	    (s->flags & (TCP_SYN | TCP_RST)))
		return 0;
	if (s->window > r->window_max)
		r->window_max = s->window;
	full = s->window <= r->window_max >> FULL_SHIFT;
	if (full) {
		news |= r->slow != SLOW_TICKS; /* the one that was told last had room */
		r->slow = SLOW_TICKS;
	}
	if (!news && (!r->slow || r->window_tick == tick))
		return 0;
	if (r->slow && !full)
		r->slow--;
	r->window_tick = tick;
	return r->window_max;
}

#endif
