/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What was written and may still be in the device's volatile cache: copies, oldest first, until a
 * flush covers them. A device that is reset may lose its cache, and then they are written again.
 *
 * The copies are in memory that the device reaches, so that they can be written from where they
 * are: a ring in which each write is in one piece. Portable; nothing is allocated.
 */
#ifndef KIT_CORE_BLOCK_KEEP_H
#define KIT_CORE_BLOCK_KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BLOCK_KEEP_WRITES = 1024, BLOCK_KEEP_SIZE = 4 << 20 };
enum { BLOCK_DOUBT_SIZE = 512 << 10 }; /* of those that are read back together */

struct block_keep {
    unsigned char *memory; /* null: nothing is kept, nor has to be */
    size_t size;
    uint32_t buffer;     /* its id */
    uint32_t first, end; /* writes [first, end) are kept; numbers wrap */
    size_t head, tail;   /* the ring's used part */
    struct block_kept {
        uint64_t block;
        uint32_t count;
        size_t offset, length; /* in memory */
    } kept[BLOCK_KEEP_WRITES];
};

static inline const struct block_kept *block_keep_get(const struct block_keep *keep,
                                                      uint32_t number)
{
    return &keep->kept[number % BLOCK_KEEP_WRITES];
}

/* Keep a write of `length` bytes: where to copy them to; null: there is no room. */
unsigned char *block_keep_add(struct block_keep *keep, uint64_t block, uint32_t count,
                              size_t length);

/* Writes before `end` are durable. */
void block_keep_release(struct block_keep *keep, uint32_t end);

/* From `from` on, the first write that may not be under way together with those before it, as it
 * touches the same blocks, or there were more than so many bytes; at most `limit` are looked at. */
uint32_t block_keep_batch(const struct block_keep *keep, uint32_t from, unsigned limit,
                          size_t bytes);

#endif
