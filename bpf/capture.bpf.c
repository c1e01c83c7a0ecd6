//go:build ignore

// SPDX-License-Identifier: GPL-2.0
/* The kernel half of gortap: parse -> match -> account -> decide -> emit. It only
 * watches: no path changes, delays or drops a packet. */
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#include "event.h"
#include "config.h"
#include "order.h"
#include "maps.h"
#include "parse.h"
#include "lock.h"
#include "window.h"
#include "emission.h"
#include "table.h"
#include "hold.h"
#include "payload.h"
#include "account.h"
#include "turnless.h"
#include "wake.h"
#include "ring.h"
#include "emit.h"
#include "filter.h"

/* Types that only constants use would be missing from the BTF that Go reads. */
const enum dir *unused_dir __attribute__((unused));
const enum mark *unused_mark __attribute__((unused));
const enum depth *unused_depth __attribute__((unused));
const enum outcome *unused_outcome __attribute__((unused));
const enum lock_state *unused_lock_state __attribute__((unused));
const enum dir_flag *unused_dir_flag __attribute__((unused));
const enum command *unused_command __attribute__((unused));
const enum event_type *unused_event_type __attribute__((unused));
const struct event *unused_event __attribute__((unused));
const struct jump *unused_jump __attribute__((unused));
const struct flow_end *unused_flow_end __attribute__((unused));
const struct control_input *unused_control_input __attribute__((unused));

char LICENSE[] SEC("license") = "GPL";

#define TC_NEXT (-1) /* TCX_NEXT and TC_ACT_UNSPEC alike: as if we were not here */

/* The stages are global functions: the verifier checks each by itself, so that
 * their paths add up and do not multiply. */
__noinline int parse_tc(struct __sk_buff *skb, struct segment *s, __u32 l3)
{
	struct frame f = { .ctx = skb, .len = skb->len, .xdp = false };

	return s ? parse_ip(&f, s, l3) : OUT_MALFORMED;
}

__noinline int parse_xdp(struct xdp_md *ctx, struct segment *s, __u32 l3)
{
	struct frame f = { .ctx = ctx, .len = bpf_xdp_get_buff_len(ctx), .xdp = true };

	return s ? parse_ip(&f, s, l3) : OUT_MALFORMED;
}

__noinline int account(struct segment *s, __u32 hook, struct emission *em)
{
	struct flow *f;
	__u32 hash;
	int outcome;

	if (!s || !em)
		return OUT_MALFORMED;
	hash = hash_key(&s->key);
	f = find_flow(s, hash, em);
	if (!f)
		return OUT_FLOW_TABLE_FULL;
	outcome = book_locked(f, s, hook, em, lock_of(hash));
	if (cfg_windows && em->window_max) /* a round trip is measured by it */
		em->ts_ns = bpf_ktime_get_ns();
	return outcome;
}

__noinline int emit_tc(struct __sk_buff *skb, struct segment *s, struct emission *em)
{
	struct frame f = { .ctx = skb, .xdp = false };

	return s && em ? emit(&f, s, em) : OUT_MALFORMED;
}

__noinline int emit_xdp(struct xdp_md *ctx, struct segment *s, struct emission *em)
{
	struct frame f = { .ctx = ctx, .xdp = true };

	return s && em ? emit(&f, s, em) : OUT_MALFORMED;
}

static __always_inline void observe_tc(struct __sk_buff *skb, bool raw, __u32 egress)
{
	struct frame f = { .ctx = skb, .len = skb->len, .xdp = false };
	struct segment s = { .net_bytes = skb->len };
	struct emission em = { .replay = skb->mark == REPLAY_MARK };
	int outcome;

	outcome = parse_tc(skb, &s, raw ? 0 : network_offset(&f));
	if (outcome == OUT_PARSED)
		outcome = account(&s, skb->ifindex << 1 | egress, &em);
	if (outcome == OUT_EMITTED)
		outcome = emit_tc(skb, &s, &em);
	if (outcome == OUT_TURNLESS)
		outcome = emit_tc(skb, &s, &em);
	count(outcome, s.net_bytes);
}

static __always_inline int tc(struct __sk_buff *skb, bool raw, __u32 egress)
{
	if (raw ? filter_tc_l3(skb) : filter_tc_l2(skb))
		observe_tc(skb, raw, egress);
	else
		count(OUT_NO_MATCH, skb->len);
	return TC_NEXT;
}

