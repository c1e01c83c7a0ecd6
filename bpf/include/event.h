/* SPDX-License-Identifier: GPL-2.0 */
/* Every struct that the kernel side shares with Go. No packed structs, padding
 * is explicit; bpf/layout_test.go compares sizes and offsets with the Go side. */
#ifndef GORTAP_EVENT_H
#define GORTAP_EVENT_H

#define TAIL_BYTES 16 /* last bytes of a write whose middle was not copied */
#define MAX_HOLES 4   /* open holes remembered a direction */

enum dir { FROM_A = 0, FROM_B = 1 };

/* SO_MARK of the sockets that a replay sends from: "grpl". */
enum mark { REPLAY_MARK = 0x6772706c };

enum depth { DEPTH_DEFAULT = 0, DEPTH_ALL = 1, DEPTH_NONE = 2 };

/* Where every packet that a hook sees ends up: exactly one of these. */
enum outcome {
	OUT_NO_MATCH,  /* the filter says no */
	OUT_NOT_IP,    /* matched, but not IPv4 or IPv6 (ARP, MPLS, ...) */
	OUT_NOT_TCP,   /* matched, but another transport */
	OUT_DUPLICATE, /* another interface has shown this packet already */
	OUT_REPLAY,    /* of a connection that a replay opened */
	/* From here on: packets of TCP flows, "matched" in the summary. */
	OUT_EMITTED,	     /* counted, and a record was written */
	OUT_COUNTED,	     /* counted; nothing in it that user space needs */
	OUT_FRAGMENT,	     /* lost: an IP fragment of a TCP packet */
	OUT_MALFORMED,	     /* lost: headers that contradict themselves or the packet's length */
	OUT_RING_FULL,	     /* counted, but its record or a part of it did not fit the ring */
	OUT_FLOW_TABLE_FULL, /* lost: no room for a new flow */
	OUT_EVICTING,	     /* lost: arrived while its idle flow was being evicted */
	OUT_OUT_OF_WINDOW, /* counted; sequence number far outside the window, payload not counted */
	OUT_COPY_FAILED,   /* counted, but its payload could not be read */
	OUT_CONTENDED,	   /* lost: another CPU kept the flow locked for too long */
	OUT_MAX,
	OUT_PARSED = OUT_MAX, /* not an outcome: go on */
	OUT_TURNLESS,	      /* nor is this: nothing was written, all is to be */
};

struct counter {
	__u64 packets;
	__u64 bytes; /* layer 3 where that is known, else the frame */
};

struct flow_key {
	__u8 a[16]; /* the end with the lower port (then address); IPv4 is mapped */
	__u8 b[16];
	__u16 aport; /* host byte order */
	__u16 bport;
	__u32 net; /* always 0 in live capture */
};

/* What a lock says in its low bits; above them is the hash of the flow's key, so that
 * an element of the table that was freed and used again has another lock. */
enum lock_state {
	LOCK_FREE = 0,
	LOCK_TAKEN = 1, /* by a packet */
	LOCK_ENDED = 2, /* the flow is being evicted: whoever finds this turns away */
};

#define LOCK_HASH_SHIFT 32

/* What is known of a direction, in struct flow_dir's flags. */
enum dir_flag {
	DIR_SEEN = 1,	    /* owner is set */
	DIR_SEQ = 2,	    /* nxt is set */
	DIR_ACK = 4,	    /* ack is set */
	DIR_TURN = 8,	    /* turn_ack is set */
	DIR_FIN = 16,	    /* has ended */
	DIR_SYN = 32,	    /* isn is set */
	DIR_SYN_WAITS = 64, /* isn is not in force yet */
};

/* What few packets of a direction need. Its lock is that of the direction. */
struct dir_rare {
	__u64 retrans;	   /* TCP payload seen again */
	__u32 isn;	   /* of the last SYN */
	__u32 oow_nxt;	   /* end of the last out-of-window segment */
	__u32 window_tick; /* of the last window that was told */
	__u16 window_max;  /* the largest one, not scaled; 0: none seen */
	__u8 slow;	   /* so many of its windows are still told */
	__u8 pad0;
	__u32 hole_start[MAX_HOLES];
	__u32 hole_end[MAX_HOLES];
	__u64 pad1;
};

/* A usual packet, data in order or a bare acknowledgement, writes the first line of its
 * own direction and no other: the other direction is on another CPU. It lies not beside
 * that, for some CPUs fetch lines by two. */
