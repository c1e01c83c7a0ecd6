/* SPDX-License-Identifier: GPL-2.0 */
/* Streams in which the start of a turn tells too little: HTTP/2, whatever follows a
 * 101, pipelined requests. User space asks for all of such a flow when it knows the
 * protocol, but a fast peer has sent much by then. So their beginnings are known here. */
#ifndef GORTAP_TURNLESS_H
#define GORTAP_TURNLESS_H

#define FOUR(a, b, c, d) ((__u32)(a) | (__u32)(b) << 8 | (__u32)(c) << 16 | (__u32)(d) << 24)

#define TURNLESS_BYTES 12

/* Does a turn that begins with these bytes begin with an HTTP/2 preface (RFC 9113, 3.4)
 * or with "101 Switching Protocols"? */
static __always_inline bool is_turnless(const __u32 *w)
{
	return (w[0] == FOUR('P', 'R', 'I', ' ') && w[1] == FOUR('*', ' ', 'H', 'T') &&
		w[2] == FOUR('T', 'P', '/', '2')) ||
	       (w[0] == FOUR('H', 'T', 'T', 'P') && w[1] == FOUR('/', '1', '.', '1') &&
		w[2] == FOUR(' ', '1', '0', '1'));
}

/* The client sends on without having had the answer: is that a further request? An
 * upload that looks like one is copied whole: dearer, not wrong. */
static __always_inline bool is_pipelined(struct frame *f, const struct segment *s)
{
	__u32 w;

	if (s->len < sizeof(w) || load(f, s->off, &w, sizeof(w)))
		return false;
	return w == FOUR('G', 'E', 'T', ' ') || w == FOUR('P', 'O', 'S', 'T') ||
	       w == FOUR('H', 'E', 'A', 'D') || w == FOUR('P', 'U', 'T', ' ') ||
	       w == FOUR('D', 'E', 'L', 'E') || w == FOUR('P', 'A', 'T', 'C') ||
	       w == FOUR('O', 'P', 'T', 'I');
}

#endif
