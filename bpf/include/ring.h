/* SPDX-License-Identifier: GPL-2.0 */
/* How records reach user space. A shard has a pool of chunks of memory, and a lane for
 * each CPU: a chain of chunks that this CPU alone writes. So a record takes no lock, and
 * no line of the cache that another CPU writes. User space maps all of it, follows
 * the chains, merges the lanes by the records' times, and gives back what it has read.
 *
 * The order is kept: a packet that another one caused comes later, by its time as well. A
 * reader who takes the time first, then looks what is there, and goes no further than
 * that time, misses nothing: what was caused by a record came after its publication. */
#ifndef GORTAP_RING_H
#define GORTAP_RING_H

#define POOL_WORDS 256 /* a shard: for 16384 chunks */
#define TAKE_TRIES 8   /* for a chunk of one word, against other CPUs */

/* A CPU writes its lane for each record: two lines of the cache, since CPUs fetch them
 * by two, and so a neighbour's with ours. */
struct lane {
	__u64 written; /* bytes of all its records; what they cover is there */
	__u32 chunk;   /* where it writes, counted from 1; 0: it has none yet */
	__u32 at;      /* in that chunk */
	__u32 first;   /* chunk where it began */
	__u32 pad[27];
};

/* By shard and CPU. A shard's last one is the control program's: that runs in a process,
 * where a packet can come in between. One at a time does, user space sees to that. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2); /* Go sets it */
	__type(key, __u32);
	__type(value, struct lane);
} lanes SEC(".maps");

/* By shard and number. Go sets both sizes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, 8192);
} chunks SEC(".maps");

/* A bit for each free chunk. We take the lowest, so that few are used where few are
 * needed, and these are in the cache; user space gives them back. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, POOL_WORDS); /* Go sets it */
	__type(key, __u32);
	__type(value, __u64);
} pool SEC(".maps");

static const __u8 bit_numbers[64] = {
	0,  1,	2,  53, 3,  7,	54, 27, 4,  38, 41, 8,	34, 55, 48, 28, 62, 5,	39, 46, 44, 42,
	22, 9,	24, 35, 59, 56, 49, 18, 29, 11, 63, 52, 6,  26, 37, 40, 33, 47, 61, 45, 43, 21,
	23, 58, 17, 10, 51, 25, 36, 32, 60, 20, 57, 16, 50, 31, 19, 15, 30, 14, 13, 12,
};

/* The number of the only bit that is set: its product with a de Bruijn sequence has
 * another number of its own at the top. There is no instruction for it. */
static __always_inline __u32 bit_number(__u64 bit)
{
	return bit_numbers[bit * 0x022fdd63cc95386dULL >> 58];
}

/* Takes a chunk out of the shard's pool. Returns its index plus 1, 0: there is none. */
static __always_inline __u32 take_chunk(__u32 shard)
{
	for (__u32 i = 0; i < POOL_WORDS && i * 64 < cfg_chunks; i++) {
		__u32 word = shard * POOL_WORDS + i;
		__u64 *free = bpf_map_lookup_elem(&pool, &word);
		__u64 bits, bit;

		if (!free)
			return 0;
		bits = *(volatile __u64 *)free;
		/* Another CPU may have been faster. */
		for (__u32 tries = 0; tries < TAKE_TRIES && bits; tries++) {
			bit = bits & -bits;
			bits = __sync_fetch_and_and(free, ~bit);
			if (bits & bit)
				return shard * cfg_chunks + i * 64 + bit_number(bit) + 1;
		}
	}
	return 0;
}

/* Gives the lane a new chunk; the old one says where it goes on. */
__noinline int extend(struct lane *lane, __u32 shard)
{
	__u32 next, old, at;
	struct jump *j;
	void *chunk;

	if (!lane || shard >= MAX_SHARDS)
		return 0;
	next = take_chunk(shard);
	if (!next)
		return 0;
	if (lane->chunk) {
		old = lane->chunk - 1;
		at = lane->at;
		chunk = bpf_map_lookup_elem(&chunks, &old);
		if (!chunk || at > cfg_chunk_last + sizeof(struct event) + cfg_slice + TAIL_BYTES)
			return 0; /* never */
		j = chunk + at;
		j->size = sizeof(*j);
		j->type = EVENT_JUMP;
		j->chunk = next; /* read once the next record is published, and not counted */
	} else {
		lane->first = next;
	}
	lane->chunk = next;
	lane->at = 0;
	chunk_begun(shard);
	return 1;
}

static __always_inline struct lane *lane_of(__u32 shard, __u32 number)
{
	__u32 i = shard * cfg_lanes + number;

	return bpf_map_lookup_elem(&lanes, &i);
}

static __always_inline struct lane *own_lane(__u32 shard)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return cpu < cfg_lanes - 1 ? lane_of(shard, cpu) : NULL;
}

/* Room for the largest record, NULL: there is none. What is not published was never
 * there. */
static __always_inline void *reserve(struct lane *lane, __u32 shard)
{
	void *chunk;
	__u32 i, at;

	if ((!lane->chunk || lane->at > cfg_chunk_last) && !extend(lane, shard))
		return NULL;
	i = lane->chunk - 1;
	chunk = bpf_map_lookup_elem(&chunks, &i);
	at = lane->at;
	if (!chunk || at > cfg_chunk_last)
		return NULL;
	return chunk + at;
}

/* size: of the record, a multiple of 8, as it says itself. */
static __always_inline void publish(struct lane *lane, __u32 size)
{
	lane->at += size;
	store_release(&lane->written, lane->written + size);
}

#endif
