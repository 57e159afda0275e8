/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Blocks of which other data than it should be was read still when drivers had been replaced for
 * it. If the same is read there again, it is the disk that has it, and no driver is replaced for
 * that. The last few of them.
 */
#ifndef SERVICE_INTEGRITY_ROTTEN_H
#define SERVICE_INTEGRITY_ROTTEN_H

#include <stdbool.h>
#include <stdint.h>

enum { ROTTEN_MOST = 256 };

struct rotten {
    struct {
        uint64_t block;
        uint32_t sum; /* of what is there */
    } entry[ROTTEN_MOST];
    unsigned count, next;
};

void rotten_note(struct rotten *rotten, uint64_t block, uint32_t sum);
bool rotten_has(const struct rotten *rotten, uint64_t block, uint32_t sum);

/* They are written to. */
void rotten_forget(struct rotten *rotten, uint64_t first, uint64_t count);

#endif
