/* SPDX-License-Identifier: GPL-2.0 */
/* What accounting hands over to the writing of records. */
#ifndef GORTAP_EMISSION_H
#define GORTAP_EMISSION_H

/* What to tell user space of a segment. */
struct emission {
	__u64 ts_ns;
	struct skip skip; /* taken out of the flow, to be told before it */
	__u32 shard;
	__u32 cap;  /* payload bytes to copy, from the start */
	__u32 left; /* of the payload, while it is sliced */
	__u32 back; /* bytes of the skip, where it is told as a part of it */
	__u8 wanted;
	__u8 tail_len;
	__u8 turn_start;  /* the first byte is the first of a turn with a budget */
	__u8 unasked;	  /* sent by the opener, who has not had the answer yet */
	__u8 replay;	  /* the packet carries the mark of a replay */
	__u8 held;	  /* its record waits, unless it is unasked after all */
	__u8 next;	  /* in order */
	__u8 recent;	  /* soon after the packet before it */
	__u8 both;	  /* the packet has the locks of both directions */
	__u16 window_max; /* of a bare acknowledgement that is told, else 0 */
};

#endif
