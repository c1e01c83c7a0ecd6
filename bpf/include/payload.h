/* SPDX-License-Identifier: GPL-2.0 */
/* A direction's sequence space: each payload byte is counted once, and turns begin.
 * Nothing here looks at the other direction. */
#ifndef GORTAP_PAYLOAD_H
#define GORTAP_PAYLOAD_H

/* RFC 7323, 2.3: no window is larger than 2^30. */
#define MAX_JUMP (1 << 30)

static __always_inline void set_sequence(struct flow_dir *d, struct dir_rare *r, __u32 seq)
{
	d->nxt = seq;
	d->turn_seq = seq;
	d->holes = 0;
	d->flags = (d->flags | DIR_SEQ) & ~(DIR_SYN_WAITS | DIR_TURN);
	r->oow_nxt = seq; /* never equal to the end of a later out-of-window segment */
}

/* [start, end) lies below nxt: what of it fills a hole is new, the rest was sent
 * before. Returns the new bytes. */
static __always_inline __u32 fill_holes(struct flow_dir *d, struct dir_rare *r, __u32 start,
					__u32 end)
{
	__u32 filled = 0;

	for (int i = 0; i < MAX_HOLES; i++) {
		__u32 from, to, last = d->holes & (MAX_HOLES - 1);

		if (i >= d->holes)
			break;
		from = (__s32)(start - r->hole_start[i]) > 0 ? start : r->hole_start[i];
		to = (__s32)(end - r->hole_end[i]) < 0 ? end : r->hole_end[i];
		if ((__s32)(to - from) <= 0)
			continue;
		filled += to - from;
		if (to == r->hole_end[i]) {
			r->hole_end[i] = from;
			continue;
		}
		if (from != r->hole_start[i] && d->holes < MAX_HOLES) {
			r->hole_start[last] = r->hole_start[i];
			r->hole_end[last] = from;
			d->holes++;
		} else {
			/* No room for two: the part below is taken as seen. */
			d->payload += from - r->hole_start[i];
		}
		r->hole_start[i] = to;
	}
	return filled;
}

static __always_inline void drop_empty_holes(struct flow_dir *d, struct dir_rare *r)
{
	__u8 n = 0;

	for (int i = 0; i < MAX_HOLES; i++) {
		if (i >= d->holes)
			break;
		if (r->hole_start[i] == r->hole_end[i])
			continue;
		if (n < MAX_HOLES) {
			r->hole_start[n] = r->hole_start[i];
			r->hole_end[n] = r->hole_end[i];
		}
		n++;
	}
	d->holes = n;
}

/* A turn is what one side sends until the other does. It begins with new payload, of a
 * sender who has received something since its last turn began: that shows in what it
 * acknowledges, without a look at the other direction. */
static __always_inline void note_turn(struct flow_dir *d, const struct segment *s)
{
	if ((d->flags & DIR_TURN) && d->turn_ack == s->ack)
		return;
	d->turn_seq = d->nxt;
	if (s->flags & TCP_ACK) {
		d->turn_ack = s->ack;
		d->flags |= DIR_TURN;
	}
}

/* Counts what of the payload [seq, nxt) was not counted before. */
static __always_inline void note_old(struct flow_dir *d, struct dir_rare *r, __u32 seq, __u32 end)
{
	__u32 filled = 0;

	if (d->holes) {
		filled = fill_holes(d, r, seq, end);
		drop_empty_holes(d, r);
	}
	d->payload += filled;
	r->retrans += end - seq - filled;
}

/* Remembers that the payload [nxt, seq) is missing. */
static __always_inline void note_hole(struct flow_dir *d, struct dir_rare *r, __u32 seq)
{
	if (d->holes < MAX_HOLES) {
		r->hole_start[d->holes & (MAX_HOLES - 1)] = d->nxt;
		r->hole_end[d->holes & (MAX_HOLES - 1)] = seq;
		d->holes++;
	} else {
		/* No room to remember it: taken as seen, for it will be
		 * sent again unless the connection dies first. */
		d->payload += seq - d->nxt;
	}
}

/* Counts the payload [seq, seq + len), each byte once. Returns false where the
 * segment lies so far outside the window that it cannot be of this stream. */
static __always_inline bool note_payload(struct flow_dir *d, struct dir_rare *r,
					 const struct segment *s, __u32 seq)
{
	__u32 end = seq + s->len;
	__s32 ahead, gain;

	if (!(d->flags & DIR_SEQ))
		set_sequence(d, r, seq);
	ahead = seq - d->nxt;
	gain = end - d->nxt;
	if (ahead > MAX_JUMP || ahead < -MAX_JUMP) {
		/* Two in a row that fit each other: it was us who were lost. */
		if (r->oow_nxt != seq) {
			r->oow_nxt = end;
			return false;
		}
		set_sequence(d, r, seq);
		ahead = 0;
		gain = s->len;
	}
	if (gain > 0)
		note_turn(d, s);
	if (ahead < 0)
		note_old(d, r, seq, gain > 0 ? d->nxt : end);
	else if (ahead > 0)
		note_hole(d, r, seq);
	if (gain > 0) {
		d->payload += ahead > 0 ? s->len : gain;
		d->nxt = end;
		/* Keeps a turn of gigabytes comparable: its budget is spent anyway. */
		if ((__s32)(d->nxt - d->turn_seq) > MAX_JUMP)
			d->turn_seq = d->nxt - MAX_JUMP;
	}
	return true;
}

#endif
