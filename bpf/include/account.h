/* SPDX-License-Identifier: GPL-2.0 */
/* What a segment does to its flow. Everything that runs between lock and unlock
 * is arithmetic on the flow: the verifier allows no call there. */
#ifndef GORTAP_ACCOUNT_H
#define GORTAP_ACCOUNT_H

/* RFC 7323, 2.3: no window is larger than 2^30. */
#define MAX_JUMP (1 << 30)
#define MAX_SYN_DATA 0xffff

#define ENOMEM 12
#define EEXIST 17

/* A skip is told when it is so long, or when nothing came for so long: so what is
 * counted is not far ahead of what is told. */
#define HOLD_BYTES (512 << 10)
#define HOLD_NS 10000000LL

/* What to tell user space of a segment. */
struct emission {
	__u64 ts_ns;
	struct skip skip; /* taken out of the flow, to be told before it */
	__u32 shard;
	__u32 cap;  /* payload bytes to copy, from the start */
	__u32 back; /* bytes of the skip, where it is told as a part of it */
	__u8 wanted;
	__u8 tail_len;
	__u8 turn_start; /* the first byte is the first of a turn with a budget */
	__u8 unasked;	 /* sent by the opener, who has not had the answer yet */
	__u8 replay;	 /* the packet carries the mark of a replay */
	__u8 held;	 /* its record waits, unless it is unasked after all */
	__u8 next;	 /* in order */
	__u8 recent;	 /* soon after the packet before it */
	__u8 pad;
	__u16 window_max; /* of a bare acknowledgement that is told, else 0 */
};

/* The exact time takes a third of what a bare acknowledgement costs here, and it is
 * of no use there: the time of the last tick, up to 10 ms ago, will do. */
static __always_inline __u64 packet_time(const struct segment *s)
{
	if (!s->len && !(s->flags & (TCP_SYN | TCP_FIN | TCP_RST)))
		return bpf_ktime_get_coarse_ns();
	return bpf_ktime_get_ns();
}

static __always_inline void set_sequence(struct flow_dir *d, __u32 seq)
{
	d->nxt = seq;
	d->turn_seq = seq;
	d->holes = 0;
	d->oow_nxt = seq; /* never equal to the end of a later out-of-window segment */
	d->seq_known = 1;
	d->syn_waits = 0;
}

/* Is this hook the one that counts direction d? The first to show it is, until
 * another shows something new: then the traffic has moved there. */
static __always_inline bool owns(const struct flow *f, struct flow_dir *d, const struct segment *s,
				 __u32 hook)
{
	bool fresh;

	if (d->seen && d->owner == hook)
		return true;
	fresh = !d->seen || (s->len && d->seq_known && (__s32)(s->seq + s->len - d->nxt) > 0) ||
		((s->flags & TCP_ACK) && d->ack_known && (__s32)(s->ack - d->ack) > 0) ||
		((s->flags & TCP_SYN) && (!d->syn || d->isn != s->seq)) ||
		((s->flags & TCP_FIN) && !d->fin) || ((s->flags & TCP_RST) && !f->closed);
	if (fresh) {
		d->owner = hook;
		d->seen = 1;
	}
	return fresh;
}

/* There is the connection that the waiting SYN asked for; data bytes came in it. */
static __always_inline void accept_syn(struct flow *f, struct flow_dir *d, __u32 data)
{
	set_sequence(d, d->isn + 1);
	d->nxt += data;
	d->payload += data;
	d->fin = d->ack_known = 0;
	f->depth = DEPTH_DEFAULT;
	f->window_max = d->slow = 0;
}

/* A SYN starts the sequence space of its direction. On a four-tuple in use it may
 * open a new connection (port reuse) or be stray: it waits for the answer that
 * accepts it, or for what its sender says next, so that a stray one disturbs nothing. */
