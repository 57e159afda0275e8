/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Waiting for a device, with the event loop standing still: for attaching and detaching.
 *
 *     for (uint64_t start = clock_now(); !is_ready();) {
 *         if (!wait_more(start, limit))
 *             return ETIMEDOUT;
 *     }
 */
#ifndef KIT_WAIT_H
#define KIT_WAIT_H

#include <stdbool.h>

#include <kit/clock.h>

/* Most answers come at once; after that, let others run between one look and the next. */
#define WAIT_SPIN (2 * CLOCK_MILLISECOND)

/* Wait a little; false: it has been going on for longer than `limit`. */
static inline bool wait_more(uint64_t start, uint64_t limit)
{
    uint64_t waited = clock_now() - start;

    if (waited > WAIT_SPIN)
        clock_sleep(CLOCK_MILLISECOND);
    return waited <= limit;
}

#endif
