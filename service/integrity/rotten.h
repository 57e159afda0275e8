/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Blocks that have other data than they should, whichever driver reads them: it is the disk that
 * has it, and no driver is to be replaced for what it reads there any more. The last few of them.
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