static __always_inline void note_syn(struct flow *f, struct flow_dir *d, struct flow_dir *other,
				     const struct segment *s)
{
	__u32 accepted = s->ack - other->isn - 1; /* bytes of data in the SYN (RFC 7413) */

	if (!f->opener_known) {
		f->opener = (s->flags & TCP_ACK) ? !s->dir : s->dir;
		f->opener_known = 1;
	}
	if (f->closed) {
		f->closed = 0;
		f->depth = DEPTH_DEFAULT;
		d->syn = d->fin = d->seq_known = d->ack_known = 0;
		other->syn = other->fin = other->seq_known = other->ack_known = 0;
	}
	if (d->syn && d->isn == s->seq)
		return; /* sent again */
	d->syn = 1;
	d->isn = s->seq;
	d->syn_waits = 1;
	if (!d->seq_known || (s->flags & TCP_ACK)) {
		set_sequence(d, s->seq + 1);
		d->fin = d->ack_known = 0;
	}
	if ((s->flags & TCP_ACK) && other->syn_waits && accepted <= MAX_SYN_DATA)
		accept_syn(f, other, accepted);
}

/* [start, end) lies below nxt: what of it fills a hole is new, the rest was sent
 * before. Returns the new bytes. */
static __always_inline __u32 fill_holes(struct flow_dir *d, struct holes *h, __u32 start, __u32 end)
{
	__u32 filled = 0;

	for (int i = 0; i < MAX_HOLES; i++) {
		__u32 from, to, last = d->holes & (MAX_HOLES - 1);

		if (i >= d->holes)
			break;
		from = (__s32)(start - h->start[i]) > 0 ? start : h->start[i];
		to = (__s32)(end - h->end[i]) < 0 ? end : h->end[i];
		if ((__s32)(to - from) <= 0)
			continue;
		filled += to - from;
		if (to == h->end[i]) {
			h->end[i] = from;
			continue;
		}
		if (from != h->start[i] && d->holes < MAX_HOLES) {
			h->start[last] = h->start[i];
			h->end[last] = from;
			d->holes++;
		} else {
			/* No room for two: the part below is taken as seen. */
			d->payload += from - h->start[i];
		}
		h->start[i] = to;
	}
	return filled;
}

static __always_inline void drop_empty_holes(struct flow_dir *d, struct holes *h)
{
	__u8 n = 0;

	for (int i = 0; i < MAX_HOLES; i++) {
		if (i >= d->holes)
			break;
		if (h->start[i] == h->end[i])
			continue;
		if (n < MAX_HOLES) {
			h->start[n] = h->start[i];
			h->end[n] = h->end[i];
		}
		n++;
	}
	d->holes = n;
}

/* Counts the payload [seq, seq + len), each byte once. Returns false where the
 * segment lies so far outside the window that it cannot be of this stream. */
