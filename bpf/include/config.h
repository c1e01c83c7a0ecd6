/* SPDX-License-Identifier: GPL-2.0 */
/* Values that Go sets before the load. */
#ifndef GORTAP_CONFIG_H
#define GORTAP_CONFIG_H

/* Payload bytes copied from the start of each turn; 0 copies everything. */
const volatile __u32 cfg_turn_budget = 2048;
/* Ring shards in use, a power of two. */
const volatile __u32 cfg_shards = 1;

#endif
