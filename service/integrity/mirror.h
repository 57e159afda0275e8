/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which of two copies it is.
 */
#ifndef SERVICE_INTEGRITY_MIRROR_H
#define SERVICE_INTEGRITY_MIRROR_H

#include <stdbool.h>
#include <stdint.h>

#include "filter.h"

struct mirror_copies {
    uint64_t first;
    unsigned count;
    uint32_t block_size;
    const unsigned char *data[FILTER_DISKS]; /* may change at any moment */
    bool there[FILTER_DISKS];                /* it could be read */
    unsigned char *result;
};

enum mirror_outcome {
    MIRROR_SETTLED,
    MIRROR_WRONG,   /* both are other than is known, or could not be read */
    MIRROR_DIFFERS, /* nothing is known, and they are not the same */
};

struct mirror_verdict {
    enum mirror_outcome outcome;
    uint64_t block;   /* the first one that is not settled */
    unsigned wrong;   /* disks, a bit each, that have to be written */
    unsigned lied;    /* disks that said OK and had other data than is known */
    unsigned unknown; /* blocks that were settled by preference */
};

/* Decide for each block: the copy with the checksum that is known; the same in both; or, if they
 * differ, `prefer`'s (FILTER_DISKS: nobody's). Settled: what it is is in `result`, and known from
 * now on. */
void mirror_merge(struct table *table, unsigned prefer, const struct mirror_copies *copies,
                  struct mirror_verdict *verdict);

#endif
