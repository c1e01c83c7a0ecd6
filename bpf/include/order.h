/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GORTAP_ORDER_H
#define GORTAP_ORDER_H

/* Stores a word that others wait for: who sees it sees all that was written before. The
 * compiler has no instruction for that before Linux 6.16; an exchange does it everywhere,
 * but waits until all stores have reached the cache. */
static __always_inline void store_release(__u64 *word, __u64 value)
{
	if (cfg_ordered_stores) {
		asm volatile("" ::: "memory");
		*(volatile __u64 *)word = value;
	} else {
		__sync_lock_test_and_set(word, value);
	}
}

#endif