static __always_inline bool note_payload(struct flow *f, struct flow_dir *d, __u8 dir, __u32 seq,
					 __u32 len)
{
	struct holes *h = &f->holes[dir & 1];
	__u32 end = seq + len;
	__s32 ahead, gain;

	if (!d->seq_known)
		set_sequence(d, seq);
	ahead = seq - d->nxt;
	gain = end - d->nxt;
	if (ahead > MAX_JUMP || ahead < -MAX_JUMP) {
		/* Two in a row that fit each other: it was us who were lost. */
		if (d->oow_nxt != seq) {
			d->oow_nxt = end;
			return false;
		}
		set_sequence(d, seq);
		ahead = 0;
		gain = len;
	}
	if (gain > 0 && f->turn != dir) {
		f->turn = dir;
		d->turn_seq = d->nxt;
	}
	if (ahead < 0) {
		__u32 old_end = gain > 0 ? d->nxt : end;
		__u32 filled = 0;

		if (d->holes) {
			filled = fill_holes(d, h, seq, old_end);
			drop_empty_holes(d, h);
		}
		d->payload += filled;
		d->retrans += old_end - seq - filled;
	} else if (ahead > 0) {
		if (d->holes < MAX_HOLES) {
			h->start[d->holes & (MAX_HOLES - 1)] = d->nxt;
			h->end[d->holes & (MAX_HOLES - 1)] = seq;
			d->holes++;
		} else {
			/* No room to remember it: taken as seen, for it will be
			 * sent again unless the connection dies first. */
			d->payload += ahead;
		}
	}
	if (gain > 0) {
		d->payload += ahead > 0 ? len : gain;
		d->nxt = end;
		/* Keeps a turn of gigabytes comparable: its budget is spent anyway. */
		if ((__s32)(d->nxt - d->turn_seq) > MAX_JUMP)
			d->turn_seq = d->nxt - MAX_JUMP;
	}
	return true;
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
	e->unasked = f->opener_known && f->opener == s->dir &&
		     (!e->turn_start || (__s32)(s->ack - f->dirs[!s->dir].nxt) < 0);
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

/* Keeps back the record of a segment in order of which nothing is copied. */
static __always_inline bool hold(struct flow *f, const struct segment *s, const struct emission *e)
{
	struct skip *k = &f->skip;

	if (!s->len || e->cap || e->tail_len || (s->flags & (TCP_SYN | TCP_FIN | TCP_RST)) ||
	    !e->next || !e->recent)
		return false;
	if (f->skipping && (k->dir != s->dir || k->end != s->seq || k->len + s->len > HOLD_BYTES))
		return false;
	k->ts_ns = e->ts_ns;
	k->end = s->seq + s->len;
	k->len += s->len;
	k->ack = s->ack;
	k->dir = s->dir;
	k->packets++;
	k->net_bytes += s->net_bytes;
	f->skipping = 1;
	return true;
}

/* Takes what was kept back into the record of this segment, or before it. */
static __always_inline void release(struct flow *f, const struct segment *s, struct emission *e)
{
	if (!f->skipping)
		return;
	if (f->skip.dir == s->dir && f->skip.end == s->seq && !e->cap &&
	    !(s->flags & (TCP_SYN | TCP_RST)))
		e->back = f->skip.len;
	e->skip = f->skip;
	f->skip.len = f->skip.packets = f->skip.net_bytes = 0;
	f->skipping = 0;
}

/* Is the segment of a connection that a replay opened? The flow knows, by the mark
 * of its first packet. With another connection on the same four-tuple that changes. */
static __always_inline bool is_replay(struct flow *f, const struct segment *s,
				      const struct emission *e)
{
	struct flow_dir *d = &f->dirs[s->dir & 1];

	if ((s->flags & (TCP_SYN | TCP_ACK)) != TCP_SYN || f->replay == e->replay ||
	    (d->syn && d->isn == s->seq))
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

	if (f->last_ns < e->ts_ns)
		f->last_ns = e->ts_ns;
	if (s->flags & TCP_SYN) {
		f->closed = d->fin = other->fin = 0;
		d->syn = 1;
		d->isn = s->seq;
	}
	if (s->flags & TCP_FIN)
		d->fin = 1;
	if ((s->flags & TCP_RST) || (d->fin && other->fin))
		f->closed = 1;
	return OUT_REPLAY;
}

/* Books the segment on its flow. The caller holds the lock. */
static __always_inline int book(struct flow *f, struct segment *s, __u32 hook, struct emission *e)
{
	struct flow_dir *d = &f->dirs[s->dir & 1], *other = &f->dirs[!s->dir];
	__u32 seq = s->seq + !!(s->flags & TCP_SYN);
	int outcome = OUT_EMITTED;

	/* Kept in memory, where the verifier does not follow what they depend on. */
	e->recent = (__s64)(e->ts_ns - f->last_ns) <= HOLD_NS;
	e->next = d->seq_known && !d->holes && seq == d->nxt;

	if (!owns(f, d, s, hook))
		return OUT_DUPLICATE;
	if (f->last_ns < e->ts_ns) /* else a coarse time, or one from another CPU */
		f->last_ns = e->ts_ns;
	d->packets++;
	d->bytes += s->net_bytes;
	if (s->flags & TCP_RST)
		s->len = 0; /* RFC 9293, 3.5.3: what a RST carries is no stream data */
	if (s->flags & TCP_SYN)
		note_syn(f, d, other, s);
	else if (d->syn_waits && s->seq == d->isn + 1)
		accept_syn(f, d, 0);
	if ((s->flags & TCP_ACK) && (!d->ack_known || (__s32)(s->ack - d->ack) > 0)) {
		d->ack = s->ack;
		d->ack_known = 1;
	}
	/* What a SYN that waits carries counts once the SYN is accepted. */
	if (s->len && !((s->flags & TCP_SYN) && d->syn_waits)) {
		if (!note_payload(f, d, s->dir, seq, s->len))
			outcome = OUT_OUT_OF_WINDOW;
		else
			f->closed = 0; /* the RST before it did not end anything */
	}
	if (s->flags & TCP_FIN)
		d->fin = 1;
	/* XDP shows one direction only. */
	if ((s->flags & TCP_RST) || (d->fin && (other->fin || !other->seen)))
		f->closed = 1;
	decide(f, d, s, seq, e);
	if (cfg_windows && !s->len && !e->wanted && !f->unsampled) {
		e->window_max = tells_window(f, d, s, e->ts_ns);
		e->wanted = e->window_max > 0;
	}
	if (outcome != OUT_EMITTED)
		return outcome;
	if (!e->wanted)
		return OUT_COUNTED;
	if (hold(f, s, e)) {
		e->held = 1;
		return e->unasked ? OUT_EMITTED : OUT_COUNTED;
	}
	release(f, s, e);
	return OUT_EMITTED;
}

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
	f->hash = hash;
	f->first_ns = now;
	f->last_ns = now;
	f->shard = hash & (cfg_shards - 1);
	f->unsampled = cfg_sample != COPY_ALL && hash >= cfg_sample;
	f->replay = replay;
	return bpf_map_update_elem(&flows, key, f, BPF_NOEXIST);
}

