/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <kit/core/block_keep.h>

/* Where `length` bytes are free in one piece; keep->size: nowhere. Full and empty are told apart by
 * the number of writes, so the ring may be used to its last byte. */
static size_t room_find(const struct block_keep *keep, size_t length)
{
    bool empty = keep->first == keep->end;
    size_t head = empty ? 0 : keep->head, tail = empty ? 0 : keep->tail;

    if (length > keep->size || keep->end - keep->first == BLOCK_KEEP_WRITES)
        return keep->size;
    if (empty || tail > head) { /* free: from the tail to the end, and before the head */
        if (length <= keep->size - tail)
            return tail;
        return length <= head && !empty ? 0 : keep->size;
    }
    return length <= head - tail ? tail : keep->size;
}

unsigned char *block_keep_add(struct block_keep *keep, uint64_t block, uint32_t count,
                              size_t length)
{
    size_t offset = room_find(keep, length);

    if (offset == keep->size || length == 0)
        return NULL;
    if (keep->first == keep->end)
        keep->head = offset;
    keep->kept[keep->end++ % BLOCK_KEEP_WRITES] = (struct block_kept){block, count, offset, length};
    keep->tail = offset + length;
    return keep->memory + offset;
}

void block_keep_release(struct block_keep *keep, uint32_t end)
{
    if (end - keep->first > keep->end - keep->first)
        return; /* released before */
    keep->first = end;
    if (keep->first != keep->end)
        keep->head = block_keep_get(keep, keep->first)->offset;
}

static bool overlaps(const struct block_kept *a, const struct block_kept *b)
{
    return a->block < b->block + b->count && b->block < a->block + a->count;
}

uint32_t block_keep_batch(const struct block_keep *keep, uint32_t from, unsigned limit,
                          size_t bytes)
{
    uint32_t at = from;

    for (; at != keep->end && at - from < limit; at++) {
        size_t length = block_keep_get(keep, at)->length;
        if (length > bytes)
            return at == from ? at + 1 : at;
        bytes -= length;
        for (uint32_t before = from; before != at; before++) {
            if (overlaps(block_keep_get(keep, before), block_keep_get(keep, at)))
                return at;
        }
    }
    return at;
}