struct flow_dir {
	__u64 lock;
	__u64 packets;
	__u64 bytes;	/* layer 3 */
	__u64 payload;	/* TCP payload, each byte once */
	__u64 last_ns;	/* CLOCK_MONOTONIC; of bare acknowledgements the last tick */
	__u32 nxt;	/* sequence number after the highest payload byte */
	__u32 turn_seq; /* where the current turn began */
	__u32 turn_ack; /* what it acknowledged when it began */
	__u32 ack;	/* highest acknowledgement sent */
	__u32 owner;	/* the hook that counts this direction: ifindex << 1 | egress */
	__u8 flags;	/* enum dir_flag */
	__u8 holes;	/* in use of struct dir_rare's */
	__u8 pad[2];
	struct dir_rare rare;
};

/* Bytes in order that are counted and not copied, and that no record has told yet:
 * the flow's next record does, whichever direction it is of. Nothing of the other
 * direction was told since they began, so that this changes no order. */
struct skip {
	__u64 ts_ns; /* of the last of them */
	__u32 end;   /* sequence number behind the last */
	__u32 len;   /* 0: none */
	__u32 ack;   /* what the last of them acknowledged */
	__u8 dir;
	__u8 pad[3];
	__u32 packets;	 /* they came in, counted as delivered */
	__u32 net_bytes; /* of these packets, layer 3 */
};

/* In an element of a hash table without preallocation the value begins in the middle
 * of a cache line (Linux 6.1 and later). The 32 bytes there lie beside the end of the
 * key, which each look-up reads: so usual packets only read them, and whoever writes
 * them does so where the value changes. Then two lines a direction, then what few
 * packets need. */
struct flow {
	__u64 first_ns;
	__u8 shard;
	__u8 opener; /* direction of the first SYN */
	__u8 opener_known;
	__u8 depth;	   /* set without a lock */
	__u8 closed;	   /* FIN both ways, or RST */
	__u8 unsampled;	   /* counted only, for as long as it lives */
	__u8 replay;	   /* what a replay sent, and the answers: ignored */
	__u8 skipping;	   /* 0: skip is empty, else 1 + its direction */
	__u8 long_answers; /* not all were of one small segment */
	__u8 pad0[15];
	struct flow_dir dirs[2];
	struct skip skip;
	__u64 told; /* payload of the skip's direction before the skip */
};

/* Every record begins with its size, a multiple of 8, its type, and its time. */
enum event_type { EVENT_SEGMENT = 1, EVENT_FLOW_END = 2, EVENT_JUMP = 3 };

/* One TCP segment, a slice of a large one, or one with what was skipped before it;
 * followed by cap payload bytes, and by the last tail_len bytes. */
struct event {
	__u32 size;
	__u8 type;
	__u8 dir;
	__u8 flags;    /* TCP control bits as on the wire */
	__u8 tail_len; /* 0 or TAIL_BYTES; then cap + tail_len < len */
	__u64 ts_ns;   /* CLOCK_MONOTONIC */
	__u32 seq;
	__u32 ack;
	__u32 len;	 /* payload bytes on the wire */
	__u32 net_bytes; /* layer 3; 0 in all slices but the first */
	__u16 cap;	 /* of the payload, the first cap bytes follow this struct */
	__u16 window;
	__u16 window_max; /* where it tells a window: the largest one so far */
	__u8 scale;	  /* of a SYN: its window scale option plus 1, 0: none; cfg_windows */
	__u8 pad;
	struct flow_key key;
};

/* The lane goes on at the beginning of another chunk. */
struct jump {
	__u32 size;
	__u8 type;
	__u8 pad[3];
	__u64 chunk;
};

struct dir_totals {
	__u64 packets;
	__u64 bytes;
	__u64 payload;
	__u64 retrans;
};

/* The last word on a flow, by its time behind its last segment. */
struct flow_end {
	__u32 size;
	__u8 type;
	__u8 opener;
	__u8 opener_known;
	__u8 unsampled;
	__u64 ts_ns;
	__u64 first_ns;
	__u64 last_ns;
	struct flow_key key;
	struct dir_totals dirs[2];
	struct skip skip; /* what no record has told */
};

enum command { CMD_EVICT = 1, CMD_SET_DEPTH = 2 };

#define CONTROL_KEYS 32

/* Input of the control program, in the data of BPF_PROG_TEST_RUN. */
struct control_input {
	__u8 frame[14]; /* the kernel wants an Ethernet header here */
	__u16 count;
	__u8 command;
	__u8 depth;
	__u8 pad[6];
	__u64 idle_before; /* CMD_EVICT: only flows whose last packet is older */
	struct flow_key keys[CONTROL_KEYS];
};

#endif
