/* SPDX-License-Identifier: GPL-2.0 */
/* What a segment does to its flow. All of it runs under the lock of the segment's
 * direction. What changes the other one as well has SYN, FIN or RST, and both locks. */
#ifndef GORTAP_ACCOUNT_H
#define GORTAP_ACCOUNT_H

#define MAX_SYN_DATA 0xffff

/* What is not longer is not divided on its way: every path takes it (RFC 9293, 3.7.1). */
#define ONE_PACKET 536

/* What is read back from memory has no history. Else the verifier follows each way
 * through a stage into the next one: 63,000 instructions instead of 30,000 (6.18). */
#define FORGET_WAYS() asm volatile("" ::: "memory")

/* Is this hook the one that counts direction d? The first to show it is, until
 * another shows something new: then the traffic has moved there. */
static __always_inline bool owns(const struct flow *f, struct flow_dir *d, const struct dir_rare *r,
				 const struct segment *s, __u32 hook)
{
	bool fresh;

	if ((d->flags & DIR_SEEN) && d->owner == hook)
		return true;
	fresh = !(d->flags & DIR_SEEN) ||
		(s->len && (d->flags & DIR_SEQ) && (__s32)(s->seq + s->len - d->nxt) > 0) ||
		((s->flags & TCP_ACK) && (d->flags & DIR_ACK) && (__s32)(s->ack - d->ack) > 0) ||
		((s->flags & TCP_SYN) && (!(d->flags & DIR_SYN) || r->isn != s->seq)) ||
		((s->flags & TCP_FIN) && !(d->flags & DIR_FIN)) ||
		((s->flags & TCP_RST) && !f->closed);
	if (fresh) {
		d->owner = hook;
		d->flags |= DIR_SEEN;
	}
	return fresh;
}

/* There is the connection that the waiting SYN asked for; data bytes came in it. */
static __always_inline void accept_syn(struct flow *f, struct flow_dir *d, struct dir_rare *r,
				       __u32 data)
{
	set_sequence(d, r, r->isn + 1);
	d->nxt += data;
	d->payload += data;
	d->flags &= ~(DIR_FIN | DIR_ACK);
	f->depth = DEPTH_DEFAULT;
	r->window_max = r->slow = 0;
}

/* A SYN starts the sequence space of its direction. On a four-tuple in use it may
 * open a new connection (port reuse) or be stray: it waits for the answer that
 * accepts it, or for what its sender says next, so that a stray one disturbs nothing. */
static __always_inline void note_syn(struct flow *f, const struct segment *s)
{
	struct flow_dir *d = &f->dirs[s->dir & 1], *other = &f->dirs[!s->dir];
	struct dir_rare *r = &f->dirs[s->dir & 1].rare, *other_r = &f->dirs[!s->dir].rare;
	__u32 accepted = s->ack - other_r->isn - 1; /* bytes of data in the SYN (RFC 7413) */

	if (!f->opener_known) {
		f->opener = (s->flags & TCP_ACK) ? !s->dir : s->dir;
		f->opener_known = 1;
	}
	if (f->closed) {
		f->closed = 0;
		f->depth = DEPTH_DEFAULT;
		d->flags &= ~(DIR_SYN | DIR_FIN | DIR_SEQ | DIR_ACK);
		other->flags &= ~(DIR_SYN | DIR_FIN | DIR_SEQ | DIR_ACK);
	}
	if ((d->flags & DIR_SYN) && r->isn == s->seq)
		return; /* sent again */
	d->flags |= DIR_SYN | DIR_SYN_WAITS;
	r->isn = s->seq;
	if (!(d->flags & DIR_SEQ) || (s->flags & TCP_ACK)) {
		set_sequence(d, r, s->seq + 1);
		d->flags &= ~(DIR_FIN | DIR_ACK);
	}
	if ((s->flags & TCP_ACK) && (other->flags & DIR_SYN_WAITS) && accepted <= MAX_SYN_DATA)
		accept_syn(f, other, other_r, accepted);
}

/* Is the client asking before it has the answer? In the middle of its own turn it is.
 * At the start of one it has a part of the last answer, and only of a longer one is
 * that not all: so the other direction's line is read for those alone. */
