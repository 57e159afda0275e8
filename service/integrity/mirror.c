/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mirror.h"

#include <string.h>

#include "checksum.h"

enum { BLOCK_SIZE_MAX = 65536 };

/* The disk that has the block; FILTER_DISKS: none that anybody could tell. */
static unsigned block_choose(const bool good[FILTER_DISKS], bool known, bool same, unsigned prefer)
{
    if (good[0] && (known || same || !good[1]))
        return 0;
    if (good[1] && (known || !good[0]))
        return 1;
    return good[0] && good[1] ? prefer : FILTER_DISKS;
}

static void block_merge(struct table *table, unsigned prefer, const struct mirror_copies *copies,
                        unsigned at, struct mirror_verdict *verdict)
{
    static unsigned char data[FILTER_DISKS][BLOCK_SIZE_MAX];
    uint32_t sum[FILTER_DISKS], wanted;
    size_t offset = (size_t)at * copies->block_size;
    bool known = table_lookup(table, copies->first + at, &wanted), good[FILTER_DISKS];

    for (unsigned disk = 0; disk < FILTER_DISKS; disk++) {
        checksum_copy(copies->data[disk] + offset, data[disk], NULL, copies->block_size, 1,
                      &sum[disk]);
        good[disk] = copies->there[disk] && (!known || sum[disk] == wanted);
        if (copies->there[disk] && !good[disk])
            verdict->lied |= 1u << disk;
    }
    bool same = good[0] && good[1] && memcmp(data[0], data[1], copies->block_size) == 0;
    unsigned chosen = block_choose(good, known, same, prefer);
    if (chosen == FILTER_DISKS) {
        if (verdict->outcome == MIRROR_SETTLED)
            verdict->block = copies->first + at;
        if (verdict->outcome != MIRROR_WRONG)
            verdict->outcome = good[0] && good[1] ? MIRROR_DIFFERS : MIRROR_WRONG;
        return;
    }
    if (!same)
        verdict->wrong |= 1u << (1 - chosen);
    verdict->unknown += !known && !same;
    memcpy(copies->result + offset, data[chosen], copies->block_size);
    table_set(table, copies->first + at, 1, &sum[chosen]);
}

void mirror_merge(struct table *table, unsigned prefer, const struct mirror_copies *copies,
                  struct mirror_verdict *verdict)
{
    *verdict = (struct mirror_verdict){.outcome = MIRROR_SETTLED};
    for (unsigned at = 0; at < copies->count; at++)
        block_merge(table, prefer, copies, at, verdict);
}
