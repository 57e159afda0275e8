/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pages.h"

#include <string.h>

enum { WORDS = PAGES_COUNT / PAGES_RUN };

void pages_init(struct pages *pages)
{
    memset(pages->free, 0xff, sizeof(pages->free));
    memset(pages->used, 0, sizeof(pages->used));
}

/* Where so many bits that are set begin. */
static uint64_t runs_find(uint64_t bits, unsigned count)
{
    for (unsigned have = 1; have < count && bits != 0;) {
        unsigned more = have < count - have ? have : count - have;
        bits &= bits >> more;
        have += more;
    }
    return bits;
}

static uint64_t run_make(unsigned first, unsigned count)
{
    return UINT64_MAX >> (PAGES_RUN - count) << first % PAGES_RUN;
}

int pages_take(struct pages *pages, unsigned count)
{
    for (unsigned word = 0; word < WORDS; word++) {
        uint64_t runs = runs_find(pages->free[word], count);
        if (runs == 0)
            continue;
        unsigned first = word * PAGES_RUN + (unsigned)__builtin_ctzll(runs);
        pages->free[word] &= ~run_make(first, count);
        pages->used[word] |= run_make(first, count);
        return (int)first;
    }
    return -1;
}

void pages_give(struct pages *pages, unsigned first, unsigned count)
{
    pages->free[first / PAGES_RUN] |= run_make(first, count);
}

bool pages_was_used(const struct pages *pages, unsigned page)
{
    return pages->used[page / PAGES_RUN] >> page % PAGES_RUN & 1;
}