static __always_inline int xdp(struct xdp_md *ctx, bool raw)
{
	struct frame f = { .ctx = ctx, .len = bpf_xdp_get_buff_len(ctx), .xdp = true };
	struct segment s = { .net_bytes = f.len };
	struct emission em = {}; /* without an skb there is no mark */
	int outcome = OUT_NO_MATCH;

	if (raw ? filter_xdp_l3(ctx) : filter_xdp_l2(ctx))
		outcome = parse_xdp(ctx, &s, raw ? 0 : network_offset(&f));
	if (outcome == OUT_PARSED)
		outcome = account(&s, ctx->ingress_ifindex << 1, &em);
	if (outcome == OUT_EMITTED)
		outcome = emit_xdp(ctx, &s, &em);
	if (outcome == OUT_TURNLESS)
		outcome = emit_xdp(ctx, &s, &em);
	count(outcome, s.net_bytes);
	return XDP_PASS;
}

SEC("tc")
int tc_l2_ingress(struct __sk_buff *skb)
{
	return tc(skb, false, 0);
}

SEC("tc")
int tc_l2_egress(struct __sk_buff *skb)
{
	return tc(skb, false, 1);
}

SEC("tc")
int tc_l3_ingress(struct __sk_buff *skb)
{
	return tc(skb, true, 0);
}

SEC("tc")
int tc_l3_egress(struct __sk_buff *skb)
{
	return tc(skb, true, 1);
}

SEC("xdp.frags")
int xdp_l2(struct xdp_md *ctx)
{
	return xdp(ctx, false);
}

SEC("xdp.frags")
int xdp_l3(struct xdp_md *ctx)
{
	return xdp(ctx, true);
}

/* Forgets a flow that is_untold: there is nothing to say of it. */
static __always_inline int forget(struct flow *f, const struct flow_key *key, __u64 idle_before)
{
	if (!end_flow(f, idle_before))
		return 0;
	if (!is_untold(f)) {
		revive(f, f->dirs[0].lock & ~LOCK_STATE);
		return 0;
	}
	return !bpf_map_delete_elem(&flows, key);
}

/* Puts together the last record of a flow that has ended. */
static __always_inline void sum_up(struct flow_end *e, const struct flow *f,
				   const struct flow_key *key)
{
	__builtin_memset(e, 0, sizeof(*e));
	e->size = sizeof(*e);
	e->type = EVENT_FLOW_END;
	/* Behind all that was told of it, before what a new flow can tell. */
	e->ts_ns = bpf_ktime_get_ns();
	e->key = *key;
	e->opener = f->opener;
	e->opener_known = f->opener_known;
	e->unsampled = f->unsampled;
	e->first_ns = f->first_ns;
	e->last_ns = last_ns(f);
	e->skip = f->skip;
	for (int i = 0; i < 2; i++) {
		e->dirs[i].packets = f->dirs[i].packets;
		e->dirs[i].bytes = f->dirs[i].bytes;
		e->dirs[i].payload = f->dirs[i].payload;
		e->dirs[i].retrans = f->dirs[i].rare.retrans;
	}
}

/* Writes the flow's last record and forgets it. Room is reserved before: where
 * there is none the flow lives on, and is tried again. */
__noinline int evict(const struct flow_key *key, __u64 idle_before)
{
	struct flow_end *e;
	struct lane *lane;
	struct flow *f;
	__u32 shard;

	if (!key)
		return 0;
	f = bpf_map_lookup_elem(&flows, key);
	if (!f || last_ns(f) >= idle_before)
		return 0;
	if (is_untold(f))
		return forget(f, key, idle_before);
	shard = f->shard;
	lane = lane_of(shard, cfg_lanes - 1);
	e = lane ? reserve(lane, shard) : NULL;
	if (!e)
		return 0;
	if (!end_flow(f, idle_before))
		return 0;
	sum_up(e, f, key);
	/* Before the next flow of this key can begin, and tell something. */
	publish(lane, sizeof(*e));
	bpf_map_delete_elem(&flows, key);
	return 1;
}

/* Never attached: user space runs it by BPF_PROG_TEST_RUN, for what a map
 * operation of a system call cannot do without losing a concurrent update.
 * Returns how many flows it changed. */
SEC("tc")
int control(struct __sk_buff *skb)
{
	struct control_input *c = (void *)(long)skb->data;
	int done = 0;

	if ((void *)(c + 1) > (void *)(long)skb->data_end)
		return 0;
	for (int i = 0; i < CONTROL_KEYS; i++) {
		struct flow_key key;

		if (i >= c->count)
			break;
		key = c->keys[i];
		if (c->command == CMD_EVICT)
			done += evict(&key, c->idle_before);
		else if (c->command == CMD_SET_DEPTH)
			done += set_depth(&key, c->depth);
	}
	return done;
}
