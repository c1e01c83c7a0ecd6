/* SPDX-License-Identifier: GPL-2.0 */
/* Streams in which turns mean nothing: HTTP/2, and whatever follows a 101. User
 * space asks for all of such a flow when it knows the protocol, but a fast peer has
 * sent much by then. So the two beginnings that lead there are known here. */
#ifndef GORTAP_TURNLESS_H
#define GORTAP_TURNLESS_H

#define FOUR(a, b, c, d) ((__u32)(a) | (__u32)(b) << 8 | (__u32)(c) << 16 | (__u32)(d) << 24)

/* The segment begins a turn: does that begin with an HTTP/2 preface (RFC 9113, 3.4)
 * or with "101 Switching Protocols"? */
static __always_inline bool is_turnless(struct frame *f, const struct segment *s)
{
	__u32 w[3];

	if (s->len < sizeof(w) || load(f, s->off, w, sizeof(w)))
		return false;
	return (w[0] == FOUR('P', 'R', 'I', ' ') && w[1] == FOUR('*', ' ', 'H', 'T') &&
		w[2] == FOUR('T', 'P', '/', '2')) ||
	       (w[0] == FOUR('H', 'T', 'T', 'P') && w[1] == FOUR('/', '1', '.', '1') &&
		w[2] == FOUR(' ', '1', '0', '1'));
}

#endif
