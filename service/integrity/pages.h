/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which pages of a session's memory are free. A run of them lies in one word of 64, which the
 * longest request fills: where one does not fit now it does when those before it have ended.
 */
#ifndef SERVICE_INTEGRITY_PAGES_H
#define SERVICE_INTEGRITY_PAGES_H

#include <stdbool.h>
#include <stdint.h>

enum { PAGES_SIZE = 4096, PAGES_RUN = 64, PAGES_COUNT = 128 };

struct pages {
    uint64_t free[PAGES_COUNT / PAGES_RUN]; /* a bit each */
    uint64_t used[PAGES_COUNT / PAGES_RUN]; /* those that were taken since the start */
};

/* All of them free, and never used. */
void pages_init(struct pages *pages);

/* The first of so many next to each other, PAGES_RUN at most; -1: there is no room. */
int pages_take(struct pages *pages, unsigned count);
void pages_give(struct pages *pages, unsigned first, unsigned count);

bool pages_was_used(const struct pages *pages, unsigned page);

#endif