/* Finds the flow, or begins it. NULL: the table is full. */
static __always_inline struct flow *find_flow(const struct segment *s, __u32 hash,
					      const struct emission *e)
{
	const struct flow_key *key = &s->key;
	struct flow *f = bpf_map_lookup_elem(&flows, key);

	/* Another CPU may have begun it, or ended it, in between. */
	for (int i = 0; i < 2 && !f; i++) {
		long err = begin_flow(key, hash, e->ts_ns, e->replay);

		if (err && err != -EEXIST)
			return NULL;
		f = bpf_map_lookup_elem(&flows, key);
	}
	return f;
}

/* Puts a skip back of which the ring had no room to tell: the flow's next record tries
 * again. Its packets count as delivered, and it is. They do not where that cannot be:
 * the flow is gone, or another CPU has begun another skip meanwhile. */
__noinline int put_back(const struct segment *s, const struct emission *e)
{
	struct flow *f;
	bool done;

	if (!s || !e || !e->skip.len)
		return 0;
	f = bpf_map_lookup_elem(&flows, &s->key);
	if (!f) {
		recount_lost(e->skip.packets, e->skip.net_bytes);
		return 0;
	}
	bpf_spin_lock(&f->lock);
	done = !f->dead && !f->skipping;
	if (done) {
		f->skip = e->skip;
		f->skipping = 1;
	}
	bpf_spin_unlock(&f->lock);
	if (!done)
		recount_lost(e->skip.packets, e->skip.net_bytes);
	return done;
}

__noinline int set_depth(const struct flow_key *key, __u8 depth)
{
	struct flow *f;

	if (!key)
		return 0;
	f = bpf_map_lookup_elem(&flows, key);
	if (!f)
		return 0;
	bpf_spin_lock(&f->lock);
	f->depth = depth;
	bpf_spin_unlock(&f->lock);
	return 1;
}

#endif