static __always_inline bool is_unasked(const struct flow *f, const struct segment *s,
				       bool turn_start)
{
	if (!f->opener_known || f->opener != s->dir)
		return false;
	if (!turn_start)
		return true;
	return f->long_answers && (__s32)(s->ack - *(volatile __u32 *)&f->dirs[!s->dir].nxt) < 0;
}

static __always_inline void note_length(struct flow *f, const struct flow_dir *d,
					const struct segment *s, __u32 seq)
{
	if (s->dir != f->opener && !f->long_answers && (s->len > ONE_PACKET || seq != d->turn_seq))
		f->long_answers = 1;
}

/* What a turn of direction dir may take, COPY_ALL for everything. Who asks and who
 * answers is told by the SYN; where that was not seen it can be either. */
static __always_inline __u32 turn_budget(const struct flow *f, __u8 dir)
{
	__u32 request = cfg_request_budget, response = cfg_response_budget;

	if (f->opener_known)
		return dir == f->opener ? request : response;
	return request > response ? request : response;
}

/* How much of the payload to copy: up to the turn's budget, which is a range of
 * sequence numbers, so that order and retransmissions do not change it. The end
 * of a write comes too: with the copy where it is near, else as a tail. Where all
 * of both directions is to be copied, nobody's lack of interest changes that. */
static __always_inline void decide(const struct flow *f, const struct flow_dir *d,
				   const struct segment *s, __u32 seq, struct emission *e)
{
	__u32 budget = turn_budget(f, s->dir);
	bool all = budget == COPY_ALL && cfg_request_budget == cfg_response_budget;
	bool none = f->unsampled || (f->depth == DEPTH_NONE && !all);
	__s32 room;

	e->cap = 0;
	e->tail_len = 0;
	e->shard = f->shard;
	e->wanted = s->len && !none;
	if (!f->unsampled && (s->flags & (TCP_SYN | TCP_FIN | TCP_RST)))
		e->wanted = 1;
	if (!s->len || none)
		return;
	if (f->depth == DEPTH_ALL || all) {
		e->cap = s->len;
		return;
	}
	e->turn_start = seq == d->turn_seq;
	e->unasked = is_unasked(f, s, e->turn_start);
	if (budget > MAX_JUMP) { /* COPY_ALL among them */
		e->cap = s->len;
		return;
	}
	room = d->turn_seq + budget - seq;
	if (room > 0)
		e->cap = s->len < (__u32)room ? s->len : room;
	if (!(s->flags & (TCP_PSH | TCP_FIN)))
		return;
	if (s->len - e->cap <= TAIL_BYTES)
		e->cap = s->len;
	else
		e->tail_len = TAIL_BYTES;
}

/* Is the segment of a connection that a replay opened? The flow knows, by the mark
 * of its first packet. With another connection on the same four-tuple that changes. */
static __always_inline bool is_replay(struct flow *f, const struct segment *s,
				      const struct emission *e)
{
	__u8 dir = s->dir & 1;

	if ((s->flags & (TCP_SYN | TCP_ACK)) != TCP_SYN || f->replay == e->replay ||
	    ((f->dirs[dir].flags & DIR_SYN) && f->dirs[dir].rare.isn == s->seq))
		return f->replay;
	f->replay = e->replay;
	f->closed = 1; /* what there was is over */
	return f->replay;
}

/* A replay's flow of which user space has never heard. */
static __always_inline bool is_untold(const struct flow *f)
{
	return f->replay && !f->dirs[0].packets && !f->dirs[1].packets;
}

/* Keeps of a replay's flow what tells when to forget it. */
static __always_inline int pass_replay(struct flow *f, const struct segment *s,
				       const struct emission *e)
{
	struct flow_dir *d = &f->dirs[s->dir & 1], *other = &f->dirs[!s->dir];

	if (d->last_ns < e->ts_ns)
		d->last_ns = e->ts_ns;
	if (!e->both)
		return OUT_REPLAY;
	if (s->flags & TCP_SYN) {
		f->closed = 0;
		d->flags = (d->flags | DIR_SYN) & ~DIR_FIN;
		other->flags &= ~DIR_FIN;
		f->dirs[s->dir & 1].rare.isn = s->seq;
	}
	if (s->flags & TCP_FIN)
		d->flags |= DIR_FIN;
	if ((s->flags & TCP_RST) || (d->flags & other->flags & DIR_FIN))
		f->closed = 1;
	return OUT_REPLAY;
}

