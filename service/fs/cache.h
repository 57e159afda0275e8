/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Blocks of the file system in memory, replaced least recently used first within a set. Knows
 * nothing of the disk: who evicts a dirty block writes it.
 */
#ifndef SERVICE_FS_CACHE_H
#define SERVICE_FS_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CACHE_SETS = 128, CACHE_WAYS = 8, CACHE_BLOCKS = CACHE_SETS * CACHE_WAYS };

struct cache_block {
    uint64_t block;
    uint64_t used; /* 0: empty */
    bool dirty;
    unsigned char *data;
};

struct cache {
    size_t block_size;
    uint64_t clock;
    unsigned char *memory;
    struct cache_block blocks[CACHE_BLOCKS];
};

/* Empty, for blocks of that size. 0 or ENOMEM. What was in it is lost. */
int cache_init(struct cache *cache, size_t block_size);
void cache_free(struct cache *cache);

/* The block, or null if it is not here. */
struct cache_block *cache_find(struct cache *cache, uint64_t block);

/* The place where `block` would go: empty, or the one to be replaced. */
struct cache_block *cache_victim(struct cache *cache, uint64_t block);

/* Call the place `block` and fill it. */
void cache_fill(struct cache *cache, struct cache_block *place, uint64_t block, const void *data,
                bool dirty);
void cache_touch(struct cache *cache, struct cache_block *place);
void cache_drop(struct cache_block *place);

#endif
