/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who serves a name again and again: how often one ended, and which of the last ones was ended for
 * nothing that it did, by an operator or with its device. Whoever had a session with one of them
 * can tell what became of that one, however many there were since.
 */
#ifndef INTERFACE_LIVES_H
#define INTERFACE_LIVES_H

#include <stdbool.h>
#include <stdint.h>

enum { LIVES_KNOWN = 32 };

struct lives {
    uint32_t ended;   /* wraps */
    uint32_t excused; /* a bit for each of the last LIVES_KNOWN: bit 0 is the last */
};

static inline void lives_end(struct lives *lives, bool excused)
{
    lives->ended++;
    lives->excused = lives->excused << 1 | excused;
}

/* Whether the one that was there when `ended` others had gone was excused. False too if it is not
 * gone, or so long that it is not known. */
static inline bool lives_excused(const struct lives *lives, uint32_t ended)
{
    uint32_t since = lives->ended - ended;

    return since > 0 && since <= LIVES_KNOWN && lives->excused >> (since - 1) & 1;
}

#endif