/* Has a direction ended, and with it the connection? XDP shows one only. */
static __always_inline bool is_over(const struct flow *f, __u8 dir)
{
	__u8 here = f->dirs[dir & 1].flags, there = f->dirs[!dir].flags;

	return (here & DIR_FIN) && ((there & DIR_FIN) || !(there & DIR_SEEN));
}

/* Counts the segment and follows the connection. */
static __always_inline int note_segment(struct flow *f, struct flow_dir *d, struct dir_rare *r,
					struct segment *s, __u32 seq)
{
	int outcome = OUT_EMITTED;

	d->packets++;
	d->bytes += s->net_bytes;
	if (s->flags & TCP_RST)
		s->len = 0; /* RFC 9293, 3.5.3: what a RST carries is no stream data */
	if (s->flags & TCP_SYN)
		note_syn(f, s);
	else if ((d->flags & DIR_SYN_WAITS) && s->seq == r->isn + 1)
		accept_syn(f, d, r, 0);
	if ((s->flags & TCP_ACK) && (!(d->flags & DIR_ACK) || (__s32)(s->ack - d->ack) > 0)) {
		d->ack = s->ack;
		d->flags |= DIR_ACK;
	}
	/* What a SYN that waits carries counts once the SYN is accepted. */
	if (s->len && !((s->flags & TCP_SYN) && (d->flags & DIR_SYN_WAITS))) {
		if (!note_payload(d, r, s, seq))
			outcome = OUT_OUT_OF_WINDOW;
		else if (f->closed && !is_over(f, s->dir))
			f->closed = 0; /* the RST before it did not end anything */
		note_length(f, d, s, seq);
	}
	if (s->flags & TCP_FIN)
		d->flags |= DIR_FIN;
	if ((s->flags & TCP_RST) || ((s->flags & TCP_FIN) && is_over(f, s->dir)))
		f->closed = 1;
	return outcome;
}

/* Books the segment on its flow. */
static __always_inline int book(struct flow *f, struct segment *s, __u32 hook, struct emission *e,
				__u64 free)
{
	struct flow_dir *d = &f->dirs[s->dir & 1];
	struct dir_rare *r = &f->dirs[s->dir & 1].rare;
	__u32 seq = s->seq + !!(s->flags & TCP_SYN);
	int outcome;

	/* Kept in memory, where the verifier does not follow what they depend on. */
	e->recent = (__s64)(e->ts_ns - d->last_ns) <= HOLD_NS;
	e->next = (d->flags & DIR_SEQ) && !d->holes && seq == d->nxt;

	if (!owns(f, d, r, s, hook))
		return OUT_DUPLICATE;
	if (d->last_ns < e->ts_ns) /* else a coarse time, or one from another CPU */
		d->last_ns = e->ts_ns;
	outcome = note_segment(f, d, r, s, seq);
	FORGET_WAYS();
	decide(f, d, s, seq, e);
	FORGET_WAYS();
	if (cfg_windows && !s->len && !e->wanted && !f->unsampled) {
		e->window_max = tells_window(f, r, s, e->ts_ns);
		e->wanted = e->window_max > 0;
	}
	if (outcome != OUT_EMITTED)
		return outcome;
	if (!e->wanted) {
		pass_skip(f, d, s);
		return OUT_COUNTED;
	}
	if (hold(f, s, e, free)) {
		e->held = 1;
		return e->unasked ? OUT_EMITTED : OUT_COUNTED;
	}
	release(f, s, e);
	return OUT_EMITTED;
}

/* Books the segment under its lock, or under both where it needs them. */
static __always_inline int book_locked(struct flow *f, struct segment *s, __u32 hook,
				       struct emission *e, __u64 free)
{
	int outcome;

	e->both = (s->flags & (TCP_SYN | TCP_FIN | TCP_RST)) || other_skips(f, s);
	outcome = take_locks(f, s->dir, e->both, free);
	if (outcome)
		return outcome;
	FORGET_WAYS();
	if (is_replay(f, s, e))
		outcome = pass_replay(f, s, e);
	else
		outcome = book(f, s, hook, e, free);
	FORGET_WAYS();
	give_locks(f, s->dir, e->both, free);
	return outcome;
}

#endif
