/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rotten.h"

void rotten_note(struct rotten *rotten, uint64_t block, uint32_t sum)
{
    if (rotten_has(rotten, block, sum))
        return;
    unsigned at = rotten->count < ROTTEN_MOST ? rotten->count++ : rotten->next++ % ROTTEN_MOST;
    rotten->entry[at].block = block;
    rotten->entry[at].sum = sum;
}

bool rotten_has(const struct rotten *rotten, uint64_t block, uint32_t sum)
{
    for (unsigned i = 0; i < rotten->count; i++) {
        if (rotten->entry[i].block == block && rotten->entry[i].sum == sum)
            return true;
    }
    return false;
}

void rotten_forget(struct rotten *rotten, uint64_t first, uint64_t count)
{
    for (unsigned i = 0; i < rotten->count;) {
        if (rotten->entry[i].block >= first && rotten->entry[i].block - first < count)
            rotten->entry[i] = rotten->entry[--rotten->count];
        else
            i++;
    }
}
