/* SPDX-License-Identifier: GPL-2.0 */
/* Values that Go sets before the load. */
#ifndef GORTAP_CONFIG_H
#define GORTAP_CONFIG_H

/* Shards in use, a power of two. */
const volatile __u32 cfg_shards = 1;

/* Of ring.h: lanes and chunks a shard; where in a chunk the last record may begin,
 * and how much payload one may take. */
const volatile __u32 cfg_lanes = 2;
const volatile __u32 cfg_chunks = 2;
const volatile __u32 cfg_chunk_last = 4096;
const volatile __u32 cfg_slice = 2048;

/* Stores are seen in the order in which they were made (x86). */
const volatile __u8 cfg_ordered_stores = 0;

/* Tell what windows clients have, as far as window.h says. */
const volatile __u8 cfg_windows = 0;

/* The rest Go may change at any time; the programs only read it. */

#define COPY_ALL 0xffffffff

/* Payload bytes copied from the start of each turn: of the end that opened the
 * connection (requests) and of the other (responses). */
volatile __u32 cfg_request_budget = 2048;
volatile __u32 cfg_response_budget = 2048;
/* A new flow is copied from where its hash is below this; COPY_ALL: always. */
volatile __u32 cfg_sample = COPY_ALL;

#endif
